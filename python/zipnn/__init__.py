"""Lossless compression of AI model weights.

    archive = zipnn.compress(weights, dtype="bf16")
    weights = zipnn.decompress(archive)

    zipnn.compress_file("model.safetensors")
    with zipnn.Archive("model.safetensors.znn") as model:
        model["lm_head.weight"][:100].numpy()

zipnn.safetensors has the functions of the package safetensors, zipnn.torch saves and loads state dicts.
"""

from . import _zipnn
from .archives import Archive, Info, Tensor
from .classic import ZipNN
from .errors import (
    ArgumentError,
    BaseError,
    CancelledError,
    CorruptError,
    FileError,
    FileForbiddenError,
    FileIsFolderError,
    FileMissingError,
    FileNoFolderError,
    FilePipeError,
    FileThereError,
    FormatError,
    LimitError,
    NotFoundError,
    OutOfMemoryError,
    SpaceError,
    TruncatedError,
    UnsupportedError,
    ZipnnError,
)
from .fileobj import open
from .patches import zipnn_hf, zipnn_safetensors
from .streams import (
    Stats,
    compress,
    compress_file,
    decompress,
    decompress_file,
    decompress_into,
    original_size,
    verify_file,
)

__version__ = _zipnn.version

__all__ = [
    "Archive",
    "ArgumentError",
    "BaseError",
    "CancelledError",
    "CorruptError",
    "FileError",
    "FileForbiddenError",
    "FileIsFolderError",
    "FileMissingError",
    "FileNoFolderError",
    "FilePipeError",
    "FileThereError",
    "FormatError",
    "Info",
    "LimitError",
    "NotFoundError",
    "OutOfMemoryError",
    "SpaceError",
    "Stats",
    "Tensor",
    "TruncatedError",
    "UnsupportedError",
    "ZipNN",
    "ZipnnError",
    "compress",
    "compress_file",
    "decompress",
    "decompress_file",
    "decompress_into",
    "open",
    "original_size",
    "verify_file",
    "zipnn_hf",
    "zipnn_safetensors",
]
