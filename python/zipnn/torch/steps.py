"""Checkpoints that are differences from earlier ones: which files are compared, and where bases are found again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from .. import bases
from ..archives import Archive
from ..bases import BaseInfo
from ..remote import Beside, is_url, open_url

__all__ = ["absolute", "finder", "folder_of", "relative", "rows_of"]

_MOST = 64  # bases of an archive


def folder_of(path: Any) -> str:
    """Returns a folder as text: an absolute path, or a URL without a slash at its end."""
    text: str = os.fspath(path)
    return text.rstrip("/") if is_url(text) else os.path.abspath(text)


def relative(folder: str, own: str) -> str:
    """Returns how a checkpoint in the folder `own` names the one in `folder`: from its own place if they lie beside
    each other, so that the folder of a run may be moved."""
    parent, _, name = folder.rpartition("/")
    return f"../{name}" if parent == own.rpartition("/")[0] else folder


def absolute(named: str, own: str) -> str:
    """Returns the folder that a checkpoint in `own` names so."""
    return f"{own.rpartition('/')[0]}/{named[3:]}" if named.startswith("../") else named


def finder(named: Iterable[str], own: str, options: Any) -> Callable[[BaseInfo], Any]:
    """Returns a function that finds bases, also those of bases, in the folders that a checkpoint names."""
    places = [absolute(name, own) for name in named]
    resolvers = [Beside(f"{p}/-", options, 8) if is_url(p) else _there(p) for p in places]

    def find(info: BaseInfo) -> Any:
        found = (resolve(info) for resolve in resolvers)
        return next((each for each in found if each is not None), None)

    return find


def _there(path: str) -> Callable[[BaseInfo], Any]:
    folder = bases.Folder(path)
    return lambda info: folder(info) if os.path.isdir(path) else None


def rows_of(folder: str, files: Iterable[str], find: Any, options: Any, held: ExitStack) -> bases.Rows:
    """Returns files of a checkpoint as bases to compress against. They stay open as long as `held`."""
    rows: list[bases.Row] = []
    for name in sorted(set(files))[:_MOST]:
        place = f"{folder}/{name}"
        archive = open_url(place, options, base=find) if is_url(place) else Archive(place, base=find)
        first, *others = bases.to_compress(held.enter_context(archive))
        rows += [first._replace(name=name), *(row for row in others if row not in rows)]
    return bases.ordered(rows)
