"""What workers do. Jobs and results can be pickled; a job that is done twice gives the same."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import _zipnn, bases, dtypes
from ..archives import Archive, source_of
from ..errors import BaseError, FileThereError, ZipnnError
from ..pieces import FsspecRanges, Source
from ..remote import is_url
from ..streams import compress_file
from .ledger import Record, named

__all__ = ["Digest", "Job", "Look", "Seen", "compress", "digest", "failed", "look", "way"]

_MAGIC = b"\x8fZNN\r\n\x1a\n"


@dataclass(frozen=True)
class Options:
    level: int | None
    threads: int
    sha256: bool
    storage: Mapping[str, Any]  # what fsspec's file systems take


# ---- files, near and far ---------------------------------------------------------------------------------------------


def _far(url: str, options: Options) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    fs, path = url_to_fs(url, **options.storage)
    return fs, str(path)


def _state(path: str, options: Options) -> tuple[int, str]:
    """Returns the size of a file, and a text that is another one when it has changed."""
    if not is_url(path):
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder: list the files in it" if stat.S_ISDIR(found.st_mode) else "not a regular file"
            raise ValueError(f"{path} is {kind}")
        return found.st_size, f"{found.st_mtime_ns // 10**9}.{found.st_mtime_ns % 10**9:09d}"
    fs, name = _far(path, options)
    fs.invalidate_cache(name)
    info = fs.info(name)
    if info.get("type") == "directory" or info.get("size") is None:
        raise ValueError(f"{path} is no file")
    mark = info.get("ETag") or info.get("etag") or info.get("LastModified") or info.get("created") or ""
    return int(info["size"]), f"{mark}".strip('"')[:31]


def _size(path: str, options: Options) -> int:
    """Returns the size of a file, or -1: there is none."""
    try:
        return _state(path, options)[0]
    except (OSError, ValueError):
        return -1


def _first(path: str, options: Options) -> bytes:
    if not is_url(path):
        with open(path, "rb") as file:
            return file.read(len(_MAGIC))
    fs, name = _far(path, options)
    return bytes(fs.cat_file(name, 0, len(_MAGIC)))


def _fetched(path: str, folder: str, options: Options) -> str:
    """Returns where the file is on this machine: far ones are copied into the folder."""
    if not is_url(path):
        return path
    fs, name = _far(path, options)
    near = os.path.join(folder, os.path.basename(name) or "file")
    fs.get_file(name, near)
    return near


def way(source: str, target: str) -> str:
    """Returns the way from the folder of one path to another, both below one folder: "./../a/b"."""
    here, there = source.split("/")[:-1], target.split("/")
    same = 0
    while same < len(here) and same < len(there) - 1 and here[same] == there[same]:
        same += 1
    return "/".join([".", *[".."] * (len(here) - same), *there[same:]])


# ---- looking ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """Files to look at: (path, below the root, the archive that a manifest names or "", where its own goes)."""

    files: tuple[tuple[str, str, str, str], ...]
    families: bool
    options: Options


@dataclass(frozen=True)
class Seen:
    """A file. `stored` is the size of the archive that the manifest names, -1 if it is not there; `taken` says what is
    where its own goes: "archive", "other", or "" for nothing. `fault` is the record of one that can be no part of a
    batch."""

    rel: str
    size: int = -1
    mtime: str = ""
    family: str = ""
    stored: int = -1
    taken: str = ""
    fault: Record | None = field(default=None, compare=False)


def look(job: Look) -> list[Seen]:
    return [_look_at(job, *file) for file in job.files]


def _look_at(job: Look, path: str, rel: str, archive: str, target: str) -> Seen:
    try:
        size, mtime = _state(path, job.options)
        family = _family(path, job.options) if job.families else ""
        taken = _taken(target, job.options)
    except Exception as error:
        return Seen(rel, fault=failed(rel, error, far=is_url(path)))
    return Seen(rel, size, mtime, family, _size(archive, job.options) if archive else -1, taken)


def _taken(target: str, options: Options) -> str:
    if _size(target, options) < 0:
        return "other" if not is_url(target) and os.path.lexists(target) else ""
    return "archive" if _first(target, options) == _MAGIC else "other"


_PRIME, _START = 0x100000001B3, 0xCBF29CE484222325  # FNV-1a


def _hash(h: int, number: int) -> int:
    for byte in number.to_bytes(8, "little"):
        h = (h ^ byte) * _PRIME & 0xFFFFFFFFFFFFFFFF
    return h


_IDS = {name: i for i, name in enumerate(dtypes.ALL, 1)}


def _family(path: str, options: Options) -> str:
    """Returns the hash of the types and shapes of all tensors, whatever their order and names are: that of the command.
    "": no model file."""
    try:
        source = source_of(Source(FsspecRanges(*_far(path, options)))) if is_url(path) else path
        model = _zipnn.Archive(source, 1, 3)
    except ZipnnError:
        return ""
    try:
        return _family_of((_IDS.get(t[1], 0), t[2]) for t in model.tensors())
    finally:
        model.close()


def _family_of(tensors: Iterable[tuple[int, tuple[int, ...]]]) -> str:
    hashes = []
    for dtype, shape in tensors:
        h = _hash(_START, dtype)
        for n in shape:
            h = _hash(h, n)
        hashes.append(h)
    whole = _START
    for h in sorted(hashes):
        whole = _hash(whole, h)
    return f"{whole | 1:016x}" if hashes else ""


# ---- digests ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Digest:
    """A file of which others have the size."""

    path: str
    rel: str
    mtime: str
    options: Options


def digest(job: Digest) -> tuple[str, bytes]:
    """Returns the SHA-256 of a file; b"" if it cannot be read, or has changed: whoever compresses it says why."""
    try:
        found = hashlib.sha256()
        if is_url(job.path):
            fs, name = _far(job.path, job.options)
            file = fs.open(name, "rb", cache_type="readahead")
        else:
            file = open(job.path, "rb")
        with file:
            while data := file.read(4 << 20):
                found.update(data)
        same = _state(job.path, job.options)[1] == job.mtime
    except Exception:
        return job.rel, b""
    return job.rel, found.digest() if same else b""


# ---- compressing -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """A file to compress.

    base     what its family is made against: (its archive, its path below the root, its digest)
    needed   the digest that its archive must keep in this run, since others are made against that; "" for any
    stuck    one of these is not part of this run

    An archive that is there is replaced: the driver has refused those that are not of this batch, and a job may be done
    twice.
    """

    path: str
    rel: str
    target: str
    mtime: str
    family: str
    options: Options
    base: tuple[str, str, str] | None = None
    needed: str = ""
    stuck: bool = False


def compress(job: Job) -> Record:
    """Compresses a file and returns its record."""
    start = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="zipnn-batch-") as folder:
            record = _compress(job, folder)
    except Exception as error:
        return failed(job.rel, error, job.mtime, job.family, far=is_url(job.path) or is_url(job.target))
    if job.family:
        record["family"] = job.family
    return {**record, "seconds": round(time.monotonic() - start, 3), "version": _zipnn.version}


def _compress(job: Job, folder: str) -> Record:
    options = job.options
    source = _fetched(job.path, folder, options)
    if _taken(job.target, options) == "other":
        raise FileThereError(None, f"{job.target} is in the way", job.target)
    base = _base_of(job, folder)
    new = job.target
    if job.needed or is_url(new):
        new = os.path.join(folder, "archive")
    else:
        os.makedirs(os.path.dirname(new) or ".", exist_ok=True)
    info, sha256 = _made(source, new, options, base)
    if _state(job.path, options)[1] != job.mtime:
        raise OSError(f"{job.path} has changed meanwhile")
    if job.needed:
        _check_needed(job, info.xxh3.hex())
    if is_url(job.target):
        fs, name = _far(job.target, options)
        fs.makedirs(fs._parent(name), exist_ok=True)
        fs.put_file(new, name)
        if _size(job.target, options) != info.archive:
            raise OSError(f"{job.target} is not what was written")
    elif new != job.target:
        _made(source, job.target, options, base)
    return _done(job, info, sha256)


def _check_needed(job: Job, xxh3: str) -> None:
    if xxh3 == job.needed:
        return
    what = f"{job.path} has changed, and other archives are made against its own"
    if job.stuck:
        raise ValueError(f"{what}, of files that are gone or were not listed: choose another output")
    raise OSError(f"{what}: those stand alone from now on, and the next run makes this one")


def _made(source: str, new: str, options: Options, base: bases.Row | None) -> tuple[Any, bytes | None]:
    try:
        return _pack(source, new, options, base)
    except BaseError:
        return _pack(source, new, options, None)  # such as one that holds the same original


def _base_of(job: Job, folder: str) -> bases.Row | None:
    if not job.base:
        return None
    place = os.path.join(folder, "base")
    os.mkdir(place)
    return bases.Row(_fetched(job.base[0], place, job.options), way(job.rel, job.base[1]), True)


def _pack(source: str, new: str, options: Options, base: bases.Row | None) -> tuple[Any, bytes | None]:
    stats = compress_file(
        source, new, level=options.level, threads=options.threads, sha256=options.sha256, overwrite=True, base=base
    )
    with Archive(new, base=base) as archive:
        return archive.info, stats.sha256


def _done(job: Job, info: Any, sha256: bytes | None) -> Record:
    record: Record = {}
    named(record, "path", job.rel)
    record["status"] = "done"
    named(record, "output", f"{job.rel}.znn")
    record |= {"original": info.original, "stored": info.archive, "xxh3": info.xxh3.hex()}
    if sha256:
        record["sha256"] = sha256.hex()
    record["level"] = info.level
    if info.n_bases and job.base:
        named(record, "base", job.base[1])
        record["base_xxh3"] = job.base[2]
    record["mtime"] = job.mtime
    return record


def failed(rel: str, error: BaseException, mtime: str = "", family: str = "", far: bool = False) -> Record:
    """Returns the record of a file that could not be compressed, with whether that may pass later."""
    kind = error.status if isinstance(error, ZipnnError) else type(error).__name__
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        kind = "missing"
    elif isinstance(error, (FileThereError, ValueError)):
        kind = "argument"
    elif isinstance(error, MemoryError):
        kind = "memory"
    elif isinstance(error, OSError) or (far and not isinstance(error, ZipnnError)):
        kind = "io"
    retry = kind in ("io", "memory")
    record: Record = {}
    named(record, "path", rel)
    record |= {"status": "failed", "error": kind, "message": str(error) or type(error).__name__, "retry": retry}
    if mtime:
        record["mtime"] = mtime
    if family:
        record["family"] = family
    return {**record, "version": _zipnn.version}
