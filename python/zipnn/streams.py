"""Compresses and restores bytes and files."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple, Union, cast

from . import _zipnn, bases, dtypes
from .buffers import is_torch
from .errors import BaseError, FileThereError, file_error_of
from .progress import Progress, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer

    from .bases import Base

    # Anything with the buffer protocol; checkers for Python 3.11 do not know that numpy's arrays have it.
    Memory = Union[Buffer, NDArray[Any]]

__all__ = [
    "Stats",
    "compress",
    "compress_file",
    "decompress",
    "decompress_file",
    "decompress_into",
    "original_size",
    "verify_file",
]

PathLike = Union[str, "os.PathLike[str]"]


class Stats(NamedTuple):
    """What a file operation did. The digests are of the original."""

    original: int
    archive: int
    n_chunks: int
    xxh3: bytes
    sha256: bytes | None


def compress(
    data: Memory,
    dtype: Any = None,
    level: int | None = None,
    threads: int | None = None,
    verify: bool = True,
    sha256: bool = False,
    progress: Progress = None,
    base: Base = None,
) -> bytes:
    """An archive of `data`, any C-contiguous object with the buffer protocol.

    dtype     element type of bare weights ("bf16", numpy.float32, torch.float16, ...); None recognises model files and
              measures the width of everything else. A number in this place is the level, as gzip and zstd have it
    level     1 (speed) to 9; None for the default, 3
    threads   None for as many as the input and this machine make use of
    verify    decode every chunk and compare it before it is kept
    sha256    store the SHA-256 of the original too
    progress  True for a bar of tqdm, or a function: it is called with (bytes done, total), at most ten times a second
              and at the end, on the thread that called. What it returns does not matter; an exception stops the call
              and is raised by it
    base      an earlier state of the data, or its archive (zipnn.bases tells in which forms). Tensors that resemble one
              there are stored as differences, and whoever restores them needs the same base

    `data` must not be changed meanwhile by other threads or processes: what then comes out is an error at best. Ctrl-C
    stops a call within the time that a chunk takes.
    """
    dtype, level = level_of(dtype, level)
    name = dtype_name(dtype)
    rows = bases.to_compress(base)
    with shown(progress, "compressing") as report:
        options = (name, level or 0, threads or 0, verify, sha256, report)
        return _zipnn.compress(_memory_of(data), *options, rows)


def level_of(dtype: Any, level: int | None) -> tuple[Any, int | None]:
    """Returns dtype and level of a call that may give the level, which gzip and zstd take in this place, as dtype."""
    if not isinstance(dtype, int) or isinstance(dtype, bool):
        return dtype, level
    if level is not None:
        raise TypeError(f"the level is given twice: {dtype} and {level}")
    return None, dtype


def dtype_name(dtype: Any) -> str | None:
    """Does what dtypes.optional_name does, and refuses numbers."""
    if isinstance(dtype, int):
        raise TypeError(f"{dtype} is no element type: a level is given by name, level={dtype}")
    return dtypes.optional_name(dtype)


def _memory_of(data: Any) -> Any:
    if is_torch(data):
        raise TypeError(
            "a torch tensor has no buffer protocol: give tensor.detach().cpu().contiguous().flatten()"
            ".view(torch.uint8).numpy() and its dtype, or keep names and shapes with zipnn.torch.save"
        )
    if getattr(getattr(data, "dtype", None), "hasobject", False):
        raise TypeError("an array of Python objects has no bytes of its own: give it a type of numbers first")
    return data


def decompress(data: Memory, threads: int | None = None, progress: Progress = None, base: Base = None) -> bytes:
    """Returns the original of an archive. The checksum of each chunk is verified before any of it is handed out. If the
    archive was made against a base, `base` must lead to it; otherwise BaseError tells which is wanted."""
    rows = bases.to_restore(base, data) if base is not None else ()
    with shown(progress, "restoring") as report:
        try:
            return _zipnn.decompress(cast(Any, data), threads or 0, report, rows)
        except BaseError as error:
            raise bases.explain(error, data, rows) from None


def decompress_into(
    data: Memory, buffer: Memory, threads: int | None = None, progress: Progress = None, base: Base = None
) -> int:
    """Restores into a writable buffer that is large enough, and returns the size of the original. Into memory that was
    written before, this is several times as fast as decompress(). After an exception the buffer holds unspecified
    bytes."""
    rows = bases.to_restore(base, data) if base is not None else ()
    with shown(progress, "restoring") as report:
        try:
            return _zipnn.decompress_into(cast(Any, data), cast(Any, buffer), threads or 0, report, rows)
        except BaseError as error:
            raise bases.explain(error, data, rows) from None


def original_size(data: Memory) -> int:
    """Returns the size of the original of an archive."""
    return _zipnn.original_size(cast(Any, data))


# ---- files ----


def _open(path: str, mode: str) -> io.FileIO:
    try:
        return io.FileIO(path, mode)
    except OSError as error:
        raise file_error_of(error, path) from None


def _source(path: str, held: ExitStack) -> Any:
    """Returns a file as a source, by its path. A file that may make its reader wait, such as a FIFO, is read in Python,
    where Ctrl-C ends the wait."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise file_error_of(error, path) from None
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISBLK(mode):
        return path
    return held.enter_context(_open(path, "rb")).readinto, None, None


def _sink(path: str, held: ExitStack) -> Any:
    """Returns a new file as a sink, by its path. An existing FIFO or device is written in Python, for the same
    reason."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return path
    if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        return path
    return write_all(held.enter_context(_open(path, "wb")))


def write_all(file: Any) -> Callable[[bytes], None]:
    """Writes all bytes to a file object whose write() may write fewer."""
    may_wait = isinstance(file, io.RawIOBase)  # of others None means that all is well

    def write(data: bytes) -> None:
        done = 0
        while done < len(data):
            n = file.write(data[done:] if done else data)
            if not isinstance(n, int) and not may_wait:
                return
            if not n:
                raise BlockingIOError("the file object takes no more bytes now")
            done += n

    return write


def target_flags(source: Any, path: str, overwrite: bool) -> int:
    """Returns the flags of a new file that is made from a source. The library checks them again, safely in a race; here
    a mistake gets a message of its own."""
    named = isinstance(source, (str, os.PathLike)) and os.path.exists(source)
    if named and os.path.exists(path) and os.path.samefile(source, path):
        raise ValueError(f"input and output are the same file: {path}")
    if not overwrite and (os.path.isfile(path) or os.path.islink(path)):
        raise FileThereError(None, f"{path} exists: overwrite=True replaces it", path)
    return _zipnn.FILE_REPLACE if overwrite else 0


def compress_file(
    src: PathLike,
    dst: PathLike | None = None,
    *,
    dtype: Any = None,
    level: int | None = None,
    threads: int | None = None,
    verify: bool = True,
    sha256: bool = False,
    overwrite: bool = False,
    progress: Progress = None,
    base: Base = None,
) -> Stats:
    """Writes the archive of the file `src` to `dst`, by default `src` + ".znn". The new file gets the permissions and
    times of the old one. It gets its name only when it is complete. The options are those of compress()."""
    path = os.fsdecode(src)
    new = path + ".znn" if dst is None else os.fsdecode(dst)
    name = dtype_name(dtype)
    rows = bases.to_compress(base)
    with ExitStack() as held:
        source = _source(path, held)
        flags = target_flags(path, new, overwrite)
        report = held.enter_context(shown(progress, os.path.basename(path)))
        options = (name, level or 0, threads or 0, verify, sha256, report)
        return Stats(*_zipnn.pack(source, _sink(new, held), flags, *options, rows))


def decompress_file(
    src: PathLike,
    dst: PathLike | None = None,
    *,
    threads: int | None = None,
    overwrite: bool = False,
    progress: Progress = None,
    base: Base = None,
) -> Stats:
    """Restores the archive `src` to `dst`, by default `src` without ".znn". All digests are verified before the new
    file gets its name. If the archive was made against a base, `base` must lead to it."""
    path = os.fsdecode(src)
    if dst is None and not path.endswith(".znn"):
        raise ValueError(f"{path} does not end in .znn: say where the original goes")
    new = path.removesuffix(".znn") if dst is None else os.fsdecode(dst)
    with ExitStack() as held:
        source = _source(path, held)
        flags = target_flags(path, new, overwrite)
        rows = bases.to_restore(base, source)
        report = held.enter_context(shown(progress, os.path.basename(path)))
        try:
            return Stats(*_zipnn.unpack(source, _sink(new, held), flags, threads or 0, report, rows))
        except BaseError as error:
            raise bases.explain(error, source, rows) from None


def verify_file(
    src: PathLike, *, threads: int | None = None, progress: Progress = None, base: Base = None
) -> Stats:
    """Decodes a whole archive and verifies every digest; it raises at the first damage. It writes nothing. Of what
    needs a base that is not given, the checksums are verified."""
    path = os.fsdecode(src)
    with ExitStack() as held:
        source = _source(path, held)
        rows = bases.to_restore(base, source)
        report = held.enter_context(shown(progress, os.path.basename(path)))
        return Stats(*_zipnn.test(source, threads or 0, report, rows))
