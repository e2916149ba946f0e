"""safetensors.torch for archives: load, load_file, load_model, save, save_file, save_model."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ..buffers import check_torch, shown, torch_bytes
from . import bytes_of_plain, entries_of, is_archive, is_path, layout, load_all, saved, write

if TYPE_CHECKING:
    from ..bases import Base

__all__ = ["load", "load_file", "load_model", "save", "save_file", "save_model"]


def entry_of(name: str, tensor: torch.Tensor) -> layout.Entry:
    """Returns the entry to write for a tensor of any strides. Raises ValueError if it has no bytes, or a type that
    safetensors does not know. The bytes are brought to the CPU when they are needed."""
    check_torch(name, tensor)
    try:
        dtype = layout.type_of(tensor.dtype)
    except ValueError:
        raise ValueError(
            f"{shown(name)} is of {tensor.dtype}, which safetensors does not know{_instead(tensor)}"
        ) from None
    nbytes = tensor.numel() * tensor.element_size()
    return layout.Entry(dtype, layout.shape_of(dtype, tensor.shape), nbytes, lambda: torch_bytes(name, tensor))


def _instead(tensor: torch.Tensor) -> str:
    if tensor.is_quantized:
        return ": save int_repr() and its scales, or what dequantize() gives"
    return ": save what torch.view_as_real() gives" if tensor.is_complex() else ""


def _entries(tensors: dict[str, torch.Tensor]) -> dict[str, layout.Entry]:
    entries = entries_of(tensors, entry_of)
    for name, tensor in tensors.items():
        if not tensor.is_contiguous():
            raise ValueError(f"{shown(name)} is not contiguous: contiguous() makes it so")
    for group in _overlapping(tensors):
        names = " and ".join(shown(span.name) for span in group[:2])
        raise RuntimeError(f"{names} share memory: zipnn.torch.save and save_model() keep them tied")
    return entries


class _Span(NamedTuple):
    """The memory from a tensor's first element to its last."""

    device: str
    begin: int
    end: int
    name: str


def _span(name: str, tensor: Any) -> _Span | None:
    """Returns the memory of a tensor, None if it has none."""
    try:
        begin = tensor.data_ptr() if tensor.numel() else 0
    except RuntimeError:
        return None
    if begin == 0:
        return None
    last = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride()))
    return _Span(str(tensor.device), begin, begin + (last + 1) * tensor.element_size(), name)


def _overlapping(tensors: dict[str, torch.Tensor]) -> list[list[_Span]]:
    """Returns groups of two and more tensors whose memory overlaps, directly or over others between them."""
    groups: list[list[_Span]] = []
    reached = 0
    for span in sorted(filter(None, (_span(name, tensor) for name, tensor in tensors.items()))):
        if groups and groups[-1][0].device == span.device and span.begin < reached:
            groups[-1].append(span)
            reached = max(reached, span.end)
        else:
            groups.append([span])
            reached = span.end
    return [group for group in groups if len(group) > 1]


def save_file(
    tensors: dict[str, torch.Tensor], filename: Any, metadata: dict[str, str] | None = None, level: int | None = None
) -> None:
    """Writes an archive if the name ends in .znn, or to a file object; otherwise a plain file, through the package
    safetensors."""
    if not is_path(filename) or os.fsdecode(filename).endswith(".znn"):
        write(_entries(tensors), filename, metadata, level)
    else:
        from safetensors.torch import save_file as save_plain

        save_plain(tensors, filename, metadata)


def save(tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None, level: int | None = None) -> bytes:
    """Returns the archive as bytes."""
    return saved(_entries(tensors), metadata, level)


def load_file(
    filename: Any, device: Any = "cpu", threads: int | None = None, *, backend: str = "mmap", base: Base = None
) -> dict[str, torch.Tensor]:
    """Returns every tensor of an archive or a plain file, which is a path, bytes or a seekable binary file object. Each
    tensor has a storage of its own. `base` leads to what an archive was made against (zipnn.bases)."""
    if is_archive(filename):
        return load_all(filename, "pt", device, threads, backend, base)[0]
    import safetensors.torch as plain

    if isinstance(filename, (str, os.PathLike)):
        others = {} if backend == "mmap" else {"backend": backend}
        whole: dict[str, torch.Tensor] = plain.load_file(filename, device, **others)
        return whole
    loaded: dict[str, torch.Tensor] = plain.load(bytes_of_plain(filename))
    return loaded if str(device) == "cpu" else {name: tensor.to(device) for name, tensor in loaded.items()}


def load(data: Any, threads: int | None = None, *, base: Base = None) -> dict[str, torch.Tensor]:
    """Does the same for bytes."""
    return load_file(data, threads=threads, base=base)


# ---- models ---------------------------------------------------------------------------------------------------------


def _repeated(state: dict[str, torch.Tensor], preferred: Iterable[str] = ()) -> dict[str, str]:
    """Returns names that need not be saved, each with the name of a tensor that has all of their memory: a preferred
    one if there is a choice, otherwise the first in alphabetical order. Raises RuntimeError if none has all of it."""
    wanted = set(preferred)
    repeated = {}
    for group in _overlapping(state):
        begin, length = group[0].begin, max(span.end for span in group) - group[0].begin
        names = [span.name for span in group]
        whole = [s.name for s in group if s.begin == begin and state[s.name].nbytes == length]
        if not whole:
            raise RuntimeError(
                f"{', '.join(map(shown, names))} share memory and none has all of it: clone() parts them"
            )
        kept = min(whole, key=lambda name: (name not in wanted, name))
        repeated.update({name: kept for name in names if name != kept})
    return repeated


def save_model(
    model: torch.nn.Module,
    filename: Any,
    metadata: dict[str, str] | None = None,
    force_contiguous: bool = True,
    level: int | None = None,
) -> None:
    """Writes the state of a model. Of tensors that share memory one is written; the metadata notes the others with its
    name, as safetensors' save_model does."""
    state = model.state_dict()
    for name, tensor in state.items():
        check_torch(name, tensor)
    notes = dict(metadata or {})
    for name, kept in _repeated(state).items():
        notes.setdefault(name, kept)
        del state[name]
    if force_contiguous:
        state = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(state, filename, notes if notes or metadata is not None else None, level)


def load_model(
    model: torch.nn.Module,
    filename: Any,
    strict: bool = True,
    device: Any = "cpu",
    threads: int | None = None,
    *,
    backend: str = "mmap",
    base: Base = None,
) -> tuple[set[str], list[str]]:
    """Loads a file that save_model() wrote, here or in safetensors, into a model. Returns the names that the model
    misses and those of the file that it did not take; if there are any and `strict` is set, raises RuntimeError
    instead."""
    state = load_file(filename, device, threads, backend=backend, base=base)
    repeated = _repeated(model.state_dict(), state)
    result = model.load_state_dict(state, strict=False)
    missing = set(result.missing_keys) - set(repeated)
    unexpected = [*result.unexpected_keys, *(name for name in repeated if name in state)]
    if strict and (missing or unexpected):
        lines = [
            f"{kind} key(s): {', '.join(map(shown, sorted(names)))}"
            for kind, names in (("missing", missing), ("unexpected", unexpected))
            if names
        ]
        raise RuntimeError(f"{type(model).__name__} and the file do not agree: {'; '.join(lines)}")
    return missing, unexpected
