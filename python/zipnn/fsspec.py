"""zipnn as a compression of fsspec:

import fsspec, zipnn.fsspec

zipnn.fsspec.register()
with fsspec.open("s3://bucket/model.safetensors.znn", compression="infer") as f: ...
"""

from __future__ import annotations

from . import fileobj

__all__ = ["register"]


def register(force: bool = False) -> None:
    """Registers compression="znn" and compression="zipnn", and ".znn" for compression="infer"."""
    from fsspec.compression import compr, register_compression

    if "znn" not in compr or force:
        register_compression("znn", fileobj.open, "znn", force=force)
    if "zipnn" not in compr or force:
        register_compression("zipnn", fileobj.open, [], force=force)
