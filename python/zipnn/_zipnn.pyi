from typing import Any, Callable, Optional, Union

from typing_extensions import Buffer

_Progress = Optional[Callable[[int, Optional[int]], Any]]
_Source = Union[
    str,
    int,
    Buffer,
    tuple[Callable[[memoryview], int], None, None],
    tuple[None, Callable[[int, memoryview], Any], int],
]
_Sink = Union[str, int, Callable[[memoryview], Any]]
_Stats = tuple[int, int, int, bytes, Optional[bytes]]

version: str
FILE_REPLACE: int
FILE_SYNC: int

def compress(
    data: Buffer, dtype: str | None, level: int, threads: int, verify: bool, sha256: bool, progress: _Progress, /
) -> bytes: ...
def decompress(data: Buffer, threads: int, progress: _Progress, /) -> bytes: ...
def decompress_into(data: Buffer, buffer: Buffer, threads: int, progress: _Progress, /) -> int: ...
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
    /,
) -> _Stats: ...
def unpack(source: _Source, sink: _Sink, flags: int, threads: int, progress: _Progress, /) -> _Stats: ...
def test(source: _Source, threads: int, progress: _Progress, /) -> _Stats: ...
def cpus() -> int: ...

class Archive:
    def __new__(cls, source: _Source, threads: int = ..., access: int = ..., /) -> Archive: ...
    def close(self) -> None: ...
    def info(self) -> tuple[int, int, int, int, str, int, bytes, bytes | None]: ...
    def chunk(self, index: int, /) -> tuple[int, int, int, int, int]: ...
    def tensors(self) -> list[tuple[str, str, tuple[int, ...], int, int, int]]: ...
    def read_into(self, offset: int, buffer: Buffer, /) -> None: ...
