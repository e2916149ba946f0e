"""Matrices that stay packed in memory while they are multiplied: what compressed(form="fast") makes of weights."""

from __future__ import annotations

from typing import Any

import torch

from .. import _zipnn, streams
from ..buffers import of_torch

MOST_VECTORS = 8  # rows of an input that are multiplied at once


def can_be_one(dtype: torch.dtype, shape: tuple[int, ...]) -> bool:
    return dtype == torch.bfloat16 and len(shape) == 2


class Matrix:
    """A matrix of bf16. It never changes: copies share it, and any number of threads may use it. A pickle of it has an
    archive of the plain rows, since the packed ones are made for a processor."""

    def __init__(self, data: Any, shape: tuple[int, ...], threads: int | None = None) -> None:
        self._matrix = _zipnn.Matrix(data, shape[0], shape[1], threads or 0)
        self.n_rows, self.n_columns, self.held, self.has_pairs = self._matrix.info()

    def __deepcopy__(self, memo: Any) -> Matrix:
        return self

    def __reduce__(self) -> Any:
        plain = bytearray(2 * self.n_rows * self.n_columns)
        self.read_into(0, self.n_rows, memoryview(plain))
        archive = torch.frombuffer(bytearray(streams.compress(plain, "BF16")), dtype=torch.uint8)
        return _restored, (archive, self.n_rows, self.n_columns)

    def read_into(self, first: int, n: int, memory: memoryview) -> None:
        """Fills memory with rows."""
        self._matrix.read(first, n, memory, torch.get_num_threads())

    def takes(self, values: torch.Tensor) -> bool:
        """Returns whether these are vectors that multiply() takes, few enough that it is the fastest way."""
        few = 0 < values.numel() <= MOST_VECTORS * self.n_columns and values.shape[-1] == self.n_columns
        return few and values.dtype == torch.bfloat16 and values.device.type == "cpu" and self.n_rows > 0

    def multiply(self, values: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Returns what nn.functional.linear does, up to the order of addition: sums are fp32, also with the bias, and
        are rounded to bf16 once."""
        n = values.numel() // self.n_columns
        sums = torch.empty(n, self.n_rows, dtype=torch.float32)
        flat = of_torch(values.detach().contiguous())
        self._matrix.multiply(flat, of_torch(sums), n, self.has_pairs, torch.get_num_threads())
        if bias is not None:
            sums += bias
        return sums.to(torch.bfloat16).view(*values.shape[:-1], self.n_rows)


def _restored(archive: torch.Tensor, n_rows: int, n_columns: int) -> Matrix:
    return Matrix(streams.decompress(of_torch(archive)), (n_rows, n_columns))
