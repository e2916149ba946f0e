"""Makes the tensors of a model: for torch and numpy in memory of their own, for others from numpy arrays."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import buffers, dtypes, gpu
from ..buffers import shown
from ..tensors import Tensor, shape_numpy, shape_torch
from .exceptions import ArgumentError, FormatError, FrameworkError, UnsupportedError
from .layout import Stored

if TYPE_CHECKING:
    from ..archives import Archive


class Framework:
    """Memory is made by empty(), for one tensor or for several that part() then takes apart; tensor() makes it one."""

    def empty(self, nbytes: int) -> Any:
        raise NotImplementedError

    def buffer(self, block: Any) -> Any:
        """Returns memory as a buffer to write to."""
        raise NotImplementedError

    def part(self, buffer: Any) -> Any:
        """Returns a part of a buffer as memory that ends where the part ends: nobody sees the rest, which lives as
        long."""
        raise NotImplementedError

    def tensor(self, name: str, block: Any, stored: Stored) -> Any:
        raise NotImplementedError

    def load(self, archive: Archive, groups: list[list[tuple[str, Stored]]]) -> dict[str, Any] | None:
        """Returns the tensors of groups that follow one another, if it has a way of its own to decode them at once."""
        return None

    def decode(self, tensor: Tensor, index: Any = None) -> Any:
        """Decodes one tensor of an archive, or a slice of it, or what an index takes of that."""
        raise NotImplementedError


class Torch(Framework):
    def __init__(self, device: Any) -> None:
        self._device = None if str(device) == "cpu" else device

    @functools.cached_property
    def gpu(self) -> gpu.Gpu | None:
        """Which decodes; None: the processor does. Raises RuntimeError if torch has no such device."""
        return None if self._device is None else gpu.of(self._device)

    def empty(self, nbytes: int) -> Any:
        import torch

        return torch.empty(nbytes, dtype=torch.uint8, device="cpu")

    def buffer(self, block: Any) -> Any:
        return buffers.of_torch(block)

    def part(self, buffer: Any) -> Any:
        import torch

        return torch.frombuffer(buffer, dtype=torch.uint8) if len(buffer) else self.empty(0)

    def load(self, archive: Archive, groups: list[list[tuple[str, Stored]]]) -> dict[str, Any] | None:
        """Has a GPU decode groups of tensors that follow one another, all in one go, if there is one that can. Those of
        a group are parted by copies on the device."""
        if self.gpu is None or not self.gpu.takes(archive):
            return None
        blocks = [self.gpu.empty(sum(stored.nbytes for _, stored in group)) for group in groups]
        parts = [(group[0][1].offset, block.numel(), block) for group, block in zip(groups, blocks)]
        self.gpu.load(archive, parts)
        made = {}
        for group, block in zip(groups, blocks):
            start = group[0][1].offset
            for name, stored in group:
                own = block[stored.offset - start : stored.offset - start + stored.nbytes]
                made[name] = self._shaped(name, own if len(group) == 1 else own.clone(), stored)
        return made

    def _shaped(self, name: str, block: Any, stored: Stored) -> Any:
        _refuse_types(name, stored.dtype, "torch", _TORCH_LACKS)
        try:
            if block.data_ptr() % dtypes.torch_dtype(stored.dtype).itemsize:  # who wrote the file did not align it
                block = block.clone()
            return shape_torch(block, stored.dtype, stored.shape)
        except (RuntimeError, TypeError, ValueError, OverflowError) as error:
            raise _impossible(name, stored, "torch", error) from error

    def tensor(self, name: str, block: Any, stored: Stored) -> Any:
        tensor = self._shaped(name, block, stored)
        return tensor if self._device is None else tensor.to(self._device)

    def decode(self, tensor: Tensor, index: Any = None) -> Any:
        _refuse_types(tensor.name, tensor.dtype, "torch", _TORCH_LACKS)
        decoded = tensor.torch(self._device)
        return decoded if index is None else decoded[index]


class Numpy(Framework):
    def empty(self, nbytes: int) -> Any:
        import numpy

        return numpy.empty(nbytes, numpy.uint8)

    def buffer(self, block: Any) -> Any:
        return block.data

    def part(self, buffer: Any) -> Any:
        import numpy

        return numpy.frombuffer(buffer, numpy.uint8)

    def tensor(self, name: str, block: Any, stored: Stored) -> Any:
        _refuse_types(name, stored.dtype, "numpy", _NUMPY_LACKS)
        try:
            array = shape_numpy(block, stored.dtype, stored.shape)
            return array if array.flags.aligned else array.copy()
        except (TypeError, ValueError, OverflowError) as error:
            raise _impossible(name, stored, "numpy", error) from error

    def decode(self, tensor: Tensor, index: Any = None) -> Any:
        _refuse_types(tensor.name, tensor.dtype, "numpy", _NUMPY_LACKS)
        decoded = tensor.numpy()
        return decoded if index is None else decoded[index]


class FromNumpy(Numpy):
    """A framework whose arrays are made of numpy's. bf16 and fp8 need the package ml_dtypes: its types name them."""

    def __init__(self, module: str, convert: Callable[[Any, Any], Any]) -> None:
        try:
            self._module = importlib.import_module(module)
        except ImportError as error:
            package = module.partition(".")[0]
            raise FrameworkError(None, f"this framework needs the package {package}: {error}") from error
        self._convert = convert

    def _converted(self, array: Any, dtype: str) -> Any:
        if dtypes.numpy_dtype(dtype).kind == "u" and not dtype.startswith("U"):
            raise TypeError(f"{dtype} is brought to {self._module.__name__} by the package ml_dtypes: install it")
        try:
            return self._convert(self._module, array)
        except (RuntimeError, TypeError, ValueError) as error:
            what = f"{self._module.__name__} makes nothing of {dtype} {list(array.shape)}: {error}"
            raise UnsupportedError(None, what) from error

    def tensor(self, name: str, block: Any, stored: Stored) -> Any:
        return self._converted(super().tensor(name, block, stored), stored.dtype)

    def decode(self, tensor: Tensor, index: Any = None) -> Any:
        return self._converted(super().decode(tensor, index), tensor.dtype)


# Types that a library has no elements for: as in the package safetensors, such tensors are not given as something else.
_TORCH_LACKS = ("F6_E2M3", "F6_E3M2")
_NUMPY_LACKS = ("F4", "F6_E2M3", "F6_E3M2")


def _refuse_types(name: str, dtype: str, library: str, lacks: tuple[str, ...]) -> None:
    if dtype in lacks:
        raise UnsupportedError(
            None, f"{shown(name)} is of {dtype}, which {library} lacks: zipnn.Archive gives its bytes"
        )


def _impossible(name: str, stored: Stored, library: str, error: Exception) -> Exception:
    what = f"{shown(name)} of {stored.dtype} {shown(list(stored.shape))} cannot be a tensor of {library}: {error}"
    return FormatError(None, what)  # type: ignore[no-any-return]


def _paddle(module: Any, array: Any) -> Any:
    """Makes a tensor from the bytes: to_tensor() takes uint16 for bfloat16, and some types not at all."""
    name = array.dtype.name
    target = getattr(module, name, None)
    if str(target) != f"paddle.{name}":
        raise TypeError(f"it has no {name}")
    if array.size == 0:
        return module.empty(array.shape, target)
    return module.to_tensor(array.reshape(-1).view("u1"), place="cpu").view(target).reshape(array.shape)


# The names that safetensors knows -> the one for each.
_NAMES = {"pt": "pt", "torch": "pt", "pytorch": "pt", "np": "np", "numpy": "np", "flax": "jax", "jax": "jax"}
_NAMES |= {"tf": "tensorflow", "tensorflow": "tensorflow", "mlx": "mlx", "paddle": "paddle"}
_OTHERS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "jax": ("jax.numpy", lambda module, array: module.array(array)),
    "tensorflow": ("tensorflow", lambda module, array: module.convert_to_tensor(array)),
    "mlx": ("mlx.core", lambda module, array: module.array(array)),
    "paddle": ("paddle", _paddle),
}


def framework_of(name: Any, device: Any) -> Framework:
    """Returns the framework of any name that safetensors has. Raises ImportError if its package is not installed."""
    known = _NAMES.get(name) if isinstance(name, str) else None
    if known is None:
        raise ArgumentError(None, f"framework {name!r} is none of {', '.join(_NAMES)}")
    if known == "pt":
        return Torch("cpu" if device is None else device)
    if device is not None and str(device) != "cpu":
        raise ArgumentError(None, f"device {device!r}: for the framework {name} there is cpu alone")
    return Numpy() if known == "np" else FromNumpy(*_OTHERS[known])
