"""The safetensors layout: a header in JSON, then the tensors. Written as the package safetensors writes it; read as
strictly, so that a file gives every tensor or an error."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Any, NamedTuple

from .. import dtypes
from ..buffers import shown
from .exceptions import FormatError

# The types and the bits of an element, in the reference's order. Tensors are laid out by it, last first, then by name.
_BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}
_RANK = {name: rank for rank, name in enumerate(_BITS)}
_ALIGNMENT = 8
_LENGTH = 8  # bytes of the header's length, in front of it
_LONGEST = 100_000_000  # bytes of a header, as the reference has it
_DEEPEST = 127  # brackets open at once, as the reference has it
_METADATA = "__metadata__"


def type_of(dtype: Any) -> str:
    """Returns safetensors' name of a dtype of numpy or torch. Raises ValueError if it has none."""
    name = dtypes.name_of(dtype)
    if name not in _BITS:
        raise ValueError(f"safetensors has no element type {name}")
    return name


def shape_of(dtype: str, shape: Iterable[int]) -> tuple[int, ...]:
    """Returns the shape that a header states. torch counts two elements of four bits as one; a header counts each."""
    dims = tuple(shape)
    return (*dims[:-1], dims[-1] * 2) if _BITS[dtype] == 4 and dims else dims


# ---- writing --------------------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A tensor to be written. `memory` returns its bytes when they are needed."""

    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    memory: Callable[[], Any]


def parts(entries: dict[str, Entry], metadata: dict[str, str] | None) -> Iterator[Any]:
    """Returns the file as a sequence of buffers. Raises ValueError or TypeError, before the first buffer, if something
    could not be read again."""
    for name in entries:
        _check_name(name)
    names = sorted(entries, key=lambda name: (-_RANK[entries[name].dtype], name.encode()))
    ordered = {name: entries[name] for name in names}
    return _buffers(header_of(ordered, metadata), list(ordered.items()))


def header_of(entries: dict[str, Entry], metadata: dict[str, str] | None) -> bytes:
    """Returns what stands in front of these tensors when they are written in this order. Raises as parts() does."""
    header: dict[str, Any] = {}
    if metadata is not None:
        header[_METADATA] = _checked_metadata(metadata)
    end = 0
    for name, entry in entries.items():
        _check_name(name)
        if entry.nbytes * 8 != math.prod(entry.shape) * _BITS[entry.dtype]:
            raise ValueError(f"{shown(name)} of {entry.dtype} {list(entry.shape)} has {entry.nbytes} bytes")
        begin, end = end, end + entry.nbytes
        header[name] = {"dtype": entry.dtype, "shape": list(entry.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > _LONGEST:
        raise ValueError(f"names and metadata make a header of {len(text)} bytes, safetensors allows {_LONGEST}")
    return len(text).to_bytes(_LENGTH, "little") + text


def bytes_of(dtype: str, shape: tuple[int, ...]) -> int:
    """Returns how many bytes a tensor takes. Raises ValueError if it does not end with a whole byte."""
    bits = math.prod(shape) * _BITS[dtype]
    if bits % 8:
        raise ValueError(f"a tensor of {dtype} {list(shape)} ends inside a byte")
    return bits // 8


def _buffers(head: bytes, entries: list[tuple[str, Entry]]) -> Iterator[Any]:
    yield head
    for name, entry in entries:
        data = memoryview(entry.memory()).cast("B")
        if len(data) != entry.nbytes:
            raise ValueError(f"{shown(name)} has {len(data)} bytes, it had {entry.nbytes} when saving began")
        yield data


def _check_name(name: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"a tensor is named {name!r}: names must be str")
    if name == _METADATA:
        raise ValueError(f"a tensor cannot be named {_METADATA}: the header of safetensors keeps the metadata there")
    _check_text(name, "the name")


def _check_text(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{what} {shown(text)} is not valid Unicode: {error.reason}") from None


def _checked_metadata(metadata: Any) -> dict[str, str]:
    if not isinstance(metadata, dict):
        raise TypeError(f"metadata is a dict of str to str, not a {type(metadata).__name__}")
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"metadata maps str to str: {shown(str(key))}: {shown(str(value))}")
        _check_text(key, "the metadata's key")
        _check_text(value, "the metadata's value")
    return dict(sorted(metadata.items()))


class PartsReader:
    """The `read` of a source over a sequence of buffers."""

    def __init__(self, buffers: Iterator[Any]) -> None:
        self._buffers = buffers
        self._view = memoryview(b"")

    def read(self, target: memoryview) -> int:
        while len(self._view) == 0:
            buffer = next(self._buffers, None)
            if buffer is None:
                return 0
            self._view = memoryview(buffer).cast("B")
        n = min(len(target), len(self._view))
        target[:n] = self._view[:n]
        self._view = self._view[n:]
        return n


class PartsAt:
    """The `read_at` of a source over what is to be written, for comparing it with a base: the file at any position. The
    memory of one tensor is held at a time. Raises as parts() does."""

    def __init__(self, entries: dict[str, Entry], metadata: dict[str, str] | None) -> None:
        head = next(parts(entries, metadata))
        names = sorted(entries, key=lambda name: (-_RANK[entries[name].dtype], name.encode()))
        self._parts: list[tuple[int, Callable[[], Any]]] = [(len(head), lambda: head)]
        self._parts += [(entries[name].nbytes, entries[name].memory) for name in names]
        self._starts = [0, *accumulate(nbytes for nbytes, _ in self._parts)]
        self.length = self._starts[-1]
        self._held = -1, memoryview(b"")

    def _part(self, index: int) -> memoryview:
        if self._held[0] != index:
            self._held = index, memoryview(self._parts[index][1]()).cast("B")
            if len(self._held[1]) != self._parts[index][0]:
                raise ValueError(f"a tensor had {self._parts[index][0]} bytes when saving began, and has others now")
        return self._held[1]

    def read_at(self, offset: int, n: int) -> Any:
        end, found = offset + n, []
        index = bisect_right(self._starts, offset) - 1
        while offset < end and index < len(self._parts):
            start = self._starts[index]
            to = min(end, self._starts[index + 1])
            if to > offset:
                found.append(self._part(index)[offset - start : to - start])
                offset = to
            index += 1
        return found[0] if len(found) == 1 else b"".join(found)


# ---- reading --------------------------------------------------------------------------------------------------------


class Stored(NamedTuple):
    """A tensor of a file: where it is, counted from the first byte of the file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    nbytes: int


class Header(NamedTuple):
    metadata: dict[str, str] | None
    tensors: dict[str, Stored]  # in the order of their places


def read_header(read_range: Callable[[int, int], Any], original: int) -> Header:
    """Returns the header of a file of `original` bytes; read_range(offset, length) returns any of them. Raises
    FormatError for all that the package safetensors refuses: nothing is known of the tensors then."""
    if original < _LENGTH:
        raise _wrong(f"a file of {original} bytes is too short for it")
    length = int.from_bytes(read_range(0, _LENGTH), "little")
    if length > _LONGEST or length > original - _LENGTH:
        raise _wrong(f"{length} bytes long; the file has {original}, and {_LONGEST} are allowed")
    metadata, tensors = _entries(_parsed(bytes(read_range(_LENGTH, length))))
    start = _LENGTH + length
    return Header(metadata, _placed(tensors, start, original - start))


def _wrong(what: str) -> Exception:
    return FormatError(None, f"safetensors header: {what}")  # type: ignore[no-any-return]


# JSON is read by Python's own reader, and where that takes more than the reference does, the rest is refused here.
# Objects become tuples of pairs, so that names that occur twice are seen.


_ODD_INTEGER = re.compile(r"-0|[0-9]{19}")


def _integer(text: str) -> int | float:
    """As the reference: what does not fit into 64 bits, and -0, is no integer."""
    value = int(text) if len(text) <= 20 else -1 << 64
    return value if -1 << 63 <= value < 1 << 64 and text != "-0" else _float(text)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _wrong("a number is too large")
    return value


def _constant(text: str) -> None:
    raise _wrong(f"{text} is not JSON")


_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F])|.)", re.DOTALL)


def _check_before(text: str) -> None:
    """What Python's reader does not refuse, or only at great cost: every tensor has three brackets and over 40 other
    characters, and with many more brackets the values would take a hundred times the header's length."""
    most = len(text) // 8 + 4096
    if text.count("[") + text.count("{") > most:
        bare = _STRING.sub("", text)
        if bare.count("[") + bare.count("{") > most:
            raise _wrong("more brackets than tensors can have")
    if _SURROGATE.search(text) and any(escape.group(1) for escape in _ESCAPE.finditer(text)):
        raise _wrong("half of a surrogate pair")


def _parsed(data: bytes) -> tuple[tuple[str, Any], ...]:
    """Returns the pairs of the outermost object."""
    try:
        text = data.decode()
        _check_before(text)
        integer = _integer if _ODD_INTEGER.search(text) else int  # which takes a third of the time
        value = json.loads(
            text, object_pairs_hook=tuple, parse_int=integer, parse_float=_float, parse_constant=_constant
        )
    except FormatError:
        raise
    except RecursionError:
        raise _wrong(f"more than {_DEEPEST} brackets are open at once") from None
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError among them
        raise _wrong(str(error)) from None
    if not isinstance(value, tuple):
        raise _wrong("not an object")
    return value


def _entries(pairs: tuple[tuple[str, Any], ...]) -> tuple[dict[str, str] | None, dict[str, Any]]:
    """Metadata and tensors, these with places counted from the first tensor's. Of tensors of one name the last counts,
    as it does in the reference; the metadata comes once."""
    metadata: tuple[dict[str, str] | None, ...] = ()
    tensors = {}
    for name, value in pairs:
        if name == _METADATA:
            if metadata:
                raise _wrong(f"{_METADATA} occurs twice")
            metadata = (_metadata_of(value),)
        else:
            tensors[name] = _entry_of(name, value)
    return metadata[0] if metadata else None, tensors


def _metadata_of(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, tuple) or not all(isinstance(text, str) for _, text in value):
        raise _wrong(f"{_METADATA} is not an object of strings")
    return dict(value)


_FIELDS = ("dtype", "shape", "data_offsets")


def _entry_of(name: str, value: Any) -> tuple[str, list[int], int, int]:
    """(dtype, shape, begin, end)"""
    if not isinstance(value, tuple):
        raise _wrong(f"{shown(name)} is not an object")
    fields = dict(value)
    if len(value) != len(_FIELDS) or not all(key in fields for key in _FIELDS):
        _check_fields(name, value)
    dtype, shape, offsets = (fields[key] for key in _FIELDS)
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _wrong(f"{shown(name)} has the unknown type {shown(dtype)}")
    if not _are_counts(shape):
        raise _wrong(f"the shape of {shown(name)} is not a list of counts")
    if not _are_counts(offsets) or len(offsets) != 2:
        raise _wrong(f"the data_offsets of {shown(name)} are not two counts")
    return dtype, shape, offsets[0], offsets[1]


def _check_fields(name: str, pairs: tuple[tuple[str, Any], ...]) -> None:
    """Checks that each field is there once. Others may be there too."""
    keys = [key for key, _ in pairs]
    for field in _FIELDS:
        if keys.count(field) != 1:
            raise _wrong(f"{shown(name)} has {'two' if field in keys else 'no'} {field}")
    if any(_depth(value) + 2 > _DEEPEST for key, value in pairs if key not in _FIELDS):
        raise _wrong(f"more than {_DEEPEST} brackets are open at once")


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and (not value or (set(map(type, value)) == {int} and min(value) >= 0))


def _depth(value: Any) -> int:
    """Returns how many brackets are open at the same time."""
    depth, level = 0, [value]
    while level := [v for v in level if isinstance(v, (list, tuple))]:
        depth += 1
        level = [inner for outer in level for inner in (outer if isinstance(outer, list) else (v for _, v in outer))]
    return depth


def _bits(dtype: str, shape: list[int]) -> int | None:
    """Returns the bits of all elements; None if a product on the way, taken as in the reference, does not fit into 64
    bits."""
    product = 1
    for factor in (*shape, _BITS[dtype]):
        product *= factor
        if product >= 1 << 64:
            return None
    return product


def _placed(tensors: dict[str, Any], start: int, length: int) -> dict[str, Stored]:
    """Returns the tensors in order. They must follow one another without gap or overlap, up to the end of the file."""
    placed = {}
    at = 0
    for name, (dtype, shape, begin, end) in sorted(tensors.items(), key=lambda item: item[1][2:]):
        if begin != at or end < begin:
            raise _wrong(f"{shown(name)} has bytes {begin} to {end}, the tensor before it ends at {at}")
        if _bits(dtype, shape) != (end - begin) * 8:
            raise _wrong(f"{shown(name)} of {dtype} {shown(shape)} cannot have {end - begin} bytes")
        placed[name] = Stored(dtype, tuple(shape), start + begin, end - begin)
        at = end
    if at != length:
        raise _wrong(f"the tensors have {at} bytes, the file has {length} for them")
    return placed
