"""Decodes tensors before they are asked for."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Iterable
from typing import Any


class _Dropped(Exception):
    """Ends a read that nobody waits for any more."""


class Prefetcher:
    """Decodes ranges in the order in which they were ordered, at most `limit` bytes ahead of whoever takes them. Every
    range is taken once; one that was not ordered, or is not ready, is left to the caller.

    Its thread holds the queue and the extension's archive, and nothing that leads to whoever made this: when the owner
    is let go, so is this, and the thread ends."""

    def __init__(self, archive: Any) -> None:
        self._archive = archive
        self._queue = _Queue(weakref.ref(self))
        self._pid = os.getpid()
        _all.add(self)

    def order(self, ranges: Iterable[tuple[int, int]], limit: int) -> None:
        self._archive.check()
        if self._pid != os.getpid():  # the queue may be locked by a thread that is not here
            self._queue = _Queue(weakref.ref(self))
            self._pid = os.getpid()
        self._queue.order([r for r in ranges if r[1] > 0], limit, self._archive)

    def take(self, offset: int, nbytes: int) -> bytearray | None:
        """Returns the bytes of a range that is ready, and waits for one that is being decoded. Returns None if the
        caller must decode it; nobody else will then."""
        if not self._queue.used or self._pid != os.getpid():
            return None
        self._archive.check()
        return self._queue.take((offset, nbytes))

    def stop(self) -> None:
        """Ends the thread, waits for that, and drops what was not taken."""
        if self._queue.used and self._pid == os.getpid():
            self._archive.check()
            self._end(None)

    def _end(self, patience: float | None) -> None:
        self._queue.stop()
        self._queue.join(patience)

    def __del__(self) -> None:
        # Usually the thread is gone in a moment. It may, however, wait for something that the thread which collects
        # this object holds: nobody waits for ever here.
        if self._queue.used and self._pid == os.getpid():
            self._end(0.5)


# A thread that still decodes when the interpreter ends would be ended in the middle of it.
_all: weakref.WeakSet[Prefetcher] = weakref.WeakSet()


def _end_all() -> None:
    for prefetcher in list(_all):
        if prefetcher._pid == os.getpid():
            prefetcher._end(5.0)


atexit.register(_end_all)


class _Queue:
    """What the thread shares with those who take from it."""

    def __init__(self, owner: Any) -> None:
        self._owner = owner  # a weak reference
        self.used = False
        self.thread: threading.Thread | None = None  # the one that is to work; it ends when there is nothing to do
        self._working: set[threading.Thread] = set()  # and those that have not ended
        self._lock = threading.RLock()  # entered itself: an interrupt in Condition.__enter__ would leave it locked
        self._changed = threading.Condition(self._lock)
        self._ordered: deque[tuple[int, int]] = deque()
        self._ready: dict[tuple[int, int], bytearray] = {}
        self._current: tuple[int, int] | None = None
        self._held = 0
        self._limit = 0

    def order(self, ranges: list[tuple[int, int]], limit: int, archive: Any) -> None:
        with self._lock:
            self._ordered.extend(ranges)
            self._limit = limit
            self.used = True
            if self.thread is None and self._ordered:
                thread = threading.Thread(target=_run, args=(self, archive), name="zipnn.prefetch", daemon=True)
                thread.start()
                self._working.add(thread)
                self.thread = thread  # it waits for the lock, and ends if it never comes to this
            self._changed.notify_all()

    def take(self, key: tuple[int, int]) -> bytearray | None:
        with self._lock:
            while self._current == key and self._working:
                self._changed.wait(1.0)  # not for ever: who was to wake this may have been interrupted
            data = self._ready.pop(key, None)
            if data is not None:
                self._held -= key[1]
                self._changed.notify_all()
            elif key in self._ordered:
                self._ordered.remove(key)
            return data

    def stop(self) -> None:
        with self._lock:
            self.thread = None
            self.used = False
            self._ordered.clear()
            self._ready.clear()
            self._current = None
            self._held = 0
            self._changed.notify_all()

    def join(self, patience: float | None) -> None:
        """Waits until no thread works, at most so many seconds. Not by Thread.join() alone: one that is interrupted
        takes the thread for dead afterwards."""
        with self._lock:
            threads = self._working - {threading.current_thread()}
            self._changed.wait_for(lambda: not self._working & threads, patience)
            threads -= self._working
        for thread in threads:
            thread.join(patience)

    def leave(self) -> None:
        with self._lock:
            self._working.discard(threading.current_thread())
            self._changed.notify_all()

    def _is_mine(self) -> bool:
        return self.thread is threading.current_thread() and self._owner() is not None

    def next(self) -> tuple[int, int] | None:
        """Returns the next range, once there is room for it, or None if the thread must end. A range that is larger
        than all room is decoded alone."""
        with self._lock:
            while self._is_mine():
                if not self._ordered:
                    self.thread = None
                elif self._held == 0 or self._held + self._ordered[0][1] <= self._limit:
                    self._current = self._ordered.popleft()
                    self._held += self._current[1]
                    return self._current
                else:
                    # Not for ever: a finalizer that runs inside of wait() wakes nobody, and one may be interrupted.
                    self._changed.wait(1.0)
            return None

    def finish(self, key: tuple[int, int], data: bytearray | None) -> None:
        with self._lock:
            if self._is_mine():
                if data is not None:
                    self._ready[key] = data
                else:
                    self._held -= key[1]
            if self._current == key:
                self._current = None
            self._changed.notify_all()

    def go_on(self, done: int, total: int | None) -> None:
        if not self._is_mine():
            raise _Dropped


def _run(queue: _Queue, archive: Any) -> None:
    try:
        while (key := queue.next()) is not None:
            queue.finish(key, _decode(archive, key, queue.go_on))
    finally:
        queue.leave()


def _decode(archive: Any, key: tuple[int, int], go_on: Any) -> bytearray | None:
    try:
        data = bytearray(key[1])
        archive.read_into(key[0], data, go_on)
        return data
    except BaseException:
        return None  # whoever takes it decodes it again, and gets the error
