"""Weight sync: what a step of training changes, from a trainer to those who use its weights, as bytes.

    sent = zipnn.Weights(model.state_dict(), copy=True)          # the trainer
    ...                                                          # a step
    delta = sent.pack(model.state_dict())

    mine = zipnn.Weights(engine_tensors)                         # the engine: its own tensors, changed in place
    mine.apply(delta)

Tensors are those of torch (on the CPU where they are changed) and arrays of numpy, by name; strides are followed.
delta() and apply() do one step without the objects, at the price of a pass over all tensors on each side. doc/sync.md
has the whole story."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _zipnn, dtypes
from .archives import source_of
from .buffers import is_torch, place_of_numpy, place_of_torch, shown
from .errors import ArgumentError
from .progress import Progress
from .progress import shown as showing

if TYPE_CHECKING:
    from typing import Literal

    Form = Literal["difference", "values", "whole"]

__all__ = ["Changes", "UpdateInfo", "UpdateStats", "Weights", "changes", "delta", "merge", "update_info"]

_FORMS = ("difference", "values", "whole")
_IN_PLACE, _COPY, _READ = range(3)  # how the extension holds tensors


class UpdateStats(NamedTuple):
    """What packing or applying an update did. A chunk is at most 512 KiB of a tensor, or several small tensors.

    bytes      of the update
    n_chunks   of all tensors
    n_sent     chunks that the update changes
    n_already  of these, chunks that were new already: of an update that is applied a second time after it ended early
    exact      whether the tensors are now those of the sender, bit by bit; after "values" they may be others
    """

    bytes: int
    n_chunks: int
    n_sent: int
    n_already: int
    exact: bool


class UpdateInfo(NamedTuple):
    """What an update says of itself. `tensors` are (name, dtype, shape), `note` is the sender's, `base` the digest of
    the weights that it was packed against."""

    form: str
    from_version: int
    to_version: int
    base: bytes
    note: bytes
    tensors: list[tuple[str, str, tuple[int, ...]]]


class Changes:
    """Elements of one tensor that have new values: name, dtype, shape of the tensor, and `n`, their number. Of types
    that are narrower than a byte, or come in blocks, bytes are counted."""

    def __init__(self, name: str, dtype: str, shape: tuple[int, ...], indices: bytes, values: bytes) -> None:
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.n = len(indices) // 8
        self._indices = indices
        self._values = values

    def numpy(self) -> tuple[Any, Any]:
        """Returns (indices, values): places in the flat tensor, int64 and ascending, and as many new values, whose
        dtype is that of zipnn.Tensor.numpy()."""
        import numpy

        values = numpy.frombuffer(bytearray(self._values), numpy.uint8)
        return numpy.frombuffer(bytearray(self._indices), numpy.int64), values.view(dtypes.numpy_dtype(self.dtype))

    def torch(self) -> tuple[Any, Any]:
        """Returns the same as tensors of torch: tensor.view(-1)[indices] = values brings a tensor up to date."""
        import torch

        kind = torch.uint8 if dtypes.is_packed(self.dtype) else dtypes.torch_dtype(self.dtype)
        indices = torch.frombuffer(bytearray(self._indices), dtype=torch.int64)
        return indices, torch.frombuffer(bytearray(self._values), dtype=torch.uint8).view(kind)

    def __repr__(self) -> str:
        return f"<Changes of {shown(self.name)}: {self.n} elements, {self.dtype}>"


# ---- tensors ---------------------------------------------------------------------------------------------------------


def _described(name: str, value: Any, writable: bool) -> tuple[Any, ...]:
    """Returns a tensor as the extension takes it."""
    place = place_of_torch if is_torch(value) else place_of_numpy
    strides, memory, offset = place(name, value, writable=writable)
    dtype = dtypes.name_of(value.dtype)
    shape = tuple(int(n) for n in value.shape)
    if writable and memoryview(memory).readonly:
        raise ArgumentError(None, f"{shown(name)} is read-only: it cannot be changed in place", None)
    bits = dtypes.ALL[dtype].bits
    if 0 < bits < 8:  # torch counts its bytes, and the library elements
        shape = (*shape[:-1], shape[-1] * (8 // bits)) if shape else (8 // bits,)
    return name, dtype, shape, strides, memory, offset


def _list_of(tensors: Mapping[str, Any], writable: bool) -> tuple[tuple[Any, ...], ...]:
    return tuple(_described(name, value, writable) for name, value in tensors.items())


def _stream_of(source: Any) -> Any:
    """Returns a source as the extension takes it. File objects are read in order, as far as the update goes."""
    readinto = getattr(source, "readinto", None)
    return (readinto, None, None) if readinto is not None else source_of(source)


def _writer_of(to: Any) -> Callable[[bytes], Any]:
    """Returns a function that writes all of some bytes to a file object; raw ones may take fewer at a time."""

    def write(data: bytes) -> None:
        rest = memoryview(data)
        while len(rest):
            n = to.write(rest)
            if n is None and getattr(to, "raw", to) is to:
                raise BlockingIOError("the file object takes nothing now: it must be a blocking one")
            rest = rest[len(rest) if n is None else n :]

    return write


def _pack(
    weights: Any,
    write: Callable[[bytes], Any],
    new: Mapping[str, Any],
    form: Form,
    version: int | None,
    note: bytes,
    keep: bool,
    level: int | None,
    threads: int | None,
    progress: Progress,
) -> UpdateStats:
    if form not in _FORMS:
        raise ValueError(f"form {form!r}: one of {', '.join(_FORMS)}")
    tensors = _list_of(new, False)
    with showing(progress, "packing") as report:
        options = (_FORMS.index(form), version or 0, note, keep, level or 0, threads or 0, report)
        return UpdateStats(*weights.pack(tensors, write, *options))


# ---- weights ---------------------------------------------------------------------------------------------------------


class Weights:
    """The state of named tensors, on one side of a sync. One thread at a time uses it; any may read the tensors.

    tensors  a mapping of names to tensors of torch or arrays of numpy. All are read once, for their digest
    copy     True: they are copied, which is what a trainer keeps of what it sent. False: they are where they are, are
             kept alive, and are changed by apply(); nobody else changes them, or a later update is refused
    version  the caller's number of this state """

    def __init__(
        self, tensors: Mapping[str, Any], *, copy: bool = False, version: int = 0, threads: int | None = None
    ) -> None:
        self._names = list(tensors)
        self._weights = _zipnn.Weights(_list_of(tensors, not copy), _COPY if copy else _IN_PLACE, version, threads or 0)

    @property
    def version(self) -> int:
        """The number of the state: that of the last update."""
        return self._weights.info()[0]

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return self._weights.info()[1]

    @property
    def digest(self) -> bytes:
        """16 bytes, of names, types, shapes and values: equal on both sides if the tensors are."""
        return self._weights.info()[3]

    @property
    def torn(self) -> bool:
        """Whether an update ended early: some chunks are new, the others old. Apply that one again, or a whole one."""
        return self._weights.info()[4]

    def pack(
        self,
        new: Mapping[str, Any],
        *,
        form: Form = "difference",
        version: int | None = None,
        note: bytes = b"",
        keep: bool = False,
        level: int | None = None,
        threads: int | None = None,
        progress: Progress = None,
    ) -> bytes:
        """Returns the update that leads from this state to `new`, which has the same names, types and shapes. This
        state is `new` afterwards, unless `keep` is true.

        form     "difference": for those who have this very state. "values": what changed is replaced by its new value,
                 for those whose tensors may have drifted. "whole": all values, for those who have none
        version  of the new state; that of this one and 1 if it is not given
        note     bytes that go along, at most 16 MiB """
        parts: list[bytes] = []
        _pack(self._weights, parts.append, new, form, version, note, keep, level, threads, progress)
        return b"".join(parts)

    def pack_to(
        self,
        file: Any,
        new: Mapping[str, Any],
        *,
        form: Form = "difference",
        version: int | None = None,
        note: bytes = b"",
        keep: bool = False,
        level: int | None = None,
        threads: int | None = None,
        progress: Progress = None,
    ) -> UpdateStats:
        """Does the same, and writes the update to a binary file object, as a pipe or a socket's makefile() is, while it
        is made. If that fails, this state stays."""
        return _pack(self._weights, _writer_of(file), new, form, version, note, keep, level, threads, progress)

    def apply(
        self,
        source: Any,
        *,
        done: Callable[[str], Any] | None = None,
        threads: int | None = None,
        progress: Progress = None,
    ) -> UpdateStats:
        """Applies an update to the tensors, in place: bytes, a path, or a binary file object, of which one update is
        read and no byte more, so that updates may follow one another in a pipe.

        An update for other weights is refused before anything is changed (BaseError). After any other failure each
        chunk is old or new, `torn` tells whether some are new, and the same update may be applied again. done(name) is
        called when all of a tensor is new, for each tensor that the update touches."""
        tell = None if done is None else lambda tensor: done(self._names[tensor])
        with showing(progress, "applying") as report:
            stats, _ = self._weights.apply(_stream_of(source), threads or 0, report, tell)
        return UpdateStats(*stats)

    def changes(self, source: Any, *, threads: int | None = None) -> Iterator[Changes]:
        """Does what zipnn.changes() does, with this state as the base. Nothing is changed."""
        return _changes(self._weights, source, threads)

    def close(self) -> None:
        """Lets go of the tensors, or of the copy."""
        self._weights.close()

    def __enter__(self) -> Weights:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


# ---- without objects -------------------------------------------------------------------------------------------------


def delta(
    new: Mapping[str, Any],
    base: Mapping[str, Any] | None,
    *,
    form: Form = "difference",
    versions: tuple[int, int] = (0, 1),
    note: bytes = b"",
    level: int | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> bytes:
    """Returns the update that leads from the tensors `base` to the tensors `new`. They are mappings of the same names
    to tensors of torch or arrays of numpy of the same types and shapes. See Weights.pack() for the options; without a
    base the form is "whole". Weights does it again and again without a pass over the base."""
    if base is None:
        base, form = new, "whole"
    held = _zipnn.Weights(_list_of(base, False), _READ, versions[0], threads or 0)
    parts: list[bytes] = []
    _pack(held, parts.append, new, form, versions[1], note, True, level, threads, progress)
    return b"".join(parts)


def apply_update(
    source: Any,
    tensors: Mapping[str, Any],
    *,
    done: Callable[[str], Any] | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> UpdateStats:
    """Is what zipnn.apply() does with a mapping of tensors."""
    data = source.read() if hasattr(source, "readinto") else source
    info = update_info(data)
    missing = [name for name, _, _ in info.tensors if name not in tensors]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ArgumentError(None, f"the update changes {shown(missing[0])}{more}, of which no tensor was given", None)
    named = {name: tensors[name] for name, _, _ in info.tensors}
    with Weights(named, version=info.from_version, threads=threads) as weights:
        return weights.apply(data, done=done, threads=threads, progress=progress)


def _info_of(row: tuple[int, int, int, bytes, bytes, list[tuple[str, str, tuple[int, ...]]]]) -> UpdateInfo:
    return UpdateInfo(_FORMS[row[0]], *row[1:])


def _changes(weights: Any, source: Any, threads: int | None) -> Iterator[Changes]:
    found: dict[int, tuple[list[bytes], list[bytes]]] = {}

    def take(tensor: int, width: int, indices: bytes, values: bytes) -> None:
        lists = found.setdefault(tensor, ([], []))
        lists[0].append(indices)
        lists[1].append(values)

    _, info = _zipnn.changes(weights, _stream_of(source), threads or 0, take)
    tensors = _info_of(info).tensors
    for tensor in list(found):
        indices, values = found.pop(tensor)
        name, dtype, shape = tensors[tensor]
        yield Changes(name, dtype, shape, b"".join(indices), b"".join(values))


def changes(
    source: Any, base: Weights | Mapping[str, Any] | None = None, *, threads: int | None = None
) -> Iterator[Changes]:
    """Returns what an update changes, tensor by tensor, without changing anything: for engines that patch tensors of
    their own, as vLLM does with CheckpointWeightPatch(name, shape, dtype, values, indices). "values" and "whole" need
    no base; a "difference" needs the tensors that it was packed against: a mapping, or Weights. The changes of all
    tensors are in memory at once; the tensors are not."""
    if isinstance(base, Weights):
        yield from base.changes(source, threads=threads)
        return
    if base is None:
        yield from _changes(None, source, threads)
        return
    data = source.read() if hasattr(source, "readinto") else source
    held = _zipnn.Weights(_list_of(base, False), _READ, update_info(data).from_version, threads or 0)
    yield from _changes(held, data, threads)


def merge(first: Any, second: Any, *more: Any) -> bytes:
    """Returns one update that does what several do one after the other, without any weights. Each begins where the one
    before it ends (BaseError). Of "values" the newest value of each element stays; a "difference" keeps its steps, so
    that the result is about as long as all of them, and has 64 at most (LimitError)."""
    merged = first
    for following in (second, *more):
        parts: list[bytes] = []
        _zipnn.merge(source_of(merged), source_of(following), parts.append)
        merged = b"".join(parts)
    return bytes(merged)


def update_info(source: Any) -> UpdateInfo:
    """Returns what an update says of itself. Of a file object its head is read, and its list of tensors."""
    _, info = _zipnn.changes(None, _stream_of(source), 1, None)
    return _info_of(info)

