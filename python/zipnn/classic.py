"""The class of the package zipnn 0.x over the archives of today, for programs that were written for it."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from . import streams
from .archives import Archive
from .buffers import check_torch
from .errors import FormatError, UnsupportedError

_FORMATS = ("byte", "numpy", "torch")

# What 0.x could be told and has no meaning here: the values that were its defaults.
_UNUSED = {
    "method": "AUTO",
    "is_monotonic": 0,
    "compression_threshold": 0.95,
    "check_th_after_percent": 10,
    "byte_reorder": 0,
    "reorder_signbit": 0,
    "compression_chunk": 256 * 1024,
    "is_streaming": False,
    "streaming_chunk": 1024 * 1024,
    "zstd_level": 3,
    "lz4_compression_level": 0,
}
# What changes the result, and is gone.
_GONE = {
    "delta_compressed_type": 0,
    "lossy_compressed_type": 0,
    "lossy_compressed_factor": 27,
    "input_file": None,
    "compressed_file": None,
    "decompressed_file": None,
}


class ZipNN:
    """Compresses and restores bytes, numpy arrays or torch tensors.

    input_format     "byte", "numpy" or "torch"; decompress() gives what compress() was given
    bytearray_dtype  element type of bytes
    threads          0 for as many as are useful

    The other parameters of 0.x are accepted: those that only tuned its coder with a DeprecationWarning when they are
    set, those that asked for lossy or delta compression with an UnsupportedError.
    """

    def __init__(
        self,
        method: str = "AUTO",
        input_format: str = "byte",
        bytearray_dtype: str = "bfloat16",
        is_monotonic: int = 0,
        threads: int = 0,
        **others: Any,
    ) -> None:
        others |= {"method": method.upper(), "is_monotonic": is_monotonic}
        for name, value in others.items():
            self._check(name, value)
        if input_format not in _FORMATS:
            raise ValueError(f"input_format {input_format!r}: one of {', '.join(_FORMATS)}")
        self.input_format = input_format
        self.bytearray_dtype = bytearray_dtype
        self.threads = threads

    @staticmethod
    def _check(name: str, value: Any) -> None:
        if name not in _UNUSED and name not in _GONE:
            raise TypeError(f"ZipNN() has no parameter {name!r}")
        if name in _GONE and value not in (_GONE[name], None):
            raise UnsupportedError(
                None, f"{name}={value!r}: zipnn 1 compresses without loss, and files by compress_file"
            )
        if name in _UNUSED and value != _UNUSED[name]:
            warnings.warn(f"ZipNN({name}=...) has no effect any more", DeprecationWarning, stacklevel=3)

    def compress(self, data: Any) -> bytes:
        """The archive; that of an array or tensor holds a safetensors file with this one tensor."""
        if self.input_format == "byte":
            return streams.compress(data, self.bytearray_dtype, threads=self.threads)
        if self.input_format == "numpy":
            import numpy

            data = numpy.asanyarray(data, order="C")
        else:
            check_torch("data", data)
            data = data.contiguous()
        framework = importlib.import_module(f"zipnn.safetensors.{self.input_format}")
        return framework.save({"data": data})

    def decompress(self, data: Any) -> Any:
        """What compress() was given, here or in zipnn 0.x."""
        if self.input_format == "byte":
            return streams.decompress(data, threads=self.threads)
        with Archive(data, self.threads) as archive:
            if len(archive) != 1:
                raise FormatError(None, f"an archive of one tensor is wanted, this one has {len(archive)}")
            (tensor,) = archive.values()
            return tensor.numpy() if self.input_format == "numpy" else tensor.torch()
