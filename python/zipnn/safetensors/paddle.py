"""safetensors.paddle for archives: load, load_file, save, save_file. Tensors are on the CPU."""

from __future__ import annotations

from typing import Any

from ..dtypes import name_of, numpy_dtype
from .others import Twin

__all__ = ["load", "load_file", "save", "save_file"]


def _to_numpy(tensor: Any) -> Any:
    """Takes the bytes: numpy() gives bfloat16 and fp8 as integers."""
    import numpy

    dtype = numpy_dtype(name_of(str(tensor.dtype).removeprefix("paddle.")))
    if tensor.size == 0:
        return numpy.empty(tensor.shape, dtype)
    flat = tensor.detach().cpu().contiguous().reshape([-1])
    return flat.view("uint8").numpy().view(dtype).reshape(tensor.shape)


_twin = Twin("paddle", "paddle", _to_numpy)

load, load_file, save, save_file = _twin.load, _twin.load_file, _twin.save, _twin.save_file
