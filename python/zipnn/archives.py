"""Archives opened for listing and random access."""

from __future__ import annotations

import html
import io
import operator
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, cast, overload

from . import _zipnn, bases
from .bases import BaseInfo
from .errors import BaseError
from .pieces import BLOCK, FarArchive, Source, far_of, source_over
from .prefetch import Prefetcher
from .tensors import Tensor

if TYPE_CHECKING:
    from .bases import Base
    from .streams import Memory

__all__ = ["Archive", "Chunk", "Info", "Plane", "Range"]


class Info(NamedTuple):
    """What an archive says about itself. `container` is "safetensors", "gguf", "torch", "onnx" and so on (zipnn.h),
    "raw" for other files, "zipnn 0.x" for old records; the digests are of the original. `n_left_out` counts entries of
    the original's directory that are not among the tensors: they overlap another, make no sense, are of an unknown type
    or are too many for the bytes present (then there are more of them than counted). `n_bases` counts what the archive
    was made against; `has_repeats` tells that it cannot be restored from a pipe; `unverified`, that it is a
    record of zipnn 0.x, without digests."""

    original: int
    archive: int
    n_chunks: int
    n_tensors: int
    container: str
    level: int
    xxh3: bytes
    sha256: bytes | None
    n_left_out: int
    n_bases: int
    has_repeats: bool
    unverified: bool


class Plane(NamedTuple):
    """Bytes of a chunk that are coded together."""

    codec: str
    original: int
    stored: int


class Chunk(NamedTuple):
    """A part of the original that is coded on its own.

    offset, length          in the original
    archive_offset, stored  of its frame in the archive
    check                   XXH3-64 of the stored bytes
    layout                  how its bytes are divided into planes (doc/format.md), "copy" or "delta" for what refers to
                            other bytes
    planes                  how each of these is coded
    """

    offset: int
    length: int
    archive_offset: int
    stored: int
    check: int
    layout: str
    planes: tuple[Plane, ...]


class _Chunks(Sequence[Chunk]):
    """The chunks of an archive, each looked up when it is asked for."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __len__(self) -> int:
        return self._archive.info.n_chunks

    @overload
    def __getitem__(self, index: int) -> Chunk: ...
    @overload
    def __getitem__(self, index: slice) -> list[Chunk]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        at = operator.index(index)
        if not -len(self) <= at < len(self):
            raise IndexError(f"chunk {at} of {len(self)}")
        archive = self._archive._archive
        layout, planes = archive.coding(at % len(self))
        return Chunk(*archive.chunk(at % len(self)), layout, tuple(Plane(*plane) for plane in planes))


class Range(NamedTuple):
    """Bytes [offset, offset + length) of a source: 0 is the archive's own file."""

    source: int
    offset: int
    length: int


_SHOWN = 200  # tensors in a table for notebooks
_ACCESS = {"read": 0, "map": 1, "whole": 2}


def source_of(source: Any) -> Any:
    """Returns a path, memory, a file object or something far away as the extension takes it."""
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source)
    try:
        return memoryview(source)  # a mapping is memory, though it reads and seeks, too
    except TypeError:
        found = source_over(source)
        if not found:
            what = "an archive is a path, bytes or a seekable binary file object, not a"
            raise TypeError(f"{what} {type(source).__name__}") from None
    return None, found.read_at, found.length


class Archive(Mapping[str, Tensor]):
    """A mapping of tensor names to lazy tensors; nothing is decoded before it is asked for.

    The source is a path, a seekable binary file object, or an object with the buffer protocol. Any number of
    threads may read one archive at once; each that comes while others read decodes by itself, without further threads.
    A file object is read by one thread at a time, the one that wants a tensor (or that of prefetch()), and cannot
    itself use the archive. A process forked from this one may go on using it, except over a file object.
    Ctrl-C stops a read within the time that a chunk takes. An archive that is let go is closed. Pickled archives and
    tensors are opened again where they are unpickled, such as in the workers of a DataLoader: those of a path, of a URL
    (zipnn.open_url) and of bytes, which are copied.

    access  how a path is read. "map": through the page cache where the file is in it, as the package safetensors does;
            another process that cuts the file short just while a chunk is being decoded then ends this one (SIGBUS).
            "whole": likewise, and ahead of whoever reads it front to back where it is not; not to be used after a fork.
            "read": by reads alone.
    base    what the archive was made against, in any of the forms that zipnn.bases lists
    """

    def __init__(
        self, source: Any, threads: int | None = None, access: str = "map", *, base: Base = None
    ) -> None:
        if access not in _ACCESS:
            raise ValueError(f"access {access!r}: one of {', '.join(_ACCESS)}")
        self._source = source_of(source)
        self._given: tuple[Any, int | None, str, Base] | None = (source, threads, access, base)
        self._bases = bases.to_restore(base, self._source) if base is not None else ()
        self._archive = _zipnn.Archive(self._source, threads or 0, _ACCESS[access], self._bases)
        if base is None and isinstance(self._source, str) and self._archive.info()[9]:
            self._bases = bases.to_restore(None, self._source)
            self._archive.close()
            self._archive = _zipnn.Archive(self._source, threads or 0, _ACCESS[access], self._bases)
        far = far_of(self._source)
        if far:
            self._archive = cast(_zipnn.Archive, FarArchive(self._archive, far))
        self.path = self._source if isinstance(self._source, str) else None
        self.info = Info(*self._archive.info())
        self._metadata: tuple[dict[str, str] | None, ...] = ()
        self._tensors: dict[str, Tensor] = {}
        for index, listed in enumerate(self._archive.tensors()):
            name, dtype, shape, offset, _, stored, flags, strides, values = listed
            self._tensors[name] = Tensor(self, name, dtype, shape, offset, values, stored, flags, strides, index)
        self._prefetcher = Prefetcher(self._archive)

    # Mapping

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __repr__(self) -> str:
        return f"<zipnn.Archive of {self.info.original} bytes, {len(self)} tensors>"

    def _repr_html_(self) -> str:
        """A table for notebooks, with a bar for the share that each tensor's archive bytes are of its own."""
        rows = []
        for t in list(self._tensors.values())[:_SHOWN]:
            share = t.stored / t.nbytes if t.nbytes else 0.0
            bar = f'<meter min="0" max="1" value="{min(share, 1.0):.3f}"></meter> {share:.1%}'
            cells = (html.escape(t.name), html.escape(t.dtype), list(t.shape), f"{t.nbytes:,}", f"{t.stored:,}", bar)
            rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        more = f"<p>and {len(self) - _SHOWN} more</p>" if len(self) > _SHOWN else ""
        head = "".join(f"<th>{word}</th>" for word in ("name", "type", "shape", "bytes", "stored", "share"))
        info = f"{html.escape(self.info.container)}, {self.info.original:,} bytes in {self.info.archive:,}"
        return f"<p>{info}</p><table><tr>{head}</tr>{''.join(rows)}</table>{more}"

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    # What it says of itself

    @property
    def metadata(self) -> dict[str, str] | None:
        """The metadata of a safetensors file; None if it has none, and for other files."""
        if not self._metadata:
            self._metadata = (self._read_metadata(),)
        found = self._metadata[0]
        return None if found is None else dict(found)

    def _read_metadata(self) -> dict[str, str] | None:
        if self.info.container != "safetensors":
            return None
        from .safetensors import layout

        return layout.read_header(self.read_range, self.info.original).metadata

    @property
    def bases(self) -> list[BaseInfo]:
        """What the archive was made against."""
        return [BaseInfo(*self._archive.base(i)) for i in range(self.info.n_bases)]

    @property
    def base(self) -> BaseInfo | None:
        """The first of these, or None."""
        return next(iter(self.bases), None)

    @property
    def chunks(self) -> Sequence[Chunk]:
        """The chunks in the order of the original, and how each is coded; what is wrong in them is not noticed here."""
        return _Chunks(self)

    # Reading

    def _explained(self, error: BaseError) -> BaseError:
        error.wanted = [info for info in self.bases if not info.at_hand]
        return error

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except BaseError as error:
            raise self._explained(error) from None

    def read_into(self, offset: int, buffer: Memory) -> None:
        """Fills a writable buffer with original bytes from `offset` on, decoding only the chunks they touch. The last
        chunk of which a part was wanted is kept, so that many small reads decode it once."""
        with self._explaining():
            self._archive.read_into(offset, memoryview(cast(Any, buffer)).cast("B"))

    def read_range(self, offset: int, length: int) -> bytearray:
        """Original bytes [offset, offset + length)."""
        if length < 0 or offset < 0 or offset + length > self.info.original:
            raise ValueError(f"bytes {offset} to {offset + length} of an original of {self.info.original}")
        data = bytearray(length)
        self.read_into(offset, data)
        return data

    def ranges(self, offset: int, length: int) -> list[Range]:
        """Which bytes of the archive a read of original bytes [offset, offset + length) needs: one range for each
        chunk. Nothing is read. If chunks repeat others, decode() tells what else is needed. Records of zipnn 0.x have
        no index: UnsupportedError."""
        return [Range(*r) for r in self._archive.ranges(offset, length)]

    def decode(self, offset: int, buffer: Any, pieces: Iterable[tuple[int, int, Any]]) -> list[Range]:
        """Fills a writable buffer with original bytes from `offset` on, out of bytes that the caller fetched, such as
        asynchronously: pieces are (source, offset, bytes), in any order. No file is read, and no other thread is used.
        Returns what is still missing, [] once the buffer is filled: fetch that too, and call again."""
        ordered = sorted(pieces, key=lambda piece: piece[:2])
        missing = self._archive.decode(offset, memoryview(buffer).cast("B"), ordered)
        return [Range(*r) for r in missing]

    def prefetch(self, names: Iterable[str] | None = None, limit: int = 256 << 20) -> None:
        """Starts to decode whole tensors in the background, in this order (None: all, as they lie in the file), and
        keeps at most `limit` bytes that were not asked for yet. numpy(), torch() and bytes() take them from there."""
        tensors = self._tensors.values() if names is None else [self._tensors[name] for name in names]
        wanted = [(t.offset, t.nbytes) for t in tensors if t.is_run]
        self._will_read(wanted)
        self._prefetcher.order(wanted, limit)

    def _will_read(self, wanted: Iterable[tuple[int, int]]) -> None:
        """Announces reads of original bytes (offset, length), for what is far away."""
        if isinstance(self._archive, FarArchive):
            self._archive.will_read(wanted)

    def _bytes_of(self, offset: int, nbytes: int) -> bytearray | None:
        return self._prefetcher.take(offset, nbytes)

    # Life

    def close(self) -> None:
        """Frees everything but what was read; later reads raise ValueError. Waits for reads of other threads; tensors
        that are being prefetched are given up."""
        self._prefetcher.stop()
        self._archive.close()
        self._source, self._bases, self._given = None, (), None  # what is mapped or locked can be given back

    def __reduce__(self) -> tuple[Any, ...]:
        if self._given is None:
            raise ValueError("the archive is closed")
        source, *others = self._given
        if not isinstance(source, (str, os.PathLike, Source)):
            try:
                source = bytes(memoryview(source))
            except TypeError:
                what = "an Archive over a file object cannot be pickled: open it by its path, or by zipnn.open_url"
                raise TypeError(what) from None
        return Archive._opened, (source, *others)

    @staticmethod
    def _opened(source: Any, threads: int | None, access: str, base: Base) -> Archive:
        return Archive(source, threads, access, base=base)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


_MOST_AHEAD = 8 * BLOCK  # bytes of the original that are announced ahead of somebody who reads on


class ArchiveReader(io.RawIOBase):
    """The original of an archive as a seekable raw file."""

    def __init__(self, source: Any, threads: int | None = None, base: Base = None) -> None:
        self._position = 0
        self._last_end = 0  # of the read before
        self._known = 0  # the original is announced up to here
        self._stride = 0  # so much ahead of the reader
        self._archive = Archive(source, threads, base=base)
        is_path = isinstance(source, (str, bytes, os.PathLike))
        self.name = os.fspath(source) if is_path else getattr(source, "name", None)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if self.closed:
            raise ValueError("the file is closed")
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._archive.info.original}
        if whence not in bases:
            raise ValueError(f"whence {whence!r}: one of 0, 1 and 2 is possible")
        base = bases[whence]
        if base + offset < 0:
            raise ValueError(f"position {base + offset} is before the start")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self.closed:
            raise ValueError("the file is closed")
        view = memoryview(buffer).cast("B")
        n = max(min(len(view), self._archive.info.original - self._position), 0)
        self._announce(n)
        self._archive.read_into(self._position, view[:n])
        self._position += n
        return n

    def _announce(self, n: int) -> None:
        """Of something far away more and more is fetched ahead of whoever goes on reading."""
        position, end = self._position, self._position + n
        if position != self._last_end:
            self._known, self._stride = end, 0
        elif end > self._known:
            self._stride = min(2 * (self._stride + n), _MOST_AHEAD)
            self._known = min(end + self._stride, self._archive.info.original)
            self._archive._will_read([(position, self._known - position)])
        self._last_end = end

    def readall(self) -> bytes:
        data = bytearray(max(self._archive.info.original - self._position, 0))
        self.readinto(data)
        return bytes(data)

    def close(self) -> None:
        if not self.closed and hasattr(self, "_archive"):
            self._archive.close()
        super().close()
