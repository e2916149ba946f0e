"""Bases: what archives store differences from. Everything that takes `base=` takes it in one of these forms.

a path       a file as it is, or an archive of it; a folder, to restore: the files in it are looked at by name, then by
             digest
memory       the bytes of such a file
an Archive   with the bases that it was opened with
a function   to restore: it is called with a BaseInfo and returns one of the other forms, or None. It is asked for the
             bases of bases, too
a list       of these. To compress, tensors are stored as differences from whichever resembles them most
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from . import _zipnn
from .errors import BaseError, FileError, FormatError, UnsupportedError, ZipnnError, file_error_of

if TYPE_CHECKING:
    from .archives import Archive
    from .streams import Memory

    Resolver = Callable[["BaseInfo"], Any]
    Base = Union[str, os.PathLike[str], Memory, Archive, Resolver, Iterable[Any], None]

__all__ = ["BaseInfo"]


class BaseInfo(NamedTuple):
    """A base that an archive was made against.

    name     of its file when the archive was made, for people
    size     bytes
    xxh3     the digest of its bytes, by which it is found
    at_hand  whether it was given, with all that it was made against itself
    """

    name: str
    size: int
    xxh3: bytes
    at_hand: bool = False


class Row(NamedTuple):
    """What the extension takes: the direct ones, to compress against, come first."""

    source: Any
    name: str | None
    direct: bool


Rows = tuple[Row, ...]


def _rows_of(base: Any, resolvers: list[Callable[[BaseInfo], Any]], direct: bool = True) -> Iterator[Row]:
    from .archives import Archive

    if base is None:
        return
    if isinstance(base, Row):
        yield base
    elif isinstance(base, (str, os.PathLike)):
        path = os.fsdecode(base)
        if os.path.isdir(path):
            resolvers.append(Folder(path))
        else:
            yield Row(path, os.path.basename(path), direct)
    elif isinstance(base, Archive):
        if base._source is None:
            raise ValueError("the archive given as base is closed")
        name = base.path and os.path.basename(base.path)
        yield Row(base._source, name, direct)
        yield from (row._replace(direct=False) for row in base._bases)
    elif callable(base):
        resolvers.append(base)
    elif isinstance(base, (list, tuple, set, frozenset)):
        for each in base:
            yield from _rows_of(each, resolvers, direct)
    else:
        yield Row(_memory(base), None, direct)


def _memory(base: Any) -> memoryview:
    try:
        return memoryview(base)
    except TypeError:
        text = f"a base is a path, memory, an Archive, a function or a list of these, not a {type(base).__name__}"
        raise TypeError(text) from None


def ordered(rows: Iterable[Row]) -> Rows:
    return tuple(sorted(rows, key=lambda row: not row.direct))


def to_compress(base: Any) -> Rows:
    """Returns what differences are made against."""
    resolvers: list[Callable[[BaseInfo], Any]] = []
    rows = ordered(_rows_of(base, resolvers))
    if resolvers:
        what = "a folder" if isinstance(resolvers[0], Folder) else "a function"
        raise ValueError(f"{what} finds bases to restore from: to compress, name the file to compare with")
    return rows


def to_restore(base: Any, source: Any) -> Rows:
    """Returns what an archive needs to be read. `source` is what the extension opens; functions are asked for what it
    lacks, which takes one that can be read at any position. Of a path the ways are followed that it tells itself."""
    resolvers: list[Callable[[BaseInfo], Any]] = []
    rows = list(_rows_of(base, resolvers))
    if isinstance(source, str):
        try:
            _resolve(source, rows, [*resolvers, Ways(source)])
        except (ZipnnError, FileError):
            if resolvers:
                raise  # else whoever restores says what is wrong
    elif resolvers:
        if isinstance(source, tuple) and source[1] is None:
            raise ValueError("the archive comes from a pipe, of which bases are not known ahead: give them themselves")
        _resolve(source, rows, resolvers)
    return ordered(rows)


def needed(source: Any, rows: Rows = ()) -> list[BaseInfo]:
    """Returns the bases that an archive was made against."""
    archive = _zipnn.Archive(source, 1, 0, rows)
    try:
        return [BaseInfo(*archive.base(i)) for i in range(archive.info()[9])]
    finally:
        archive.close()


def _resolve(source: Any, rows: list[Row], resolvers: list[Callable[[BaseInfo], Any]]) -> None:
    """Asks for the bases of the archive, then for those of the bases. Each is asked for once."""
    known: set[bytes] = set()
    waiting = [*(row.source for row in rows), source]
    for given in waiting[:-1]:
        known.update(_digest_of(given))
    while waiting:
        for info in _needs(waiting.pop(), tuple(rows)):
            if info.at_hand or info.xxh3 in known:
                continue
            known.add(info.xxh3)
            answers = (resolve(info) for resolve in resolvers)
            found = [row for answer in answers if answer is not None for row in _rows_of(answer, [])][:1]
            rows += found
            waiting += [row.source for row in found]


def _needs(source: Any, rows: Rows) -> list[BaseInfo]:
    try:
        return needed(source, rows)
    except (FormatError, UnsupportedError):
        return []  # a file as it is


def _digest_of(source: Any) -> list[bytes]:
    try:
        archive = _zipnn.Archive(source)
    except FormatError:
        return []
    digest = archive.info()[6]
    archive.close()
    return [digest]


class Folder:
    """Looks for bases in a folder. Names come from strangers: only their last part is used, and what has the name
    counts only with the right digest, or, of a file that is no archive, the right length."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._by_digest: dict[bytes, str] | None = None

    def __call__(self, info: BaseInfo) -> str | None:
        name = os.path.basename(info.name)
        for candidate in (name, name + ".znn", name.removesuffix(".znn")):
            path = os.path.join(self._path, candidate)
            if candidate and os.path.isfile(path) and self.fits(path, info):
                return path
        if self._by_digest is None:
            self._by_digest = dict(self._digests())
        return self._by_digest.get(info.xxh3)

    @classmethod
    def fits(cls, path: str, info: BaseInfo) -> bool:
        """Returns whether the file may be this base."""
        digests = cls._digest(path)
        return digests == [info.xxh3] if digests else os.path.getsize(path) == info.size

    @staticmethod
    def _digest(path: str) -> list[bytes]:
        try:
            return _digest_of(path)
        except (ZipnnError, OSError):
            return [b""]

    def _digests(self) -> Iterator[tuple[bytes, str]]:
        try:
            names = sorted(os.listdir(self._path))
        except OSError as error:
            raise file_error_of(error, self._path) from None
        for name in names:
            path = os.path.join(self._path, name)
            if name.endswith(".znn") and os.path.isfile(path):
                yield from ((digest, path) for digest in self._digest(path))


def way_from(folder: str, name: str) -> str | None:
    """Returns where a base's name that is a way ("./original/model.safetensors") leads from `folder`, or None. Names
    come from strangers: a way goes up at its beginning alone, and is never absolute."""
    first, *parts = name.split("/")
    up = next((i for i, part in enumerate(parts) if part != ".."), len(parts))
    rest = parts[up:]
    if first != "." or not rest or not all(rest) or ".." in rest or "\0" in name:
        return None
    return "/".join([folder, *parts])


class Ways:
    """Follows the ways that archives of `zipnn --dedup`, of batches and chains tell: from their folder to the file that
    they were made against, to its archive or to its original, and from there on. The digest decides, as in a folder."""

    def __init__(self, path: str) -> None:
        self._folders = [os.path.dirname(path) or "."]

    def __call__(self, info: BaseInfo) -> str | None:
        for there in [way_from(folder, info.name) for folder in self._folders]:
            for path in ways_end(there) if there else ():
                if os.path.isfile(path) and Folder.fits(path, info):
                    self._folders.append(os.path.dirname(path))
                    return path
        return None


def ways_end(there: str) -> list[str]:
    """The files that a way may lead to: what was the original, its archive, or the file itself."""
    restored = [there.removesuffix(".znn")] if there.endswith(".znn") else []
    return [*restored, there + ".znn", there]


def explain(error: BaseError, source: Any, rows: Rows) -> BaseError:
    """Returns an error with the bases that were wanted, as far as the archive tells."""
    if isinstance(source, tuple) and source[1] is None:
        return error
    try:
        error.wanted = [info for info in needed(source, rows) if not info.at_hand]
    except (ZipnnError, FileError, ValueError):
        pass
    return error
