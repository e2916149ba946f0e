"""zipnn in fsspec: a compression, and a file system of what is in an archive.

import fsspec, zipnn.fsspec

zipnn.fsspec.register()
with fsspec.open("s3://bucket/model.safetensors.znn", compression="infer") as f: ...

with fsspec.open("znn::s3://bucket/model.safetensors.znn") as f: ...    # needs no register(): it is an entry point
"""

from __future__ import annotations

import io
from typing import Any

from fsspec.archive import AbstractArchiveFileSystem
from fsspec.core import url_to_fs

from . import fileobj
from .archives import Archive, ArchiveReader
from .pieces import BLOCK, FsspecRanges, Source

__all__ = ["ArchiveFileSystem", "register"]


def register(force: bool = False) -> None:
    """Registers compression="znn" and compression="zipnn", and ".znn" for compression="infer"."""
    from fsspec.compression import compr, register_compression

    if "znn" not in compr or force:
        register_compression("znn", fileobj.open, "znn", force=force)
    if "zipnn" not in compr or force:
        register_compression("zipnn", fileobj.open, [], force=force)


class ArchiveFileSystem(AbstractArchiveFileSystem):  # type: ignore[misc]
    """The original of an archive as the only file of a file system: znn::URL. Only what is read of it is fetched.

    fo               a URL or path of an archive, a binary file object, or a list of one of these
    target_protocol  of the file system that has the archive, where `fo` does not say
    target_options   that this file system takes
    """

    root_marker = ""
    protocol = "znn"
    cachable = False

    def __init__(
        self,
        fo: Any = "",
        target_protocol: str | None = None,
        target_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        fo = fo[0] if isinstance(fo, (list, tuple)) else fo
        name = getattr(fo, "name", None)
        self._archive: Any = lambda: fo
        if isinstance(fo, str):
            named = {"protocol": target_protocol} if target_protocol else {}
            fs, name = url_to_fs(fo, **named, **(target_options or {}))
            self._archive = lambda: Source(FsspecRanges(fs, name))
        self._name = str(name or "original").rstrip("/").rpartition("/")[2].removesuffix(".znn")
        with Archive(self._archive()) as archive:
            self._size = archive.info.original

    def _get_dirs(self) -> None:
        self.dir_cache = {self._name: {"name": self._name, "size": self._size, "type": "file"}}

    def _open(self, path: str, mode: str = "rb", **unused: Any) -> io.BufferedReader:
        if mode != "rb":
            raise ValueError(f"mode {mode!r}: archives are only read here")
        if self._strip_protocol(path) not in ("", self._name):
            raise FileNotFoundError(path)
        return io.BufferedReader(ArchiveReader(self._archive()), BLOCK)
