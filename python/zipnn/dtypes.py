"""Element types: the names of safetensors ("BF16"), numpy's and torch's. Neither numpy nor torch is imported before it
is asked for."""

from __future__ import annotations

from typing import Any

# Name -> numpy's own type. The types behind it in _ML_DTYPES come from the package ml_dtypes.
_NUMPY = {
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "C64": "<c8",
    "I8": "|i1",
    "U8": "|u1",
    "I16": "<i2",
    "U16": "<u2",
    "I32": "<i4",
    "U32": "<u4",
    "I64": "<i8",
    "U64": "<u8",
    "BOOL": "|b1",
}
# Name -> (name in ml_dtypes, the unsigned integer that stands in for it without that package).
_ML_DTYPES = {
    "BF16": ("bfloat16", "<u2"),
    "F8_E4M3": ("float8_e4m3fn", "|u1"),
    "F8_E5M2": ("float8_e5m2", "|u1"),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", "|u1"),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", "|u1"),
    "F8_E8M0": ("float8_e8m0fnu", "|u1"),
}
_TORCH = {
    "BF16": "bfloat16",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
    "I8": "int8",
    "U8": "uint8",
    "I16": "int16",
    "U16": "uint16",
    "I32": "int32",
    "U32": "uint32",
    "I64": "int64",
    "U64": "uint64",
    "BOOL": "bool",
}
# Everything a caller may write -> name.
_NAMES = {name.lower(): name for name in (*_NUMPY, *_ML_DTYPES, "F6_E2M3", "F6_E3M2", "F4_E2M1")}
_NAMES |= {torch: name for name, torch in _TORCH.items()}
_NAMES |= {"fp16": "F16", "fp32": "F32", "fp64": "F64", "half": "F16", "float": "F32", "double": "F64"}


def is_packed(name: str) -> bool:
    """Whether elements are smaller than a byte or come in blocks: then tensors are given as bytes."""
    return name not in _NUMPY and name not in _ML_DTYPES


def name_of(dtype: Any) -> str:
    """The name of a dtype given as a string in any of the three spellings, a numpy dtype or a torch dtype."""
    text = dtype if isinstance(dtype, str) else str(getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype))
    name = _NAMES.get(text.removeprefix("torch.").lower())
    if name is None:
        raise ValueError(f"no element type is named {text!r}")
    return name


def optional_name(dtype: Any) -> str | None:
    """The same, None for None."""
    return None if dtype is None else name_of(dtype)


def numpy_dtype(name: str) -> Any:
    """numpy's dtype. bf16 and fp8 are those of ml_dtypes where it is installed, else uint16 and uint8 of the same bits;
    packed types are uint8."""
    import numpy

    if name in _NUMPY:
        return numpy.dtype(_NUMPY[name])
    foreign, stand_in = _ML_DTYPES.get(name, ("", "|u1"))
    try:
        import ml_dtypes
    except ImportError:
        return numpy.dtype(stand_in)
    return numpy.dtype(getattr(ml_dtypes, foreign, stand_in))


def torch_dtype(name: str) -> Any:
    """torch's dtype; uint8 for packed types."""
    import torch

    if is_packed(name):
        return torch.uint8
    dtype = getattr(torch, _TORCH[name], None)
    if dtype is None:
        raise TypeError(f"torch {torch.__version__} has no type for {name}")
    return dtype
