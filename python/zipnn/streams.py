"""bytes and files, compressed and restored."""

from __future__ import annotations

import os
from typing import Any, Callable, NamedTuple, Optional, Union

from . import _zipnn, dtypes

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
) -> bytes:
    """An archive of `data`, any C-contiguous object with the buffer protocol.

    dtype     element type of bare weights ("bf16", numpy.float32, torch.float16, ...); None recognises model files and
              measures the width of everything else
    level     1 (speed) to 9; None for the default, 3
    threads   None for as many as the input and this machine make use of
    verify    decode every chunk and compare it before it is kept
    sha256    store the SHA-256 of the original too
    progress  called with (bytes done, total), now and then and from any thread; a true result cancels, and so does an
              exception
    """
    return _zipnn.compress(data, dtypes.optional_name(dtype), level or 0, threads or 0, verify, sha256, progress)


def decompress(data: Any, threads: int | None = None, progress: Progress | None = None) -> bytes:
    """The original of an archive. Each chunk's checksum is verified before any of it is handed out."""
    return _zipnn.decompress(data, threads or 0, progress)


def decompress_into(data: Any, buffer: Any, threads: int | None = None, progress: Progress | None = None) -> int:
    """Restores into a writable buffer that is large enough; returns the size of the original. In memory that was
    written before this is several times as fast as decompress(). After an exception the buffer holds unspecified
    bytes."""
    return _zipnn.decompress_into(data, buffer, threads or 0, progress)


def original_size(data: Any) -> int:
    """Size of the original of an archive."""
    return _zipnn.original_size(data)


def _target(src: str, dst: PathLike, overwrite: bool) -> tuple[str, int]:
    """Path and flags of a new file. The library makes sure of them in a race; here they become built-in exceptions."""
    path = os.fsdecode(dst)
    os.stat(src)
    if os.path.exists(path) and os.path.samefile(src, path):
        raise ValueError(f"input and output are the same file: {path}")
    if not overwrite and (os.path.isfile(path) or os.path.islink(path)):
        raise FileExistsError(f"{path} exists: overwrite=True replaces it")
    return path, _zipnn.FILE_REPLACE if overwrite else 0


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
    """Writes the archive of the file `src` as `dst`, by default `src` + ".znn". The new file gets the permissions and
    times of the old one, and its name only when it is complete. Options as in compress()."""
    source = os.fsdecode(src)
    sink, flags = _target(source, source + ".znn" if dst is None else dst, overwrite)
    name = dtypes.optional_name(dtype)
    return Stats(*_zipnn.pack(source, sink, flags, name, level or 0, threads or 0, verify, sha256, progress))


def decompress_file(
    src: PathLike,
    dst: PathLike | None = None,
    *,
    threads: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Stats:
    """Restores the archive `src` as `dst`, by default `src` without ".znn". All digests are verified before the new
    file gets its name."""
    source = os.fsdecode(src)
    if dst is None:
        if not source.endswith(".znn"):
            raise ValueError(f"{source} does not end in .znn: say where the original goes")
        dst = source.removesuffix(".znn")
    sink, flags = _target(source, dst, overwrite)
    return Stats(*_zipnn.unpack(source, sink, flags, threads or 0, progress))


def verify_file(src: PathLike, *, threads: int | None = None, progress: Progress | None = None) -> Stats:
    """Decodes a whole archive and verifies every digest, writing nothing."""
    return Stats(*_zipnn.test(os.fsdecode(src), threads or 0, progress))
