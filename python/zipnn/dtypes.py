"""Element types: the names of safetensors ("BF16"), numpy's and torch's, from the library's own list. Neither numpy nor
torch is imported before it is asked for."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import _zipnn


class DType(NamedTuple):
    """A row of the library's list (zipnn_dtype_info in zipnn.h)."""

    id: str
    name: str
    kind: str
    bits: int
    exponent_bits: int
    block_bytes: int
    block_elements: int
    numpy: str
    ml_dtypes: str
    torch: str
    aliases: str

    @property
    def names(self) -> set[str]:
        """All that people may write for it, in lower case."""
        return {n.lower() for n in (self.id, self.name, self.ml_dtypes, self.torch, *self.aliases.split()) if n}

    @property
    def is_exact(self) -> bool:
        """Whether numpy has it; else `numpy` is an unsigned integer of the same bits."""
        return self.numpy[1] != "u" or self.kind == "unsigned"


ALL = {row.name: row for row in (DType(*row) for row in _zipnn.dtypes())}
# Everything a caller may write -> name.
_NAMES = {alias: name for name, row in ALL.items() for alias in row.names}


def is_packed(name: str) -> bool:
    """Whether elements are smaller than a byte, come in blocks, or are not known: then tensors are given as bytes."""
    row = ALL.get(name)
    return row is None or row.bits == 0 or row.bits % 8 != 0


def name_of(dtype: Any) -> str:
    """The name of a dtype given as a string in any spelling, a numpy dtype or a torch dtype."""
    text = dtype if isinstance(dtype, str) else str(getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype))
    name = _NAMES.get(text.removeprefix("torch.").lower())
    if name is None:
        raise ValueError(f"no element type is named {text!r}")
    if is_packed(name) and not isinstance(dtype, str) and not str(dtype).startswith("torch."):
        raise ValueError(f"arrays of {text} have an element in each byte, which is no {name}")
    return name


def optional_name(dtype: Any) -> str | None:
    """The same, None for None."""
    return None if dtype is None else name_of(dtype)


def numpy_dtype(name: str) -> Any:
    """numpy's dtype. bf16 and fp8 are those of ml_dtypes where it is installed, else uint16 and uint8 of the same bits;
    packed types are uint8."""
    import numpy

    row = ALL.get(name)
    if row is None or is_packed(name):
        return numpy.dtype(numpy.uint8)
    if not row.ml_dtypes:
        return numpy.dtype(row.numpy)
    try:
        import ml_dtypes
    except ImportError:
        return numpy.dtype(row.numpy)
    return numpy.dtype(getattr(ml_dtypes, row.ml_dtypes, row.numpy))


def torch_dtype(name: str) -> Any:
    """torch's dtype; that of two F4 in a byte, and uint8 for other packed types."""
    import torch

    row = ALL.get(name)
    dtype = getattr(torch, row.torch, None) if row is not None and row.torch else None
    if dtype is not None:
        return dtype
    if is_packed(name):
        return torch.uint8
    raise TypeError(f"torch {torch.__version__} has no type for {name}")


def packed_shape(shape: tuple[int, ...], nbytes: int) -> tuple[int, ...]:
    """The shape of a packed tensor's bytes: that of its elements, with bytes in the last dimension where they end with
    it, else one dimension."""
    lines = 1
    for dim in shape[:-1]:
        lines *= dim
    return (*shape[:-1], nbytes // lines) if shape and lines and nbytes % lines == 0 else (nbytes,)
