"""zipnn.open: archives as file objects, as gzip.open has them."""

from __future__ import annotations

import atexit
import io
import os
import threading
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Literal, overload

from . import _zipnn, streams
from .archives import ArchiveReader
from .errors import FileThereError

if TYPE_CHECKING:
    from .bases import Base

__all__ = ["open"]

_BUFFER = 1 << 20

# Seconds that the collection of a forgotten writer waits for its thread, usually gone in a moment. Not for ever: that
# thread may wait for something which the collecting one holds.
_PATIENCE = 0.5


class _Handover:
    """Passes what one thread writes to another thread that reads, without a copy in between: the writer waits until its
    bytes are taken."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # entered itself: an interrupt in Condition.__enter__ would leave it locked
        self._changed = threading.Condition(self._lock)
        self._view: memoryview | None = None
        self._ended = False
        self._stopped = False
        self._aborted = False
        self.reader: int | None = None  # the ident of the thread that reads, while it runs
        self.thread = threading.Thread()
        self.pid = os.getpid()
        self.owner: Any = None  # a weak reference to the writer

    def write(self, view: memoryview) -> bool:
        """Returns False if nobody reads any more."""
        with self._lock:
            self._view = view
            self._changed.notify_all()
            try:
                self._changed.wait_for(lambda: self._view is None or self._stopped)
            finally:  # also when interrupted: the bytes belong to the caller again
                self._view = None
            return not self._stopped

    def end(self, aborted: bool) -> None:
        with self._lock:
            self._ended = True
            self._aborted |= aborted
            self._changed.notify_all()

    def read(self, target: memoryview) -> int:
        with self._lock:
            while self._view is None and not self._ended:
                # Not for ever: a finalizer that runs inside of wait() wakes nobody, and one may be interrupted.
                self._changed.wait(1.0)
                self._aborted |= self.owner() is None
                self._ended |= self._aborted
            self.go_on(0, None)
            if self._view is None:
                return 0
            n = min(len(target), len(self._view))
            target[:n] = self._view[:n]
            self._view = self._view[n:] if n < len(self._view) else None
            self._changed.notify_all()
            return n

    def go_on(self, done: int, total: int | None) -> None:
        if self._aborted:
            raise EOFError("the writer gave up")

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            self._changed.notify_all()

    def join(self, patience: float | None = None) -> None:
        """Waits until the thread is gone, at most so many seconds. By an own flag first: a Thread.join() that is
        interrupted takes the thread for dead afterwards."""
        with self._lock:
            self._changed.wait_for(lambda: self._stopped, patience)
        if self._stopped:
            self.thread.join(patience)


# A thread that compresses when the interpreter ends would be ended in the middle of it, and leave a temporary file.
_all: weakref.WeakSet[_Handover] = weakref.WeakSet()


def _end_all() -> None:
    for handover in list(_all):
        if handover.pid == os.getpid() and handover.thread.ident is not None:
            handover.end(True)
            handover.join(5.0)


atexit.register(_end_all)


# What _zipnn.pack takes between source and progress.
_Arguments = tuple[Any, int, str | None, int, int, bool, bool]


def _pack(handover: _Handover, outcome: list[BaseException], arguments: _Arguments) -> None:
    handover.reader = threading.get_ident()
    try:
        _zipnn.pack((handover.read, None, None), *arguments, handover.go_on)
    except BaseException as error:
        outcome.append(error)
    finally:
        handover.reader = None
        handover.stop()


class _RawWriter(io.RawIOBase):
    def __init__(self, arguments: _Arguments) -> None:
        self._outcome: list[BaseException] = []
        self._handover = _Handover()
        self._handover.owner = weakref.ref(self)
        # A daemon: a writer that is never closed must not keep the interpreter from ending.
        self._handover.thread = threading.Thread(
            target=_pack, args=(self._handover, self._outcome, arguments), name="zipnn.open", daemon=True
        )
        _all.add(self._handover)
        self._handover.thread.start()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.closed:
            raise ValueError("the file is closed")
        self.check()
        view = memoryview(data).cast("B")
        if len(view) and not self._handover.write(view):
            self._finish(True)
        return len(view)

    def check(self) -> None:
        """The thread that compresses cannot wait for itself: what it calls may not use this file."""
        if self._handover.reader == threading.get_ident():
            raise RuntimeError("the file object that the archive is written to cannot use the file that writes it")
        if self._handover.pid != os.getpid():
            raise RuntimeError("a file that was opened for writing before a fork belongs to the parent process")

    def _finish(self, aborted: bool) -> None:
        self._handover.end(aborted)
        try:
            self._handover.join()
        except BaseException:  # interrupted: there is to be no file
            self.abort(_PATIENCE)
            raise
        if self._outcome and not (aborted and isinstance(self._outcome[0], EOFError)):
            raise self._outcome[0]

    def abort(self, patience: float | None = None) -> None:
        """Ends without a file, and waits for that, at most so many seconds. In a forked process there is nothing to
        end."""
        if self._handover.pid == os.getpid():
            self._handover.end(True)
            if self._handover.reader != threading.get_ident():
                self._handover.join(patience)
        super().close()

    def close(self) -> None:
        if not self.closed:
            self.check()
            try:
                self._finish(False)
            finally:
                super().close()

    def __del__(self) -> None:  # that of the base class would close, and make a file of what has come so far
        if not self.closed:
            self.abort(_PATIENCE)


class _Writer(io.BufferedWriter):
    """Becomes a file when it is closed. If the `with` block is left by an exception, or the object is forgotten, there
    is no file."""

    raw: Any  # a _RawWriter

    def __init__(self, raw: _RawWriter, buffer_size: int) -> None:
        super().__init__(raw, buffer_size)
        self._written = 0

    def write(self, data: Any) -> int:
        self.raw.check()
        n = super().write(data)
        self._written += n
        return n

    def flush(self) -> None:
        self.raw.check()
        super().flush()

    def tell(self) -> int:
        """Returns how many bytes were written."""
        if self.closed:
            raise ValueError("the file is closed")
        return self._written

    def close(self) -> None:
        if not self.raw.closed:
            self.raw.check()
            try:
                # If this fails, close() of the base class goes on, and would make a file of what has come so far.
                self.flush()
            except BaseException:
                self.discard()
                raise
        super().close()

    def discard(self) -> None:
        """Ends without a file."""
        self.raw.abort()

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        if kind is not None:
            self.discard()
        else:
            self.close()

    def __del__(self) -> None:
        raw = getattr(self, "raw", None)
        if raw is None or raw.closed:
            return
        mine = raw._handover.pid == os.getpid()
        raw.abort(_PATIENCE)
        if mine:
            text = "a zipnn writer was not closed: there is no file"
            warnings.warn(text, ResourceWarning, source=self, stacklevel=2)


class _Text(io.TextIOWrapper):
    """Text over one of these files. If the `with` block is left by an exception, or the object is forgotten, there is
    no file."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, encoding="utf-8")

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        if kind is not None and isinstance(self.buffer, _Writer):
            self.buffer.discard()
        else:
            self.close()

    def __del__(self) -> None:
        if isinstance(self.buffer, _Writer) and not self.closed:
            self.buffer.__del__()


@overload
def open(
    file: Any,
    mode: Literal["r", "rb"] = ...,
    *,
    dtype: Any = ...,
    level: int | None = ...,
    threads: int | None = ...,
    sha256: bool = ...,
    base: Base = ...,
) -> io.BufferedReader: ...
@overload
def open(
    file: Any,
    mode: Literal["w", "wb", "x", "xb"],
    *,
    dtype: Any = ...,
    level: int | None = ...,
    threads: int | None = ...,
    sha256: bool = ...,
    base: Base = ...,
) -> io.BufferedWriter: ...
@overload
def open(
    file: Any,
    mode: Literal["rt", "wt", "xt"],
    *,
    dtype: Any = ...,
    level: int | None = ...,
    threads: int | None = ...,
    sha256: bool = ...,
    base: Base = ...,
) -> io.TextIOWrapper: ...
@overload
def open(
    file: Any,
    mode: str,
    *,
    dtype: Any = ...,
    level: int | None = ...,
    threads: int | None = ...,
    sha256: bool = ...,
    base: Base = ...,
) -> io.BufferedReader | io.BufferedWriter | io.TextIOWrapper: ...
def open(
    file: Any,
    mode: str = "rb",
    *,
    dtype: Any = None,
    level: int | None = None,
    threads: int | None = None,
    sha256: bool = False,
    base: Base = None,
) -> io.BufferedReader | io.BufferedWriter | io.TextIOWrapper:
    """Opens an archive as a file object: what is read and written is the original.

    file  a path, or a binary file object (seekable when it is read)
    mode  "rb" reads and seeks; "wb" replaces an existing file, "xb" refuses to. The new file gets its name when it is
          closed; when the `with` block is left by an exception it does not appear. "rt", "wt" and "xt" are for text
          in UTF-8. An archive cannot be added to

    base  what an archive that is read was made against, in any of the forms that zipnn.bases lists

    A file object that is written to is called by a thread of its own, with bytes that it may keep; it cannot use the
    file that this returns. tell() says how many bytes were written.
    """
    if "t" in mode and mode.replace("t", "") in ("r", "w", "x"):
        options = {"dtype": dtype, "level": level, "threads": threads, "sha256": sha256, "base": base}
        return _Text(open(file, mode.replace("t", "b"), **options))
    if "a" in mode:
        raise ValueError(f"mode {mode!r}: an archive cannot be added to; write a new one")
    if mode in ("r", "rb"):
        return io.BufferedReader(ArchiveReader(file, threads, base), _BUFFER)
    if mode not in ("w", "wb", "x", "xb"):
        raise ValueError(f"mode {mode!r}: one of rb, wb, xb, rt, wt and xt is possible")
    if base is not None:
        raise ValueError("what is written piece by piece is compared with no base: compress_file takes one")
    name = streams.dtype_name(dtype)
    sink = streams.write_all(file) if hasattr(file, "write") else os.fsdecode(file)
    if "x" in mode and isinstance(sink, str) and os.path.lexists(sink):
        raise FileThereError(None, f"{sink} exists: mode wb replaces it", sink)
    flags = 0 if "x" in mode else _zipnn.FILE_REPLACE
    return _Writer(_RawWriter((sink, flags, name, level or 0, threads or 0, True, sha256)), _BUFFER)
