"""Lossless compression of AI model weights.

    archive = zipnn.compress(weights, dtype="bf16")
    weights = zipnn.decompress(archive)

    zipnn.compress_file("model.safetensors")
    with zipnn.Archive("model.safetensors.znn") as model:
        model["lm_head.weight"][:100].numpy()

zipnn.safetensors has the functions of the package safetensors, zipnn.torch saves and loads state dicts.
"""

import warnings

from . import _zipnn, beside
from .archives import Archive, Chunk, Info, Plane, Range
from .bases import BaseInfo
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
from .examine import (
    Damage,
    Estimate,
    Inspection,
    TensorInfo,
    Verified,
    apply,
    estimate,
    inspect,
    recompress,
    salvage,
    verify,
)
from .fileobj import open
from .patches import zipnn_hf, zipnn_safetensors
from .remote import open_url
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
from .sync import Changes, UpdateInfo, UpdateStats, Weights, changes, delta, merge, update_info
from .tensors import Tensor

__version__ = _zipnn.version

if _found := beside.found():
    warnings.warn(_found, RuntimeWarning, stacklevel=2)

__all__ = [
    "Archive",
    "ArgumentError",
    "BaseError",
    "BaseInfo",
    "CancelledError",
    "Changes",
    "Chunk",
    "CorruptError",
    "Damage",
    "Estimate",
    "FileError",
    "FileForbiddenError",
    "FileIsFolderError",
    "FileMissingError",
    "FileNoFolderError",
    "FilePipeError",
    "FileThereError",
    "FormatError",
    "Info",
    "Inspection",
    "LimitError",
    "NotFoundError",
    "OutOfMemoryError",
    "Plane",
    "Range",
    "SpaceError",
    "Stats",
    "Tensor",
    "TensorInfo",
    "TruncatedError",
    "UnsupportedError",
    "UpdateInfo",
    "UpdateStats",
    "Verified",
    "Weights",
    "ZipNN",
    "ZipnnError",
    "apply",
    "changes",
    "compress",
    "compress_file",
    "decompress",
    "decompress_file",
    "decompress_into",
    "delta",
    "estimate",
    "inspect",
    "merge",
    "open",
    "open_url",
    "original_size",
    "recompress",
    "salvage",
    "update_info",
    "verify",
    "verify_file",
    "zipnn_hf",
    "zipnn_safetensors",
]
