"""safetensors.torch for archives: load, load_file, save, save_file."""

from __future__ import annotations

import os
from typing import Any

import torch

from .. import dtypes
from ..archives import memory_of_torch
from . import is_archive, layout, load_all, write

__all__ = ["load", "load_file", "save", "save_file"]


class _Memory:
    """The bytes of a tensor; brings them to the CPU when they are wanted and keeps them until the next one's turn."""

    held: torch.Tensor | None = None

    def __call__(self, tensor: torch.Tensor) -> Any:
        self.held = tensor.detach().cpu().resolve_conj().resolve_neg()
        return memory_of_torch(self.held)


def _entry(name: str, tensor: torch.Tensor, memory: _Memory) -> layout.Entry:
    if not isinstance(tensor, torch.Tensor):
        raise ValueError(f"{name} is a {type(tensor).__name__}, not a tensor")
    if tensor.layout != torch.strided:
        raise ValueError(f"{name} is sparse")
    if not tensor.is_contiguous():
        raise ValueError(f"{name} is not contiguous: tensor.contiguous() makes it so")
    nbytes = tensor.numel() * tensor.element_size()
    return layout.Entry(dtypes.name_of(tensor.dtype), tuple(tensor.shape), nbytes, lambda: memory(tensor))


def _refuse_shared(tensors: dict[str, torch.Tensor]) -> None:
    """Tensors of overlapping memory would come back as separate ones."""
    ends = [
        (str(t.device), t.data_ptr(), t.data_ptr() + t.numel() * t.element_size(), name)
        for name, t in tensors.items()
        if t.device.type != "meta" and t.numel() and t.data_ptr()
    ]
    last: tuple[str, int, int, str] | None = None
    for item in sorted(ends):
        if last and last[0] == item[0] and item[1] < last[2]:
            raise RuntimeError(f"{last[3]} and {item[3]} share memory: zipnn.torch.save keeps them tied")
        last = item


def entries_of(tensors: dict[str, torch.Tensor]) -> dict[str, layout.Entry]:
    """What is to be written, whether tensors share memory or not."""
    memory = _Memory()
    return {name: _entry(name, tensor, memory) for name, tensor in tensors.items()}


def _separate_entries(tensors: dict[str, torch.Tensor]) -> dict[str, layout.Entry]:
    entries = entries_of(tensors)
    _refuse_shared(tensors)
    return entries


def save_file(
    tensors: dict[str, torch.Tensor], filename: Any, metadata: dict[str, str] | None = None, level: int | None = None
) -> None:
    """Writes an archive when the name ends in .znn, else a plain file through the package safetensors."""
    if os.fsdecode(filename).endswith(".znn"):
        write(_separate_entries(tensors), os.fsdecode(filename), metadata, level)
    else:
        from safetensors.torch import save_file as save_plain

        save_plain(tensors, filename, metadata)


def save(tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None, level: int | None = None) -> bytes:
    """The archive as bytes."""
    data = bytearray()
    write(_separate_entries(tensors), data.extend, metadata, level)
    return bytes(data)


def load_file(filename: Any, device: Any = "cpu", threads: int | None = None) -> dict[str, torch.Tensor]:
    """Every tensor of an archive or a plain file. Those of an archive are views of one block of memory."""
    if is_archive(filename):
        return load_all(filename, "pt", None if str(device) == "cpu" else device, threads)[0]
    from safetensors.torch import load_file as load_plain

    return load_plain(filename, device)


def load(data: Any, threads: int | None = None) -> dict[str, torch.Tensor]:
    """The same of bytes."""
    if is_archive(data):
        return load_all(data, "pt", None, threads)[0]
    from safetensors.torch import load as load_plain

    return load_plain(data)
