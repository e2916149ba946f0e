"""safetensors.mlx for archives: load, load_file, save, save_file."""

from __future__ import annotations

from typing import Any

from .others import Twin

__all__ = ["load", "load_file", "save", "save_file"]


def _to_numpy(tensor: Any) -> Any:
    """numpy has no type for bfloat16, and takes its bits as numbers."""
    import numpy

    if str(tensor.dtype) != "mlx.core.bfloat16":
        return numpy.array(tensor, order="C")
    import ml_dtypes
    from mlx import core

    return numpy.array(tensor.view(core.uint16), order="C").view(ml_dtypes.bfloat16)


_twin = Twin("mlx", "mlx", _to_numpy)

load, load_file, save, save_file = _twin.load, _twin.load_file, _twin.save, _twin.save_file
