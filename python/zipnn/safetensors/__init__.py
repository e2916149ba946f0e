"""Twins of the package safetensors that read and write archives (model.safetensors.znn) as the originals do plain
files. Plain files are left to the package safetensors, which must be installed for them.

    from zipnn.safetensors import safe_open
    from zipnn.safetensors.torch import load_file, save_file     # or .numpy
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from .. import _zipnn
from ..archives import Archive, Tensor, memory_of_torch, shape_numpy, shape_torch
from ..errors import FormatError
from . import layout

__all__ = ["safe_open", "is_archive"]

_MAGIC = b"\x8fZNN\r\n\x1a\n"
_MAGICS = (_MAGIC, b"ZN")
_FRAMEWORKS = {"pt": "pt", "torch": "pt", "pytorch": "pt", "np": "np", "numpy": "np"}


def is_archive(data_or_path: Any) -> bool:
    """Whether a file, or bytes, begin as an archive does, or as a record of zipnn 0.x. A file named .znn.safetensors is
    one of these in the form of safetensors."""
    if not isinstance(data_or_path, (str, os.PathLike)):
        return bytes(memoryview(data_or_path).cast("B")[: len(_MAGIC)]).startswith(_MAGICS)
    if os.fsdecode(data_or_path).endswith(".znn.safetensors"):
        return True
    with open(data_or_path, "rb") as f:
        return f.read(len(_MAGIC)).startswith(_MAGICS)


def find_archive(filename: Any) -> str | None:
    """The archive that a name leads to: the file itself, or, where there is none of that name, the one with .znn behind
    it; None for plain files and for what is not there."""
    path = os.fsdecode(filename)
    if os.path.exists(path):
        return path if os.path.isfile(path) and is_archive(path) else None
    return path + ".znn" if os.path.isfile(path + ".znn") else None


def open_model(source: Any, threads: int | None = None, access: str = "map") -> tuple[Archive, dict[str, str] | None, int]:
    """An archive of a safetensors file, its metadata and where its tensors begin."""
    archive = Archive(source, threads, access)
    if archive.info.container != "safetensors" and not (archive.info.container == "zipnn 0.x" and len(archive) > 1):
        archive.close()
        raise FormatError(None, "the archive does not hold a safetensors file", _name(source))
    return archive, *layout.read_header(archive.read_range)


def _name(source: Any) -> str | None:
    return os.fsdecode(source) if isinstance(source, (str, os.PathLike)) else None


def load_all(
    source: Any, framework: str, device: Any = None, threads: int | None = None
) -> tuple[dict[str, Any], dict[str, str] | None]:
    """Every tensor of an archive, and the metadata. The tensors are views of one block of memory, which lives as long
    as any of them."""
    archive, metadata, start = open_model(source, threads, "whole")
    with archive:
        block, shape = _numpy_block(archive, start) if framework == "np" else _torch_block(archive, start, device)
        tensors = {}
        for t in archive.values():
            at = t.offset - start
            tensors[t.name] = shape(block[at : at + t.nbytes], t.dtype, t.shape)
        return tensors, metadata


def _numpy_block(archive: Archive, start: int) -> tuple[Any, Any]:
    import numpy

    block = numpy.empty(archive.info.original - start, numpy.uint8)
    archive.read_into(start, block.data)
    return block, shape_numpy


def _torch_block(archive: Archive, start: int, device: Any) -> tuple[Any, Any]:
    import torch

    block = torch.empty(archive.info.original - start, dtype=torch.uint8)
    archive.read_into(start, memory_of_torch(block))
    return block if device is None else block.to(device), shape_torch


def write(entries: dict[str, layout.Entry], sink: Any, metadata: dict[str, str] | None, level: int | None) -> None:
    reader = layout.PartsReader(layout.parts(entries, metadata))
    source = (reader.read, None, None)
    _zipnn.pack(source, sink, _zipnn.FILE_REPLACE, None, level or 0, 0, True, False, None)


class _Slice:
    """A tensor that is indexed before it is decoded: of the first axis only what is wanted is read."""

    def __init__(self, tensor: Tensor, decode: Any) -> None:
        self._tensor = tensor
        self._decode = decode

    def get_shape(self) -> list[int]:
        return list(self._tensor.shape)

    def get_dtype(self) -> str:
        return self._tensor.dtype

    def __getitem__(self, index: Any) -> Any:
        index = index if isinstance(index, tuple) else (index,)
        if index and _narrows(index[0]) and self._tensor.shape:
            rest = index[1:] if hasattr(index[0], "__index__") else (slice(None), *index[1:])
            return self._decode(self._tensor[index[0]])[rest]
        return self._decode(self._tensor)[index]


def _narrows(first: Any) -> bool:
    if isinstance(first, slice):
        return first.step in (None, 1)
    return hasattr(first, "__index__") and not isinstance(first, bool) and getattr(first, "ndim", 0) == 0


class _ArchiveFile:
    def __init__(self, filename: Any, framework: str, device: Any, threads: int | None) -> None:
        self._archive, self._metadata, _ = open_model(filename, threads)
        self._framework = framework
        self._device = device

    def keys(self) -> list[str]:
        return sorted(self._archive, key=str.encode)

    def offset_keys(self) -> list[str]:
        return sorted(self._archive, key=lambda name: (self._archive[name].offset, self._archive[name].nbytes))

    def metadata(self) -> dict[str, str] | None:
        return self._metadata

    def _decode(self, tensor: Tensor) -> Any:
        return tensor.numpy() if self._framework == "np" else tensor.torch(self._device)

    def get_tensor(self, name: str) -> Any:
        return self._decode(self._archive[name])

    def get_slice(self, name: str) -> _Slice:
        return _Slice(self._archive[name], self._decode)

    def get_tensors(self) -> dict[str, Any]:
        return {name: self.get_tensor(name) for name in self.keys()}

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __enter__(self) -> _ArchiveFile:
        return self

    def __exit__(self, *unused: object) -> None:
        self._archive.close()


def safe_open(filename: Any, framework: str, device: Any = "cpu", threads: int | None = None) -> Any:
    """Opens a model file lazily, as safetensors.safe_open does.

    filename   an archive of a safetensors file, or a plain one
    framework  "pt" or "np" for archives; whatever safetensors knows for plain files
    """
    if not is_archive(filename):
        import safetensors

        return safetensors.safe_open(filename, framework, device)
    return open_archive(filename, framework, device, threads)


def open_archive(filename: Any, framework: str, device: Any = "cpu", threads: int | None = None) -> _ArchiveFile:
    """safe_open of what is known to be an archive."""
    if framework not in _FRAMEWORKS:
        raise ValueError(f"framework {framework!r}: archives are opened for pt and np")
    name = _FRAMEWORKS[framework]
    return _ArchiveFile(filename, name, None if name == "np" or str(device) == "cpu" else device, threads)
