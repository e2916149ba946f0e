"""torch.distributed.checkpoint with archives.

    from torch.distributed import checkpoint
    from zipnn.torch.distributed import StorageReader, StorageWriter

    checkpoint.save(state_dict, storage_writer=StorageWriter("step-100"))
    checkpoint.load(state_dict, storage_reader=StorageReader("step-100"))

Each rank writes archives of safetensors files, `__RANK_NUMBER.safetensors.znn`, with every piece of a tensor as a
tensor of its own: element types are known, any piece is read alone, also by other numbers of ranks, and every tool for
archives reads the files. The metadata comes last, in one step: a folder without it is no checkpoint, and in a folder
that holds a checkpoint already the new files have other names, so that a save which dies leaves the last one as it was,
and is simply done again. async_save works as it does with torch's writer. Tensors without memory, and what torch.load()
could not load again, are refused before anything is written.

    checkpoint.save(state_dict, storage_writer=StorageWriter("step-200", base="step-100"))  # what changed since
    checkpoint.save(state_dict, storage_writer=StorageWriter("s3://bucket/run/step-100"))   # through fsspec

`Stream` is the smaller step: an extension of torch's own file writer and reader, one archive for each piece.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import os
import queue
import re
import threading
import warnings
from collections.abc import Container, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import torch
from torch.distributed._functional_collectives import AsyncCollectiveTensor
from torch.distributed.checkpoint._extension import StreamTransformExtension
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.planner import (
    LoadItemType,
    LoadPlan,
    LoadPlanner,
    ReadItem,
    SavePlan,
    SavePlanner,
    WriteItem,
    WriteItemType,
)
from torch.distributed.checkpoint.storage import WriteResult
from torch.futures import Future
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from .. import _zipnn, dtypes, fileobj
from ..buffers import check_torch, shown
from ..errors import BaseError
from ..remote import is_url, open_source
from ..safetensors import Model, layout
from ..safetensors.exceptions import FormatError
from ..safetensors.torch import entry_of
from ..streams import write_all
from ..tensors import Tensor
from . import steps

if TYPE_CHECKING:
    from ..bases import Base, Rows

__all__ = ["StorageReader", "StorageWriter", "Stream"]

_SUFFIX = ".safetensors.znn"


@dataclass
class Place:
    """Where a piece is: what the checkpoint's metadata keeps of it. `length` is in bytes of the original. A piece that
    safetensors has no type for (complex128, quantized, a wrapper) is bytes of torch.save: `pickled`."""

    relative_path: str
    key: str
    length: int
    pickled: bool = False
    bases: tuple[str, ...] = ()  # folders of the checkpoints that its file was made against, the nearest first


def _key_of(item: WriteItem, taken: Container[str]) -> str:
    """Returns a name that no other piece of the file has: that of the tensor, and where the piece begins in it."""
    key: str = item.index.fqn.encode("utf-8", "backslashreplace").decode()
    if item.index.offset is not None:
        key = f"{key}[{','.join(map(str, item.index.offset))}]"
    while key in taken or key == "__metadata__":
        key += "'"
    return key


def _tensor_of(item: WriteItem, planner: SavePlanner) -> Any:
    data: Any = planner.resolve_data(item)  # of a tensor, not of bytes
    tensor = data.detach()
    return tensor.wait() if isinstance(tensor, AsyncCollectiveTensor) else tensor


def _check_parts(name: str, tensor: torch.Tensor) -> None:
    """Raises ValueError unless a tensor, or all that a wrapper is made of, has memory that can be read."""
    if is_traceable_wrapper_subclass(tensor):
        for part in tensor.__tensor_flatten__()[0]:
            _check_parts(f"{name}.{part}", getattr(tensor, part))
    else:
        check_torch(name, tensor)


def _is_plain(tensor: torch.Tensor) -> bool:
    """Returns whether a tensor is written as one of safetensors. Types of less than a byte are not: a header counts
    their elements differently than torch, and single rows cannot be read."""
    try:
        return not dtypes.is_packed(layout.type_of(tensor.dtype)) and not is_traceable_wrapper_subclass(tensor)
    except ValueError:
        return False


def _pickle(tensor: torch.Tensor) -> io.BytesIO:
    """Returns a tensor as torch's own writer stores it."""
    tensor = tensor.cpu()
    if not is_traceable_wrapper_subclass(tensor) and tensor.untyped_storage().nbytes() != tensor.nbytes:
        tensor = tensor.clone()
    data = io.BytesIO()
    torch.save(tensor, data)
    data.seek(0)
    return data


def _unpickle(data: io.BytesIO) -> torch.Tensor:
    return torch.load(data, map_location="cpu", weights_only=True)


def _check(item: WriteItem, planner: SavePlanner) -> None:
    """Raises ValueError with the name of the tensor if it could not be read again."""
    name, tensor = item.index.fqn, _tensor_of(item, planner)
    plan: Any = item.tensor_data
    _check_parts(name, tensor)
    if tensor.shape != plan.chunk.sizes:
        raise ValueError(
            f"{shown(name)} has the shape {list(tensor.shape)}, the plan {list(plan.chunk.sizes)}"
        )
    if not _is_plain(tensor):
        try:
            _unpickle(_pickle(tensor))
        except Exception as error:
            raise ValueError(
                f"{shown(name)} is a {type(tensor).__name__} that torch cannot load again: {error}"
            ) from error


class _Piece:
    """What is written of one item. It is brought to the CPU when its turn comes."""

    def __init__(self, item: WriteItem, planner: SavePlanner) -> None:
        self.item = item
        self.pickled = False
        if item.type == WriteItemType.BYTE_IO:
            written: Any = planner.resolve_data(item)
            self.entry = self._bytes(written)
            return
        tensor = _tensor_of(item, planner)
        self.pickled = not _is_plain(tensor)
        self.entry = self._bytes(_pickle(tensor)) if self.pickled else entry_of(item.index.fqn, tensor)

    @staticmethod
    def _bytes(data: io.BytesIO) -> layout.Entry:
        view = data.getbuffer()
        return layout.Entry("U8", (view.nbytes,), view.nbytes, lambda: view)


class _Kept:
    """A file system of torch's in which finish() replaces the metadata at once, instead of removing it first."""

    def __init__(self, fs: Any) -> None:
        self._fs = fs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fs, name)

    def rm_file(self, path: Any) -> None:
        pass


def _files_at(path: str, options: dict[str, Any] | None) -> tuple[Any, Any]:
    """Returns torch's file system for a URL, and the path in it."""
    from torch.distributed.checkpoint._fsspec_filesystem import FileSystem

    fs: Any = FileSystem()
    fs.init_path = functools.partial(fs.init_path, **(options or {}))
    return fs, fs.init_path(path)


_GENERATION = re.compile(r"__[0-9]+_g([0-9]+)_")


class StorageWriter(FileSystemWriter):
    """Writes a checkpoint to a folder.

    path            the folder: a path, or a URL of a file system that fsspec knows
    level           of compression; None for the default
    threads         of compression in each file; None for one
    thread_count    files that a rank writes at the same time
    sync_files      a file, and the folder, are on the device before it counts
    overwrite       whether a checkpoint that is there may be replaced. It is removed once the new one is complete
    base            the folder of an earlier checkpoint: tensors that resemble those of the same name there are stored
                    as differences from them. It may be a difference itself. That folder, and those that it was made
                    against, must stay as they are: reading finds them beside this one, or where they were. A chain
                    makes reading longer, so every tenth step or so is written without
    storage_options what fsspec's file system takes
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        level: int | None = None,
        threads: int | None = None,
        thread_count: int = 1,
        sync_files: bool = True,
        cache_staged_state_dict: bool = False,
        overwrite: bool = True,
        *,
        base: str | os.PathLike[str] | None = None,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            path,
            thread_count=thread_count,
            sync_files=sync_files,
            cache_staged_state_dict=cache_staged_state_dict,
            overwrite=overwrite,
        )
        self._level = level or 0
        self._threads = threads or 1
        self._options = storage_options
        if is_url(path):
            self.fs, self.path = _files_at(os.fspath(path), storage_options)
        self._base = None if base is None else steps.folder_of(base)
        self._bases: tuple[str, ...] = ()
        self._files_of: dict[str, set[str]] = {}  # which files of the base hold a piece

    # Files have names that none of the checkpoint before has.

    def _named_anew(self, plans: list[SavePlan]) -> list[SavePlan]:
        if not self._metadata_exists():
            return plans
        taken = [int(found[1]) for path in self.fs.ls(self.path) if (found := _GENERATION.match(_last_part(path)))]
        generation = f"g{max(taken, default=1) + 1}_"
        names = (dataclasses.replace(p.storage_data, prefix=p.storage_data.prefix + generation) for p in plans)
        return [dataclasses.replace(plan, storage_data=name) for plan, name in zip(plans, names)]

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected an existing checkpoint")  # which stays until this one is there
            plan = super().prepare_local_plan(plan)
        return plan if plan.storage_data is None else self._named_anew([plan])[0]

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        named: list[SavePlan] = super().prepare_global_plan(plans)
        # Without a common plan each rank has named its files already.
        return named if any(plan.storage_data is not None for plan in plans) else self._named_anew(named)

    def finish(self, metadata: Any, results: list[list[WriteResult]]) -> None:
        """Makes a checkpoint of what was written, in one step, and removes the one before."""
        fs = self.fs
        self.fs = _Kept(fs)
        try:
            super().finish(metadata, results)
        finally:
            self.fs = fs
        local = not is_url(os.fspath(self.path))
        if self.sync_files and local:
            _sync_folder(os.fspath(self.path))
        ours = f"__{self.rank}_" if not self.use_collectives and self.rank is not None else "__"
        kept = {place.relative_path for place in metadata.storage_data.values()}
        for path in fs.ls(self.path):
            name = _last_part(path)
            if name.startswith(ours) and name.endswith(_SUFFIX) and name not in kept:
                fs.rm_file(fs.concat_path(self.path, name))

    # Differences from an earlier checkpoint.

    def _open_base(self) -> None:
        own = steps.folder_of(self.path)
        if self._base is None:
            return
        if self._base == own:
            raise ValueError(f"{own}: a checkpoint cannot be its own base: its files are removed when it is replaced")
        metadata = StorageReader(self._base, storage_options=self._options).read_metadata()
        before: tuple[str, ...] = ()
        self._files_of = {}
        for place in metadata.storage_data.values():
            if isinstance(place, Place):
                self._files_of.setdefault(place.key, set()).add(place.relative_path)
                before = before or tuple(steps.absolute(name, self._base) for name in place.bases)
        self._bases = tuple(steps.relative(folder, own) for folder in (self._base, *before))

    def _rows(self, keys: Iterable[str], held: ExitStack) -> Rows:
        files = {name for key in keys for name in self._files_of.get(key, ())}
        if not files or self._base is None:
            return ()
        find = steps.finder(self._bases[1:], steps.folder_of(self.path), self._options)
        return steps.rows_of(self._base, files, find, self._options, held)

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """Before anything is written, refuses what could not be read again."""
        for item in plan.items:
            if item.type != WriteItemType.BYTE_IO:
                _check(item, planner)
        self._open_base()
        return super().write_data(plan, planner)

    def _write_data(self, planner: SavePlanner, file_queue: queue.Queue[Any]) -> Future[list[WriteResult]]:
        results: list[WriteResult] = []
        failures: list[BaseException] = []
        workers = [
            threading.Thread(target=self._write_files, args=(planner, file_queue, results, failures), daemon=True)
            for _ in range(1, self.thread_count)
        ]
        for worker in workers:
            worker.start()
        self._write_files(planner, file_queue, results, failures)
        for worker in workers:
            worker.join()
        if failures:
            raise failures[0]
        future: Future[list[WriteResult]] = Future()
        future.set_result(results)
        return future

    def _write_files(
        self, planner: SavePlanner, files: queue.Queue[Any], results: list[WriteResult], failures: list[BaseException]
    ) -> None:
        while not failures:
            try:
                path, name, items = files.get_nowait()
            except queue.Empty:
                return
            try:
                results.extend(self._write_file(planner, path, name, items))
            except BaseException as error:
                failures.append(error)

    def _write_file(self, planner: SavePlanner, path: Any, name: str, items: list[WriteItem]) -> list[WriteResult]:
        """Writes one archive, which appears whole or not at all."""
        pieces: dict[str, _Piece] = {}
        for item in items:
            pieces[_key_of(item, pieces)] = _Piece(item, planner)
        entries = {key: piece.entry for key, piece in pieces.items()}
        relative = name.removesuffix(".distcp") + _SUFFIX
        with ExitStack() as held:
            rows = self._rows(pieces, held)
            if rows:
                # A file whose tensors are all those of the base is another file all the same.
                whole = layout.PartsAt(entries, {"zipnn.base": self._bases[0]})
                source: Any = (None, whole.read_at, whole.length)
            else:
                source = (layout.PartsReader(layout.parts(entries, None)).read, None, None)
            flags = _zipnn.FILE_REPLACE | (_zipnn.FILE_SYNC if self.sync_files else 0)
            target: Any = os.fspath(self.fs.concat_path(self.path, relative))
            if is_url(target):
                flags, target = 0, write_all(held.enter_context(self.fs.create_stream(target, "wb")))
            _zipnn.pack(source, target, flags, None, self._level, self._threads, True, False, None, rows)
        made = self._bases if rows else ()
        return [
            WriteResult(
                piece.item.index, piece.entry.nbytes, Place(relative, key, piece.entry.nbytes, piece.pickled, made)
            )
            for key, piece in pieces.items()
        ]


def _last_part(path: Any) -> str:
    text: str = os.fspath(path)
    return text.rstrip("/").rpartition("/")[2]


def _sync_folder(path: str) -> None:
    """Waits until the names in a folder are on the device."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:  # a system that opens no folders
        return
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class StorageReader(FileSystemReader):
    """Reads what StorageWriter wrote, on any number of ranks.

    path            the folder: a path, or a URL of a file system that fsspec knows
    threads         of decoding; None for as many as there are processors
    base            where bases are that are neither beside the folder nor where they were: as zipnn.bases has it
    storage_options what fsspec's file system takes
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        threads: int | None = None,
        *,
        base: Base = None,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(path)
        self._threads = threads
        self._base = base
        self._options = storage_options
        if is_url(path):
            self.fs, self.path = _files_at(os.fspath(path), storage_options)

    def _open(self, relative_path: str, items: list[ReadItem]) -> Model:
        path: Any = os.fspath(self.fs.concat_path(self.path, relative_path))
        bases = self.storage_data[items[0].storage_index].bases
        base = self._base
        if base is None and bases:
            base = steps.finder(bases, steps.folder_of(self.path), self._options)
        return Model(open_source(path, self._options) if is_url(path) else path, self._threads, base=base)

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        for relative_path, items in self._by_file(plan):
            try:
                with self._open(relative_path, items) as model:
                    for item in items:
                        self._read_item(model, item, planner)
            except BaseError as error:
                named = ", ".join(self.storage_data[items[0].storage_index].bases)
                text = f"{error.message}: {self.path} was made against the checkpoints in {named}, which must be there"
                raise BaseError(error.offset, text, error.filename) from None
        future: Future[None] = Future()
        future.set_result(None)
        return future

    def _by_file(self, plan: LoadPlan) -> Iterator[tuple[str, list[ReadItem]]]:
        files: dict[str, list[ReadItem]] = {}
        for item in plan.items:
            place = self.storage_data[item.storage_index]
            if not isinstance(place, Place):
                raise FormatError(None, "the checkpoint was written by another writer: read it with that one's reader")
            files.setdefault(place.relative_path, []).append(item)
        return iter(files.items())

    def _read_item(self, model: Model, item: ReadItem, planner: LoadPlanner) -> None:
        place = self.storage_data[item.storage_index]
        stored = model.tensor(place.key)
        if item.type == LoadItemType.BYTE_IO:
            planner.load_bytes(item, io.BytesIO(bytes(stored.bytes())))
            return
        if place.pickled:
            tensor = _narrowed(_unpickle(io.BytesIO(stored.bytes())), item, 0)
        else:
            tensor = _rows(stored, item)
        target = planner.resolve_tensor(item).detach()
        if target.size() != tensor.size():
            raise ValueError(f"{item.storage_index.fqn}: {tuple(target.size())} wanted, {tuple(tensor.size())} stored")
        target.copy_(tensor)
        planner.commit_tensor(item, target)


def _narrowed(tensor: torch.Tensor, item: ReadItem, first: int) -> torch.Tensor:
    """Returns what an item wants of a piece, along the axes from `first` on."""
    for axis in range(first, len(item.lengths)):
        tensor = tensor.narrow(axis, item.storage_offsets[axis], item.lengths[axis])
    return tensor


def _rows(stored: Tensor, item: ReadItem) -> torch.Tensor:
    """Does the same for a piece that is decoded here: rows that are not wanted are not decoded."""
    if len(item.lengths) == 0:
        return stored.torch()
    first = item.storage_offsets[0]
    return _narrowed(stored[first : first + item.lengths[0]].torch(), item, 1)


# ---- the stream extension -------------------------------------------------------------------------------------------


class _KeepOpen(io.RawIOBase):
    """Passes writes on and leaves the stream behind it open: others write to it afterwards."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._stream.write(view)
        return len(view)


class Stream(StreamTransformExtension):
    """Compresses each piece of a checkpoint that torch's own writer makes.

    FileSystemWriter(path, _extensions=[Stream()])
    FileSystemReader(path, _extension_registry=Stream.registry())
    """

    def __init__(self, level: int | None = None) -> None:
        super().__init__()
        self._level = level

    @staticmethod
    def registry_name() -> str:
        return "stream.zipnn"

    @staticmethod
    def from_descriptor(version: str) -> Stream:
        if version.partition(".")[0] != "1":
            raise ValueError(f"{version=} of stream.zipnn is not known here")
        return Stream()

    @staticmethod
    def registry() -> Any:
        """Returns a registry that knows this extension besides those of torch."""
        from torch.distributed.checkpoint._extension import ExtensionRegistry

        registry = ExtensionRegistry()
        registry.register(Stream)
        return registry

    def get_descriptor(self) -> str:
        return f"{self.registry_name()}/1"

    def transform_to(self, output: IO[bytes]) -> IO[bytes]:
        return fileobj.open(_KeepOpen(output), "wb", level=self._level, threads=1)

    def transform_from(self, input: IO[bytes]) -> IO[bytes]:
        # torch's view of a part of a file does not tell positions inside the part: it is read whole, as torch does.
        return fileobj.open(io.BytesIO(input.read(-1)), "rb", threads=1)
