"""zipnn.open: archives as file objects, like gzip.open."""

from __future__ import annotations

import io
import os
import threading
import warnings
from typing import Any

from . import _zipnn, dtypes
from .archives import ArchiveReader

_BUFFER = 1 << 20


class _Handover:
    """Passes what one thread writes to another that reads, without a copy in between: a writer waits until its bytes
    are taken."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._view: memoryview | None = None
        self._ended = False
        self._stopped = False
        self._aborted = False

    def write(self, view: memoryview) -> bool:
        """False when nobody reads any more."""
        with self._changed:
            self._view = view
            self._changed.notify_all()
            try:
                self._changed.wait_for(lambda: self._view is None or self._stopped)
            finally:  # also when interrupted: the bytes belong to the caller again
                self._view = None
            return not self._stopped

    def end(self, aborted: bool) -> None:
        with self._changed:
            self._ended = True
            self._aborted = aborted
            self._changed.notify_all()

    def read(self, target: memoryview) -> int:
        with self._changed:
            self._changed.wait_for(lambda: self._view is not None or self._ended)
            if self._aborted:
                raise EOFError("the writer gave up")
            if self._view is None:
                return 0
            n = min(len(target), len(self._view))
            target[:n] = self._view[:n]
            self._view = self._view[n:] if n < len(self._view) else None
            self._changed.notify_all()
            return n

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


def _pack(handover: _Handover, outcome: list, arguments: tuple) -> None:
    try:
        _zipnn.pack((handover.read, None, None), *arguments)
    except BaseException as error:
        outcome.append(error)
    finally:
        handover.stop()


class _RawWriter(io.RawIOBase):
    def __init__(self, sink: Any, flags: int, dtype: str | None, level: int, threads: int, sha256: bool) -> None:
        self._outcome: list[BaseException] = []
        self._handover = _Handover()
        arguments = (sink, flags, dtype, level, threads, True, sha256, None)
        # A daemon: a writer that is never closed must not keep the interpreter from ending.
        self._thread = threading.Thread(
            target=_pack, args=(self._handover, self._outcome, arguments), name="zipnn.open", daemon=True
        )
        self._thread.start()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.closed:
            raise ValueError("the file is closed")
        view = memoryview(data).cast("B")
        if len(view) and not self._handover.write(view):
            self._finish(True)
        return len(view)

    def _finish(self, aborted: bool) -> None:
        self._handover.end(aborted)
        self._thread.join()
        if self._outcome and not (aborted and isinstance(self._outcome[0], EOFError)):
            raise self._outcome[0]

    def abort(self) -> None:
        """Ends without a file."""
        try:
            self._finish(True)
        except Exception:
            pass  # the reason to abort counts
        super().close()

    def close(self) -> None:
        if not self.closed:
            try:
                self._finish(False)
            finally:
                super().close()


class _Writer(io.BufferedWriter):
    """Becomes a file when it is closed; when it is left by an exception, or forgotten, there is none."""

    raw: _RawWriter

    def discard(self) -> None:
        """Ends without a file."""
        self.raw.abort()

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        if kind is not None:
            self.discard()
        else:
            self.close()

    def __del__(self) -> None:
        if not self.raw.closed:
            warnings.warn("a zipnn writer was not closed: there is no file", ResourceWarning, source=self, stacklevel=2)
            self.discard()


def open(
    file: Any,
    mode: str = "rb",
    *,
    dtype: Any = None,
    level: int | None = None,
    threads: int | None = None,
    sha256: bool = False,
) -> io.BufferedReader | io.BufferedWriter:
    """Opens an archive as a binary file object: what is read and written is the original.

    file  a path, or a binary file object (seekable when it is read)
    mode  "rb" reads and seeks; "wb" replaces an existing file, "xb" refuses to. The new file gets its name when it is
          closed; when the `with` block is left by an exception it does not appear.
    """
    if mode in ("r", "rb"):
        return io.BufferedReader(ArchiveReader(file, threads), _BUFFER)
    if mode not in ("w", "wb", "x", "xb"):
        raise ValueError(f"mode {mode!r}: one of rb, wb and xb is possible")
    sink = file.write if hasattr(file, "write") else os.fsdecode(file)
    if "x" in mode and isinstance(sink, str) and os.path.lexists(sink):
        raise FileExistsError(f"{sink} exists")
    flags = 0 if "x" in mode else _zipnn.FILE_REPLACE
    return _Writer(_RawWriter(sink, flags, dtypes.optional_name(dtype), level or 0, threads or 0, sha256), _BUFFER)
