"""Lightning with archives: Trainer(plugins=[ZipnnCheckpointIO()]).

A checkpoint keeps its name, X.ckpt, so that ModelCheckpoint finds, counts and removes it; its content is an archive of
what Lightning would have written. Plain checkpoints of earlier runs load as before.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import torch

from . import fileobj
from .remote import is_url
from .safetensors import is_archive

__all__ = ["ZipnnCheckpointIO"]


def _base() -> Any:
    """Returns the class CheckpointIO of whichever distribution of Lightning is there."""
    for name in ("lightning.fabric", "lightning_fabric"):
        try:
            return importlib.import_module(f"{name}.plugins.io.checkpoint_io").CheckpointIO
        except ImportError:
            continue
    raise ImportError("zipnn.lightning needs the package lightning (or pytorch-lightning)")


class ZipnnCheckpointIO(_base()):  # type: ignore[misc]
    """Writes and reads checkpoints for a Trainer, also inside of AsyncCheckpointIO.

    level    of compression; None for the default
    threads  of compression; None for as many as there are processors

    Paths may be URLs of file systems that fsspec knows; `storage_options` of save_checkpoint() are for these. A file
    appears when it is complete.
    """

    def __init__(self, level: int | None = None, threads: int | None = None) -> None:
        self._level = level
        self._threads = threads

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        with ExitStack() as held:
            target: Any = os.fspath(path)
            if is_url(target):
                target = held.enter_context(_target(target, storage_options))
            else:
                os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
            with fileobj.open(target, "wb", level=self._level, threads=self._threads) as f:
                torch.save(checkpoint, f)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
        options = {} if weights_only is None else {"weights_only": weights_only}
        with ExitStack() as held:
            file: Any = os.fspath(path)
            if is_url(file):
                file = held.enter_context(_source(file))
            if is_archive(file):
                file = held.enter_context(fileobj.open(file, threads=self._threads))
            return torch.load(file, map_location=map_location, **options)

    def remove_checkpoint(self, path: Any) -> None:
        """Removes a checkpoint; of a strategy that divides it among files, the folder."""
        from fsspec.core import url_to_fs

        fs, place = url_to_fs(os.fspath(path))
        if fs.exists(place):
            fs.rm(place, recursive=True)


@contextmanager
def _target(url: str, options: dict[str, Any] | None) -> Iterator[IO[bytes]]:
    """Opens an object for writing, which is removed if it does not become whole."""
    from fsspec.core import url_to_fs

    fs, place = url_to_fs(url, **(options or {}))
    file = fs.open(place, "wb")
    try:
        with file:
            yield file
    except BaseException:
        if fs.exists(place):
            fs.rm(place)
        raise


def _source(url: str) -> Any:
    import fsspec

    return fsspec.open(url, "rb")
