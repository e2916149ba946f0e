"""The memory of tensors and arrays as buffers: the one place where an address is taken. Not every tensor has memory (a
DTensor, a wrapper of quantized weights, a storage that was given back), and an address of none, or of too little, would
end the process. Neither numpy nor torch is imported before a tensor of theirs comes."""

from __future__ import annotations

import ctypes
from typing import Any, Optional

_LONGEST = 80  # characters of a name in a message


def shown(name: Any) -> str:
    """Returns a name as messages show it: quoted, and only its beginning if it is very long."""
    text = repr(name)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


def is_torch(thing: Any) -> bool:
    """Returns whether something is a tensor of torch, which is not imported for the question."""
    names = (kind.__module__.partition(".")[0] for kind in type(thing).__mro__)
    return "torch" in names and hasattr(thing, "untyped_storage")


# ---- torch ----------------------------------------------------------------------------------------------------------


def of_torch(tensor: Any) -> Any:
    """Returns the memory of a contiguous tensor on the CPU as a buffer, which keeps the tensor alive. Raises ValueError
    if the storage of the tensor does not hold all of it."""
    import torch

    with torch._C.DisableTorchFunctionSubclass():
        nbytes = tensor.numel() * tensor.element_size()
        lacking = _lacking(tensor)
        if lacking is not None:
            raise ValueError(f"a tensor {lacking}")
        if tensor.device.type != "cpu" or not tensor.is_contiguous():
            raise ValueError("only the memory of a contiguous tensor on the CPU can be read")
        if nbytes == 0:
            return bytearray()
        array: Any = (ctypes.c_char * nbytes).from_address(tensor.data_ptr())
    array.owner = tensor
    return memoryview(array).cast("B")


def check_torch(name: Any, tensor: Any) -> None:
    """Raises ValueError, with the name and what to do, if the values of a tensor cannot be read as bytes."""
    import torch

    if not isinstance(tensor, torch.Tensor):
        raise ValueError(f"{shown(name)} is a {type(tensor).__name__}, not a tensor")
    with torch._C.DisableTorchFunctionSubclass():
        reason = _of_another_kind(tensor) or _lacking(tensor)
    if reason is not None:
        raise ValueError(f"{shown(name)} {reason}")


def torch_bytes(name: Any, tensor: Any) -> Any:
    """Returns the bytes of a tensor's elements in order, as a buffer that keeps them alive. The tensor may be on any
    device and have any strides; conjugate and negative bits are resolved. Raises ValueError as check_torch() does."""
    import torch

    check_torch(name, tensor)
    with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
        plain = tensor.cpu() if tensor.device.type != "cpu" else tensor
        plain = plain.resolve_conj() if plain.is_conj() else plain
        plain = plain.resolve_neg() if plain.is_neg() else plain
        plain = plain if plain.is_contiguous() else plain.contiguous()
    try:
        return of_torch(plain)
    except ValueError as error:
        raise ValueError(f"{shown(name)} became {error}") from None


def _of_another_kind(tensor: Any) -> str | None:
    """Returns why a tensor does not consist of strides and memory, and what to do; None if it does."""
    import torch

    library: Any = torch
    kind: Any = type(tensor)
    if any(c.__name__ == "DTensor" for c in kind.__mro__):
        return "is a DTensor, of which this process has a part: call full_tensor(), or use zipnn.torch.distributed"
    if isinstance(tensor, library.nn.parameter.UninitializedTensorMixin):
        return "is not initialized: run the module once, then save"
    if library._C._functorch.is_functorch_wrapped_tensor(tensor):
        return "is inside a transform of torch.func, where tensors have no values: save it outside"
    if tensor.is_nested:
        return "is a nested tensor: save what unbind() gives, or values() and offsets()"
    if tensor.layout != torch.strided:
        what = "sparse" if "sparse" in str(tensor.layout) else "not strided"
        return f"is {what} ({tensor.layout}): call to_dense()"
    if tensor.device.type == "meta":
        return "is on the device meta and has no values: load or initialize the model, then save"
    wraps = kind.__torch_dispatch__ is not library.Tensor.__torch_dispatch__
    if wraps and (tensor.numel() == 0 or _lacking(tensor) is not None):
        return (
            f"is a {kind.__name__}, which has no memory of its own: save the tensors that it wraps, or a plain one "
            "made of it, with dequantize() for example"
        )
    return None


def _lacking(tensor: Any) -> str | None:
    """Returns what a strided tensor lacks: its storage must reach to its last element. None if it does."""
    if tensor.numel() == 0:
        return None
    none = "has no memory of its own: save what clone() gives"
    try:
        storage = tensor.untyped_storage()
        held, address = storage.nbytes(), storage.data_ptr()
    except (RuntimeError, NotImplementedError):
        return none if tensor.device.type == "cpu" else None  # some devices have no storages: cpu() makes one
    last = tensor.storage_offset() + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride()))
    need = (last + 1) * tensor.element_size()
    if held < need:
        return f"needs {need} bytes of its storage, which has {held}: the memory was given back, fill it again first"
    return none if address == 0 else None


# ---- numpy ----------------------------------------------------------------------------------------------------------


def check_numpy(name: Any, array: Any) -> None:
    """Raises ValueError, with the name and what to do, if a value is not an array of numbers in C order."""
    import numpy

    if isinstance(array, numpy.ma.MaskedArray):
        raise ValueError(f"{shown(name)} is a masked array: save what filled() gives, and the mask beside it")
    if not isinstance(array, (numpy.ndarray, numpy.generic)):
        raise ValueError(f"{shown(name)} is a {type(array).__name__}, not a numpy array")
    if array.dtype.hasobject:
        raise ValueError(f"{shown(name)} has Python objects for elements: only numbers are saved")
    if not array.flags.c_contiguous:
        raise ValueError(f"{shown(name)} is not contiguous: numpy.ascontiguousarray() makes it so")
    if _is_outside(array):
        raise ValueError(f"{shown(name)} reaches outside of the array whose memory it uses: that was resized, perhaps")


def _is_outside(array: Any) -> bool:
    """Returns whether an array lies outside of the one that it is a view of. as_strided() and resize() can make such
    arrays."""
    import numpy

    owner = array
    while (base := getattr(owner, "base", None)) is not None:
        owner = base
    if owner is array or not isinstance(owner, numpy.ndarray) or array.nbytes == 0:
        return False
    (begin, end), (first, last) = _bounds(array), _bounds(owner)
    return not first <= begin <= end <= last


def _bounds(array: Any) -> tuple[int, int]:
    """Returns the addresses of an array's first byte, and of the one after its last."""
    begin = array.__array_interface__["data"][0]
    steps = [(n - 1) * step for n, step in zip(array.shape, array.strides)]
    return begin + sum(s for s in steps if s < 0), begin + sum(s for s in steps if s > 0) + array.itemsize


def numpy_bytes(name: Any, array: Any) -> Any:
    """Returns the bytes of an array's elements, little-endian, as a buffer that keeps them alive."""
    import numpy

    check_numpy(name, array)
    plain = numpy.asarray(array)
    if plain.dtype.byteorder == ">":
        plain = plain.astype(plain.dtype.newbyteorder("<"))
    return plain.reshape(-1).view(numpy.uint8).data


# ---- where tensors lie, for those that are read or changed in place --------------------------------------------------

# Strides in bytes, a buffer, and where in it the first element is. None: the buffer has the elements in their order.
Place = tuple[Optional[tuple[int, ...]], Any, int]


def _spread(owner: Any, address: int, shape: Any, strides: tuple[int, ...], itemsize: int, readonly: bool) -> Place:
    """Returns the place of elements with strides, of which there is at least one."""
    steps = [(n - 1) * step for n, step in zip(shape, strides)]
    low, high = sum(s for s in steps if s < 0), sum(s for s in steps if s > 0) + itemsize
    array: Any = (ctypes.c_char * (high - low)).from_address(address + low)
    array.owner = owner
    view = memoryview(array).cast("B")
    return strides, view.toreadonly() if readonly else view, -low


def place_of_torch(name: Any, tensor: Any, *, writable: bool) -> Place:
    """Returns where a tensor lies. One that cannot be changed where it is (on another device, with conjugate or
    negative bits) is copied if it is not `writable`. Raises ValueError as check_torch() does."""
    import torch

    check_torch(name, tensor)
    with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
        here = tensor.device.type == "cpu" and not tensor.is_conj() and not tensor.is_neg()
        if writable and not here:
            where = f"is on {tensor.device}" if tensor.device.type != "cpu" else "has a conjugate or negative bit"
            raise ValueError(f"{shown(name)} {where}: it cannot be changed in place")
        if not here or tensor.numel() == 0 or tensor.is_contiguous():
            return None, torch_bytes(name, tensor), 0
        size = tensor.element_size()
        strides = tuple(step * size for step in tensor.stride())
        return _spread(tensor, tensor.data_ptr(), tensor.shape, strides, size, False)


def place_of_numpy(name: Any, array: Any, *, writable: bool) -> Place:
    """Does the same for an array, which is copied if it is big-endian."""
    import numpy

    if isinstance(array, numpy.ndarray) and array.dtype.byteorder == ">" and writable:
        raise ValueError(f"{shown(name)} is big-endian: it cannot be changed in place")
    plain = not isinstance(array, numpy.ndarray) or array.flags.c_contiguous or array.size == 0
    if not plain:
        check_numpy(name, numpy.empty(0, array.dtype) if type(array) is numpy.ndarray else array)
    if plain or array.dtype.byteorder == ">":
        found = numpy_bytes(name, numpy.ascontiguousarray(array) if not plain else array)
        return None, found, 0
    if _is_outside(array):
        raise ValueError(f"{shown(name)} reaches outside of the array whose memory it uses: that was resized, perhaps")
    address = array.__array_interface__["data"][0]
    return _spread(array, address, array.shape, array.strides, array.itemsize, not array.flags.writeable)
