"""The cache of the Hugging Face hub, in which models take the room of their archives.

    zipnn hub ls                    what is there, and what packing would give
    zipnn hub pack [REPO]...        each blob of weights becomes its archive, under its own name
    zipnn hub unpack [REPO]...      and back
    zipnn hub pull REPO             download a repository, and pack each file before the next one comes
    zipnn hub mount [POINT]         show the cache with all originals, to any program

A cache has, for each repository, `blobs`, files named by the digest of their content, and `snapshots`, whose names are
links to them. A blob is replaced by its archive in one step and keeps its name: all links and refs of all snapshots
stay as they are, and huggingface_hub takes the file for downloaded, online and offline. Before anything is replaced,
the content of the blob is held against the digest that is its name, and the archive is read back and decoded. The
locks are those that huggingface_hub takes when it downloads a blob.

Nothing here needs the package huggingface_hub, except pull().
"""

from __future__ import annotations

from .blobs import Outcome, pack, unpack
from .cache import Blob, Repo, cache_folder, scan
from .pulling import pull

__all__ = ["Blob", "Outcome", "Repo", "cache_folder", "pack", "pull", "scan", "unpack"]
