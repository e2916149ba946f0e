"""Blobs that become their archives, and originals again, where they lie."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from ..errors import CorruptError, ZipnnError
from ..examine import estimate, make_alike
from ..safetensors import is_archive
from ..streams import Stats, compress_file, decompress_file, verify_file
from .cache import WEIGHTS, Blob, Repo, is_weights

__all__ = ["Outcome", "pack", "unpack"]

_SMALL = 64 << 10  # bytes of a file that is left as it is
_GAIN = 0.99  # of the original: an archive that is larger than that is not kept
_BLOCK = 1 << 20


class Outcome(NamedTuple):
    """What became of a blob.

    repo, name      the repository, and one of the blob's names
    status          "packed", "unpacked", "kept" or "failed"
    reason          why it was kept or what failed, else ""
    before, after   bytes that the blob takes on the disk
    damaged         its content is not what its name, or the archive, says
    """

    repo: str
    name: str
    status: str
    reason: str
    before: int
    after: int
    damaged: bool = False


class _Kept(Exception):
    """Leaves a blob as it is, for a reason."""


def room(path: str) -> int:
    """Returns the bytes that a file takes on the disk."""
    return os.stat(path).st_blocks * 512


def pack(
    repos: Iterable[Repo], *, only: Iterable[str] = WEIGHTS, level: int | None = None, threads: int | None = None
) -> Iterator[Outcome]:
    """Replaces the weights of repositories by their archives, each under its own name, and yields what became of each.
    A second call does nothing. What is not of the patterns `only` is not looked at. A blob whose content is not what
    its name says, that is shared by hard links, that belongs to somebody else, or that would gain less than 1 %, is
    left as it is."""

    def change(blob: Blob, new: str) -> str:
        return _pack(blob, new, level, threads)

    return _each(repos, only, change)


def unpack(
    repos: Iterable[Repo], *, only: Iterable[str] = WEIGHTS, threads: int | None = None
) -> Iterator[Outcome]:
    """Replaces archives by their originals, in the same way."""

    def change(blob: Blob, new: str) -> str:
        return _unpack(blob, new, threads)

    return _each(repos, only, change)


def _each(repos: Iterable[Repo], only: Iterable[str], change: Callable[[Blob, str], str]) -> Iterator[Outcome]:
    kinds = tuple(only)
    seen: set[str] = set()
    for repo in repos:
        for blob in repo.blobs:
            if blob.place not in seen and all(is_weights(name, kinds) for name in blob.names):
                seen.add(blob.place)  # a store of blobs may serve several repositories
                yield _changed(repo, blob, change)


def _changed(repo: Repo, blob: Blob, change: Callable[[Blob, str], str]) -> Outcome:
    before = after = 0
    status, reason, damaged = "kept", "", False
    try:
        before = after = room(blob.place)
        with _locked(blob.locks), _workplace(blob.place) as new:
            status = change(blob, new)
            _exchange(new, blob.place)
            after = room(blob.place)
    except _Kept as why:
        reason = str(why)
    except (ZipnnError, OSError) as error:
        status, reason, damaged = "failed", str(error), isinstance(error, (CorruptError, EOFError))
    return Outcome(repo.name, blob.names[0], status, reason, before, after, damaged)


@contextmanager
def _locked(paths: Iterable[str]) -> Iterator[None]:
    """Holds the locks of huggingface_hub, which are flock() on these files. It waits for them."""
    try:
        import fcntl
    except ImportError:  # not POSIX: huggingface_hub does not depend on the lock for what it writes
        yield
        return
    with ExitStack() as held:
        for path in paths:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o664)
            held.callback(os.close, fd)
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield


@contextmanager
def _workplace(place: str) -> Iterator[str]:
    """Gives the path of a new file, in a folder of its own beside the blob. What a run that was killed left there is
    removed first: nobody else uses the folder, since the blob is locked."""
    folder, name = os.path.split(place)
    work = os.path.join(folder, f".zipnn-{name}")
    shutil.rmtree(work, ignore_errors=True)
    try:
        yield os.path.join(work, "new")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _look(blob: Blob) -> os.stat_result:
    """Returns what a blob was when it was looked at, unless it must be left."""
    there = os.stat(blob.place)
    if there.st_nlink > 1:
        raise _Kept("it has other names (hard links), which would keep the old content")
    if there.st_uid != os.geteuid() and os.geteuid() != 0:
        raise _Kept("it belongs to another user")
    return there


def _pack(blob: Blob, new: str, level: int | None, threads: int | None) -> str:
    there = _look(blob)
    if is_archive(blob.place):
        raise _Kept("it is an archive")
    if there.st_size < _SMALL:
        raise _Kept("it is short")
    if estimate(blob.place, level=level, threads=threads).archive > _GAIN * there.st_size:
        raise _Kept("it would gain less than 1 %")
    os.mkdir(os.path.dirname(new), 0o700)
    stats = compress_file(blob.place, new, level=level, threads=threads, sha256=True)
    _check_digest(blob, blob.place, stats)
    if stats.archive > _GAIN * stats.original:
        raise _Kept("it would gain less than 1 %")
    if verify_file(new, threads=threads).xxh3 != stats.xxh3:
        raise CorruptError(None, "the archive does not hold what was read from the blob", blob.place)
    _finish(blob, new, there)
    return "packed"


def _unpack(blob: Blob, new: str, threads: int | None) -> str:
    there = _look(blob)
    if not is_archive(blob.place):
        raise _Kept("it is no archive")
    os.mkdir(os.path.dirname(new), 0o700)
    stats = decompress_file(blob.place, new, threads=threads)
    _check_digest(blob, new, stats)
    _finish(blob, new, there)
    return "unpacked"


def _check_digest(blob: Blob, original: str, stats: Stats) -> None:
    """Raises CorruptError unless the name of a blob is the digest of its original, if it is a digest: SHA-256 of large
    files, git's of others."""
    if len(blob.etag) == 64:
        found = stats.sha256.hex() if stats.sha256 else _digest(original, hashlib.sha256())
    elif len(blob.etag) == 40:
        found = _digest(original, hashlib.sha1(b"blob %d\0" % stats.original, usedforsecurity=False))
    else:
        return
    if found != blob.etag:
        text = (
            f"{blob.place}: the digest of the content is {found}, not what the blob is named: it is left as it is; it "
            "was damaged, or published as an archive. Delete it, and download it again"
        )
        raise CorruptError(None, text, blob.place)


def _digest(path: str, digest: Any) -> str:
    with open(path, "rb") as f:
        while block := f.read(_BLOCK):
            digest.update(block)
    text: str = digest.hexdigest()
    return text


def _finish(blob: Blob, new: str, there: os.stat_result) -> None:
    """Prepares the new file for the exchange, and makes sure that the old one is still what was read."""
    make_alike(new, blob.place)
    _sync(new)
    now = os.stat(blob.place)
    if (now.st_ino, now.st_size, now.st_mtime_ns) != (there.st_ino, there.st_size, there.st_mtime_ns):
        raise _Kept("another program has changed it meanwhile")


def _exchange(new: str, place: str) -> None:
    os.replace(new, place)
    _sync(os.path.dirname(place))


def _sync(path: str) -> None:
    """Waits until a file, or the names of a folder, are on the device."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
