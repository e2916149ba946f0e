"""Matrices that stay packed in memory, or in an archive, while they are multiplied: what compressed() makes of weights
with form="fast" and form="stored"."""

from __future__ import annotations

import ctypes
import functools
import os
from typing import Any

import torch

from .. import _zipnn, streams
from ..archives import Archive
from ..buffers import of_torch, torch_bytes
from ..safetensors.layout import Entry, header_of
from ..tensors import Tensor

MOST_VECTORS = 8  # rows of an input that are multiplied at once
_CHUNK = 512 << 10  # bytes of rows that are decoded for one row of an archive


_PID = os.getpid()


@functools.cache
def _gomp_parallel() -> int:
    """Returns the address of the function that runs torch's threads, 0 where torch has no OpenMP of this kind."""
    try:
        return ctypes.cast(ctypes.CDLL(None).GOMP_parallel, ctypes.c_void_p).value or 0
    except (AttributeError, OSError, TypeError):
        return 0


def _parallel() -> int:
    """Products run on torch's threads, which spin after other work, and would keep processors from further ones. After
    a fork they are gone."""
    return _gomp_parallel() if os.getpid() == _PID else 0


def can_be_one(dtype: torch.dtype, shape: tuple[int, ...]) -> bool:
    return dtype == torch.bfloat16 and len(shape) == 2


class Matrix:
    """A matrix of bf16. It never changes: copies share it, and any number of threads may use it."""

    n_rows: int
    n_columns: int
    held: int  # bytes
    cost_of_row: int  # bytes that are decoded for a row, at most

    def __deepcopy__(self, memo: Any) -> Matrix:
        return self

    def read_into(self, first: int, n: int, memory: memoryview) -> None:
        """Fills memory with rows."""
        raise NotImplementedError

    def _multiply(self, values: Any, sums: Any, n: int) -> None:
        raise NotImplementedError

    def takes(self, values: torch.Tensor) -> bool:
        """Returns whether these are vectors that multiply() takes, few enough that it is the fastest way."""
        few = 0 < values.numel() <= MOST_VECTORS * self.n_columns and values.shape[-1] == self.n_columns
        return few and values.dtype == torch.bfloat16 and values.device.type == "cpu" and self.n_rows > 0

    def multiply(self, values: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Returns what nn.functional.linear does, up to the order of addition: sums are fp32, also with the bias, and
        are rounded to bf16 once."""
        n = values.numel() // self.n_columns
        sums = torch.empty(n, self.n_rows, dtype=torch.float32)
        self._multiply(of_torch(values.detach().contiguous()), of_torch(sums), n)
        if bias is not None:
            sums += bias
        return sums.to(torch.bfloat16).view(*values.shape[:-1], self.n_rows)


class FastMatrix(Matrix):
    """It is packed in memory. A pickle of it has an archive of the plain rows, since the packed ones are made for a
    processor."""

    def __init__(self, data: Any, shape: tuple[int, ...], threads: int | None = None) -> None:
        self._matrix = _zipnn.Matrix(data, shape[0], shape[1], threads or 0)
        self.n_rows, self.n_columns, self.held, self._pairs = self._matrix.info()
        self.cost_of_row = 2 * self.n_columns

    def __reduce__(self) -> Any:
        plain = bytearray(2 * self.n_rows * self.n_columns)
        self.read_into(0, self.n_rows, memoryview(plain))
        archive = torch.frombuffer(bytearray(streams.compress(plain, "BF16")), dtype=torch.uint8)
        return _restored, (archive, self.n_rows, self.n_columns)

    def read_into(self, first: int, n: int, memory: memoryview) -> None:
        self._matrix.read(first, n, memory, torch.get_num_threads())

    def _multiply(self, values: Any, sums: Any, n: int) -> None:
        self._matrix.multiply(values, sums, n, self._pairs, torch.get_num_threads(), _parallel())


def _restored(archive: torch.Tensor, n_rows: int, n_columns: int) -> Matrix:
    return FastMatrix(streams.decompress(of_torch(archive)), (n_rows, n_columns))


class StoredMatrix(Matrix):
    """It stays in an archive, and is decoded a few rows at a time, in the processor's cache, while it is multiplied."""

    def __init__(self, tensor: Tensor, data: bytes | None = None) -> None:
        self._tensor = tensor
        self._data = data  # the archive, if it is one of this matrix alone
        self.n_rows, self.n_columns = tensor.shape
        self.held = tensor.stored if data is None else len(data)
        self.cost_of_row = max(_CHUNK, 2 * self.n_columns)

    @classmethod
    def of(cls, data: bytes) -> StoredMatrix:
        return cls(Archive(data, 1)["w"], data)

    @classmethod
    def can_be(cls, tensor: Tensor) -> bool:
        """Returns whether a tensor of an archive lies there as a product reads it."""
        lies = tensor.dtype == "BF16" and len(tensor.shape) == 2 and tensor.is_run and not tensor.layout
        return lies and isinstance(tensor.archive._archive, _zipnn.Archive)

    @classmethod
    def packed(cls, tensor: torch.Tensor, level: int | None, threads: int | None) -> StoredMatrix:
        rows = memoryview(torch_bytes("w", tensor)).cast("B")
        header = header_of({"w": Entry("BF16", tuple(tensor.shape), rows.nbytes, lambda: rows)}, None)
        return cls.of(streams.compress(b"".join((header, rows)), None, level, threads))

    def __reduce__(self) -> Any:
        if self._data is None:
            return StoredMatrix, (self._tensor,)
        return _reopened, (torch.frombuffer(bytearray(self._data), dtype=torch.uint8),)

    def read_into(self, first: int, n: int, memory: memoryview) -> None:
        self._tensor.archive.read_into(self._tensor.offset + 2 * first * self.n_columns, memory)

    def _multiply(self, values: Any, sums: Any, n: int) -> None:
        number, threads = self._tensor._rows[0], torch.get_num_threads()
        self._tensor.archive._archive.multiply(number, values, sums, n, True, threads, _parallel())


def _reopened(archive: torch.Tensor) -> StoredMatrix:
    return StoredMatrix.of(archive.numpy().tobytes())
