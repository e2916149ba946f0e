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
        """All names that people may write for the type, in lower case."""
        return {n.lower() for n in (self.id, self.name, self.ml_dtypes, self.torch, *self.aliases.split()) if n}

    @property
    def is_exact(self) -> bool:
        """Whether numpy has the type. If not, `numpy` is an unsigned integer of the same bits."""
        return self.numpy[1] != "u" or self.kind == "unsigned"


ALL = {row.name: row for row in (DType(*row) for row in _zipnn.dtypes())}
# Everything a caller may write -> name.
_NAMES = {alias: name for name, row in ALL.items() for alias in row.names}


def is_packed(name: str) -> bool:
    """Returns whether elements are smaller than a byte, come in blocks, or are of an unknown type. Such tensors are
    given as bytes."""
    row = ALL.get(name)
    return row is None or row.bits == 0 or row.bits % 8 != 0


def name_of(dtype: Any) -> str:
    """Returns the name of a dtype, which may be a string in any spelling, a numpy dtype or a torch dtype."""
    text = dtype if isinstance(dtype, str) else str(getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype))
    name = _NAMES.get(text.removeprefix("torch.").lower())
    if name is None:
        raise ValueError(f"no element type is named {text!r}")
    if is_packed(name) and not isinstance(dtype, str) and not str(dtype).startswith("torch."):
        raise ValueError(f"arrays of {text} have an element in each byte, which is no {name}")
    return name


def optional_name(dtype: Any) -> str | None:
    """Does the same, and returns None for None."""
    return None if dtype is None else name_of(dtype)


def numpy_dtype(name: str) -> Any:
    """Returns numpy's dtype. bf16 and fp8 are those of ml_dtypes if it is installed, otherwise uint16 and uint8 of the
    same bits; packed types are uint8."""
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
    """Returns torch's dtype; for F4 the type that holds two in a byte, for other packed types uint8."""
    import torch

    row = ALL.get(name)
    dtype = getattr(torch, row.torch, None) if row is not None and row.torch else None
    if dtype is not None:
        return dtype
    if is_packed(name):
        return torch.uint8
    raise TypeError(f"torch {torch.__version__} has no type for {name}")


def packed_shape(shape: tuple[int, ...], nbytes: int) -> tuple[int, ...]:
    """Returns the shape of the bytes of a packed tensor: the shape of its elements with bytes in the last dimension if
    that ends with a whole byte, otherwise one dimension."""
    lines = 1
    for dim in shape[:-1]:
        lines *= dim
    return (*shape[:-1], nbytes // lines) if shape and lines and nbytes % lines == 0 else (nbytes,)
