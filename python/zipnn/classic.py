"""The class of the package zipnn 0.x over the archives of today, for programs that were written for it."""

from __future__ import annotations

import importlib
import inspect
import warnings
from typing import Any

from . import _zipnn, streams
from .archives import Archive
from .buffers import check_torch, is_torch
from .errors import CorruptError, FormatError, TruncatedError, UnsupportedError, ZipnnError

__all__ = ["ZipNN"]

_METHODS = {"AUTO": 0, "HUFFMAN": 1, "ZSTD": 2, "LZ4": 3, "SNAPPY": 4}
_FORMATS = {"byte": 1, "torch": 2, "numpy": 3}
_DELTAS = (0, None, "byte", "file")

# Parameters of 0.x that only tuned its coder, or never had an effect.
_UNUSED = (
    "is_monotonic",
    "compression_threshold",
    "check_th_after_percent",
    "byte_reorder",
    "reorder_signbit",
    "lossy_compressed_factor",
    "compression_chunk",
    "is_streaming",
    "streaming_chunk",
    "input_file",
    "compressed_file",
    "decompressed_file",
    "zstd_level",
    "lz4_compression_level",
)

# How an archive of a tensor says that it is one: in the metadata of the safetensors file that it holds.
_MARK = "zipnn.ZipNN"


class ZipNN:
    """Compresses and restores bytes, numpy arrays or torch tensors.

    input_format           "byte", "numpy" or "torch": what compress() is given
    bytearray_dtype        element type of bytes
    threads                0 for as many as are useful
    delta_compressed_type  "byte" or "file": compress() and decompress() take a `delta_second_data`, bytes or a path,
                           and what is stored is the difference to it

    The other parameters of 0.x are accepted. Those that only tuned its coder are told with a DeprecationWarning when
    they are set; lossy compression is an UnsupportedError.
    """

    def __init__(
        self,
        method: str = "AUTO",
        input_format: str = "byte",
        bytearray_dtype: Any = "bfloat16",
        is_monotonic: int = 0,
        threads: int = 0,
        compression_threshold: float = 0.95,
        check_th_after_percent: int = 10,
        byte_reorder: int = 0,
        reorder_signbit: int = 0,
        delta_compressed_type: Any = 0,
        lossy_compressed_type: Any = 0,
        lossy_compressed_factor: int = 27,
        compression_chunk: int = 256 * 1024,
        is_streaming: bool = False,
        streaming_chunk: int = 1024 * 1024,
        input_file: str | None = None,
        compressed_file: str | None = None,
        decompressed_file: str | None = None,
        zstd_level: int = 3,
        lz4_compression_level: int = 0,
    ) -> None:
        self.bytearray_dtype = bytearray_dtype
        self.threads = threads
        self.delta_compressed_type = delta_compressed_type
        given = dict(locals())
        del given["self"]
        self.__dict__.update(given)
        self.method = _one_of("method", method.upper(), _METHODS)
        self.input_format = _one_of("input_format", input_format.lower(), _FORMATS)
        _check(given)

    def compress(
        self,
        data: Any,
        compress_cpu_gpu: str = "cpu",
        delta_second_data: Any = None,
        lossy_compressed_type: Any = None,
        lossy_compressed_factor: Any = None,
    ) -> bytes:
        """Returns the archive. The archive of an array or tensor holds a safetensors file with this one tensor."""
        base = self._base(delta_second_data)
        if self.input_format == _FORMATS["byte"]:
            if base is not None and len(memoryview(data).cast("B")) != len(base):
                raise ValueError("delta_second_data must be as long as the data")
            return streams.compress(data, self.bytearray_dtype, threads=self.threads, base=base)
        name = "torch" if self.input_format == _FORMATS["torch"] else "numpy"
        if name == "numpy":
            import numpy

            data = numpy.asanyarray(data, order="C")
        else:
            check_torch("data", data)
            data = data.detach().contiguous()
        framework = importlib.import_module(f"zipnn.safetensors.{name}")
        archive: bytes = framework.save({"data": data}, {_MARK: name})
        return archive

    def decompress(self, data: Any, decompress_cpu_gpu: str = "cpu", delta_second_data: Any = None) -> Any:
        """Returns what compress() was given, here or in zipnn 0.x, whatever the input_format of this object is: a
        tensor, an array or, for bytes, a bytearray. For several archives of bytes behind each other it returns all of
        their bytes."""
        if is_torch(data):
            data = data.cpu().contiguous().numpy()
        base = self._base(delta_second_data)
        if base is None and (kind := self._kind(data)) is not None:
            return tensor_of(data, kind, self.threads)
        try:
            return _bytes(data, self.threads, base)
        except (CorruptError, FormatError) as error:
            parts = [] if base is not None else _parts(memoryview(data).cast("B"))
            if len(parts) < 2:
                raise error
            return bytearray().join(_bytes(part, self.threads, None) for part in parts)

    def _base(self, second: Any) -> Any:
        if self.delta_compressed_type in (0, None):
            if second is not None:
                raise ValueError("delta_second_data is given, but ZipNN() was made without delta_compressed_type")
            return None
        if second is None:
            raise ValueError(f"delta_compressed_type={self.delta_compressed_type!r} needs delta_second_data")
        if self.delta_compressed_type == "byte":
            return second
        with open(second, "rb") as f:
            return f.read()

    def _kind(self, data: Any) -> str | None:
        """Returns "torch" or "numpy" if `data` holds a tensor that is to be returned as one; None for bytes."""
        head = bytes(memoryview(data).cast("B")[:9])
        if head[:2] == b"ZN":
            return {2: "torch", 3: "numpy"}.get(head[8] if len(head) == 9 else 0)
        own = {number: name for name, number in _FORMATS.items()}[self.input_format]
        try:
            archive = Archive(data, self.threads)
        except (CorruptError, FormatError, TruncatedError):
            return None  # restoring it says why, or finds that there are several
        with archive:
            marked = _mark(archive)
            if marked is None and own != "byte" and len(archive) > 1:
                raise FormatError(None, f"an archive of one tensor is wanted, this one has {len(archive)}")
            return marked or (own if own != "byte" and len(archive) == 1 else None)


def _one_of(name: str, value: str, known: dict[str, int]) -> int:
    if value not in known:
        raise ValueError(f"{name} {value!r}: one of {', '.join(known)}")
    return known[value]


def _check(given: dict[str, Any]) -> None:
    if given["lossy_compressed_type"] not in (0, None):
        raise UnsupportedError(None, "lossy_compressed_type: what zipnn compresses comes back bit by bit")
    if given["delta_compressed_type"] not in _DELTAS:
        raise ValueError(f"delta_compressed_type {given['delta_compressed_type']!r}: one of 0, byte, file")
    for name in ("compression_chunk", "streaming_chunk"):
        if given[name] & (given[name] - 1):
            raise ValueError(f"{name} must be a power of 2")
    if given["is_streaming"] and given["input_format"].lower() != "byte":
        raise ValueError("is_streaming is for bytes only")
    defaults = inspect.signature(ZipNN).parameters
    for name in _UNUSED:
        if given[name] != defaults[name].default:
            warnings.warn(f"ZipNN({name}=...) has no effect any more", DeprecationWarning, stacklevel=3)


def _mark(archive: Archive) -> str | None:
    if archive.info.container != "safetensors" or list(archive) != ["data"]:
        return None
    from .safetensors import layout

    metadata = layout.read_header(archive.read_range, archive.info.original).metadata or {}
    return metadata.get(_MARK) if metadata.get(_MARK) in _FORMATS else None


def tensor_of(data: Any, kind: str, threads: int = 0) -> Any:
    """Returns the one tensor that an archive or a record holds, for "torch" or "numpy"."""
    with Archive(data, threads) as archive:
        if len(archive) != 1:
            raise FormatError(None, f"an archive of one tensor is wanted, this one has {len(archive)}")
        (tensor,) = archive.values()
        return tensor.numpy() if kind == "numpy" else tensor.torch()


def _bytes(data: Any, threads: int, base: Any) -> bytearray:
    buffer = bytearray(streams.original_size(data))
    n = streams.decompress_into(data, buffer, threads, base=base)
    if n != len(buffer):
        raise CorruptError(None, "the archive changed while it was restored")
    return buffer


_BEGIN, _END = b"\x8fZNN\r\n\x1a\n", b"ZNNEND\n\x8f"
_MOST_TRIES = 10000  # places that look like a seam; more are not looked at in hostile data


def _parts(data: memoryview) -> list[memoryview]:
    """Returns the archives that stand one behind the other in `data`, as programs made them with is_streaming; an empty
    list if it holds something else."""
    whole, parts, start, seam = bytes(data), [], 0, 0
    for _ in range(_MOST_TRIES):
        seam = whole.find(_END + _BEGIN, seam)
        end = len(whole) if seam < 0 else seam + len(_END)
        if _is_archive(data[start:end]):
            parts.append(data[start:end])
            start = end
        if seam < 0:
            break
        seam = end
    return parts if start == len(whole) else []


def _is_archive(data: memoryview) -> bool:
    try:
        _zipnn.original_size(data)
        return True
    except ZipnnError:
        return False
