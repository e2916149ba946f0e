"""Twins of the package safetensors that read and write archives (model.safetensors.znn) as the originals do plain
files. Plain files are left to the package safetensors, which must be installed for them.

    from zipnn.safetensors import safe_open
    from zipnn.safetensors.torch import load_file, save_file     # or .numpy

What an archive gives is decided by the header of the file in it: every tensor, or an error where the package
safetensors raises one (zipnn.safetensors.exceptions). Each tensor has a storage of its own, as after safetensors'
load_file: torch.save, pickle, copies and shared memory take its bytes alone. Small tensors (below 8 MiB) that are
neighbours in the file are decoded into common memory of at most 32 MiB, which is freed with the last of them.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, overload

from .. import _zipnn, dtypes
from .. import errors as zipnn_errors
from ..archives import Archive
from ..buffers import shown
from ..pieces import Source
from ..remote import is_url, open_url
from ..tensors import Tensor
from . import layout, records
from .exceptions import ArgumentError, ClosedError, FormatError, MissingError, UnsupportedError, translated
from .frameworks import Framework, framework_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor as TorchTensor

    from ..bases import Base

__all__ = ["OpenFile", "OpenSlice", "Writer", "is_archive", "safe_open"]

_MAGIC = b"\x8fZNN\r\n\x1a\n"
_MAGICS = (_MAGIC, b"ZN")


# ---- sources and sinks ----------------------------------------------------------------------------------------------


def is_archive(source: Any) -> bool:
    """Returns whether a file, a seekable file object, or bytes begin like an archive or like a record of zipnn 0.x. A
    file named .znn.safetensors may also be one of these in the form of safetensors. What a URL leads to must be an
    archive."""
    if is_url(source) or isinstance(source, Source):
        return True  # plain files are not read over a network: whoever opens it is told
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as f:
            begins = f.read(len(_MAGIC)).startswith(_MAGICS)
        return begins or (os.fsdecode(source).endswith(".znn.safetensors") and _is_of_records(source))
    if _is_file(source):
        source.seek(0)
        front = source.read(len(_MAGIC))
        source.seek(0)
        return bytes(front).startswith(_MAGICS)
    return bytes(memoryview(source).cast("B")[: len(_MAGIC)]).startswith(_MAGICS)


def _is_of_records(path: Any) -> bool:
    """Returns whether a safetensors file holds records of zipnn 0.x."""
    try:
        _zipnn.Archive(os.fsdecode(path)).close()
    except zipnn_errors.FormatError:
        return False
    except zipnn_errors.CorruptError:
        return not records.are_archives(path, _MAGIC)
    except zipnn_errors.ZipnnError:
        pass  # whoever reads it is told
    return True


def _is_file(source: Any) -> bool:
    return hasattr(source, "read") and hasattr(source, "seek")


def bytes_of_plain(source: Any) -> bytes:
    """Returns what the package safetensors takes, of bytes in any form or of a file object."""
    return source.read() if _is_file(source) else bytes(source)


def find_archive(filename: Any) -> str | None:
    """Returns the archive that a name leads to: the file itself, or, if there is none of that name, the one with .znn
    behind it. Returns None for plain files and for files that do not exist."""
    path = os.fsdecode(filename)
    if os.path.exists(path):
        return path if os.path.isfile(path) and is_archive(path) else None
    return path + ".znn" if os.path.isfile(path + ".znn") else None


def is_path(sink: Any) -> bool:
    """Returns whether the target of a write is a path; otherwise it is a file object."""
    return isinstance(sink, (str, bytes, os.PathLike))


def access_of(backend: str) -> str:
    """Returns how Archive reads what safetensors calls a backend."""
    ways = {"mmap": "map", "pread": "read"}
    if backend not in ways:
        raise ArgumentError(None, f"backend {backend!r} is none of mmap and pread")
    return ways[backend]


def entries_of(tensors: Any, entry_of: Callable[[Any, Any], layout.Entry]) -> dict[str, layout.Entry]:
    """Returns the entries to write for a dict of tensors."""
    if not isinstance(tensors, dict):
        raise ValueError(f"a dict of names to tensors is saved, not a {type(tensors).__name__}")
    return {name: entry_of(name, tensor) for name, tensor in tensors.items()}


def write(entries: dict[str, layout.Entry], sink: Any, metadata: dict[str, str] | None, level: int | None) -> None:
    """Writes an archive to a path, or to a file object. If something could not be read again, it raises before anything
    is written."""
    reader = layout.PartsReader(layout.parts(entries, metadata))
    target = os.fsdecode(sink) if is_path(sink) else sink.write
    _zipnn.pack((reader.read, None, None), target, _zipnn.FILE_REPLACE, None, level or 0, 0, True, False, None)


def saved(entries: dict[str, layout.Entry], metadata: dict[str, str] | None, level: int | None) -> bytes:
    """Returns the archive as bytes."""
    data = io.BytesIO()
    write(entries, data, metadata, level)
    return data.getvalue()


# ---- reading --------------------------------------------------------------------------------------------------------


class Model:
    """An archive of a safetensors file: its metadata and its tensors, as the file's own header has them."""

    def __init__(self, source: Any, threads: int | None = None, access: str = "map", base: Base = None) -> None:
        with translated():
            if is_url(source):
                self.archive = open_url(source, threads=threads, base=base)
            else:
                self.archive = Archive(source, threads, access, base=base)
            try:
                self.metadata, self.tensors = layout.read_header(self.archive.read_range, self.archive.info.original)
            except FormatError as error:
                container = self.archive.info.container
                self.archive.close()
                raise FormatError(None, _not_a_model(container, error.message), _name(source)) from None
            except BaseException:
                self.archive.close()
                raise

    def tensor(self, name: str) -> Tensor:
        stored = self.tensors.get(name) if isinstance(name, str) else None
        if stored is None:
            raise MissingError(None, f"there is no tensor {shown(name)}")
        return Tensor(self.archive, name, stored.dtype, stored.shape, stored.offset, stored.nbytes)

    def load(self, framework: Framework) -> dict[str, Any]:
        """Returns every tensor, each in memory of its own. It reads from front to back, so every chunk is decoded once:
        the archive keeps the chunk that the last read ended in."""
        groups = list(_groups(self.tensors))
        by_itself = framework.load(self.archive, groups)
        if by_itself is not None:
            return by_itself
        made = {}
        self.archive._will_read((stored.offset, stored.nbytes) for stored in self.tensors.values())
        for group in groups:
            start = group[0][1].offset
            block = framework.empty(sum(stored.nbytes for _, stored in group))
            buffer = memoryview(framework.buffer(block))
            if len(buffer):
                self.archive.read_into(start, buffer)
            for name, stored in group:
                at = stored.offset - start
                own = block if len(group) == 1 else framework.part(buffer[at : at + stored.nbytes])
                made[name] = framework.tensor(name, own, stored)
        return made

    def close(self) -> None:
        self.archive.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


# A read is spread over threads by chunks of half a MiB, and large memory that is written for the first time costs least
# per byte. So small tensors are decoded together, into memory of which each gets its part; it is freed with the last of
# them, which is why it is not larger.
_LARGE = 8 << 20
_GROUP = 32 << 20


def _groups(tensors: dict[str, layout.Stored]) -> Iterator[list[tuple[str, layout.Stored]]]:
    """Returns groups of tensors that follow one another, to be read at once."""
    group: list[tuple[str, layout.Stored]] = []
    held = 0
    for name, stored in tensors.items():
        if group and (stored.nbytes >= _LARGE or held + stored.nbytes > _GROUP):
            yield group
            group, held = [], 0
        group.append((name, stored))
        held += stored.nbytes
        if stored.nbytes >= _LARGE:
            yield group
            group, held = [], 0
    if group:
        yield group


def _name(source: Any) -> str | None:
    return os.fsdecode(source) if isinstance(source, (str, os.PathLike)) else None


def _not_a_model(container: str, reason: str) -> str:
    if container in ("torch", "pickle"):
        return (
            "the archive does not hold a safetensors file but one of torch.save: torch.load(zipnn.open(name)) loads it"
        )
    if container in ("safetensors", "raw", "zipnn 0.x"):
        return f"the archive does not hold a safetensors file that can be read: {reason}"
    return f"the archive does not hold a safetensors file but one of {container}: zipnn.Archive lists its tensors"


def load_all(
    source: Any,
    framework: str,
    device: Any = None,
    threads: int | None = None,
    backend: str = "mmap",
    base: Base = None,
) -> tuple[dict[str, Any], dict[str, str] | None]:
    """Returns every tensor of an archive, and the metadata."""
    maker = framework_of(framework, device)
    access = "whole" if access_of(backend) == "map" else "read"
    with Model(source, threads, access, base) as model, translated():
        return model.load(maker), model.metadata


class _Slice:
    """A tensor that is indexed before it is decoded: along the first axis only what is wanted is read."""

    def __init__(self, tensor: Tensor, decode: Any) -> None:
        self._tensor = tensor
        self._decode = decode

    def get_shape(self) -> list[int]:
        return list(self._tensor.shape)

    def get_dtype(self) -> str:
        return self._tensor.dtype

    def __getitem__(self, index: Any) -> Any:
        index = index if isinstance(index, tuple) else (index,)
        if dtypes.is_packed(self._tensor.dtype) and index and (len(index) > 1 or len(self._tensor.shape) < 2):
            what = (
                f"{shown(self._tensor.name)} is of {self._tensor.dtype}: only the first of several axes can be indexed"
            )
            raise UnsupportedError(None, what)
        if index and _narrows(index[0]) and self._tensor.shape:
            rest = index[1:] if hasattr(index[0], "__index__") else (slice(None), *index[1:])
            return self._decode(self._tensor[index[0]], rest)
        return self._decode(self._tensor, index)


def _narrows(first: Any) -> bool:
    if isinstance(first, slice):
        return first.step in (None, 1)
    return hasattr(first, "__index__") and not isinstance(first, bool) and getattr(first, "ndim", 0) == 0


class _ArchiveFile:
    """What safe_open returns for an archive. After the `with` block every call raises, as in safetensors."""

    def __init__(self, filename: Any, framework: Framework, threads: int | None, access: str, base: Base) -> None:
        self._model: Model | None = Model(filename, threads, access, base)
        self._framework = framework

    def _open(self) -> Model:
        if self._model is None:
            raise ClosedError(None, "the file is closed")
        return self._model

    def keys(self) -> list[str]:
        return sorted(self._open().tensors, key=str.encode)

    def offset_keys(self) -> list[str]:
        return list(self._open().tensors)

    def metadata(self) -> dict[str, str] | None:
        return self._open().metadata

    def _decode(self, tensor: Tensor, index: Any = None) -> Any:
        self._open()
        with translated():
            return self._framework.decode(tensor, index)

    def get_tensor(self, name: str) -> Any:
        return self._decode(self._open().tensor(name))

    def get_slice(self, name: str) -> _Slice:
        return _Slice(self._open().tensor(name), self._decode)

    def get_tensors(self) -> dict[str, Any]:
        with translated():
            return self._open().load(self._framework)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __enter__(self) -> _ArchiveFile:
        return self

    def __exit__(self, *unused: object) -> None:
        if self._model is not None:
            self._model.close()
        self._model = None


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class OpenSlice(Protocol[T_co]):
    """A tensor that is indexed before it is decoded."""

    def get_shape(self) -> list[int]: ...
    def get_dtype(self) -> str: ...
    def __getitem__(self, index: Any, /) -> T_co: ...


class OpenFile(Protocol[T]):
    """What safe_open() returns: a file of tensors of some framework, as the package safetensors has it."""

    def keys(self) -> list[str]: ...
    def offset_keys(self) -> list[str]: ...
    def metadata(self) -> dict[str, str] | None: ...
    def get_tensor(self, name: str) -> T: ...
    def get_tensors(self) -> dict[str, T]: ...
    def get_slice(self, name: str) -> OpenSlice[T]: ...
    def __iter__(self) -> Iterator[str]: ...
    def __enter__(self) -> OpenFile[T]: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


@overload
def safe_open(
    filename: Any,
    framework: Literal["pt", "torch", "pytorch"],
    device: Any = ...,
    threads: int | None = ...,
    *,
    backend: str = ...,
    base: Base = ...,
) -> OpenFile[TorchTensor]: ...
@overload
def safe_open(
    filename: Any,
    framework: Literal["np", "numpy"],
    device: Any = ...,
    threads: int | None = ...,
    *,
    backend: str = ...,
    base: Base = ...,
) -> OpenFile[NDArray[Any]]: ...
@overload
def safe_open(
    filename: Any,
    framework: str,
    device: Any = ...,
    threads: int | None = ...,
    *,
    backend: str = ...,
    base: Base = ...,
) -> OpenFile[Any]: ...
def safe_open(
    filename: Any,
    framework: str,
    device: Any = "cpu",
    threads: int | None = None,
    *,
    backend: str = "mmap",
    base: Base = None,
) -> Any:
    """Opens a model file lazily, as safetensors.safe_open does.

    filename   an archive of a safetensors file: a path, bytes or a seekable binary file object; or the path of a plain
               file
    framework  "pt", "np", or another that safetensors knows, where its package is installed
    device     of the tensors, for "pt"; "cuda": the GPU decodes them, where it can (zipnn.gpu)
    backend    "mmap" reads through the page cache, "pread" by reads alone
    base       what the archive was made against, in any of the forms that zipnn.bases lists
    """
    if not is_archive(filename):
        import safetensors

        file = safetensors.safe_open(filename, framework, device, backend=backend)
        return records.with_records(file, framework, device)
    return open_archive(filename, framework, device, threads, backend, base)


def open_archive(
    filename: Any,
    framework: str,
    device: Any = "cpu",
    threads: int | None = None,
    backend: str = "mmap",
    base: Base = None,
) -> _ArchiveFile:
    """Does what safe_open does, for a file that is known to be an archive."""
    return _ArchiveFile(filename, framework_of(framework, device), threads, access_of(backend), base)


from .writer import Writer  # noqa: E402  # which uses what is above
