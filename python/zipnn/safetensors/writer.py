"""Writes a model tensor by tensor."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import Any

from .. import fileobj
from ..buffers import is_torch, shown
from . import is_path, layout, write

__all__ = ["Writer"]


def _entry(name: str, tensor: Any) -> layout.Entry:
    if is_torch(tensor):
        from . import torch

        return torch.entry_of(name, tensor)
    from . import numpy

    return numpy.entry_of(name, tensor)


class Writer:
    """An archive of a safetensors file that is written tensor by tensor, so that no more than one has to be in memory.

        with Writer("model.safetensors.znn", {"a": ("BF16", (4096, 4096)), "b": ("F32", (10,))}) as w:
            w["a"] = tensor
            w["b"] = array

    path      of the archive, or a binary file object to write it to
    shapes    type and shape of every tensor, in the order in which they come; the header is written first. Without it
              tensors may come in any order, and are kept in a temporary file until the end
    metadata  a dict of str to str

    Tensors are those of torch or numpy, of any strides. The file appears when close() has found it complete; if the
    `with` block is left by an exception, or the object is forgotten, there is none.
    """

    def __init__(
        self,
        path: Any,
        shapes: Mapping[str, tuple[Any, tuple[int, ...]]] | None = None,
        metadata: dict[str, str] | None = None,
        level: int | None = None,
        threads: int | None = None,
    ) -> None:
        self._target, self._metadata, self._level = path, metadata, level
        self._entries: dict[str, layout.Entry] = {}  # what has come
        self._expected: list[tuple[str, layout.Entry]] | None = None
        self._closed = False
        if shapes is None:
            layout.header_of({}, metadata)
            folder = os.path.dirname(os.path.abspath(os.fsdecode(path))) if is_path(path) else None
            self._out: Any = tempfile.TemporaryFile(dir=folder)
            return
        entries = {}
        for name, (dtype, shape) in shapes.items():
            kind, dims = layout.type_of(dtype), tuple(shape)
            entries[name] = layout.Entry(kind, dims, layout.bytes_of(kind, dims), bytes)
        head = layout.header_of(entries, metadata)
        self._expected = list(entries.items())
        self._out = fileobj.open(path, "wb", level=level, threads=threads)
        self._out.write(head)

    def __setitem__(self, name: str, tensor: Any) -> None:
        """Writes a tensor."""
        if self._closed:
            raise ValueError("the writer is closed")
        entry = _entry(name, tensor)
        if name in self._entries:
            raise ValueError(f"{shown(name)} has been written already")
        if self._expected is not None:
            self._check(name, entry)
        else:
            layout.header_of({name: entry}, None)
        start = 0 if self._expected is not None else self._out.tell()
        self._out.write(entry.memory())
        self._entries[name] = entry._replace(memory=lambda: self._spooled(start, entry.nbytes))

    def _check(self, name: str, entry: layout.Entry) -> None:
        expected = self._expected or []
        if len(self._entries) == len(expected):
            raise ValueError(f"{shown(name)} is one more than the {len(expected)} tensors of the header")
        wanted, stated = expected[len(self._entries)]
        if name != wanted:
            raise ValueError(f"{shown(name)} comes where the header has {shown(wanted)}")
        if entry[:2] != stated[:2]:
            what, was = (f"{e.dtype} {list(e.shape)}" for e in (entry, stated))
            raise ValueError(f"{shown(name)} is {what}, the header has {was}")

    def _spooled(self, start: int, nbytes: int) -> bytes:
        self._out.seek(start)
        data: bytes = self._out.read(nbytes)
        return data

    def close(self) -> None:
        """Gives the file its name. Raises ValueError, and there is no file, if tensors of the header are missing."""
        if self._closed:
            return
        missing = [name for name, _ in (self._expected or [])[len(self._entries) :]]
        if missing:
            self.discard()
            raise ValueError(f"{len(missing)} tensors of the header are missing, the first is {shown(missing[0])}")
        self._closed = True
        try:
            if self._expected is None:
                write(self._entries, self._target, self._metadata, self._level)
        finally:
            self._out.close()

    def discard(self) -> None:
        """Ends without a file."""
        if not self._closed:
            self._closed = True
            self._out.close() if self._expected is None else self._out.discard()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.close() if kind is None else self.discard()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True) and hasattr(self, "_out"):
            self.discard()
