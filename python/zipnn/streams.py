"""Compresses and restores bytes and files."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple, Optional, Union

from . import _zipnn, dtypes
from .errors import FileThereError, file_error_of

Progress = Callable[[int, Optional[int]], Any]
PathLike = Union[str, "os.PathLike[str]"]


class Stats(NamedTuple):
    """What a file operation did. The digests are of the original."""

    original: int
    archive: int
    n_chunks: int
    xxh3: bytes
    sha256: bytes | None


def compress(
    data: Any,
    dtype: Any = None,
    level: int | None = None,
    threads: int | None = None,
    verify: bool = True,
    sha256: bool = False,
    progress: Progress | None = None,
    base: Any = None,
) -> bytes:
    """An archive of `data`, any C-contiguous object with the buffer protocol.

    dtype     element type of bare weights ("bf16", numpy.float32, torch.float16, ...); None recognises model files and
              measures the width of everything else
    level     1 (speed) to 9; None for the default, 3
    threads   None for as many as the input and this machine make use of
    verify    decode every chunk and compare it before it is kept
    sha256    store the SHA-256 of the original too
    progress  called with (bytes done, total), at most ten times a second and at the end, on the thread that called.
              What it returns does not matter; an exception stops the call and is raised by it
    base      an earlier state of the data, or its archive: memory or a path. Tensors that resemble one there are stored
              as differences, and decompress() needs the same base

    `data` must not be changed meanwhile by other threads or processes: what then comes out is an error at best. Ctrl-C
    stops a call within the time that a chunk takes.
    """
    name = dtype_name(dtype)
    options = (name, level or 0, threads or 0, verify, sha256, progress)
    return _zipnn.compress(_memory_of(data), *options, _base(base))


def _base(base: Any) -> Any:
    return os.fsdecode(base) if isinstance(base, (str, os.PathLike)) else base


def dtype_name(dtype: Any) -> str | None:
    """Does what dtypes.optional_name does, and refuses a number: it is meant as the level that gzip and zstd take in
    this place."""
    if isinstance(dtype, int):
        raise TypeError(f"{dtype} is no element type: a level is given by name, level={dtype}")
    return dtypes.optional_name(dtype)


def _memory_of(data: Any) -> Any:
    if type(data).__module__.partition(".")[0] == "torch" and hasattr(data, "untyped_storage"):
        raise TypeError(
            "a torch tensor has no buffer protocol: give tensor.detach().cpu().contiguous().flatten()"
            ".view(torch.uint8).numpy() and its dtype, or keep names and shapes with zipnn.torch.save"
        )
    return data


def decompress(
    data: Any, threads: int | None = None, progress: Progress | None = None, base: Any = None
) -> bytes:
    """Returns the original of an archive. The checksum of each chunk is verified before any of it is handed out. If the
    archive was made against a base, `base` must be that base, as memory or a path; otherwise BaseError is raised."""
    return _zipnn.decompress(data, threads or 0, progress, _base(base))


def decompress_into(
    data: Any, buffer: Any, threads: int | None = None, progress: Progress | None = None, base: Any = None
) -> int:
    """Restores into a writable buffer that is large enough, and returns the size of the original. Into memory that was
    written before, this is several times as fast as decompress(). After an exception the buffer holds unspecified
    bytes."""
    return _zipnn.decompress_into(data, buffer, threads or 0, progress, _base(base))


def original_size(data: Any) -> int:
    """Returns the size of the original of an archive."""
    return _zipnn.original_size(data)


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


def _target(source: str, path: str, overwrite: bool) -> int:
    """Returns the flags of a new file. The library checks them again, safely in a race; here a mistake gets a message
    of its own."""
    if os.path.exists(path) and os.path.samefile(source, path):
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
    progress: Progress | None = None,
) -> Stats:
    """Writes the archive of the file `src` to `dst`, by default `src` + ".znn". The new file gets the permissions and
    times of the old one. It gets its name only when it is complete. The options are those of compress()."""
    path = os.fsdecode(src)
    new = path + ".znn" if dst is None else os.fsdecode(dst)
    name = dtype_name(dtype)
    with ExitStack() as held:
        source = _source(path, held)
        flags = _target(path, new, overwrite)
        options = (name, level or 0, threads or 0, verify, sha256, progress)
        return Stats(*_zipnn.pack(source, _sink(new, held), flags, *options))


def decompress_file(
    src: PathLike,
    dst: PathLike | None = None,
    *,
    threads: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Stats:
    """Restores the archive `src` to `dst`, by default `src` without ".znn". All digests are verified before the new
    file gets its name."""
    path = os.fsdecode(src)
    if dst is None and not path.endswith(".znn"):
        raise ValueError(f"{path} does not end in .znn: say where the original goes")
    new = path.removesuffix(".znn") if dst is None else os.fsdecode(dst)
    with ExitStack() as held:
        source = _source(path, held)
        flags = _target(path, new, overwrite)
        return Stats(*_zipnn.unpack(source, _sink(new, held), flags, threads or 0, progress))


def verify_file(src: PathLike, *, threads: int | None = None, progress: Progress | None = None) -> Stats:
    """Decodes a whole archive and verifies every digest. It writes nothing."""
    with ExitStack() as held:
        return Stats(*_zipnn.test(_source(os.fsdecode(src), held), threads or 0, progress))
