"""What can go wrong. Every failure of the library is a ZipnnError; its subclasses are also the built-in exceptions that
a caller would expect there, so that `except OSError` or `except MemoryError` keep working."""

from __future__ import annotations

__all__ = [
    "ZipnnError",
    "ArgumentError",
    "OutOfMemoryError",
    "FileError",
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
        if self.filename is None or self.filename in self.message:
            return self.message
        return f"{self.filename}: {self.message}"

    def __reduce__(self):
        return type(self), (self.offset, self.message, self.filename)


class ArgumentError(ZipnnError, ValueError):
    """The caller broke a rule."""

    status = "argument"


class OutOfMemoryError(ZipnnError, MemoryError):
    """There is not enough memory."""

    status = "memory"


class FileError(ZipnnError, OSError):
    """Reading or writing failed."""

    status = "io"


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
    """A version, flag, layout or codec that this library does not know."""

    status = "unsupported"


class LimitError(ZipnnError, ValueError):
    """A size passes a limit."""

    status = "limit"


class SpaceError(ZipnnError, ValueError):
    """The output buffer is too small."""

    status = "space"


class NotFoundError(ZipnnError, LookupError):
    """No such tensor, or a range outside the original."""

    status = "not found"


class CancelledError(ZipnnError):
    """The progress callback asked to stop."""

    status = "cancelled"


class BaseError(ZipnnError):
    """The archive is a difference, and what it was made against was not given."""

    status = "base"


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


def error_of(status: int, offset: int | None, message: str, filename: str | None) -> ZipnnError:
    """The exception for a status of the C library."""
    return _BY_STATUS.get(status, ZipnnError)(offset, message, filename)
