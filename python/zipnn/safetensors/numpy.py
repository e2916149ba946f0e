"""safetensors.numpy for archives: load, load_file, save, save_file."""

from __future__ import annotations

import os
from typing import Any

from .. import dtypes
from . import is_archive, layout, load_all, write

__all__ = ["load", "load_file", "save", "save_file"]


def _entry(name: str, array: Any) -> layout.Entry:
    import numpy

    def memory() -> Any:
        little = array.astype(array.dtype.newbyteorder("<"), copy=False) if array.dtype.byteorder == ">" else array
        return little.reshape(-1).view(numpy.uint8).data

    if not array.flags.c_contiguous:
        raise ValueError(f"{name} is not contiguous")
    return layout.Entry(dtypes.name_of(array.dtype), array.shape, array.nbytes, memory)


def _entries(tensors: dict[str, Any]) -> dict[str, layout.Entry]:
    return {name: _entry(name, array) for name, array in tensors.items()}


def save_file(
    tensors: dict[str, Any], filename: Any, metadata: dict[str, str] | None = None, level: int | None = None
) -> None:
    """Writes an archive when the name ends in .znn, else a plain file through the package safetensors."""
    if os.fsdecode(filename).endswith(".znn"):
        write(_entries(tensors), os.fsdecode(filename), metadata, level)
    else:
        from safetensors.numpy import save_file as save_plain

        save_plain(tensors, filename, metadata)


def save(tensors: dict[str, Any], metadata: dict[str, str] | None = None, level: int | None = None) -> bytes:
    """The archive as bytes."""
    data = bytearray()
    write(_entries(tensors), data.extend, metadata, level)
    return bytes(data)


def load_file(filename: Any, threads: int | None = None) -> dict[str, Any]:
    """Every tensor of an archive or a plain file. Those of an archive are views of one block of memory."""
    if is_archive(filename):
        return load_all(filename, "np", None, threads)[0]
    from safetensors.numpy import load_file as load_plain

    return load_plain(filename)


def load(data: Any, threads: int | None = None) -> dict[str, Any]:
    """The same of bytes."""
    if is_archive(data):
        return load_all(data, "np", None, threads)[0]
    from safetensors.numpy import load as load_plain

    return load_plain(data)
