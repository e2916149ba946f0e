"""State dicts and whole checkpoints, without pickle: the safetensors layout in an archive, tied weights kept tied. And
models whose weights stay compressed in memory."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from typing import IO, TYPE_CHECKING, Any

import torch

from ..buffers import check_torch, shown
from ..safetensors import bytes_of_plain, is_archive, layout, load_all, write
from ..safetensors.exceptions import FormatError
from ..safetensors.layout import read_header
from ..safetensors.torch import entry_of, load_file
from .packed import Held, compressed, decompressed, held
from .trees import flattened, restored

if TYPE_CHECKING:
    from ..bases import Base

__all__ = ["Held", "async_save", "compressed", "decompressed", "held", "load", "save"]

# Metadata "zipnn.tied:NAME" = name of the tensor that is the same one.
_TIED = "zipnn.tied:"
# Metadata with the structure of what was no flat dict.
_TREE = "zipnn.tree"


def save(
    obj: Any,
    filename: Any,
    metadata: dict[str, str] | None = None,
    level: int | None = None,
) -> None:
    """Writes tensors to a path or a binary file object, without pickle: a flat dict of names to tensors, or any tree of
    tensors and plain values, such as the state of an optimizer (dict, list, tuple, str, bytes, numbers, None, dtypes,
    devices). Tensors that are one and the same are stored once and tied again by load(); those that are not contiguous
    are stored as contiguous ones, and those that overlap otherwise as separate ones.

    A flat dict is a safetensors file for everybody. The structure of a tree is kept in the metadata of that file; other
    objects are a TypeError that names them, and are left to torch.save(obj, f) with f of zipnn.open(filename, "wb").
    """
    write(*_prepared(obj, metadata, copies=False, filename=filename), level)


def async_save(
    obj: Any,
    filename: Any,
    metadata: dict[str, str] | None = None,
    level: int | None = None,
) -> Future[None]:
    """Does the same in the background. When this returns, the tensors have been copied to memory of the CPU and may be
    changed. result() of what is returned waits for the file and raises what went wrong; the interpreter does not end
    before the file is there."""
    prepared = _prepared(obj, metadata, copies=True, filename=filename)
    future: Future[None] = Future()

    def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            write(*prepared, level)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    threading.Thread(target=run, name="zipnn.async_save").start()
    return future


def _prepared(
    obj: Any, metadata: dict[str, str] | None, *, copies: bool, filename: Any
) -> tuple[dict[str, layout.Entry], Any, dict[str, str] | None]:
    """Returns what is to be written, where, and the metadata."""
    notes = dict(metadata or {})
    for key in notes:
        if isinstance(key, str) and key.startswith((_TIED, _TREE)):
            raise ValueError(f"the metadata's key {shown(key)} is one that load() takes for its own")
    entries: dict[str, layout.Entry] = {}
    first: dict[tuple[object, ...], str] = {}

    def add(name: str, tensor: torch.Tensor) -> str:
        """Returns the name that a tensor is stored by: that of one which is the same, if there is one."""
        check_torch(name, tensor)
        if tensor.numel() and isinstance(name, str) and (kept := first.setdefault(_identity(tensor), name)) != name:
            return kept
        entries[name] = entry_of(name, tensor.detach().to("cpu", copy=True) if copies else tensor)
        return name

    def add_of_tree(path: str, tensor: torch.Tensor) -> str:
        name = path.encode("utf-8", "backslashreplace").decode() or "tensor"
        while name in entries or name == "__metadata__":
            name += "'"
        return add(name, tensor)

    if isinstance(obj, dict) and all(isinstance(tensor, torch.Tensor) for tensor in obj.values()) and _has_names(obj):
        for name, tensor in obj.items():
            kept = add(name, tensor)
            if kept != name:
                notes[_TIED + name] = kept
    else:
        notes[_TREE] = flattened(obj, add_of_tree)
    return entries, filename, notes or None


def _has_names(obj: dict[Any, Any]) -> bool:
    return all(isinstance(name, str) for name in obj)


def _identity(tensor: torch.Tensor) -> tuple[object, ...]:
    """Returns a key that is equal for tensors that are the same memory."""
    memory = (tensor.device, tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
    return *memory, tensor.is_conj(), tensor.is_neg()


def load(filename: Any, device: Any = "cpu", threads: int | None = None, *, base: Base = None) -> Any:
    """Returns what save() wrote, or the state dict of any safetensors file, plain or in an archive. The file is a
    path, bytes or a seekable binary file object. Tied tensors are one tensor; every other one has a storage of its
    own."""
    if is_archive(filename):
        tensors, metadata = load_all(filename, "pt", device, threads, base=base)
    else:
        tensors, metadata = _load_plain(filename, device)
    for key, kept in (metadata or {}).items():
        if key.startswith(_TIED):
            name = key.removeprefix(_TIED)
            if kept not in tensors:
                raise FormatError(None, f"{shown(name)} is tied to {shown(kept)}, which is not there")
            tensors.setdefault(name, tensors[kept])
    tree = (metadata or {}).get(_TREE)
    return tensors if tree is None else restored(tree, tensors)


def _read_at(f: IO[bytes], offset: int, n: int) -> bytes:
    f.seek(offset)
    return f.read(n)


def _load_plain(source: Any, device: Any) -> tuple[dict[str, torch.Tensor], dict[str, str] | None]:
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as f:
            _refuse_pickles(f.read(len(_ZIP)), os.fsdecode(source))
            length = os.fstat(f.fileno()).st_size
            metadata = read_header(lambda offset, n: _read_at(f, offset, n), length).metadata
    else:
        source = bytes_of_plain(source)
        _refuse_pickles(source[: len(_ZIP)], None)
        metadata = read_header(lambda offset, n: source[offset : offset + n], len(source)).metadata
    return load_file(source, device), metadata


_ZIP, _PICKLE = b"PK\x03\x04", b"\x80\x02"  # how files of torch.save begin


def _refuse_pickles(front: bytes, filename: str | None) -> None:
    if front.startswith((_ZIP, _PICKLE)):
        raise FormatError(None, "a file of torch.save, not one of zipnn.torch.save: torch.load() reads it", filename)
