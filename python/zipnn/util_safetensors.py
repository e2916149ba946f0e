"""Names that programs for zipnn 0.x import from here, to write safetensors files with a record in the place of each
tensor. zipnn.safetensors and patched programs read such files; one archive of the whole file is smaller and has
checksums: zipnn.compress_file("model.safetensors")."""

from __future__ import annotations

import json
from typing import Any, TypedDict

import torch

__all__ = [
    "COMPRESSED_DTYPE",
    "COMPRESSION_METHOD",
    "METADATA_KEY",
    "CompressedTensorInfo",
    "build_compressed_tensor_info",
    "get_compressed_tensors_metadata",
    "set_compressed_tensors_metadata",
]

METADATA_KEY = "znn_compressed_vectors"
COMPRESSION_METHOD = "HUFFMAN"
COMPRESSED_DTYPE = torch.uint8


class CompressedTensorInfo(TypedDict):
    """What the metadata says of a tensor: its type and shape before it was compressed."""

    dtype: str
    shape: str


def build_compressed_tensor_info(uncompressed_tensor: torch.Tensor) -> CompressedTensorInfo:
    """Returns what the metadata is to say of a tensor."""
    name = str(uncompressed_tensor.dtype).removeprefix("torch.")
    return CompressedTensorInfo(dtype=name, shape=str(list(uncompressed_tensor.shape)))


def set_compressed_tensors_metadata(
    compressed_tensor_infos: dict[str, CompressedTensorInfo], metadata: dict[str, str]
) -> None:
    """Adds the list of compressed tensors to a file's metadata, also to metadata that is empty."""
    metadata[METADATA_KEY] = json.dumps(compressed_tensor_infos)


def get_compressed_tensors_metadata(metadata: dict[str, str] | None) -> dict[str, CompressedTensorInfo]:
    """Returns the list in a file's metadata; an empty one if there is none."""
    found: Any = json.loads((metadata or {}).get(METADATA_KEY) or "{}")
    return found if isinstance(found, dict) else {}
