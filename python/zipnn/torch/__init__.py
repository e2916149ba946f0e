"""State dicts, without pickle: the safetensors layout in an archive, tied weights kept tied."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch

from ..buffers import check_torch, shown
from ..safetensors import bytes_of_plain, is_archive, load_all, write
from ..safetensors.exceptions import FormatError
from ..safetensors.layout import read_header
from ..safetensors.torch import entry_of, load_file

if TYPE_CHECKING:
    from ..bases import Base

__all__ = ["save", "load"]

# Metadata "zipnn.tied:NAME" = name of the tensor that is the same one.
_TIED = "zipnn.tied:"


def save(
    state_dict: dict[str, torch.Tensor],
    filename: Any,
    metadata: dict[str, str] | None = None,
    level: int | None = None,
) -> None:
    """Writes a flat dict of names to tensors to a path or a binary file object. Tensors that are one and the same are
    stored once and tied again by load(); those that are not contiguous are stored as contiguous ones, and those that
    overlap otherwise as separate ones.

    Other objects (an optimizer's state, numbers, nested dicts) are left to torch.save, which writes an archive so:

        with zipnn.open("checkpoint.pt.znn", "wb") as f:
            torch.save(checkpoint, f)
    """
    if not isinstance(state_dict, dict):
        raise TypeError(f"a dict of names to tensors is saved, not a {type(state_dict).__name__}")
    notes = dict(metadata or {})
    for key in notes:
        if isinstance(key, str) and key.startswith(_TIED):
            raise ValueError(f"the metadata's key {shown(key)} is one that load() takes for a tied tensor")
    entries = {}
    first: dict[tuple[object, ...], str] = {}
    for name, tensor in state_dict.items():
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(
                f"{shown(name)} is a {type(tensor).__name__}: only tensors are saved here, other objects by "
                "torch.save(obj, f) with f of zipnn.open(filename, 'wb')"
            )
        check_torch(name, tensor)
        if tensor.numel() and isinstance(name, str) and first.setdefault(_identity(tensor), name) != name:
            notes[_TIED + name] = first[_identity(tensor)]
        else:
            entries[name] = entry_of(name, tensor)
    write(entries, filename, notes or None, level)


def _identity(tensor: torch.Tensor) -> tuple[object, ...]:
    """Returns a key that is equal for tensors that are the same memory."""
    memory = (tensor.device, tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
    return *memory, tensor.is_conj(), tensor.is_neg()


def load(
    filename: Any, device: Any = "cpu", threads: int | None = None, *, base: Base = None
) -> dict[str, torch.Tensor]:
    """Returns the state dict that save() wrote, or that of any safetensors file, plain or in an archive. The file is a
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
    return tensors


def _load_plain(source: Any, device: Any) -> tuple[dict[str, torch.Tensor], dict[str, str] | None]:
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as f:
            _refuse_pickles(f.read(len(_ZIP)), os.fsdecode(source))
            length = os.fstat(f.fileno()).st_size
            metadata = read_header(lambda offset, n: os.pread(f.fileno(), n, offset), length).metadata
    else:
        source = bytes_of_plain(source)
        _refuse_pickles(source[: len(_ZIP)], None)
        metadata = read_header(lambda offset, n: source[offset : offset + n], len(source)).metadata
    return load_file(source, device), metadata


_ZIP, _PICKLE = b"PK\x03\x04", b"\x80\x02"  # how files of torch.save begin


def _refuse_pickles(front: bytes, filename: str | None) -> None:
    if front.startswith((_ZIP, _PICKLE)):
        raise FormatError(None, "a file of torch.save, not one of zipnn.torch.save: torch.load() reads it", filename)
