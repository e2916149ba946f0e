"""What the modules flax, mlx, tensorflow and paddle are made of."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..buffers import shown
from . import bytes_of_plain, entries_of, is_archive, is_path, layout, load_all, saved, write
from .numpy import entry_of as entry_of_numpy

if TYPE_CHECKING:
    from ..bases import Base


class Twin:
    """The functions of a module of the package safetensors, for archives. `to_numpy` turns a tensor of the framework
    into a numpy array of the same bytes, whose type names that of the tensor."""

    def __init__(self, module: str, framework: str, to_numpy: Callable[[Any], Any]) -> None:
        self._module = module
        self._framework = framework
        self._to_numpy = to_numpy

    def _plain(self) -> Any:
        return importlib.import_module(f"safetensors.{self._module}")

    def _entry_of(self, name: str, tensor: Any) -> layout.Entry:
        try:
            array = self._to_numpy(tensor)
        except (AttributeError, RuntimeError, TypeError, ValueError) as error:
            what = f"{shown(name)} is a {type(tensor).__name__} that cannot be a numpy array: {error}"
            raise ValueError(what) from error
        return entry_of_numpy(name, array)

    def save_file(
        self, tensors: dict[str, Any], filename: Any, metadata: dict[str, str] | None = None, level: int | None = None
    ) -> None:
        """Writes an archive if the name ends in .znn, or to a file object; otherwise a plain file, through the package
        safetensors."""
        if not is_path(filename) or os.fsdecode(filename).endswith(".znn"):
            write(entries_of(tensors, self._entry_of), filename, metadata, level)
        else:
            self._plain().save_file(tensors, filename, metadata)

    def save(
        self, tensors: dict[str, Any], metadata: dict[str, str] | None = None, level: int | None = None
    ) -> bytes:
        """Returns the archive as bytes."""
        return saved(entries_of(tensors, self._entry_of), metadata, level)

    def load_file(
        self, filename: Any, threads: int | None = None, *, backend: str = "mmap", base: Base = None
    ) -> dict[str, Any]:
        """Returns every tensor of an archive or a plain file, which is a path, bytes or a seekable binary file object.
        bf16 and fp8 need the package ml_dtypes. `base` leads to what an archive was made against (zipnn.bases)."""
        if is_archive(filename):
            return load_all(filename, self._framework, None, threads, backend, base)[0]
        if isinstance(filename, (str, os.PathLike)):
            loaded: dict[str, Any] = self._plain().load_file(filename, backend=backend)
        else:
            loaded = self._plain().load(bytes_of_plain(filename))
        return loaded

    def load(self, data: Any, threads: int | None = None, *, base: Base = None) -> dict[str, Any]:
        """Does the same for bytes."""
        return self.load_file(data, threads, base=base)
