"""Names that programs for zipnn 0.x import from here."""

from __future__ import annotations

from enum import Enum
from typing import Any

__all__ = ["EnumFormat", "EnumLossy", "EnumMethod"]


class _ByName(Enum):
    """Members may be looked up by their name in any case: EnumMethod("huffman")."""

    @classmethod
    def _missing_(cls, value: Any) -> Any:
        return cls.__members__.get(value.upper()) if isinstance(value, str) else None


class EnumMethod(_ByName):
    """ZipNN(method=...)"""

    AUTO = 0
    HUFFMAN = 1
    ZSTD = 2
    LZ4 = 3
    SNAPPY = 4


class EnumFormat(_ByName):
    """ZipNN(input_format=...)"""

    BYTE = 1
    TORCH = 2
    NUMPY = 3
    FILE = 4


class EnumLossy(_ByName):
    """ZipNN(lossy_compressed_type=...), of which nothing but NONE is possible."""

    NONE = 0
    INTEGER = 1
    UNSIGN = 2
