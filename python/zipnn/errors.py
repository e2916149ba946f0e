"""What can go wrong. Every failure of the library is a ZipnnError; its subclasses are also the built-in exceptions that
a caller would expect there, so that `except OSError` or `except MemoryError` keep working."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bases import BaseInfo

__all__ = [
    "ZipnnError",
    "ArgumentError",
    "OutOfMemoryError",
    "FileError",
    "FileMissingError",
    "FileForbiddenError",
    "FileThereError",
    "FileIsFolderError",
    "FileNoFolderError",
    "FilePipeError",
    "FormatError",
    "TruncatedError",
    "CorruptError",
    "UnsupportedError",
    "LimitError",
    "SpaceError",
    "NotFoundError",
    "CancelledError",
    "BaseError",
]


class ZipnnError(Exception):
    """A call of the library failed.

    status    its short name: "corrupt", "truncated", ...
    offset    the byte offset concerned in the input, or None
    message   one sentence with the numbers in it
    filename  the file concerned, or None
    """

    status = "unknown"

    def __init__(self, offset: int | None = None, message: str = "", filename: str | None = None) -> None:
        Exception.__init__(self, offset, message, filename)
        self.offset = offset
        self.message = message
        self.filename = filename

    def __str__(self) -> str:
        if self.filename is None or self.filename in self.message or isinstance(self, FileError):
            return self.message
        return f"{self.filename}: {self.message}"

    def __reduce__(self) -> tuple[type[ZipnnError], tuple[int | None, str, str | None]]:
        return type(self), (self.offset, self.message, self.filename)


class ArgumentError(ZipnnError, ValueError):
    """The caller broke a rule."""

    status = "argument"


class OutOfMemoryError(ZipnnError, MemoryError):
    """There is not enough memory."""

    status = "memory"


class FileError(ZipnnError, OSError):
    """Reading or writing failed. `errno` and `strerror` are set where the system refused; for the reasons that have an
    exception of their own in Python the error is one, too: `except FileNotFoundError` and `except PermissionError`
    work."""

    status = "io"
    _errno: int | None = None

    def __init__(self, offset: int | None = None, message: str = "", filename: str | None = None) -> None:
        super().__init__(offset, message, filename)
        self.errno = _errno_in(message) or self._errno
        self.strerror = None if self.errno is None else os.strerror(self.errno)


class FileMissingError(FileError, FileNotFoundError):
    """There is no such file, or no folder for it."""

    _errno = errno.ENOENT


class FileForbiddenError(FileError, PermissionError):
    """The user may not do this."""

    _errno = errno.EACCES


class FileThereError(FileError, FileExistsError):
    """A file exists that must not be replaced."""

    _errno = errno.EEXIST


class FileIsFolderError(FileError, IsADirectoryError):
    """There is a folder where a file is wanted."""

    _errno = errno.EISDIR


class FileNoFolderError(FileError, NotADirectoryError):
    """A part of the path is not a folder."""

    _errno = errno.ENOTDIR


class FilePipeError(FileError, BrokenPipeError):
    """Nobody reads what is written."""

    _errno = errno.EPIPE


class FormatError(ZipnnError, ValueError):
    """The input is not a zipnn archive."""

    status = "format"


class TruncatedError(ZipnnError, EOFError):
    """The archive ends too early."""

    status = "truncated"


class CorruptError(ZipnnError, ValueError):
    """A checksum, count or stream of the archive is wrong."""

    status = "corrupt"


class UnsupportedError(ZipnnError, ValueError):
    """The archive uses a version, flag, layout or codec that this library does not know."""

    status = "unsupported"


class LimitError(ZipnnError, ValueError):
    """A size passes a limit."""

    status = "limit"


class SpaceError(ZipnnError, ValueError):
    """The output buffer is too small."""

    status = "space"


class NotFoundError(ZipnnError, LookupError):
    """There is no such tensor, or a range is outside the original."""

    status = "not found"


class CancelledError(ZipnnError):
    """A call was cancelled. A progress function may raise it, or any other exception, to stop a call."""

    status = "cancelled"


class BaseError(ZipnnError):
    """The archive is a difference, and the base that it was made against was not given. `wanted` lists which (a
    zipnn.BaseInfo each), as far as that is known."""

    status = "base"

    def __init__(self, offset: int | None = None, message: str = "", filename: str | None = None) -> None:
        super().__init__(offset, message, filename)
        self.wanted: list[BaseInfo] = []


_BY_STATUS = {
    1: ArgumentError,
    2: OutOfMemoryError,
    3: FileError,
    4: FormatError,
    5: TruncatedError,
    6: CorruptError,
    7: UnsupportedError,
    8: LimitError,
    9: SpaceError,
    10: NotFoundError,
    11: CancelledError,
    12: BaseError,
}


_BY_ERRNO = {
    errno.ENOENT: FileMissingError,
    errno.EACCES: FileForbiddenError,
    errno.EPERM: FileForbiddenError,
    errno.EEXIST: FileThereError,
    errno.EISDIR: FileIsFolderError,
    errno.ENOTDIR: FileNoFolderError,
    errno.EPIPE: FilePipeError,
}

_PATH_SHOWN = 96  # bytes of a path in a sentence of the library's; of a longer one the end is shown


def _errno_in(message: str) -> int | None:
    """Returns the errno of a message of the library about a file: the message ends with the system's words, or with the
    library's own."""
    reason = message.rpartition(": ")[2]
    if reason == "is a folder":
        return errno.EISDIR
    if reason == "already exists":
        return errno.EEXIST
    return next((number for number in errno.errorcode if os.strerror(number) == reason), None)


def _is_about(message: str, path: Any) -> bool:
    shown = os.fsencode(path)
    if len(shown) > _PATH_SHOWN:
        shown = b"..." + shown[-_PATH_SHOWN:]
    return message.startswith(shown.decode("utf-8", "backslashreplace") + ": ")


def file_error(message: str, filename: str | None) -> FileError:
    """Returns the most specific FileError for a message."""
    number = _errno_in(message)
    kind = FileError if number is None else _BY_ERRNO.get(number, FileError)
    return kind(None, message, filename)


def file_error_of(error: OSError, path: str) -> FileError:
    """Returns an OSError of Python as an error of this package."""
    return file_error(f"{path}: {error.strerror or error}", path)


def error_of(
    status: int, offset: int | None, message: str, filename: str | None, new_name: str | None = None
) -> ZipnnError:
    """Returns the exception for a status of the C library. `new_name` is the file that should have been written."""
    kind = _BY_STATUS.get(status, ZipnnError)
    if kind is not FileError:
        return kind(offset, message, filename)
    error = file_error(message, new_name if new_name is not None and _is_about(message, new_name) else filename)
    error.offset = offset
    return error
