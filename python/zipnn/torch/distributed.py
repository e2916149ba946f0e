"""torch.distributed.checkpoint with archives.

    from torch.distributed import checkpoint
    from zipnn.torch.distributed import StorageReader, StorageWriter

    checkpoint.save(state_dict, storage_writer=StorageWriter("step-100"))
    checkpoint.load(state_dict, storage_reader=StorageReader("step-100"))

Each rank writes archives of safetensors files, `__RANK_NUMBER.safetensors.znn`, with every piece of a tensor as a tensor of its own:
element types are known, any piece is read alone, also by other numbers of ranks, and every tool for archives reads the
files. The metadata comes last, as it does with torch's own writer: a folder without it is no checkpoint, so a save that
was interrupted does no harm and is simply done again. async_save works as it does with torch's writer.

`Stream` is the smaller step: an extension of torch's own file writer and reader, one archive for each piece.
"""

from __future__ import annotations

import io
import os
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import torch
from torch.distributed.checkpoint import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint._extension import StreamTransformExtension
from torch.distributed.checkpoint.planner import (
    LoadItemType,
    LoadPlan,
    LoadPlanner,
    ReadItem,
    SavePlanner,
    WriteItem,
    WriteItemType,
)
from torch.distributed.checkpoint.storage import WriteResult
from torch.futures import Future

from .. import _zipnn, dtypes, fileobj
from ..archives import Archive, memory_of_torch
from ..errors import FormatError
from ..safetensors import layout

__all__ = ["StorageReader", "StorageWriter", "Stream"]

_SUFFIX = ".safetensors.znn"


@dataclass
class Place:
    """Where a piece is: what the checkpoint's metadata keeps of it. `length` is in bytes of the original."""

    relative_path: str
    key: str
    length: int


def _key_of(item: WriteItem) -> str:
    """A name that no other piece of the file has: the tensor's, and where the piece begins in it."""
    at = item.index.offset
    return item.index.fqn if at is None else f"{item.index.fqn}[{','.join(map(str, at))}]"


class _Piece:
    """What is to be written of one item, brought to the CPU when its turn comes."""

    def __init__(self, item: WriteItem, planner: SavePlanner) -> None:
        self.item, self.planner = item, planner
        self.held: Any = None
        if item.type == WriteItemType.BYTE_IO:
            self.held = planner.resolve_data(item).getbuffer()
            dtype, shape, nbytes = "U8", (self.held.nbytes,), self.held.nbytes
        else:
            data = item.tensor_data
            dtype = dtypes.name_of(data.properties.dtype)
            shape = tuple(data.chunk.sizes)
            nbytes = data.properties.dtype.itemsize * int(torch.Size(shape).numel())
        self.entry = layout.Entry(dtype, shape, nbytes, self.memory)

    def memory(self) -> Any:
        if self.item.type != WriteItemType.BYTE_IO:
            tensor = self.planner.resolve_data(self.item).detach()
            self.held = tensor.cpu().contiguous().resolve_conj().resolve_neg()
            return memory_of_torch(self.held)
        return self.held


class StorageWriter(FileSystemWriter):
    """Writes a checkpoint to a folder.

    path         the folder
    level        of compression; None for the default
    threads      of compression in each file; None for one
    thread_count files that a rank writes at the same time
    sync_files   a file, and the folder, are on the device before it counts
    overwrite    whether a checkpoint that is there may be replaced
    """

    def __init__(
        self,
        path: str | os.PathLike,
        level: int | None = None,
        threads: int | None = None,
        thread_count: int = 1,
        sync_files: bool = True,
        cache_staged_state_dict: bool = False,
        overwrite: bool = True,
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

    def _write_data(self, planner: SavePlanner, file_queue: queue.Queue) -> Future[list[WriteResult]]:
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
        self, planner: SavePlanner, files: queue.Queue, results: list[WriteResult], failures: list[BaseException]
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
        """One archive, which appears whole or not at all."""
        pieces = {_key_of(item): _Piece(item, planner) for item in items}
        if len(pieces) != len(items):
            raise ValueError(f"{name}: two pieces of a plan begin at the same place of a tensor")
        reader = layout.PartsReader(layout.parts({key: p.entry for key, p in pieces.items()}, None))
        flags = _zipnn.FILE_REPLACE | (_zipnn.FILE_SYNC if self.sync_files else 0)
        target = os.fsdecode(path).removesuffix(".distcp") + _SUFFIX
        _zipnn.pack((reader.read, None, None), target, flags, None, self._level, self._threads, True, False, None)
        relative = name.removesuffix(".distcp") + _SUFFIX
        return [
            WriteResult(piece.item.index, piece.entry.nbytes, Place(relative, key, piece.entry.nbytes))
            for key, piece in pieces.items()
        ]


class StorageReader(FileSystemReader):
    """Reads what StorageWriter wrote, on any number of ranks.

    path     the folder
    threads  of decoding; None for as many as there are processors
    """

    def __init__(self, path: str | os.PathLike, threads: int | None = None) -> None:
        super().__init__(path)
        self._threads = threads

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        for relative_path, items in self._by_file(plan):
            with Archive(os.fspath(self.fs.concat_path(self.path, relative_path)), self._threads) as archive:
                for item in items:
                    self._read_item(archive, item, planner)
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

    def _read_item(self, archive: Archive, item: ReadItem, planner: LoadPlanner) -> None:
        stored = archive[self.storage_data[item.storage_index].key]
        if item.type == LoadItemType.BYTE_IO:
            planner.load_bytes(item, io.BytesIO(bytes(stored.bytes())))
            return
        offsets, lengths = item.storage_offsets, item.lengths
        if len(lengths) > 0:  # rows that are not wanted are not decoded
            stored = stored[offsets[0] : offsets[0] + lengths[0]]
        tensor = stored.torch()
        for axis in range(1, len(lengths)):
            tensor = tensor.narrow(axis, offsets[axis], lengths[axis])
        target = planner.resolve_tensor(item).detach()
        if target.size() != tensor.size():
            raise ValueError(f"{item.storage_index.fqn}: {tuple(target.size())} wanted, {tuple(tensor.size())} stored")
        target.copy_(tensor)
        planner.commit_tensor(item, target)


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
        """A registry that knows this extension besides those of torch."""
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
