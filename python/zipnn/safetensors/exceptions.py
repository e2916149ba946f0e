"""The errors of the twins: those of zipnn, which are a SafetensorError as well where the package safetensors is
installed, so that programs written for it catch them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import errors

try:
    from safetensors import SafetensorError as _SafetensorError
except ImportError:
    _SafetensorError = None

__all__ = [
    "ArgumentError",
    "BaseError",
    "ClosedError",
    "CorruptError",
    "FormatError",
    "FrameworkError",
    "LimitError",
    "MissingError",
    "TruncatedError",
    "UnsupportedError",
]


def _twin(name: str, *kinds: type[Exception]) -> Any:
    bases = kinds if _SafetensorError is None else (*kinds, _SafetensorError)
    return type(name, bases, {"__module__": __name__, "__doc__": kinds[0].__doc__})


ArgumentError = _twin("ArgumentError", errors.ArgumentError)
BaseError = _twin("BaseError", errors.BaseError)
CorruptError = _twin("CorruptError", errors.CorruptError)
FormatError = _twin("FormatError", errors.FormatError)
LimitError = _twin("LimitError", errors.LimitError)
TruncatedError = _twin("TruncatedError", errors.TruncatedError)
UnsupportedError = _twin("UnsupportedError", errors.UnsupportedError)
FrameworkError = _twin("FrameworkError", errors.ArgumentError, ImportError)  # its package is not installed
MissingError = _twin("MissingError", errors.NotFoundError, KeyError)  # no tensor of that name
ClosedError = _twin("ClosedError", errors.ZipnnError, ValueError)

_TWINS = {
    errors.BaseError: BaseError,
    errors.CorruptError: CorruptError,
    errors.FormatError: FormatError,
    errors.LimitError: LimitError,
    errors.TruncatedError: TruncatedError,
    errors.UnsupportedError: UnsupportedError,
}


@contextmanager
def translated() -> Iterator[None]:
    """Turns an error of an archive into its twin."""
    try:
        yield
    except errors.ZipnnError as error:
        twin = _TWINS.get(type(error))
        if twin is None:
            raise
        other = twin(error.offset, error.message, error.filename)
        if isinstance(error, errors.BaseError):
            other.wanted = error.wanted
        raise other from error
