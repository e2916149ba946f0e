"""Names that programs for zipnn 0.x import from here."""

from __future__ import annotations

import struct
from enum import Enum
from typing import Any

import numpy
import torch

from .util_header import EnumFormat

__all__ = ["ZipNNDtypeEnum", "zipnn_is_floating_point", "zipnn_pack_shape", "zipnn_unpack_shape"]

_FLOATS = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")


def zipnn_is_floating_point(data_format_value: int, data: Any, bytearray_dtype: Any) -> bool:
    """Returns whether data, a tensor, an array or bytes of a named type, consist of floats."""
    if data_format_value == EnumFormat.TORCH.value:
        return bool(torch.is_floating_point(data))
    if data_format_value == EnumFormat.NUMPY.value:
        return bool(numpy.issubdtype(data.dtype, numpy.floating))
    return bytearray_dtype in _FLOATS


_FIELDS = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}


def zipnn_pack_shape(shape: Any) -> bytes:
    """Returns a shape as records of zipnn 0.x have it: the number of dimensions, then each with its width in front."""
    packed = bytearray([len(shape)])
    for dim in shape:
        width = next(width for width in _FIELDS if dim < 1 << 8 * width)
        packed += bytes([width]) + struct.pack(_FIELDS[width], dim)
    return bytes(packed)


def zipnn_unpack_shape(packed_data: Any) -> tuple[tuple[int, ...], int]:
    """Returns the shape that packed bytes begin with, and how many bytes it takes."""
    shape: list[int] = []
    at = 1
    while at < len(packed_data) and len(shape) < packed_data[0]:
        field = _FIELDS.get(packed_data[at], "<Q")
        shape += struct.unpack_from(field, packed_data, at + 1)
        at += 1 + struct.calcsize(field)
    return tuple(shape), at


# Of each type: its name, its number in records, and its name in torch and numpy, "" for none.
_TYPES = """float32 1 float32 float32|float 2 float32 float32|float64 3 float64 float64|float16 4 float16 float16
half 5 float16 float16|bfloat16 6 bfloat16 -|complex32 7 complex32 -|chalf 8 complex32 -|complex64 9 complex64 complex64
cfloat 10 complex64 complex64|complex128 11 complex128 complex128|cdouble 12 complex128 complex128|uint8 13 uint8 uint8
uint16 14 - uint16|uint32 15 - uint32|uint64 16 - uint64|int8 17 int8 int8|int16 18 int16 int16|short 19 int16 int16
int32 20 int32 int32|int 21 int32 int32|int64 22 int64 int64|long 23 int64 int64|bool 24 bool bool|quint8 25 quint8 -
qint8 26 qint8 -|qint32 27 qint32 -|quint4x2 28 quint4x2 -|float8_e4m3fn 29 float8_e4m3fn -
float8_e5m2 30 float8_e5m2 -"""


class _Type(Enum):
    """An element type and its number in records of zipnn 0.x."""

    def __init__(self, torch_dtype: Any, numpy_dtype: Any, dtype_str: str, code: int) -> None:
        self.torch_dtype = torch_dtype
        self.numpy_dtype = numpy_dtype
        self.dtype_str = dtype_str
        self.code = code

    @classmethod
    def from_dtype(cls, dtype: Any) -> Any:
        """Returns the first member of a type, which may be a name or a dtype of torch or numpy; NONE for others."""
        wanted = dtype.lower() if isinstance(dtype, str) else dtype
        same = (m for m in cls if any(wanted is x or wanted == x for x in (m.torch_dtype, m.numpy_dtype, m.dtype_str)))
        return next(same, cls["NONE"])

    @classmethod
    def from_code(cls, code: int) -> Any:
        """Returns the member with that number; NONE for others."""
        return next((m for m in cls if m.code == code), cls["NONE"])


def _members() -> dict[str, tuple[Any, Any, str, int]]:
    rows = [row.split() for row in _TYPES.replace("\n", "|").split("|")]
    found: dict[str, tuple[Any, Any, str, int]] = {"NONE": (None, None, "none", 0)}
    for name, code, in_torch, in_numpy in rows:
        kind = None if in_numpy == "-" else numpy.dtype(in_numpy).type
        found[name.upper()] = (getattr(torch, in_torch, None), kind, name, int(code))
    return found


ZipNNDtypeEnum = _Type("ZipNNDtypeEnum", _members(), module=__name__)  # type: ignore[call-arg]
