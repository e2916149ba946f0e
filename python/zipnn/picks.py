"""Which rows an index touches, and what remains of it for these rows alone. Indexing is by numpy's rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["Pick", "is_plain", "pick_of", "runs_of"]


class Pick(NamedTuple):
    """rows   numbers of the rows that are needed, ascending
    rest   the index that takes from an array of these rows what the original index takes from all
    shape  of the result"""

    rows: Any
    rest: tuple[Any, ...]
    shape: tuple[int, ...]


def is_plain(index: Any) -> bool:
    """Returns whether an index is one number, or a slice with step 1."""
    if isinstance(index, slice):
        return index.step in (None, 1)
    return hasattr(index, "__index__") and not _is_flag(index) and getattr(index, "ndim", 0) == 0


def _is_flag(index: Any) -> bool:
    return isinstance(index, bool) or "bool" in str(getattr(index, "dtype", ""))


def _cleaned(index: Any) -> Any:
    """Returns one part of an index with arrays as numpy's, and numbers as int."""
    import numpy

    if index is None or index is Ellipsis or isinstance(index, (slice, bool)):
        return index
    if is_plain(index):
        return index.__index__()
    if isinstance(index, (list, range)) or hasattr(index, "__array__"):
        array = numpy.asarray(index)
        if array.size == 0 and not hasattr(index, "dtype"):
            array = array.astype(numpy.intp)
        if array.dtype.kind in "iub":
            return array
    raise IndexError(
        f"a {type(index).__name__} is no index: numbers, slices, ..., None, and arrays of numbers or of bool are"
    )


def _axes(part: Any) -> int:
    """Returns how many axes one part of an index takes."""
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    kind = getattr(getattr(part, "dtype", None), "kind", "")
    return part.ndim if kind == "b" else 1


def pick_of(shape: tuple[int, ...], index: Any) -> Pick:
    """Returns what an index takes of an array that has a first axis. Raises IndexError as numpy does."""
    import numpy

    parts = [_cleaned(part) for part in (index if isinstance(index, tuple) else (index,))]
    if sum(part is Ellipsis for part in parts) > 1:
        raise IndexError("an index can have one ellipsis ('...')")
    taken = sum(map(_axes, parts))
    at = next((i for i, part in enumerate(parts) if _axes(part)), len(parts))
    if Ellipsis in [part for part in parts[:at] if not hasattr(part, "dtype")] and taken < len(shape):
        at = len(parts)  # the first axis is one of those that the ellipsis stands for
    rows = numpy.arange(shape[0])
    if at < len(parts):
        rows, parts[at] = _rows_of(shape, parts[at])
    dummy = numpy.broadcast_to(numpy.empty((), numpy.uint8), (len(rows), *shape[1:]))
    return Pick(rows, tuple(parts), dummy[tuple(parts)].shape)


def _rows_of(shape: tuple[int, ...], part: Any) -> tuple[Any, Any]:
    """Returns the rows that a part takes of the first axis, and what stands for it among these rows."""
    import numpy

    n = shape[0]
    if isinstance(part, slice):
        rows = numpy.arange(n)[part]
        return (rows, slice(None)) if part.step is None or part.step > 0 else (rows[::-1], slice(None, None, -1))
    if isinstance(part, int):
        if not -n <= part < n:
            raise IndexError(f"index {part} of {n}")
        return numpy.array([part % n]), 0
    if part.dtype.kind == "b":
        if part.shape != shape[: part.ndim]:
            raise IndexError(f"a mask of {list(part.shape)} for a tensor of {list(shape)}")
        rows = numpy.flatnonzero(part.any(axis=tuple(range(1, part.ndim))))
        return rows, part[rows]
    if part.size and not -n <= part.min() <= part.max() < n:
        raise IndexError(f"indices from {part.min()} to {part.max()} of {n}")
    rows, places = numpy.unique(part.astype(numpy.intp) % max(n, 1), return_inverse=True)
    return rows, places.reshape(part.shape)


def runs_of(rows: Any) -> Iterator[tuple[int, int, int]]:
    """Returns (first row, number of rows, place of the first among all) of the runs of rows that follow one another."""
    import numpy

    if len(rows) == 0:
        return
    breaks = numpy.flatnonzero(numpy.diff(rows) != 1) + 1
    starts = [0, *breaks.tolist()]
    for start, end in zip(starts, [*starts[1:], len(rows)]):
        yield int(rows[start]), end - start, start
