"""Archives that are read where they are: behind a URL, or in an object store.

    with zipnn.open_url("https://example.org/model.safetensors.znn") as model:
        model["lm_head.weight"][:100].numpy()

Opening takes two requests, and a tensor one for each 8 MiB that are stored of it, several at once.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from .archives import Archive
from .bases import BaseInfo, way_from, ways_end
from .errors import FormatError
from .pieces import FsspecRanges, Ranges, Source
from .web import WebRanges, shown

__all__ = ["open_source", "open_url", "is_url"]


def is_url(source: Any) -> bool:
    """Returns whether this is a URL (scheme://...) and no path."""
    return isinstance(source, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source) is not None


def is_web(url: str) -> bool:
    """Returns whether this is a URL of http or https."""
    return re.match(r"https?://", url, re.IGNORECASE) is not None


def _ranges_of(url: str, options: Mapping[str, Any]) -> Ranges:
    if is_web(url):
        return WebRanges(url, **options)
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise ImportError(f"{shown(url)}: reading this needs the package fsspec: pip install fsspec") from None
    fs, path = url_to_fs(url, **options)
    return FsspecRanges(fs, path)


def open_source(url: str, storage_options: Mapping[str, Any] | None = None, workers: int = 8) -> Source:
    """Opens a URL as a source that zipnn.Archive and the functions of zipnn.safetensors take. They close it."""
    ranges = _ranges_of(os.fspath(url), dict(storage_options or {}))
    try:
        return UrlSource(ranges, workers, (url, storage_options, workers))
    except BaseException:
        ranges.close()
        raise


class UrlSource(Source):
    """One that can be pickled: it is opened again, by the same URL and options."""

    def __init__(self, ranges: Ranges, workers: int, given: tuple[Any, ...]) -> None:
        super().__init__(ranges, workers)
        self._given = given

    def __reduce__(self) -> tuple[Any, ...]:
        return open_source, self._given


def open_url(
    url: str,
    storage_options: Mapping[str, Any] | None = None,
    workers: int = 8,
    threads: int | None = None,
    base: Any = None,
) -> Archive:
    """Opens the archive behind a URL. Only what is asked for is fetched, in pieces of at most 8 MiB.

    url              http:// and https:// are read by the standard library; s3://, gs://, az://, hf:// and whatever else
                     fsspec knows by that package, which must be installed with the one for the file system (s3fs, ...)
    storage_options  what fsspec's file system takes; of http and https: `headers` (a dict, sent to the URL's own host
                     alone), `timeout` (30 seconds), `retries` (4), and `renew`, a function that returns a fresh signed
                     URL and is called when access is refused
    workers          how many pieces are fetched at once. Memory: at most `workers` + 4 pieces
    threads          that decode, as Archive has them
    base             what the archive was made against: as Archive has it, or a URL. Without it, the archive is tried to
                     which this one tells the way (zipnn --dedup), or that of the base's name beside this one

    The server must give ranges of bytes. It need not be trusted: what it gives is held against the checksums of the
    archive as a file's is. FileError says what went wrong: the object changed, access was refused (FileForbiddenError),
    there is no such file (FileMissingError). Prefetching (Archive.prefetch) fetches tensors together that lie together.
    """
    source = open_source(url, storage_options, workers)
    try:
        if base is None:
            base = Beside(url, storage_options, workers)
        elif is_url(base):
            base = open_url(base, storage_options, workers, threads)
        return Archive(source, threads, base=base)
    except BaseException:
        source.close()
        raise


class Beside:
    """Finds bases where an archive tells the way to them (zipnn --dedup), or in the folder of its URL. Names come from
    strangers: of others only the last part is used, and a way leads to no other host or bucket."""

    def __init__(self, url: str, storage_options: Mapping[str, Any] | None, workers: int) -> None:
        self._urls = [url]
        self._options = storage_options, workers

    def __call__(self, info: BaseInfo) -> Archive | None:
        for url in [place for asked in self._urls for place in self._places(asked, info.name)]:
            try:
                # Without bases of its own: whoever asks for this one asks for those, too. It may be the archive itself.
                found = open_url(url, *self._options, base=())
            except (OSError, FormatError):
                continue
            if found.info.xxh3 == info.xxh3:
                self._urls.append(url)
                return found
            found.close()
        return None

    @staticmethod
    def _places(url: str, name: str) -> list[str]:
        scheme, mark, path = url.partition("?")[0].partition("://")
        folder, slash, rest = path.rpartition("/")
        if not rest:
            return []
        last = name.rpartition("/")[2].removesuffix(".znn")
        quoted = urllib.parse.quote if is_web(url) else str
        beside = [f"{scheme}{mark}{folder}{slash}{quoted(last)}.znn"] if last else []
        there = way_from("", name)
        if not there:
            return beside
        parts = there.split("/")[1:]
        up = parts.count("..")
        folders = folder.split("/")
        if up >= len(folders):
            return beside
        place = "/".join([*folders[: len(folders) - up], *map(quoted, parts[up:])])
        return [f"{scheme}{mark}{end}" for end in ways_end(place)]
