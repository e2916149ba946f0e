"""What is in a cache of the hub: repositories, snapshots, and the blobs that these lead to."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..errors import FileMissingError

__all__ = ["Blob", "Repo", "cache_folder", "scan"]

_KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}

# What is packed: weights that zipnn.zipnn_hf(), zipnn.open() or a view read again.
WEIGHTS = (
    "*.safetensors", "*.bin", "*.pt", "*.pth", "*.ckpt", "*.gguf", "*.onnx", "*.onnx_data", "*.h5", "*.msgpack",
    "*.npz", "*.nemo", "*.tflite",
)  # fmt: skip


def is_weights(name: str, patterns: Iterable[str] = WEIGHTS) -> bool:
    """Returns whether a file of such a name is packed."""
    return any(fnmatch.fnmatch(name.rpartition("/")[2], pattern) for pattern in patterns)


class Blob(NamedTuple):
    """A file of the cache that holds content.

    place  its path, to which links of snapshots lead
    etag   the name that huggingface_hub gave it, as a rule the SHA-256 of its content; "" in a cache without links
    locks  files that huggingface_hub locks when it writes this one
    names  what snapshots call it, each once
    """

    place: str
    etag: str
    locks: tuple[str, ...]
    names: tuple[str, ...]


class Repo(NamedTuple):
    """A repository of the cache. `refs` maps branches and tags to commits, `name` is OWNER/NAME; `lost` counts links
    that lead nowhere, or out of the cache."""

    kind: str
    name: str
    path: str
    refs: dict[str, str]
    blobs: list[Blob]
    lost: int


def cache_folder() -> str:
    """Returns where the cache of this user is, as huggingface_hub decides it."""
    for variable, below in (("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "hub")):
        if value := os.environ.get(variable):
            return os.path.join(os.path.expanduser(os.path.expandvars(value)), below).rstrip("/")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(home, "huggingface", "hub")


def scan(cache: str | os.PathLike[str] | None = None, repos: Iterable[str] = ()) -> list[Repo]:
    """Returns the repositories of a cache, in the order of their names; of `repos` (OWNER/NAME, or the name of the
    folder) those alone. Raises FileMissingError if there is no such cache, or no such repository in it."""
    folder = os.path.realpath(os.fspath(cache) if cache is not None else cache_folder())
    wanted = list(repos)
    try:
        entries = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        text = f"{folder}: there is no cache of the hub here: --cache or HF_HUB_CACHE says where it is"
        raise FileMissingError(None, text, folder) from None
    found = []
    for entry in entries:
        kind, _, name = entry.partition("--")
        named = name.replace("--", "/")
        if kind not in _KINDS or not name or not os.path.isdir(os.path.join(folder, entry, "snapshots")):
            continue
        if not wanted or named in wanted or entry in wanted:
            found.append(_repo(folder, entry, _KINDS[kind], named))
    known = {name for repo in found for name in (repo.name, os.path.basename(repo.path))}
    for name in wanted:
        if name not in known:
            raise FileMissingError(None, f"{folder}: there is no repository {name} in this cache", folder)
    return found


def _repo(cache: str, entry: str, kind: str, name: str) -> Repo:
    path = os.path.join(cache, entry)
    lost = 0
    blobs: dict[str, Blob] = {}
    for file in _files(os.path.join(path, "snapshots")):
        place = os.path.realpath(file)
        if not os.path.isfile(place) or not place.startswith(cache + os.sep):
            lost += 1
            continue
        there = blobs.get(place)
        named = os.path.relpath(file, os.path.join(path, "snapshots")).partition(os.sep)[2]
        if there is None:
            etag = _etag(file)
            blobs[place] = Blob(place, etag, _locks(cache, entry, etag, place), (named,))
        elif named not in there.names:
            blobs[place] = there._replace(names=(*there.names, named))
    return Repo(kind, name, path, _refs(os.path.join(path, "refs")), sorted(blobs.values(), key=_by_name), lost)


def _by_name(blob: Blob) -> tuple[str, ...]:
    return (*blob.names, blob.place)


def _files(folder: str) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield os.path.join(place, name)


def _etag(file: str) -> str:
    """Returns the name of the blob that a snapshot's file leads to: that of the first link's target, since a blob may
    itself be a link, to a store that several repositories share."""
    if not os.path.islink(file):
        return ""
    folder, name = os.path.split(os.path.join(os.path.dirname(file), os.readlink(file)))
    return name if os.path.basename(os.path.normpath(folder)) == "blobs" else ""


def _locks(cache: str, entry: str, etag: str, place: str) -> tuple[str, ...]:
    locks = [os.path.join(cache, ".locks", entry, f"{etag}.lock")] if etag else []
    if place.startswith(os.path.join(cache, "blobs") + os.sep):  # the store that repositories share
        locks.append(place + ".lock")
    return tuple(locks)


def _refs(folder: str) -> dict[str, str]:
    refs = {}
    for file in _files(folder):
        with open(file, encoding="utf-8", errors="replace") as f:
            refs[os.path.relpath(file, folder)] = f.read(100).strip()
    return refs
