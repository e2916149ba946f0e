"""The safetensors layout: a header in JSON, then the tensors. Written as the package safetensors writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple

# The order in which tensors are laid out: the reference's order of types, last first, then by name.
_ORDER = (
    "BOOL F4_E2M1 F6_E2M3 F6_E3M2 U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ I16 U16 F16 BF16 I32 U32 F32 "
    "C64 F64 I64 U64"
).split()
_RANK = {name: rank for rank, name in enumerate(_ORDER)}
_ALIGNMENT = 8


class Entry(NamedTuple):
    """A tensor to be written; `memory` gives its bytes when their time has come."""

    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    memory: Callable[[], Any]


def parts(entries: dict[str, Entry], metadata: dict[str, str] | None) -> Iterator[Any]:
    """The file as a sequence of buffers."""
    names = sorted(entries, key=lambda name: (-_RANK[entries[name].dtype], name.encode()))
    header: dict[str, Any] = {}
    if metadata is not None:
        _check_metadata(metadata)
        header["__metadata__"] = dict(sorted(metadata.items()))
    end = 0
    for name in names:
        entry = entries[name]
        begin, end = end, end + entry.nbytes
        header[name] = {"dtype": entry.dtype, "shape": list(entry.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    yield len(text).to_bytes(8, "little") + text
    for name in names:
        yield entries[name].memory()


def _check_metadata(metadata: dict[str, str]) -> None:
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"metadata maps str to str: {key!r}: {value!r}")


def read_header(read_range: Callable[[int, int], Any]) -> tuple[dict[str, str] | None, int]:
    """The metadata and where the tensors begin. The library has checked the header before."""
    length = int.from_bytes(read_range(0, 8), "little")
    header = json.loads(bytes(read_range(8, length)))
    return header.get("__metadata__"), 8 + length


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
