"""safetensors.numpy for archives: load, load_file, save, save_file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..buffers import check_numpy, numpy_bytes, shown
from . import bytes_of_plain, entries_of, is_archive, is_path, layout, load_all, saved, write

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..bases import Base

__all__ = ["load", "load_file", "save", "save_file"]


def entry_of(name: str, array: Any) -> layout.Entry:
    """Returns the entry to write for an array. Raises ValueError if it has no bytes, or an unknown type."""
    check_numpy(name, array)
    try:
        dtype = layout.type_of(array.dtype)
    except ValueError as error:
        raise ValueError(f"{shown(name)} has a type that safetensors does not know: {error}") from None
    return layout.Entry(dtype, array.shape, array.nbytes, lambda: numpy_bytes(name, array))


def save_file(
    tensors: dict[str, NDArray[Any]], filename: Any, metadata: dict[str, str] | None = None, level: int | None = None
) -> None:
    """Writes an archive if the name ends in .znn, or to a file object; otherwise a plain file, through the package
    safetensors."""
    if not is_path(filename) or os.fsdecode(filename).endswith(".znn"):
        write(entries_of(tensors, entry_of), filename, metadata, level)
    else:
        from safetensors.numpy import save_file as save_plain

        save_plain(tensors, filename, metadata)


def save(tensors: dict[str, NDArray[Any]], metadata: dict[str, str] | None = None, level: int | None = None) -> bytes:
    """Returns the archive as bytes."""
    return saved(entries_of(tensors, entry_of), metadata, level)


def load_file(
    filename: Any, threads: int | None = None, *, backend: str = "mmap", base: Base = None
) -> dict[str, NDArray[Any]]:
    """Returns every tensor of an archive or a plain file, which is a path, bytes or a seekable binary file object. Each
    array has memory of its own. `base` leads to what an archive was made against (zipnn.bases)."""
    if is_archive(filename):
        return load_all(filename, "np", None, threads, backend, base)[0]
    import safetensors.numpy as plain

    if isinstance(filename, (str, os.PathLike)):
        loaded: dict[str, NDArray[Any]] = plain.load_file(filename, backend=backend)
    else:
        loaded = plain.load(bytes_of_plain(filename))
    return loaded


def load(data: Any, threads: int | None = None, *, base: Base = None) -> dict[str, NDArray[Any]]:
    """Does the same for bytes."""
    return load_file(data, threads, base=base)
