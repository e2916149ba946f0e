"""State dicts, without pickle: the safetensors layout in an archive, tied weights kept tied."""

from __future__ import annotations

import os
from typing import Any

import torch

from ..safetensors import is_archive, load_all, write
from ..safetensors.torch import entries_of, load_file

__all__ = ["save", "load"]

# Metadata "zipnn.tied:NAME" = name of the tensor that is the same one.
_TIED = "zipnn.tied:"


def save(
    state_dict: dict[str, torch.Tensor],
    filename: Any,
    metadata: dict[str, str] | None = None,
    level: int | None = None,
) -> None:
    """Writes a flat dict of names to tensors. Tensors that are one and the same are stored once and tied again by
    load(); those that are not contiguous are stored as contiguous ones, and those that overlap otherwise as separate
    ones."""
    kept: dict[str, torch.Tensor] = {}
    first: dict[tuple, str] = {}
    notes = dict(metadata or {})
    for name, tensor in state_dict.items():
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"{name} is a {type(tensor).__name__}: only tensors are saved")
        same = (tensor.device, tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
        same += (tensor.is_conj(), tensor.is_neg())
        if tensor.numel() and first.setdefault(same, name) != name:
            notes[_TIED + name] = first[same]
        else:
            kept[name] = tensor.detach().contiguous()
    write(entries_of(kept), os.fsdecode(filename), notes or None, level)


def load(filename: Any, device: Any = "cpu", threads: int | None = None) -> dict[str, torch.Tensor]:
    """The state dict that save() wrote, or any safetensors file, plain or in an archive."""
    if not is_archive(filename):
        return load_file(filename, device)
    tensors, metadata = load_all(filename, "pt", None if str(device) == "cpu" else device, threads)
    for key, name in (metadata or {}).items():
        if key.startswith(_TIED) and name in tensors:
            tensors.setdefault(key.removeprefix(_TIED), tensors[name])
    return tensors
