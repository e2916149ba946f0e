"""Tensors of an archive: lazy, indexed before they are decoded."""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import _zipnn, dtypes, gpu
from .buffers import of_torch, shown
from .errors import BaseError
from .picks import is_plain, pick_of, runs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor as TorchTensor

    from .archives import Archive

__all__ = ["Tensor"]

# How the bytes of a tensor are its values, in words.
_LAYOUTS = {
    _zipnn.BIG_ENDIAN: "big-endian",
    _zipnn.COLUMN_MAJOR: "in columns",
    _zipnn.CONJUGATE: "conjugate",
    _zipnn.NEGATIVE: "negative",
    _zipnn.STRIDED: "strided",
    _zipnn.IN_PIECES: "in pieces",
    _zipnn.FILTERED: "filtered",
    _zipnn.SHARED: "shared",
}
_IN_A_RUN = _zipnn.BIG_ENDIAN | _zipnn.SHARED


class Tensor:
    """A tensor of an archive, or what an index takes of one; decoded by numpy(), torch() or bytes(), which give the
    values that the file's own library gives, whatever the bytes look like. numpy.asarray() and torch.as_tensor() take
    it, too. Indexing follows numpy's rules and decodes nothing yet; afterwards the rows that are touched are decoded.

    layout   what is to be known of the bytes: "big-endian", "in columns", "conjugate", "negative", "strided", "in
             pieces", "filtered" (the values cannot be read here), "shared" (some bytes are those of tensors before it)
    strides  steps from one index to the next, in elements, of one that is strided; else None
    offset   of the first byte in the original
    nbytes   of the values; `ndim` and `size` are numpy's
    stored   share of archive bytes, 0 for a slice
    """

    __slots__ = (
        "archive", "name", "dtype", "shape", "offset", "nbytes",
        "stored", "layout", "strides", "is_run", "_rows", "_then",
    )  # fmt: skip

    def __init__(
        self,
        archive: Archive,
        name: str,
        dtype: str,
        shape: tuple[int, ...],
        offset: int,
        nbytes: int,
        stored: int = 0,
        flags: int = 0,
        strides: tuple[int, ...] | None = None,
        index: int = 0,  # in the archive's list; needed of what is no run of values
    ) -> None:
        self.archive = archive
        self.name = name
        self.dtype = dtype  # as safetensors spells it
        self.shape = shape
        self.offset = offset
        self.nbytes = nbytes
        self.stored = stored
        self.strides = strides
        self.layout = frozenset(text for flag, text in _LAYOUTS.items() if flags & flag)
        columns = 0 if len(shape) > 1 else _zipnn.COLUMN_MAJOR
        # Whether the values lie in the file as they are, but perhaps for the byte order.
        self.is_run = not flags & ~(_IN_A_RUN | columns)
        self._rows = (index, 0, shape[0] if shape else 1)  # of the whole tensor, unless it is a run
        self._then: tuple[int | slice, ...] = ()  # what is wanted of these

    def __repr__(self) -> str:
        return f"<zipnn.Tensor {self.name!r} {self.dtype} {list(self.shape)}>"

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a tensor without dimensions has no length")
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def __getitem__(self, index: Any) -> Tensor:
        """Returns what an index takes, as a tensor again: numbers, slices with any step, ..., None, and arrays (of
        numpy, of torch, or lists) of numbers or of bool. Nothing is decoded. Of types with elements below a byte, whole
        rows can be taken."""
        if isinstance(index, tuple) and len(index) == 1:
            index = index[0]
        if index is Ellipsis or (isinstance(index, tuple) and not index):
            return self
        parts = index if isinstance(index, tuple) else (index,)
        if not self.shape and not all(part is None or part is Ellipsis for part in parts):
            raise IndexError(f"{shown(self.name)} has no dimensions: [()] and [...] are its only indices")
        return self._part(index) if is_plain(index) else Picked(self, index)

    def _part(self, index: Any) -> Tensor:
        """Returns a slice with step 1, or one entry, of the first axis."""
        first, count, shape = self._select(index)
        part = object.__new__(Tensor)
        for slot in self.__slots__:
            setattr(part, slot, getattr(self, slot))
        part.shape = shape
        part.stored = 0
        part.nbytes = self._place_of(first + count) - self._place_of(first)
        if self.strides is not None:
            part.strides = self.strides[len(self.strides) - len(shape) :]
        if self.is_run:
            part.offset = self.offset + self._place_of(first)
        elif self._then or len(self.shape) < len(self._root_shape()):
            part._then = (*self._then, index)
        else:
            part._rows = (self._rows[0], self._rows[1] + first, count)
        return part

    def _root_shape(self) -> tuple[int, ...]:
        return self.archive._tensors[self.name].shape

    def _place_of(self, row: int) -> int:
        """Bytes before a row."""
        rows = self.shape[0] if self.shape else 1
        block = dtypes.ALL[self.dtype].block_bytes if self.dtype in dtypes.ALL else 0
        place, rest = divmod(row * self.nbytes, rows) if rows else (0, 0)
        if rest or (block and place % block):
            raise TypeError(f"row {row} of {self.name} does not begin at a whole byte or block")
        return place

    def _select(self, index: int | slice) -> tuple[int, int, tuple[int, ...]]:
        n = len(self)
        if isinstance(index, slice):
            first, last, _ = index.indices(n)
            count = max(last - first, 0)
            return first, count, (count, *self.shape[1:])
        first = index.__index__()
        if not -n <= first < n:
            raise IndexError(f"index {first} of {n}")
        return first % n, 1, self.shape[1:]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def _is_big_endian(self) -> bool:
        return "big-endian" in self.layout

    def _read_rows(self, buffer: Any) -> None:
        self._read_some(*self._rows, buffer)

    def _read_some(self, number: int, first: int, n: int, buffer: Any) -> None:
        try:
            self.archive._archive.read_rows(number, first, n, buffer)
        except BaseError as error:
            raise self.archive._explained(error) from None

    def _reads_rows(self) -> bool:
        """Returns whether any rows of this can be read alone."""
        return self.is_run or (not self._then and len(self.shape) == len(self._root_shape()))

    def _read(self, first: int, n: int, buffer: Any) -> None:
        """Reads some rows, where that is possible."""
        if self.is_run:
            self.archive.read_into(self.offset + self._place_of(first), buffer)
        else:
            self._read_some(self._rows[0], self._rows[1] + first, n, buffer)

    def _rows_shape(self) -> tuple[tuple[int, ...], int]:
        """Of the rows that _read_rows gives: their shape, and their bytes."""
        root = self.archive._tensors[self.name]
        if not root.shape:
            return (), root.nbytes
        return (self._rows[2], *root.shape[1:]), root.nbytes // root.shape[0] * self._rows[2] if root.shape[0] else 0

    def _narrow(self, rows: Any) -> Any:
        """What is wanted of an array or tensor of rows."""
        if len(self.shape) < len(self._root_shape()):
            rows = rows[0]
        for index in self._then:
            rows = rows[index]
        return rows

    def bytes(self) -> bytearray:
        """The bytes as they are in the original. Of a tensor that has no run of bytes (in columns, strided, in pieces)
        and of lazy conjugates: the values row after row, little-endian."""
        if not self.is_run:
            return bytearray(self._values_of_numpy().tobytes())
        ready = self.archive._bytes_of(self.offset, self.nbytes)
        return self.archive.read_range(self.offset, self.nbytes) if ready is None else ready

    def _values_of_numpy(self) -> Any:
        """Those of a tensor that is no run, in little-endian elements."""
        import numpy

        shape, nbytes = self._rows_shape()
        memory = numpy.empty(nbytes, numpy.uint8)
        self._read_rows(memory.data)
        rows = shape_numpy(memory, self.dtype, shape)
        narrow = self._narrow(rows)
        return narrow if narrow is rows else numpy.array(narrow)

    def numpy(self) -> NDArray[Any]:
        """A new numpy array. bf16 and fp8 have the dtypes of ml_dtypes where that is installed, else they are uint16
        and uint8 with the same bits; fp4, fp6 and the block types of GGUF are bytes, counted in the last dimension, or
        in the only one where that ends inside a byte. Big-endian elements stay so, as numpy, h5py and gguf leave them;
        those of PyTorch's files are turned, as it does."""
        import numpy

        if not self.is_run:
            array = self._values_of_numpy()
        else:
            ready = self.archive._bytes_of(self.offset, self.nbytes)
            memory = numpy.empty(self.nbytes, numpy.uint8) if ready is None else numpy.frombuffer(ready, numpy.uint8)
            if ready is None:
                self.archive.read_into(self.offset, memory.data)
            array = shape_numpy(memory, self.dtype, self.shape)
            if self._is_big_endian():
                array = array.view(array.dtype.newbyteorder(">"))
        return self._in_order(array)

    def _in_order(self, array: Any) -> NDArray[Any]:
        """Returns an array in the byte order that the file's own library leaves it in."""
        if not self._is_big_endian():
            given: NDArray[Any] = array
            return given
        order = "<" if self.archive.info.container == "torch" else ">"
        turned: NDArray[Any] = array.astype(array.dtype.newbyteorder(order), copy=False)
        return turned

    def torch(self, device: Any = None) -> TorchTensor:
        """A new torch tensor. F4 has torch's type of two elements in a byte; fp6 and the block types of GGUF are bytes
        as with numpy(). device="cuda": the GPU decodes it, where it can (zipnn.gpu)."""
        import torch

        on_gpu = None if device is None else gpu.of(device)
        shape, nbytes = (self.shape, self.nbytes) if self.is_run else self._rows_shape()
        ready = self.archive._bytes_of(self.offset, nbytes) if self.is_run else None
        if on_gpu and ready is None and self.is_run and not self._is_big_endian() and on_gpu.takes(self.archive):
            memory = on_gpu.empty(nbytes)
            on_gpu.load(self.archive, [(self.offset, nbytes, memory)])
            return shape_torch(memory, self.dtype, shape)
        if ready is None:
            memory = torch.empty(nbytes, dtype=torch.uint8, device="cpu")
            buffer = of_torch(memory)
            self.archive.read_into(self.offset, buffer) if self.is_run else self._read_rows(buffer)
        else:
            memory = torch.frombuffer(ready, dtype=torch.uint8)
        if self.is_run:
            memory = self._turned(memory)
        tensor = shape_torch(memory, self.dtype, shape)
        if not self.is_run:
            narrow = self._narrow(tensor)
            tensor = tensor if narrow is tensor else narrow.clone()
        return tensor if device is None else tensor.to(device)

    def _turned(self, memory: Any) -> Any:
        """Returns the bytes of elements, as they are in the file, in little-endian order."""
        if not self._is_big_endian():
            return memory
        row = dtypes.ALL[self.dtype]
        unit = row.bits // (16 if row.kind == "complex" else 8)
        return memory.reshape(-1, unit).flip(1).reshape(-1)

    # What others ask of arrays

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a compressed tensor cannot be an array without being decoded")
        array = self.numpy()
        return array if dtype is None else array.astype(dtype, copy=False)

    def __dlpack__(self, **options: Any) -> Any:
        """What numpy has no type for (bf16, fp8) is handed over by torch."""
        row = dtypes.ALL.get(self.dtype)
        if row is not None and row.is_exact and not self._is_big_endian():
            return self.numpy().__dlpack__(**options)
        return self.torch().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0  # memory of the CPU

    def __bytes__(self) -> builtins.bytes:
        return builtins.bytes(self.bytes())

    def item(self) -> Any:
        """Returns the only element as a number of Python."""
        return self.numpy().item()

    def tolist(self) -> Any:
        """Returns the elements as numbers of Python, in lists."""
        return self.numpy().tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())


class Picked(Tensor):
    """What an index of several axes, of steps or of arrays takes of a tensor."""

    __slots__ = ("_parent", "_pick")

    def __init__(self, parent: Tensor, index: Any) -> None:
        shape = parent.shape or (1,)
        if not parent.shape:
            index = (0, *index) if isinstance(index, tuple) else (0, index)
        self._pick = pick_of(shape, index)
        self._parent = parent
        size = math.prod(shape)
        if dtypes.is_packed(parent.dtype):
            self._check_rows(parent, index)
            unit, size = (parent.nbytes // shape[0] if shape[0] else 0), shape[0]
            count = math.prod(self._pick.shape[: len(self._pick.shape) - len(shape) + 1])
        else:
            unit, count = (parent.nbytes // size if size else 0), math.prod(self._pick.shape)
        super().__init__(parent.archive, parent.name, parent.dtype, self._pick.shape, parent.offset, unit * count)
        self.layout = parent.layout
        self.is_run = False

    @staticmethod
    def _check_rows(parent: Tensor, index: Any) -> None:
        for row in range(min(len(parent), 2)):
            parent._place_of(row)
        if isinstance(index, tuple) or getattr(index, "ndim", 1) != 1:
            raise TypeError(f"{shown(parent.name)} is of {parent.dtype}: only whole rows of it can be taken")

    def _part(self, index: Any) -> Tensor:
        return Picked(self, index)

    def _reads_rows(self) -> bool:
        return False

    def _lies_in_file_order(self) -> bool:
        parent = self._parent
        return parent._lies_in_file_order() if isinstance(parent, Picked) else parent.is_run

    def _memory(self) -> Any:
        """Returns the bytes of the elements, in numpy's memory."""
        import numpy

        parent, pick = self._parent, self._pick
        if self.nbytes == 0:
            return numpy.empty(0, numpy.uint8)
        shape = parent.shape or (1,)
        row = parent.nbytes // shape[0]
        rows = numpy.empty(len(pick.rows) * row, numpy.uint8)
        if parent._reads_rows():
            for first, n, place in runs_of(pick.rows):
                parent._read(first, n, rows.data[place * row : (place + n) * row])
        else:
            whole = parent._memory() if isinstance(parent, Picked) else numpy.frombuffer(parent.bytes(), numpy.uint8)
            rows = whole.reshape(-1, row)[pick.rows].reshape(-1)
        packed = dtypes.is_packed(parent.dtype)
        inner = () if packed else shape[1:]
        unit = row // math.prod(inner)
        elements = rows.view(f"u{unit}" if unit in (1, 2, 4, 8) else f"V{unit}").reshape(len(pick.rows), *inner)
        return numpy.ascontiguousarray(elements[pick.rest]).reshape(-1).view(numpy.uint8)

    def bytes(self) -> bytearray:
        return bytearray(self._memory())

    def numpy(self) -> NDArray[Any]:
        array = shape_numpy(self._memory(), self.dtype, self.shape)
        if self._is_big_endian() and self._lies_in_file_order():
            array = array.view(array.dtype.newbyteorder(">"))
        return self._in_order(array)

    def torch(self, device: Any = None) -> TorchTensor:
        import torch

        decoded = self._memory()
        memory = torch.from_numpy(decoded) if decoded.size else torch.empty(0, dtype=torch.uint8, device="cpu")
        tensor = shape_torch(self._turned(memory) if self._lies_in_file_order() else memory, self.dtype, self.shape)
        return tensor if device is None else tensor.to(device)


def shape_numpy(memory: Any, dtype: str, shape: tuple[int, ...]) -> Any:
    """uint8 memory as an array of its type."""
    if dtype not in dtypes.ALL:  # opaque elements, which numpy knows by their size
        elements = math.prod(shape)
        if elements and memory.nbytes % elements == 0:
            return memory.view(f"V{memory.nbytes // elements}").reshape(shape)
        if not elements:  # of a size that is not known
            return memory[:0].view("V1").reshape(shape)
    array = memory.view(dtypes.numpy_dtype(dtype))
    return array.reshape(dtypes.packed_shape(shape, memory.nbytes) if dtypes.is_packed(dtype) else shape)


def shape_torch(memory: Any, dtype: str, shape: tuple[int, ...]) -> Any:
    """uint8 memory as a tensor of its type; copied only where the type's alignment asks for it."""
    target = dtypes.torch_dtype(dtype)
    if memory.storage_offset() % target.itemsize:
        memory = memory.clone()
    tensor = memory.view(target)
    return tensor.reshape(dtypes.packed_shape(shape, memory.numel()) if dtypes.is_packed(dtype) else shape)
