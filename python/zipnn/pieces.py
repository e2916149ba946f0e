"""Sources that are far away: what is read is fetched in a few large pieces, some of them ahead of the reader."""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from . import _zipnn
from .errors import FileError, FileForbiddenError, FileMissingError

BLOCK = 8 << 20  # bytes of a piece at most: large enough for the rate, small enough to run side by side
GLANCE = 64 << 10  # bytes at the front and at the end that are kept, as the library reads them first
LEAST = 64 << 10  # bytes of a piece at least
NEAR = 4 << 10  # so many bytes that nobody wants are fetched rather than asking twice, or a 64th of what is wanted
RETRIES = 3  # of a piece that came short
INDEX_SHARE = 1 << 14  # an index takes about so small a part of an archive: a larger glance spares a request
MOST_AT_ONCE = 1 << 30  # bytes of one read: no index and no chunk of an archive that can be is larger


class Ranges(Protocol):
    """Something of which ranges of bytes can be had."""

    name: str  # for messages
    parallel: bool  # whether several threads may fetch at once

    def open(self, n: int) -> tuple[int, bytes]:
        """Returns how many bytes there are, and the first n of them (all if there are fewer), or b"" if they cost as
        much later."""

    def fetch(self, start: int, end: int) -> Any:
        """Returns bytes [start, end): all of them, and of the same object as before, or raises."""

    def close(self) -> None:
        """Ends a fetch() that waits, and every later one."""


class _Piece:
    """Bytes [start, end), which are wanted, on their way, or there."""

    __slots__ = ("start", "end", "unread", "data", "coming", "kept")

    def __init__(self, start: int, end: int, data: Any = None) -> None:
        self.start = start
        self.end = end
        self.unread = end - start
        self.data = data
        self.coming: Future[Any] | None = None
        self.kept = data is not None  # for ever: the front and the end

    def is_begun(self) -> bool:
        return self.data is not None or self.coming is not None


def merge(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Returns (start, end) of runs of ranges (offset, length) that lie close together, in order."""
    start = end = -1
    for offset, length in sorted(ranges):
        if end >= 0 and offset - end <= max(NEAR, (end - start) >> 6):
            end = max(end, offset + length)
            continue
        if end > start:
            yield start, end
        start, end = offset, offset + length
    if end > start:
        yield start, end


class Source:
    """read_at() for the library over ranges that are far away. will_read() says what is going to be read: that is then
    fetched in pieces of at most 8 MiB, `workers` of them at once. Whatever else is read is fetched when it is asked
    for; a read that goes on where the last one ended fetches twice as much as that. Memory: at most `workers` + 4
    pieces.

    One thread at a time reads; any thread may call will_read() and close()."""

    def __init__(self, ranges: Ranges, workers: int = 8) -> None:
        if workers < 1:
            raise ValueError(f"workers {workers}: at least 1")
        self.name = ranges.name
        self._ranges = ranges
        self._workers = workers if ranges.parallel else 0
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.RLock()
        self._loaded: dict[_Piece, None] = {}  # begun and not kept for ever, the one used last at the end
        self._last = (-1, -1)  # the piece that was fetched last without having been announced
        self.length, front = ranges.open(GLANCE)
        self._pieces = [_Piece(0, len(front), front)] if front else []  # in order, apart from each other
        end = max(self.length - max(GLANCE, self.length // INDEX_SHARE), len(front))
        if front and end < self.length:
            self._pieces.append(_Piece(end, self.length, ranges.fetch(end, self.length)))

    # Reading

    def read_at(self, offset: int, n: int) -> Any:
        end = offset + n
        if n > MOST_AT_ONCE or end > self.length:
            raise EOFError(f"{self.name}: bytes {offset} to {end} of {self.length} are wanted: no sound archive")
        parts = []
        while offset < end:
            piece = self._begin(offset, end)
            data = self._wait(piece)
            to = min(end, piece.end)
            parts.append(memoryview(data)[offset - piece.start : to - piece.start])
            piece.unread -= to - offset
            offset = to
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def will_read(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Announces reads of ranges (offset, length)."""
        with self._lock:
            for start, end in merge(ranges):
                self._plan(start, end)

    def _plan(self, start: int, end: int) -> None:
        """Adds pieces for what no piece holds of [start, end), as far as there is something."""
        end = min(end, self.length)
        while start < end:
            i = bisect_right(self._pieces, start, key=lambda piece: piece.start)
            if i and self._pieces[i - 1].end > start:
                start = self._pieces[i - 1].end
                continue
            room = self._pieces[i].start if i < len(self._pieces) else self.length
            to = min(room, start + BLOCK, max(end, start + LEAST))
            self._pieces.insert(i, _Piece(start, to))
            start = to

    def _begin(self, offset: int, end: int) -> _Piece:
        """Returns the piece that holds a byte, once it is on its way, and pieces after it, too."""
        with self._lock:
            i = bisect_right(self._pieces, offset, key=lambda piece: piece.start) - 1
            if i < 0 or self._pieces[i].end <= offset:
                start, to = self._last
                again = 2 * (to - start) if offset == to else 0
                self._plan(offset, min(max(end, offset + again), offset + BLOCK))
                i += 1
                self._last = offset, self._pieces[i].end
            piece = self._pieces[i]
            window = [piece]
            held = 0
            for later in self._pieces[i + 1 : i + self._workers]:
                held += later.end - later.start
                if held > self._workers * BLOCK:
                    break
                window.append(later)
            for wanted in window:
                self._load(wanted, window)
            return piece

    def _load(self, piece: _Piece, window: list[_Piece]) -> None:
        if piece.kept:
            return
        if piece is window[0]:
            self._loaded.pop(piece, None)
        if not piece.is_begun():
            self._make_room(piece.end - piece.start, window)
            if self._workers:
                self._pool = self._pool or ThreadPoolExecutor(self._workers, "zipnn.remote")
                piece.coming = self._pool.submit(self._ranges.fetch, piece.start, piece.end)
        self._loaded[piece] = None

    def _make_room(self, n: int, window: list[_Piece]) -> None:
        """Lets go of pieces that were read, then of those that were used longest ago."""
        held = n + sum(piece.end - piece.start for piece in self._loaded)
        old = [piece for piece in self._loaded if piece not in window]
        for piece in sorted(old, key=lambda piece: piece.unread > 0):
            if held <= (self._workers + 4) * BLOCK:
                return
            held -= piece.end - piece.start
            self._drop(piece)

    def _drop(self, piece: _Piece) -> None:
        self._loaded.pop(piece, None)
        if piece in self._pieces:
            self._pieces.remove(piece)
        if piece.coming:
            piece.coming.cancel()

    def _wait(self, piece: _Piece) -> Any:
        try:
            if piece.data is None:
                coming = piece.coming
                piece.data = coming.result() if coming else self._ranges.fetch(piece.start, piece.end)
                piece.coming = None
            return piece.data
        except BaseException:  # the next read asks again
            with self._lock:
                self._drop(piece)
            raise

    def close(self) -> None:
        self._ranges.close()
        with self._lock:
            pool, self._pool = self._pool, None
            self._loaded.clear()
            self._pieces.clear()
        if pool:
            pool.shutdown(cancel_futures=True)


class FarArchive:
    """The extension's archive over such a source: whoever reads it says before what will be needed."""

    def __init__(self, archive: Any, source: Source) -> None:
        self._archive = archive
        self._source = source
        self._announces = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._archive, name)

    def will_read(self, wanted: Iterable[tuple[int, int]]) -> None:
        """Announces reads of ranges (offset, length) of the original. Records of zipnn 0.x have no index: nothing can
        be said of them."""
        ranges = []
        for offset, length in wanted if self._announces else ():
            try:
                ranges += [r[1:] for r in self._archive.ranges(offset, length) if r[0] == 0]
            except ValueError:
                self._announces = False
                return
        self._source.will_read(ranges)

    def read_into(self, offset: int, buffer: Any, progress: Any = None) -> None:
        self.will_read([(offset, memoryview(buffer).nbytes)])
        self._archive.read_into(offset, buffer, progress)

    def read_rows(self, index: int, first: int, n: int, buffer: Any) -> None:
        """What is no run of values is fetched whole, unless it is in pieces: nobody says where those lie."""
        offset, length, flags = (self._archive.tensors()[index][i] for i in (3, 4, 6))
        if not flags & _zipnn.IN_PIECES:
            self.will_read([(offset, length)])
        self._archive.read_rows(index, first, n, buffer)

    def close(self) -> None:
        self._archive.close()
        self._source.close()


# ---- file objects -----------------------------------------------------------------------------------------------


class FileRanges:
    """Ranges of a seekable binary file object, which one thread at a time can use."""

    parallel = False

    def __init__(self, fileobj: Any) -> None:
        self.fileobj = fileobj
        self.name = "the file object"
        self._lock = threading.RLock()  # it may be the base of an archive that another thread reads
        length = fileobj.seek(0, os.SEEK_END)
        self.length: int = fileobj.tell() if length is None else length  # seek() of some file objects says nothing

    def open(self, n: int) -> tuple[int, bytes]:
        return self.length, b""

    def read_at(self, offset: int, n: int) -> Any:
        return self.fetch(offset, offset + n)

    def fetch(self, start: int, end: int) -> Any:
        with self._lock:
            return self._fetch(start, end)

    def _fetch(self, start: int, end: int) -> Any:
        self.fileobj.seek(start)
        n = end - start
        data = self._read(n) if n else b""
        if len(data) == n:
            return data
        parts = [data]
        while (n := n - len(data)) > 0:
            data = self._read(n)
            parts.append(data)
        if n < 0:
            raise ValueError(f"the file object returned {-n} bytes more than it was asked for")
        return b"".join(parts)

    def _read(self, n: int) -> Any:
        data = self.fileobj.read(n)
        if data is None:
            raise BlockingIOError("the file object has no bytes yet: archives are read from those that wait for them")
        if not data:
            raise EOFError("the file object ended early")
        return data

    def close(self) -> None:
        pass  # it is the caller's


def source_over(source: Any) -> Source | FileRanges | None:
    """Returns what has read_at and length, of a Source or a seekable file object. Files of this machine and bytes in
    memory are read as they are asked for, other file objects in pieces; one of fsspec's by its file system, several
    pieces at once."""
    if isinstance(source, Source):
        return source
    if not (hasattr(source, "read") and hasattr(source, "seek")):
        return None
    if isinstance(getattr(source, "raw", source), (io.BytesIO, io.FileIO)):
        return FileRanges(source)
    spec = sys.modules.get("fsspec.spec")  # who has such a file has the package
    if spec and isinstance(source, spec.AbstractBufferedFile) and source.readable():
        return Source(FsspecRanges(source.fs, source.path, source.size))
    return Source(FileRanges(source))


def far_of(given: Any) -> Source | None:
    """Returns the Source whose read_at the extension was given, if that is what it was given."""
    owner = getattr(given[1], "__self__", None) if isinstance(given, tuple) else None
    return owner if isinstance(owner, Source) else None


# ---- fsspec -----------------------------------------------------------------------------------------------------


class FsspecRanges:
    """Ranges of a file of one of fsspec's file systems: s3, gs, az, hf and others."""

    def __init__(self, fs: Any, path: str, length: int | None = None) -> None:
        self.name = f"{_protocol(fs)}://{path.partition('?')[0]}"
        self.parallel = bool(fs.async_impl)  # then its own thread does the work
        self._fs = fs
        self._path = path
        self._length = length
        self._closed = False

    def open(self, n: int) -> tuple[int, bytes]:
        if self._length is None:
            self._length = self._ask(lambda: self._fs.info(self._path)["size"])
        if self._length is None:
            raise FileError(None, f"{self.name}: the file system does not tell its length", self.name)
        return self._length, self.fetch(0, min(n, self._length))

    def fetch(self, start: int, end: int) -> Any:
        for attempt in range(1 + RETRIES):
            if self._closed:
                raise ValueError("the archive is closed")
            data = self._ask(lambda: self._fs.cat_ranges([self._path], [start], [end], on_error="raise")[0])
            if len(data) == end - start:
                return data
            time.sleep(0.1 * 2**attempt)
        what = f"{self.name}: {len(data)} bytes came for {start} to {end}: the file has become shorter"
        raise FileError(None, what, self.name)

    def _ask(self, what: Callable[[], Any]) -> Any:
        """What the file system raises becomes one of our errors, which names the file."""
        try:
            return what()
        except FileError:
            raise
        except OSError as error:
            missing, forbidden = isinstance(error, FileNotFoundError), isinstance(error, PermissionError)
            kind = FileMissingError if missing else FileForbiddenError if forbidden else FileError
            raise kind(None, f"{self.name}: {error}", self.name) from error

    def close(self) -> None:
        self._closed = True


def _protocol(fs: Any) -> str:
    return fs.protocol if isinstance(fs.protocol, str) else str(fs.protocol[0])
