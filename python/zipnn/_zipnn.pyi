from collections.abc import Callable
from typing import Any, NoReturn, Optional, Union

from typing_extensions import Buffer

_Progress = Optional[Callable[[int, Optional[int]], Any]]
_Source = Union[
    str,
    int,
    Buffer,
    tuple[Callable[[memoryview], int], None, None],
    tuple[None, Callable[[int, int], Buffer], int],
]
_Sink = Union[str, int, Callable[[bytes], Any]]
_Bases = Optional[tuple[tuple[Any, Optional[str], bool], ...]]
_Stats = tuple[int, int, int, bytes, Optional[bytes]]

version: str
FILE_REPLACE: int
FILE_SYNC: int
BIG_ENDIAN: int
COLUMN_MAJOR: int
CONJUGATE: int
NEGATIVE: int
STRIDED: int
IN_PIECES: int
FILTERED: int
SHARED: int

def command(argv: list[bytes]) -> NoReturn: ...
def compress(
    data: Buffer,
    dtype: str | None,
    level: int,
    threads: int,
    verify: bool,
    sha256: bool,
    progress: _Progress,
    bases: _Bases = ...,
    /,
) -> bytes: ...
def decompress(data: Buffer, threads: int, progress: _Progress, bases: _Bases = ..., /) -> bytes: ...
def decompress_into(data: Buffer, buffer: Buffer, threads: int, progress: _Progress, bases: _Bases = ..., /) -> int: ...
def original_size(data: Buffer, /) -> int: ...
def pack(
    source: _Source,
    sink: _Sink,
    flags: int,
    dtype: str | None,
    level: int,
    threads: int,
    verify: bool,
    sha256: bool,
    progress: _Progress,
    bases: _Bases = ...,
    /,
) -> _Stats: ...
def unpack(
    source: _Source, sink: _Sink, flags: int, threads: int, progress: _Progress, bases: _Bases = ..., /
) -> _Stats: ...
def test(source: _Source, threads: int, progress: _Progress, bases: _Bases = ..., /) -> _Stats: ...
def recompress(
    source: _Source, sink: _Sink, flags: int, level: int, threads: int, progress: _Progress, /
) -> _Stats: ...
def estimate(
    source: _Source,
    dtype: str | None,
    level: int,
    threads: int,
    max_sampled: int,
    progress: _Progress,
    bases: _Bases = ...,
    /,
) -> tuple[int, int, int, int, int]: ...
def apply(source: _Source, memory: Buffer, threads: int, progress: _Progress, /) -> _Stats: ...
def survey(
    source: _Source, sink: Optional[_Sink], flags: int, threads: int, progress: _Progress, bases: _Bases = ..., /
) -> tuple[Optional[str], Optional[str], int, int, int, int, bool, bytes, list[tuple[Any, ...]]]: ...
def cpus() -> int: ...
def dtypes() -> list[tuple[str, str, str, int, int, int, int, str, str, str, str]]: ...

_Tensors = tuple[tuple[Any, ...], ...]
_UpdateStats = tuple[int, int, int, int, bool]
_UpdateInfo = tuple[int, int, int, bytes, bytes, list[tuple[str, str, tuple[int, ...]]]]

def changes(
    weights: Weights | None, source: _Source, threads: int, take: Callable[[int, int, bytes, bytes], Any] | None, /
) -> tuple[_UpdateStats, _UpdateInfo]: ...
def merge(first: _Source, second: _Source, sink: _Sink, /) -> _UpdateStats: ...

class Weights:
    def __new__(cls, tensors: _Tensors, how: int, version: int, threads: int, /) -> Weights: ...
    def close(self) -> None: ...
    def info(self) -> tuple[int, int, int, bytes, bool]: ...
    def pack(
        self,
        tensors: _Tensors,
        sink: _Sink,
        form: int,
        version: int,
        note: Buffer,
        keep: bool,
        level: int,
        threads: int,
        progress: _Progress,
        /,
    ) -> _UpdateStats: ...
    def apply(
        self, source: _Source, threads: int, progress: _Progress, done: Callable[[int], Any] | None, /
    ) -> tuple[_UpdateStats, _UpdateInfo]: ...

class Matrix:
    def __new__(cls, data: Buffer, n_rows: int, n_columns: int, threads: int, /) -> Matrix: ...
    def info(self) -> tuple[int, int, int, bool]: ...
    def multiply(
        self, values: Buffer, result: Buffer, n: int, pairs: bool, threads: int, parallel: int, /
    ) -> None: ...
    def read(self, first: int, n: int, buffer: Buffer, threads: int, /) -> None: ...

class Gpu:
    def __new__(cls, device: int, code: bytes | None, staging: int, /) -> Gpu: ...
    def load(self, archive: Archive, parts: list[tuple[int, int, int]], /) -> tuple[int, int, int]: ...

class Kept:
    def __new__(cls, gpu: Gpu, archive: Archive, parts: list[tuple[int, int, int]], /) -> Kept: ...
    def decode(self, address: int, stream: int, /) -> None: ...
    def stats(self) -> tuple[int, int, int]: ...

class Archive:
    def __new__(
        cls, source: _Source, threads: int = ..., access: int = ..., bases: _Bases = ..., /
    ) -> Archive: ...
    def close(self) -> None: ...
    def info(self) -> tuple[int, int, int, int, str, int, bytes, bytes | None, int, int, bool, bool]: ...
    def multiply(
        self, index: int, values: Buffer, result: Buffer, n: int, pairs: bool, threads: int, parallel: int, /
    ) -> None: ...
    def ranges(self, offset: int, length: int, /) -> list[tuple[int, int, int]]: ...
    def decode(self, offset: int, buffer: Any, pieces: list[tuple[int, int, Any]], /) -> list[tuple[int, int, int]]: ...
    def base(self, index: int, /) -> tuple[str, int, bytes, bool]: ...
    def coding(self, index: int, /) -> tuple[str, list[tuple[str, int, int]]]: ...
    def chunk(self, index: int, /) -> tuple[int, int, int, int, int]: ...
    def tensors(
        self,
    ) -> list[tuple[str, str, tuple[int, ...], int, int, int, int, tuple[int, ...] | None, int]]: ...
    def read_rows(self, index: int, first: int, n: int, buffer: Buffer, /) -> None: ...
    def read_into(self, offset: int, buffer: Buffer, progress: _Progress = ..., /) -> None: ...
    def check(self) -> None: ...
