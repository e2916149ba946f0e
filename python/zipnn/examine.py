"""What can be learned of archives, and done to them: inspect, estimate, verify, salvage, recompress, apply."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Union, overload

from . import _zipnn, bases
from .archives import Archive, Chunk, Info, source_of
from .buffers import is_torch, of_torch
from .errors import BaseError, CorruptError
from .progress import Progress, shown
from .streams import PathLike, Stats, dtype_name, target_flags
from .sync import UpdateStats, apply_update

if TYPE_CHECKING:
    from .bases import Base, BaseInfo
    from .streams import Memory

    Source = Union[str, os.PathLike[str], Memory, Any]

__all__ = [
    "Damage",
    "Estimate",
    "Inspection",
    "TensorInfo",
    "Verified",
    "apply",
    "estimate",
    "inspect",
    "recompress",
    "salvage",
    "verify",
]


# ---- inspect --------------------------------------------------------------------------------------------------------


class TensorInfo(NamedTuple):
    """A tensor as an archive lists it: see zipnn.Tensor."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    nbytes: int
    stored: int
    layout: frozenset[str]


class Inspection(NamedTuple):
    """All that is known of an archive without decoding it. `metadata` is that of a safetensors file, else None."""

    info: Info
    metadata: dict[str, str] | None
    bases: list[BaseInfo]
    tensors: list[TensorInfo]
    chunks: list[Chunk]


def inspect(source: Source, base: Base = None) -> Inspection:
    """Tells what an archive holds and how it is coded. Nothing but the chunks with the original's own header is
    decoded. `source` is a path, memory or a seekable binary file object."""
    with Archive(source, base=base) as archive:
        tensors = [
            TensorInfo(t.name, t.dtype, t.shape, t.offset, t.nbytes, t.stored, t.layout) for t in archive.values()
        ]
        return Inspection(archive.info, archive.metadata, archive.bases, tensors, list(archive.chunks))


# ---- estimate -------------------------------------------------------------------------------------------------------


class Estimate(NamedTuple):
    """What compressing would give.

    original  bytes
    archive   bytes that it would become, about
    margin    by which `archive` may be wrong, with 95 % confidence; 0 if everything was compressed
    sampled   original bytes that were compressed to find out
    n_chunks  of the archive
    """

    original: int
    archive: int
    margin: int
    sampled: int
    n_chunks: int


def estimate(
    source: Source,
    *,
    dtype: Any = None,
    level: int | None = None,
    threads: int | None = None,
    base: Base = None,
    max_sampled: int | None = None,
    progress: Progress = None,
) -> Estimate:
    """Tells how large the archive of a file or of memory would be, from a sample of about `max_sampled` bytes (96 MiB),
    and writes nothing. The same source gives the same estimate."""
    rows = bases.to_compress(base)
    name = dtype_name(dtype)
    with shown(progress, "estimating") as report:
        found = _zipnn.estimate(source_of(source), name, level or 0, threads or 0, max_sampled or 0, report, rows)
    return Estimate(*found)


# ---- verify and salvage ---------------------------------------------------------------------------------------------


class Damage(NamedTuple):
    """A stretch of the original that cannot be restored.

    offset, length  in the original; the length is 0 if a damaged part of the archive holds none of it
    message         why
    archive_offset  where in the archive, or None
    tensors         names of the tensors with bytes there
    """

    offset: int
    length: int
    message: str
    archive_offset: int | None
    tensors: list[str]


class Verified(NamedTuple):
    """What was found in an archive.

    message         what is wrong in one sentence, or None if nothing is
    fault           why the archive cannot be opened as usual, or None; its chunks were then found by a search
    original        bytes, as far as that is known; if `length_unknown`, there were more
    intact          bytes that were decoded and whose checksums are right
    unplaced        further bytes that are intact, but whose place is unknown
    unchecked       bytes that need a base that was not given; their checksums are right
    xxh3            digest of the intact bytes
    damage          what cannot be restored
    """

    message: str | None
    fault: str | None
    original: int
    intact: int
    unplaced: int
    unchecked: int
    length_unknown: bool
    xxh3: bytes
    damage: list[Damage]

    @property
    def ok(self) -> bool:
        """Whether every byte was decoded and is what it was."""
        return self.message is None


def _survey(source: Any, sink: Any, flags: int, threads: int | None, report: Any, base: Base) -> Verified:
    rows = bases.to_restore(base, source)
    try:
        found = _zipnn.survey(source, sink, flags, threads or 0, report, rows)
    except BaseError as error:
        raise bases.explain(error, source, rows) from None
    return Verified(*found[:-1], [Damage(*each) for each in found[-1]])


def verify(source: Source, *, threads: int | None = None, base: Base = None, progress: Progress = None) -> Verified:
    """Decodes a whole archive, verifies every checksum and digest, goes on after damage, and returns what was found:
    look at `.ok`. It raises only for what is no archive at all, or cannot be read. `zipnn.verify_file` raises at the
    first damage."""
    with shown(progress, "verifying") as report:
        return _survey(source_of(source), None, 0, threads, report, base)


def salvage(
    source: Source,
    dst: PathLike,
    *,
    threads: int | None = None,
    base: Base = None,
    overwrite: bool = False,
    progress: Progress = None,
) -> Verified:
    """Restores what is intact of a damaged archive to the file `dst`, with zeros where it is damaged, and returns what
    was found. It works without header and index, too. If nothing is intact, it raises and there is no file."""
    flags = target_flags(source, os.fsdecode(dst), overwrite)
    with shown(progress, "salvaging") as report:
        return _survey(source_of(source), os.fsdecode(dst), flags, threads, report, base)


# ---- recompress and apply -------------------------------------------------------------------------------------------


def recompress(
    src: PathLike,
    dst: PathLike | None = None,
    *,
    level: int | None = None,
    threads: int | None = None,
    overwrite: bool = False,
    progress: Progress = None,
) -> Stats:
    """Writes another archive of the same original with another level; the original is never whole in memory. Without
    `dst` the archive is replaced, once the new one has been read back from its file. Records of zipnn 0.x are taken,
    too; differences are not (BaseError)."""
    path = os.fsdecode(src)
    with shown(progress, os.path.basename(path)) as report:
        options = (level or 0, threads or 0, report)
        if dst is not None:
            flags = target_flags(path, os.fsdecode(dst), overwrite)
            return Stats(*_zipnn.recompress(path, os.fsdecode(dst), flags, *options))
        return _replace(path, options)


def _replace(path: str, options: tuple[int, int, Any]) -> Stats:
    place = os.path.realpath(path)
    handle, new = tempfile.mkstemp(prefix=".zipnn-", suffix=".tmp", dir=os.path.dirname(place))
    os.close(handle)
    try:
        stats = Stats(*_zipnn.recompress(path, new, _zipnn.FILE_REPLACE | _zipnn.FILE_SYNC, *options))
        if Stats(*_zipnn.test(new, options[1], None)).xxh3 != stats.xxh3:
            raise CorruptError(None, "the new archive does not hold what the old one does", path)
        make_alike(new, place)
        os.replace(new, place)
    except BaseException:
        os.unlink(new)
        raise
    return stats


def make_alike(new: str, old: str) -> None:
    """Gives `new` the owner, as far as that is allowed, the permissions and the times of `old`."""
    there = os.stat(old)
    with contextlib.suppress(PermissionError):
        os.chown(new, there.st_uid, there.st_gid)
    shutil.copystat(old, new)


@overload
def apply(
    source: Source,
    memory: Mapping[str, Any],
    *,
    done: Callable[[str], Any] | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> UpdateStats: ...


@overload
def apply(source: Source, memory: Any, *, threads: int | None = None, progress: Progress = None) -> Stats: ...


def apply(
    source: Source,
    memory: Any,
    *,
    done: Callable[[str], Any] | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> Stats | UpdateStats:
    """Brings weights in memory up to date, in place: either one memory by an archive, or named tensors by an update.

    An archive: before the call, `memory` holds the base that the archive was made against, byte for byte; afterwards,
    its original. It is a writable buffer, or a contiguous tensor of torch on the CPU. Before anything is changed, all
    of the memory that the archive refers to is compared with what it should be (BaseError), so updates out of order are
    refused. After any other failure some chunks are old and some new, never a mixture within one; the same call may be
    repeated.

    An update (zipnn.delta): `memory` is a mapping of names to tensors of torch on the CPU or arrays of numpy, among
    them all that the update knows; strides are followed. All of them are read first, for their digest: a "difference"
    for others is refused (BaseError). done(name) is called when all of a tensor is new. zipnn.Weights does it again and
    again without reading them all, and may repeat an update that ended early."""
    if isinstance(memory, Mapping):
        return apply_update(source, memory, done=done, threads=threads, progress=progress)
    if done is not None:
        raise TypeError("done is called for named tensors, and one memory was given")
    target = of_torch(memory) if is_torch(memory) else memory
    with shown(progress, "applying") as report:
        return Stats(*_zipnn.apply(source_of(source), target, threads or 0, report))
