"""Safetensors files with records: tensors of bytes that the file's metadata lists as compressed. Programs for zipnn 0.x
write them (zipnn.util_safetensors)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from .. import classic
from . import layout
from .exceptions import FormatError

__all__ = ["RecordsFile", "with_records"]

_KEY = "znn_compressed_vectors"


def are_archives(path: Any, magic: bytes) -> bool:
    """Returns whether all records of a safetensors file are archives of this program."""
    with open(path, "rb") as f:

        def read(offset: int, n: int) -> bytes:
            f.seek(offset)
            return f.read(n)

        try:
            header = layout.read_header(read, f.seek(0, os.SEEK_END))
        except FormatError:
            return False
        names = _listed(header.metadata)
        places = [stored for name, stored in header.tensors.items() if name in names]
        return all(read(stored.offset, len(magic)) == magic for stored in places)


def _listed(metadata: dict[str, str] | None) -> dict[str, Any]:
    text = (metadata or {}).get(_KEY)
    try:
        listed = json.loads(text) if text else {}
    except ValueError:
        listed = {}
    return listed if isinstance(listed, dict) else {}


def with_records(file: Any, framework: Any, device: Any) -> Any:
    """Returns what safetensors has opened, or, if it holds records, the same with its tensors as they were."""
    listed = _listed(file.metadata())
    return RecordsFile(file, set(listed), framework, device) if listed else file


def memory_of(stored: Any) -> Any:
    """Returns the bytes of a record, which are a tensor of some framework."""
    import numpy

    return numpy.ascontiguousarray(stored.cpu() if hasattr(stored, "cpu") else stored)


class _Whole:
    """A tensor that is decoded when it is indexed first."""

    def __init__(self, file: RecordsFile, name: str) -> None:
        self._file = file
        self._name = name
        self._tensor: Any = None

    def _decoded(self) -> Any:
        if self._tensor is None:
            self._tensor = self._file.get_tensor(self._name)
        return self._tensor

    def get_shape(self) -> list[int]:
        return list(self._decoded().shape)

    def get_dtype(self) -> str:
        return layout.type_of(self._decoded().dtype)

    def __getitem__(self, index: Any) -> Any:
        return self._decoded()[index]


class RecordsFile:
    """What safe_open returns for a file with records."""

    def __init__(self, file: Any, listed: set[str], framework: Any, device: Any) -> None:
        self._file = file
        self._listed = listed
        self._is_torch = framework in ("pt", "torch", "pytorch")
        self._device = device

    def get_tensor(self, name: str) -> Any:
        stored = self._file.get_tensor(name)
        if name not in self._listed or stored.ndim != 1:
            return stored
        kind = "torch" if self._is_torch else "numpy"
        tensor = classic.tensor_of(memory_of(stored), kind)
        return tensor.to(self._device) if self._is_torch and str(self._device) != "cpu" else tensor

    def get_slice(self, name: str) -> Any:
        return _Whole(self, name) if name in self._listed else self._file.get_slice(name)

    def get_tensors(self) -> dict[str, Any]:
        return {name: self.get_tensor(name) for name in self._file.offset_keys()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._file.keys())

    def __enter__(self) -> RecordsFile:
        self._file.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._file.__exit__(*error)
