"""safetensors.tensorflow for archives: load, load_file, save, save_file."""

from __future__ import annotations

from typing import Any

from .others import Twin

__all__ = ["load", "load_file", "save", "save_file"]


def _to_numpy(tensor: Any) -> Any:
    import numpy

    return numpy.asarray(tensor.numpy(), order="C")


_twin = Twin("tensorflow", "tf", _to_numpy)

load, load_file, save, save_file = _twin.load, _twin.load_file, _twin.save, _twin.save_file
