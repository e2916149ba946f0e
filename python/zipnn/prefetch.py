"""Tensors decoded before they are asked for."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable


class Prefetcher:
    """A thread that decodes ranges in the order in which they were ordered, at most `limit` bytes ahead of whoever
    takes them. Every range is taken once; one that was not ordered, or is not ready, is left to the caller."""

    def __init__(self, read_into: Callable[[int, bytearray], None]) -> None:
        self._read_into = read_into
        self._changed = threading.Condition()
        self._ordered: deque[tuple[int, int]] = deque()
        self._ready: dict[tuple[int, int], bytearray] = {}
        self._current: tuple[int, int] | None = None
        self._held = 0
        self._limit = 0
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    def order(self, ranges: Iterable[tuple[int, int]], limit: int) -> None:
        with self._changed:
            self._ordered.extend(r for r in ranges if r[1] > 0)
            self._limit = limit
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="zipnn.prefetch", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def take(self, offset: int, nbytes: int) -> bytearray | None:
        """The bytes of a range that is ready, waiting for one that is being decoded; None when the caller is to decode
        it: then nobody else will."""
        key = (offset, nbytes)
        if self._thread is None or self._pid != os.getpid():
            return None
        with self._changed:
            self._changed.wait_for(lambda: self._current != key)
            data = self._ready.pop(key, None)
            if data is not None:
                self._held -= nbytes
                self._changed.notify_all()
            elif key in self._ordered:
                self._ordered.remove(key)
            return data

    def stop(self) -> None:
        """Ends the thread and forgets what was not taken."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._ordered.clear()
            self._ready.clear()
            self._held = 0
            self._changed.notify_all()
        if thread is not None and self._pid == os.getpid() and thread is not threading.current_thread():
            thread.join()

    def _next(self) -> tuple[int, int] | None:
        """The next range there is room for, once there is one. One that is larger than all room goes alone."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._thread is None
                or (self._ordered and (self._held == 0 or self._held + self._ordered[0][1] <= self._limit))
            )
            if self._thread is None:
                return None
            self._current = self._ordered.popleft()
            self._held += self._current[1]
            return self._current

    def _run(self) -> None:
        while (key := self._next()) is not None:
            data: bytearray | None = bytearray(key[1])
            try:
                self._read_into(key[0], data)  # type: ignore[arg-type]
            except Exception:
                data = None  # whoever takes it decodes it again, and gets the error
            with self._changed:
                if data is not None and self._thread is not None:
                    self._ready[key] = data
                else:
                    self._held = max(self._held - key[1], 0)
                self._current = None
                self._changed.notify_all()
