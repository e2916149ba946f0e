"""Archives opened for listing and random access."""

from __future__ import annotations

import io
import math
import operator
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from . import _zipnn, bases, dtypes
from .bases import BaseInfo
from .buffers import of_torch
from .errors import BaseError
from .prefetch import Prefetcher

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from .bases import Base


class Info(NamedTuple):
    """What an archive says about itself. `container` is "safetensors", "gguf", "torch", "onnx" and so on (zipnn.h),
    "raw" for other files, "zipnn 0.x" for old records; the digests are of the original. `n_left_out` counts entries of
    the original's directory that are not among the tensors: they overlap another, make no sense, are of an unknown type
    or are too many for the bytes present (then there are more of them than counted). `n_bases` counts what the archive
    was made against; `has_repeats` tells that it cannot be restored from a pipe; `unverified`, that it is a
    record of zipnn 0.x, without digests."""

    original: int
    archive: int
    n_chunks: int
    n_tensors: int
    container: str
    level: int
    xxh3: bytes
    sha256: bytes | None
    n_left_out: int
    n_bases: int
    has_repeats: bool
    unverified: bool


class Plane(NamedTuple):
    """Bytes of a chunk that are coded together."""

    codec: str
    original: int
    stored: int


class Chunk(NamedTuple):
    """A part of the original that is coded on its own.

    offset, length          in the original
    archive_offset, stored  of its frame in the archive
    check                   XXH3-64 of the stored bytes
    layout                  how its bytes are divided into planes (doc/format.md), "copy" or "delta" for what refers to
                            other bytes
    planes                  how each of these is coded
    """

    offset: int
    length: int
    archive_offset: int
    stored: int
    check: int
    layout: str
    planes: tuple[Plane, ...]


class _Chunks(Sequence[Chunk]):
    """The chunks of an archive, each looked up when it is asked for."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __len__(self) -> int:
        return self._archive.info.n_chunks

    @overload
    def __getitem__(self, index: int) -> Chunk: ...
    @overload
    def __getitem__(self, index: slice) -> list[Chunk]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        at = operator.index(index)
        if not -len(self) <= at < len(self):
            raise IndexError(f"chunk {at} of {len(self)}")
        archive = self._archive._archive
        layout, planes = archive.coding(at % len(self))
        return Chunk(*archive.chunk(at % len(self)), layout, tuple(Plane(*plane) for plane in planes))


class Range(NamedTuple):
    """Bytes [offset, offset + length) of a source: 0 is the archive's own file."""

    source: int
    offset: int
    length: int


class _FileObject:
    """read_at over a seekable binary file object, which one thread at a time can use: the one that holds the archive's
    lock."""

    def __init__(self, fileobj: Any) -> None:
        self.fileobj = fileobj
        self.length = fileobj.seek(0, os.SEEK_END)
        if self.length is None:  # seek() of some file objects says nothing
            self.length = fileobj.tell()

    def read_at(self, offset: int, n: int) -> Any:
        self.fileobj.seek(offset)
        data = self._read(n)
        if len(data) == n:
            return data
        parts = [data]
        while (n := n - len(data)) > 0:
            data = self._read(n)
            parts.append(data)
        return b"".join(parts)

    def _read(self, n: int) -> Any:
        data = self.fileobj.read(n)
        if data is None:
            raise BlockingIOError("the file object has no bytes yet: archives are read from those that wait for them")
        if not data:
            raise EOFError("the file object ended early")
        return data


_ACCESS = {"read": 0, "map": 1, "whole": 2}


def source_of(source: Any) -> Any:
    """Returns a path, memory or a file object as the extension takes it."""
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source)
    try:
        return memoryview(source)  # a mapping is memory, though it reads and seeks, too
    except TypeError:
        if not (hasattr(source, "read") and hasattr(source, "seek")):
            raise
    adapter = _FileObject(source)
    return None, adapter.read_at, adapter.length


class Archive(Mapping[str, "Tensor"]):
    """A mapping of tensor names to lazy tensors; nothing is decoded before it is asked for.

    The source is a path, a seekable binary file object, or an object with the buffer protocol. Any number of
    threads may read one archive at once; each that comes while others read decodes by itself, without further threads.
    A file object is read by one thread at a time, the one that wants a tensor (or that of prefetch()), and cannot
    itself use the archive. A process forked from this one may go on using it, except over a file object.
    Ctrl-C stops a read within the time that a chunk takes. An archive that is let go is closed.

    access  how a path is read. "map": through the page cache where the file is in it, as the package safetensors does;
            another process that cuts the file short just while a chunk is being decoded then ends this one (SIGBUS).
            "whole": likewise, and ahead of whoever reads it front to back where it is not; not to be used after a fork.
            "read": by reads alone.
    base    what the archive was made against, in any of the forms that zipnn.bases lists
    """

    def __init__(
        self, source: Any, threads: int | None = None, access: str = "map", *, base: Base = None
    ) -> None:
        if access not in _ACCESS:
            raise ValueError(f"access {access!r}: one of {', '.join(_ACCESS)}")
        self._source = source_of(source)
        self._bases = bases.to_restore(base, self._source) if base is not None else ()
        self._archive = _zipnn.Archive(self._source, threads or 0, _ACCESS[access], self._bases)
        self.path = self._source if isinstance(self._source, str) else None
        self.info = Info(*self._archive.info())
        self._metadata: tuple[dict[str, str] | None, ...] = ()
        self._tensors: dict[str, Tensor] = {}
        for index, listed in enumerate(self._archive.tensors()):
            name, dtype, shape, offset, _, stored, flags, strides, values = listed
            self._tensors[name] = Tensor(self, name, dtype, shape, offset, values, stored, flags, strides, index)
        self._prefetcher = Prefetcher(self._archive)

    # Mapping

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __repr__(self) -> str:
        return f"<zipnn.Archive of {self.info.original} bytes, {len(self)} tensors>"

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    # What it says of itself

    @property
    def metadata(self) -> dict[str, str] | None:
        """The metadata of a safetensors file; None if it has none, and for other files."""
        if not self._metadata:
            self._metadata = (self._read_metadata(),)
        found = self._metadata[0]
        return None if found is None else dict(found)

    def _read_metadata(self) -> dict[str, str] | None:
        if self.info.container != "safetensors":
            return None
        from .safetensors import layout

        return layout.read_header(self.read_range, self.info.original).metadata

    @property
    def bases(self) -> list[BaseInfo]:
        """What the archive was made against."""
        return [BaseInfo(*self._archive.base(i)) for i in range(self.info.n_bases)]

    @property
    def base(self) -> BaseInfo | None:
        """The first of these, or None."""
        return next(iter(self.bases), None)

    @property
    def chunks(self) -> Sequence[Chunk]:
        """The chunks in the order of the original, and how each is coded; what is wrong in them is not noticed here."""
        return _Chunks(self)

    # Reading

    def _explained(self, error: BaseError) -> BaseError:
        error.wanted = [info for info in self.bases if not info.at_hand]
        return error

    def read_into(self, offset: int, buffer: Buffer) -> None:
        """Fills a writable buffer with original bytes from `offset` on, decoding only the chunks they touch. The last
        chunk of which a part was wanted is kept, so that many small reads decode it once."""
        try:
            self._archive.read_into(offset, memoryview(buffer).cast("B"))
        except BaseError as error:
            raise self._explained(error) from None

    def read_range(self, offset: int, length: int) -> bytearray:
        """Original bytes [offset, offset + length)."""
        if length < 0 or offset < 0 or offset + length > self.info.original:
            raise ValueError(f"bytes {offset} to {offset + length} of an original of {self.info.original}")
        data = bytearray(length)
        self.read_into(offset, data)
        return data

    def ranges(self, offset: int, length: int) -> list[Range]:
        """Which bytes of the archive a read of original bytes [offset, offset + length) needs: one range for each
        chunk. Nothing is read. If chunks repeat others, decode() tells what else is needed. Records of zipnn 0.x have
        no index: UnsupportedError."""
        return [Range(*r) for r in self._archive.ranges(offset, length)]

    def decode(self, offset: int, buffer: Any, pieces: Iterable[tuple[int, int, Any]]) -> list[Range]:
        """Fills a writable buffer with original bytes from `offset` on, out of bytes that the caller fetched, such as
        asynchronously: pieces are (source, offset, bytes), in any order. No file is read, and no other thread is used.
        Returns what is still missing, [] once the buffer is filled: fetch that too, and call again."""
        ordered = sorted(pieces, key=lambda piece: piece[:2])
        missing = self._archive.decode(offset, memoryview(buffer).cast("B"), ordered)
        return [Range(*r) for r in missing]

    def prefetch(self, names: Iterable[str] | None = None, limit: int = 256 << 20) -> None:
        """Starts to decode whole tensors in the background, in this order (None: all, as they lie in the file), and
        keeps at most `limit` bytes that were not asked for yet. numpy(), torch() and bytes() take them from there."""
        tensors = self._tensors.values() if names is None else [self._tensors[name] for name in names]
        self._prefetcher.order([(t.offset, t.nbytes) for t in tensors if t.is_run], limit)

    def _bytes_of(self, offset: int, nbytes: int) -> bytearray | None:
        return self._prefetcher.take(offset, nbytes)

    # Life

    def close(self) -> None:
        """Frees everything but what was read; later reads raise ValueError. Waits for reads of other threads; tensors
        that are being prefetched are given up."""
        self._prefetcher.stop()
        self._archive.close()
        self._source, self._bases = None, ()  # what is mapped or locked can be given back

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


# How the bytes of a tensor are its values, in words.
_LAYOUTS = {
    _zipnn.BIG_ENDIAN: "big-endian",
    _zipnn.COLUMN_MAJOR: "in columns",
    _zipnn.CONJUGATE: "conjugate",
    _zipnn.NEGATIVE: "negative",
    _zipnn.STRIDED: "strided",
    _zipnn.IN_PIECES: "in pieces",
    _zipnn.FILTERED: "filtered",
    _zipnn.SHARED: "shared",
}
_IN_A_RUN = _zipnn.BIG_ENDIAN | _zipnn.SHARED


class Tensor:
    """A tensor of an archive, or a slice of one along its first axis; decoded by numpy(), torch() or bytes(), which
    give the values that the file's own library gives, whatever the bytes look like.

    layout   what is to be known of the bytes: "big-endian", "in columns", "conjugate", "negative", "strided", "in
             pieces", "filtered" (the values cannot be read here), "shared" (some bytes are those of tensors before it)
    strides  steps from one index to the next, in elements, of one that is strided; else None
    offset   of the first byte in the original
    nbytes   of the values
    stored   share of archive bytes, 0 for a slice
    """

    __slots__ = (
        "archive", "name", "dtype", "shape", "offset", "nbytes",
        "stored", "layout", "strides", "is_run", "_rows", "_then",
    )  # fmt: skip

    def __init__(
        self,
        archive: Archive,
        name: str,
        dtype: str,
        shape: tuple[int, ...],
        offset: int,
        nbytes: int,
        stored: int = 0,
        flags: int = 0,
        strides: tuple[int, ...] | None = None,
        index: int = 0,  # in the archive's list; needed of what is no run of values
    ) -> None:
        self.archive = archive
        self.name = name
        self.dtype = dtype  # as safetensors spells it
        self.shape = shape
        self.offset = offset
        self.nbytes = nbytes
        self.stored = stored
        self.strides = strides
        self.layout = frozenset(text for flag, text in _LAYOUTS.items() if flags & flag)
        columns = 0 if len(shape) > 1 else _zipnn.COLUMN_MAJOR
        # Whether the values lie in the file as they are, but perhaps for the byte order.
        self.is_run = not flags & ~(_IN_A_RUN | columns)
        self._rows = (index, 0, shape[0] if shape else 1)  # of the whole tensor, unless it is a run
        self._then: tuple[int | slice, ...] = ()  # what is wanted of these

    def __repr__(self) -> str:
        return f"<zipnn.Tensor {self.name!r} {self.dtype} {list(self.shape)}>"

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a tensor without dimensions has no length")
        return self.shape[0]

    def __getitem__(self, index: int | slice) -> Tensor:
        """A slice with step 1, or one entry, of the first axis: a tensor again, nothing is decoded."""
        first, count, shape = self._select(index)
        part = object.__new__(Tensor)
        for slot in self.__slots__:
            setattr(part, slot, getattr(self, slot))
        part.shape = shape
        part.stored = 0
        part.nbytes = self._place_of(first + count) - self._place_of(first)
        if self.strides is not None:
            part.strides = self.strides[len(self.strides) - len(shape) :]
        if self.is_run:
            part.offset = self.offset + self._place_of(first)
        elif self._then or len(self.shape) < len(self._root_shape()):
            part._then = (*self._then, index)
        else:
            part._rows = (self._rows[0], self._rows[1] + first, count)
        return part

    def _root_shape(self) -> tuple[int, ...]:
        return self.archive._tensors[self.name].shape

    def _place_of(self, row: int) -> int:
        """Bytes before a row."""
        rows = self.shape[0]
        block = dtypes.ALL[self.dtype].block_bytes if self.dtype in dtypes.ALL else 0
        place, rest = divmod(row * self.nbytes, rows) if rows else (0, 0)
        if rest or (block and place % block):
            raise TypeError(f"row {row} of {self.name} does not begin at a whole byte or block")
        return place

    def _select(self, index: int | slice) -> tuple[int, int, tuple[int, ...]]:
        n = len(self)
        if isinstance(index, slice):
            first, last, step = index.indices(n)
            if step != 1:
                raise TypeError("only slices with step 1 are contiguous: decode first, then index")
            count = max(last - first, 0)
            return first, count, (count, *self.shape[1:])
        if not hasattr(index, "__index__"):
            raise TypeError("only the first axis is sliced before decoding: decode first, then index")
        first = index.__index__()
        if not -n <= first < n:
            raise IndexError(f"index {first} of {n}")
        return first % n, 1, self.shape[1:]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def _is_big_endian(self) -> bool:
        return "big-endian" in self.layout

    def _read_rows(self, buffer: Any) -> None:
        try:
            self.archive._archive.read_rows(*self._rows, buffer)
        except BaseError as error:
            raise self.archive._explained(error) from None

    def _rows_shape(self) -> tuple[tuple[int, ...], int]:
        """Of the rows that _read_rows gives: their shape, and their bytes."""
        root = self.archive._tensors[self.name]
        if not root.shape:
            return (), root.nbytes
        return (self._rows[2], *root.shape[1:]), root.nbytes // root.shape[0] * self._rows[2] if root.shape[0] else 0

    def _narrow(self, rows: Any) -> Any:
        """What is wanted of an array or tensor of rows."""
        if len(self.shape) < len(self._root_shape()):
            rows = rows[0]
        for index in self._then:
            rows = rows[index]
        return rows

    def bytes(self) -> bytearray:
        """The bytes as they are in the original. Of a tensor that has no run of bytes (in columns, strided, in pieces)
        and of lazy conjugates: the values row after row, little-endian."""
        if not self.is_run:
            return bytearray(self._values_of_numpy().tobytes())
        ready = self.archive._bytes_of(self.offset, self.nbytes)
        return self.archive.read_range(self.offset, self.nbytes) if ready is None else ready

    def _values_of_numpy(self) -> Any:
        """Those of a tensor that is no run, in little-endian elements."""
        import numpy

        shape, nbytes = self._rows_shape()
        memory = numpy.empty(nbytes, numpy.uint8)
        self._read_rows(memory.data)
        rows = shape_numpy(memory, self.dtype, shape)
        narrow = self._narrow(rows)
        return narrow if narrow is rows else numpy.array(narrow)

    def numpy(self) -> Any:
        """A new numpy array. bf16 and fp8 have the dtypes of ml_dtypes where that is installed, else they are uint16
        and uint8 with the same bits; fp4, fp6 and the block types of GGUF are bytes, counted in the last dimension, or
        in the only one where that ends inside a byte. Big-endian elements stay so, as numpy, h5py and gguf leave them;
        those of PyTorch's files are turned, as it does."""
        import numpy

        if not self.is_run:
            array = self._values_of_numpy()
        else:
            ready = self.archive._bytes_of(self.offset, self.nbytes)
            memory = numpy.empty(self.nbytes, numpy.uint8) if ready is None else numpy.frombuffer(ready, numpy.uint8)
            if ready is None:
                self.archive.read_into(self.offset, memory.data)
            array = shape_numpy(memory, self.dtype, self.shape)
            if self._is_big_endian():
                array = array.view(array.dtype.newbyteorder(">"))
        if not self._is_big_endian():
            return array
        order = "<" if self.archive.info.container == "torch" else ">"
        return array.astype(array.dtype.newbyteorder(order), copy=False)

    def torch(self, device: Any = None) -> Any:
        """A new torch tensor. F4 has torch's type of two elements in a byte; fp6 and the block types of GGUF are bytes
        as with numpy()."""
        import torch

        shape, nbytes = (self.shape, self.nbytes) if self.is_run else self._rows_shape()
        ready = self.archive._bytes_of(self.offset, nbytes) if self.is_run else None
        if ready is None:
            memory = torch.empty(nbytes, dtype=torch.uint8, device="cpu")
            buffer = of_torch(memory)
            self.archive.read_into(self.offset, buffer) if self.is_run else self._read_rows(buffer)
        else:
            memory = torch.frombuffer(ready, dtype=torch.uint8)
        if self.is_run and self._is_big_endian():
            row = dtypes.ALL[self.dtype]
            unit = row.bits // (16 if row.kind == "complex" else 8)
            memory = memory.reshape(-1, unit).flip(1).reshape(-1)
        tensor = shape_torch(memory, self.dtype, shape)
        if not self.is_run:
            narrow = self._narrow(tensor)
            tensor = tensor if narrow is tensor else narrow.clone()
        return tensor if device is None else tensor.to(device)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if copy is False:
            raise ValueError("a compressed tensor cannot be an array without being decoded")
        array = self.numpy()
        return array if dtype is None else array.astype(dtype, copy=False)


def shape_numpy(memory: Any, dtype: str, shape: tuple[int, ...]) -> Any:
    """uint8 memory as an array of its type."""
    if dtype not in dtypes.ALL:  # opaque elements, which numpy knows by their size
        elements = math.prod(shape)
        if elements and memory.nbytes % elements == 0:
            return memory.view(f"V{memory.nbytes // elements}").reshape(shape)
        if not elements:  # of a size that is not known
            return memory[:0].view("V1").reshape(shape)
    array = memory.view(dtypes.numpy_dtype(dtype))
    return array.reshape(dtypes.packed_shape(shape, memory.nbytes) if dtypes.is_packed(dtype) else shape)


def shape_torch(memory: Any, dtype: str, shape: tuple[int, ...]) -> Any:
    """uint8 memory as a tensor of its type; copied only where the type's alignment asks for it."""
    target = dtypes.torch_dtype(dtype)
    if memory.storage_offset() % target.itemsize:
        memory = memory.clone()
    tensor = memory.view(target)
    return tensor.reshape(dtypes.packed_shape(shape, memory.numel()) if dtypes.is_packed(dtype) else shape)


class ArchiveReader(io.RawIOBase):
    """The original of an archive as a seekable raw file."""

    def __init__(self, source: Any, threads: int | None = None, base: Base = None) -> None:
        self._position = 0
        self._archive = Archive(source, threads, base=base)
        is_path = isinstance(source, (str, bytes, os.PathLike))
        self.name = os.fspath(source) if is_path else getattr(source, "name", None)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if self.closed:
            raise ValueError("the file is closed")
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._archive.info.original}
        if whence not in bases:
            raise ValueError(f"whence {whence!r}: one of 0, 1 and 2 is possible")
        base = bases[whence]
        if base + offset < 0:
            raise ValueError(f"position {base + offset} is before the start")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self.closed:
            raise ValueError("the file is closed")
        view = memoryview(buffer).cast("B")
        n = max(min(len(view), self._archive.info.original - self._position), 0)
        self._archive.read_into(self._position, view[:n])
        self._position += n
        return n

    def readall(self) -> bytes:
        data = bytearray(max(self._archive.info.original - self._position, 0))
        self.readinto(data)
        return bytes(data)

    def close(self) -> None:
        if not self.closed and hasattr(self, "_archive"):
            self._archive.close()
        super().close()
