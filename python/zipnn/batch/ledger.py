"""The manifest of a batch, as cli/shared/ledger.h has it: lines are appended, and the last one of a path holds."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from ..errors import FileError, file_error_of

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["Ledger", "Record", "is_below", "named"]

Record = dict[str, Any]


def is_below(path: str) -> bool:
    """Returns whether the path stays below the folder that it is appended to."""
    return bool(path) and not path.startswith("/") and ".." not in path.split("/") and "\0" not in path


def named(record: Record, member: str, path: str) -> None:
    """Puts a path into a record, also one that is no UTF-8."""
    try:
        path.encode()
        record[member] = path
    except UnicodeEncodeError:
        record[member] = os.fsencode(path).decode("utf-8", "replace")
        record[f"{member}_bytes"] = os.fsencode(path).hex()


def _plain(record: Mapping[str, Any]) -> Record:
    """Undoes named()."""
    plain = dict(record)
    for member in ("path", "output", "base"):
        if f"{member}_bytes" in plain:
            plain[member] = os.fsdecode(bytes.fromhex(plain.pop(f"{member}_bytes")))
    return plain


def _parse(line: bytes) -> Record | None:
    """Returns the record of a line, or None: it was cut, or is no line of ours."""
    try:
        record = json.loads(line)
        plain = _plain(record) if isinstance(record, dict) else {}
        right = plain["status"] in ("done", "copy", "failed") and is_below(plain["path"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return plain if right else None


class Ledger:
    """A manifest that is open to be appended to, by nobody else meanwhile. `last` has the last record of each path.

    resume  go on with one that is there; otherwise it must be new
    """

    def __init__(self, path: str, resume: bool) -> None:
        self.path = path
        self.last: dict[str, Record] = {}
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise file_error_of(error, path) from None
        try:
            self._begin(resume)
        except BaseException:
            os.close(self._fd)
            raise

    def _begin(self, resume: bool) -> None:
        if fcntl is not None:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                what = f"{self.path}: another batch is writing it; each needs a manifest of its own"
                raise FileError(None, what, self.path) from None
        size = os.fstat(self._fd).st_size
        if size and not resume:
            raise FileError(None, f"{self.path} already exists: resume=True goes on with it", self.path)
        ended = True
        with open(self._fd, "rb", closefd=False) as file:
            for line in file:
                ended = line.endswith(b"\n")
                record = _parse(line) if ended else None
                if record:
                    self.last[record["path"]] = record
        if not ended:
            self._write(b"\n")

    def append(self, record: Record) -> Record:
        """Appends a line by one write, and returns the record with its paths as they are."""
        text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
        self._write(text.encode() + b"\n")
        plain = _plain(record)
        self.last[plain["path"]] = plain
        return plain

    def _write(self, line: bytes) -> None:
        try:
            n = os.write(self._fd, line)
        except OSError as error:
            raise file_error_of(error, self.path) from None
        if n < len(line):
            raise FileError(None, f"{self.path}: cannot write all of a line: is the disk full?", self.path)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
