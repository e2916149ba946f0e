"""The weights of a model that lies in a folder: which files they are, and their tensors one after another."""

from __future__ import annotations

import fnmatch
import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from . import fileobj
from .buffers import shown as shown_text
from .errors import FileMissingError, FormatError
from .progress import Progress, shown
from .safetensors import Model, find_archive, safe_open
from .safetensors.frameworks import Torch

if TYPE_CHECKING:
    from torch import Tensor

    from .bases import Base

__all__ = ["has_archives", "weight_files", "weights"]

_SUFFIX = ".znn"
_AHEAD = 256 << 20  # bytes of tensors that are decoded before they are asked for

# How weights are called, the first that the folder has.
_KINDS = (
    (".safetensors", ("model.safetensors.index.json", "diffusion_pytorch_model.safetensors.index.json")),
    (".bin", ("pytorch_model.bin.index.json",)),
    (".pt", ()),
)
_NO_WEIGHTS = re.compile(r"training_args|optimizer|scheduler|scaler|rng_state")

_log = logging.getLogger("zipnn")


def weight_files(folder: str | os.PathLike[str], patterns: Iterable[str] = ()) -> list[str]:
    """Returns the paths of a model's weights, as they were called before they were compressed: X also where there is
    only X.znn. Parts are in the order of their numbers. They are what matches one of the patterns, if any are given;
    or else the files that an index names; or else all *.safetensors, or all *.bin, or all *.pt."""
    place = os.fspath(folder)
    names = {name.removesuffix(_SUFFIX) for name in os.listdir(place)}
    for pattern in patterns:
        if found := fnmatch.filter(names, pattern):
            return [os.path.join(place, name) for name in sorted(found, key=_numbered)]
    for suffix, indexes in () if patterns else _KINDS:
        of_kind = {name for name in names if name.endswith(suffix) and not _NO_WEIGHTS.match(name)}
        for index in indexes:
            if index in names:
                return [os.path.join(place, name) for name in _in_index(place, index)]
        if of_kind:
            return [os.path.join(place, name) for name in sorted(of_kind, key=_numbered)]
    what = ", ".join(patterns or ("*.safetensors", "*.bin", "*.pt"))
    raise FileMissingError(None, f"{place}: there are no weights here ({what}, each also with .znn)", place)


def _in_index(folder: str, index: str) -> list[str]:
    path = os.path.join(folder, index)
    try:
        with open(path, encoding="utf-8") as f:
            named = set(json.load(f)["weight_map"].values())
        names = sorted({name.removesuffix(_SUFFIX) for name in named}, key=_numbered)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FormatError(None, f"{path}: this is no index of weights: {error!r}", path) from None
    for name in names:
        if os.path.isabs(name) or ".." in name.split("/"):
            raise FormatError(None, f"{path} names {shown_text(name)}, which is outside of the folder", path)
        path = os.path.join(folder, name)
        if not os.path.isfile(path) and not os.path.isfile(path + _SUFFIX):
            what = f"{path}: {index} names this file, and neither it nor its archive is there"
            raise FileMissingError(None, what, path)
    return names


def _numbered(name: str) -> list[tuple[int, int | str]]:
    """Returns a key by which part 2 stands before part 10."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"([0-9]+)", name)]


def has_archives(files: list[str]) -> bool:
    """Returns whether any of these is an archive."""
    return any(find_archive(file) for file in files)


def weights(
    folder: str | os.PathLike[str],
    *,
    wanted: Callable[[str], bool] | None = None,
    patterns: Iterable[str] = (),
    threads: int | None = None,
    prefetch: int = _AHEAD,
    base: Base = None,
    progress: Progress = None,
    device: Any = "cpu",
) -> Iterator[tuple[str, Tensor]]:
    """Yields (name, tensor) of a model's weights, in the order in which they lie in its files: what load_weights() of a
    serving engine takes.

    folder    with *.safetensors, each plain or an archive, under its own name or with .znn behind it; or with *.bin or
              *.pt. Of several files model.safetensors.index.json says which count
    patterns  names of files, as the shell has them and without .znn; those that match the first that any file matches
              are read, whatever an index says
    wanted    is asked for each name; what it refuses is not decoded. A file of torch.save is loaded whole
    threads   of decoding; None for as many as there are processors
    prefetch  tensors of so many bytes are decoded ahead of whoever takes them
    base      what archives were made against, in any of the forms that zipnn.bases lists; None for `folder` itself
    progress  True for a bar of tqdm, or a function of (bytes done, total): bytes of the files as they are stored

    device    of the tensors; "cuda": the GPU decodes what lies in archives, where it can (zipnn.gpu), and nothing ahead

    Each tensor has memory of its own. An archive and the plain file of the same name: the plain one
    is read, and the logger "zipnn" says so.
    """
    files = weight_files(folder, patterns)
    paths = [find_archive(file) or file for file in files]
    sizes = [os.path.getsize(path) for path in paths]
    taken = wanted or (lambda name: True)
    with shown(progress, "loading weights") as report:
        done = 0
        for file, path, size in zip(files, paths, sizes):
            if path == file and os.path.isfile(file + _SUFFIX):
                _log.warning("%s is read, and not the archive beside it: remove one of them", file)
            how = _How(taken, threads, prefetch, base if base is not None else folder, device)
            for share, named in _tensors(path, file, how):
                yield named
                if report:
                    report(done + int(share * size), sum(sizes))
            done += size
            if report:
                report(done, sum(sizes))
        _log.info("%d files, %d bytes of weights in %s", len(files), done, os.fspath(folder))


_Shares = Iterator[tuple[float, tuple[str, Any]]]  # what part of the file lies before a tensor's end, and the tensor


class _How(NamedTuple):
    wanted: Callable[[str], bool]
    threads: int | None
    prefetch: int
    base: Base
    device: Any


def _tensors(path: str, name: str, how: _How) -> _Shares:
    if not name.endswith(".safetensors"):
        return _of_torch(path, how)
    return _of_archive(path, how) if find_archive(path) else _of_plain(path, how)


def _of_archive(path: str, how: _How) -> _Shares:
    framework = Torch(how.device)
    with Model(path, how.threads, "whole", how.base) as model:
        tensors = [model.tensor(name) for name in model.tensors if how.wanted(name)]
        if how.prefetch > 0 and framework.gpu is None:
            model.archive.prefetch([t.name for t in tensors if t.name in model.archive], how.prefetch)
        for t in tensors:
            yield (t.offset + t.nbytes) / model.archive.info.original, (t.name, framework.decode(t))


def _of_plain(path: str, how: _How) -> _Shares:
    with safe_open(path, "pt", how.device) as file:
        names = file.offset_keys()
        for i, name in enumerate(names):
            if how.wanted(name):
                yield (i + 1) / len(names), (name, file.get_tensor(name))


def _of_torch(path: str, how: _How) -> _Shares:
    import torch

    if find_archive(path):
        with fileobj.open(path, base=how.base) as f:
            state = torch.load(f, map_location=how.device, weights_only=True)
    else:
        state = torch.load(path, map_location=how.device, weights_only=True)
    for name in list(state):
        tensor = state.pop(name)
        if how.wanted(name):
            yield 1.0, (name, tensor)
