"""Weights that stay compressed in memory, and are decoded layer by layer while a model runs."""

from __future__ import annotations

import functools
import mmap
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import torch
from torch import nn

from .. import dtypes, gpu, streams
from ..archives import Archive
from ..buffers import shown, torch_bytes
from ..safetensors.layout import type_of
from ..tensors import Tensor
from . import matrices

__all__ = ["Held", "compressed", "decompressed", "held"]

_LEAST = 16 << 10  # bytes of a parameter that is worth it
_FORMS = ("whole", "stored", "fast")
_WORTH = 0.95  # an archive with a larger share of the original is not kept
_CHUNK = 512 << 10  # bytes of the original that are decoded for one row
_N_SCRATCH = 2

Model = TypeVar("Model", bound=nn.Module)


# ---- memory ---------------------------------------------------------------------------------------------------------


def _nothing() -> None:
    """In the place of a weak reference."""


def _memory(size: int) -> mmap.mmap:
    """Returns memory that begins at a page, in large pages where the system has them."""
    memory = mmap.mmap(-1, size)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            memory.madvise(mmap.MADV_HUGEPAGE)
        except OSError:
            pass  # this kernel has none
    return memory


class _Scratch:
    """Memory that is lent to one tensor at a time. It is free again when nothing refers to the loan any more: neither
    the tensor, nor a view of it, nor a graph that saved it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._memory = _memory(size)
        self._loan: Any = _nothing

    def is_free(self) -> bool:
        return self._loan() is None

    def lend(self, n: int) -> memoryview:
        loan = memoryview(self._memory)[:n]
        self._loan = weakref.ref(loan)
        return loan


class _Decoder:
    """What the weights of a model share: two scratch buffers, more only while more weights are in use at once, and a
    thread that decodes the weight which is expected next. It learns the order from the runs before."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._scratch: list[_Scratch] = []
        self._pool: ThreadPoolExecutor | None = None
        self._coming: tuple[_Packed, Future[memoryview]] | None = None
        self._last: tuple[_Packed | None, _Packed | None] = (None, None)
        self._follows: dict[tuple[_Packed | None, _Packed | None], _Packed] = {}

    def __reduce__(self) -> Any:
        return _Decoder, ()

    def give_up(self) -> None:
        """Of what is decoded ahead nothing is used."""
        with self._lock:
            self._coming = None

    def lend(self, n: int) -> memoryview:
        """Returns memory for n bytes."""
        with self._lock:
            free = sorted((s for s in self._scratch if s.is_free()), key=lambda s: s.size)
            for scratch in free:
                if scratch.size >= n:
                    return scratch.lend(n)
            if len(self._scratch) == _N_SCRATCH:  # one that is in use belongs to its users from now on
                self._scratch.remove(free[0] if free else self._scratch[0])
            self._scratch.append(_Scratch(n))
            return self._scratch[-1].lend(n)

    def weight(self, packed: _Packed) -> torch.Tensor:
        """Returns a weight that a module asks for while it runs."""
        if self._pid != os.getpid():  # the thread is not here, and the lock may be held by it
            self._begin()
        loan = packed.loan()
        if loan is None:
            loan = self._come(packed) or packed.read()
            packed.loan = weakref.ref(loan)
        self._look_ahead(packed)
        return packed.guarded(lambda: packed.tensor(loan))

    def _come(self, packed: _Packed) -> memoryview | None:
        """Returns a weight that was decoded ahead; any other one that was is given up."""
        with self._lock:
            coming, self._coming = self._coming, None
        return coming[1].result() if coming is not None and coming[0] is packed else None

    def _look_ahead(self, packed: _Packed) -> None:
        """Which weight follows is told by the two before it: some models run one layer many times."""
        with self._lock:
            before, last = self._last
            if packed is last:
                return
            self._follows[before, last] = packed
            self._last = (last, packed)
            wanted = self._follows.get(self._last)
            if wanted is None or wanted is packed or self._coming is not None or wanted.loan() is not None:
                return
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, "zipnn.compressed")
            self._coming = wanted, self._pool.submit(wanted.read)


# ---- one parameter --------------------------------------------------------------------------------------------------


class _Packed:
    """A parameter: an archive of its bytes, a tensor in an archive, or a matrix. Tied ones are one of these."""

    has_rows = True  # of which some can be decoded alone

    def __init__(self, decoder: _Decoder, param: nn.Parameter, form: str) -> None:
        self.decoder = decoder
        self.form = form
        self.trainable = param.requires_grad
        self.device = param.device
        self.dtype = param.dtype
        self.shape = tuple(param.shape)
        self.nbytes = param.numel() * param.element_size()
        self.source: bytes | Tensor | matrices.Matrix = b""
        self._attributes = dict(vars(param))
        self._forget()

    def _forget(self) -> None:
        self.loan: Any = _nothing  # a weak reference to the memory that it is decoded in now
        self._listed: Any = _nothing  # likewise, when it was listed ...
        self._param: Any = _nothing  # ... and to the tensor that was listed
        self._rows: Archive | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("loan", "_listed", "_param", "_rows")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if isinstance(self.source, torch.Tensor):
            self.source = self.source.numpy().tobytes()
        self._forget()

    def __reduce_ex__(self, protocol: Any) -> Any:
        state = self.__getstate__()
        if protocol < 3 and isinstance(self.source, bytes):  # of torch.save, where bytes grow by half
            state["source"] = torch.frombuffer(bytearray(self.source), dtype=torch.uint8)
        return object.__new__, (_Packed,), state

    def pack(self, path: str, tensor: torch.Tensor, level: int | None, threads: int | None) -> bool:
        """Compresses it. Returns False if that gains nothing."""
        if self.form != "whole" and matrices.can_be_one(tensor.dtype, self.shape):
            if self.form == "fast":
                self.source = matrices.FastMatrix(torch_bytes(path, tensor.detach()), self.shape, threads)
            else:
                self.source = matrices.StoredMatrix.packed(tensor.detach(), level, threads)
            return bool(self.source.held < _WORTH * self.nbytes)
        try:
            name: str | None = type_of(tensor.dtype)
        except ValueError:
            name = None
        data = streams.compress(torch_bytes(path, tensor.detach()), name, level, threads)
        self.source = data
        return bool(len(data) < _WORTH * self.nbytes)

    def stored(self) -> int:
        """Bytes that it takes."""
        if isinstance(self.source, matrices.Matrix):
            return self.source.held
        return len(self.source) if isinstance(self.source, bytes) else self.source.stored

    def read(self) -> memoryview:
        return self._read_into(self.decoder.lend(self.nbytes))

    def _read_into(self, loan: memoryview) -> memoryview:
        if isinstance(self.source, bytes):
            streams.decompress_into(self.source, loan)
        elif isinstance(self.source, matrices.Matrix):
            self.source.read_into(0, self.source.n_rows, loan)
        else:
            self.source.archive.read_into(self.source.offset, loan)
        return loan

    def guarded(self, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Returns a tensor for a module that runs. It is of the kind that the parameter was: some of torch's kernels
        are chosen by whether a gradient is required, and whether a tensor is an inference tensor, and give other last
        bits. Who trains is told so."""
        with torch.inference_mode(False):
            tensor = make()
        if self.trainable and torch.is_grad_enabled():
            tensor.register_hook(_refuse_training)
        return tensor

    def tensor(self, loan: memoryview) -> torch.Tensor:
        param = nn.Parameter(self._shaped(loan, self.shape), requires_grad=self.trainable)
        vars(param).update(self._attributes)
        return param

    def _shaped(self, loan: Any, shape: tuple[int, ...]) -> torch.Tensor:
        tensor = torch.frombuffer(loan, dtype=torch.uint8).view(self.dtype).view(shape)
        return tensor if self.device.type == "cpu" else tensor.to(self.device)

    def listed(self) -> torch.Tensor:
        """Returns an ordinary tensor, for state_dict() and parameters(): under each of its names the same one, and the
        same memory as long as anybody has it."""
        param = self._param()
        if param is None:
            loan = self._listed()
            if loan is None:
                loan = self._read_into(memoryview(_memory(self.nbytes)))
                self._listed = weakref.ref(loan)
            param = self.tensor(loan)
            self._param = weakref.ref(param)
        return param

    def rows(self, numbers: list[int]) -> torch.Tensor:
        """Returns some rows."""
        row = self.nbytes // self.shape[0]
        memory = bytearray(len(numbers) * row)
        view = memoryview(memory)
        for i, number in enumerate(numbers):
            self._read_row(number, view[i * row : (i + 1) * row])
        return nn.Parameter(self._shaped(memory, (len(numbers), *self.shape[1:])), requires_grad=self.trainable)

    def _read_row(self, number: int, row: memoryview) -> None:
        if isinstance(self.source, matrices.Matrix):
            self.source.read_into(number, 1, row)
            return
        if self._rows is None:
            self._rows = Archive(self.source, 1) if isinstance(self.source, bytes) else self.source.archive
        start = 0 if isinstance(self.source, bytes) else self.source.offset
        self._rows.read_into(start + number * row.nbytes, row)

    def cost_of_row(self) -> int:
        """Returns how many bytes are decoded for one row, at most."""
        return self.source.cost_of_row if isinstance(self.source, matrices.Matrix) else _CHUNK

    def apply(self, convert: Any) -> None:
        """Does what convert does to tensors. A second call for the same (tied) parameter changes nothing."""
        with torch.no_grad():
            probe = convert(torch.zeros(1, dtype=self.dtype, device=self.device))
            self.device = probe.device
            if probe.dtype == self.dtype:
                return
            self.decoder.give_up()
            here, self.device = self.device, torch.device("cpu")
            changed = self.listed().to(probe.dtype)
            self.device, self.dtype = here, changed.dtype
            self.nbytes = changed.numel() * changed.element_size()
            self.pack("a parameter", changed, None, None)
            self._forget()


class _Weights(dict[str, Any]):
    """The parameters of a module, of which some are packed. Whoever asks for one gets it decoded."""

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        return value.decoder.weight(value) if isinstance(value, _Packed) else value

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401  # which would call itself

    def raw(self) -> list[tuple[str, Any]]:
        return list(super().items())

    def packed(self) -> Iterator[_Packed]:
        return (value for _, value in self.raw() if isinstance(value, _Packed))

    def items(self) -> Any:
        return ((name, v.listed() if isinstance(v, _Packed) else v) for name, v in self.raw())

    def values(self) -> Any:
        return (value for _, value in self.items())

    def copy(self) -> dict[str, Any]:
        return dict(self.items())

    def pop(self, name: str, *default: Any) -> Any:
        value = super().pop(name, *default)
        return value.listed() if isinstance(value, _Packed) else value

    def __reduce__(self) -> Any:
        return _Weights, (self.raw(),)


# ---- modules --------------------------------------------------------------------------------------------------------


def _apply(module: nn.Module, convert: Any, recurse: bool = True) -> nn.Module:
    """Module._apply, through which to(), half(), cuda() and others go."""
    if recurse:
        for child in module.children():
            child._apply(convert)
    weights = module._parameters
    kept = weights.raw()
    module._parameters = {name: value for name, value in kept if not isinstance(value, _Packed)}
    try:
        nn.Module._apply(module, convert, False)
        plain = module._parameters
    finally:
        module._parameters = weights
    for name, value in plain.items():
        weights[name] = value
    for _, value in kept:
        if isinstance(value, _Packed):
            value.apply(convert)
    return module


def _refuse_training(*unused: Any) -> None:
    raise RuntimeError("compressed weights cannot be trained: zipnn.torch.decompressed(model) makes plain ones of them")


def _train(module: nn.Module, mode: bool = True) -> nn.Module:
    weights = module._parameters
    if mode and isinstance(weights, _Weights) and any(packed.trainable for packed in weights.packed()):
        _refuse_training()
    return nn.Module.train(module, mode)


def _load_from_state_dict(module: nn.Module, state: dict[str, Any], prefix: str, *others: Any) -> None:
    for name, value in module._parameters.raw():
        if isinstance(value, _Packed) and prefix + name in state:
            what = f"{shown(prefix + name)} is compressed and cannot be changed: load the weights before"
            raise RuntimeError(f"{what}, or call zipnn.torch.decompressed(model)")
    nn.Module._load_from_state_dict(module, state, prefix, *others)


def _embed(module: Any, numbers: torch.Tensor) -> torch.Tensor:
    """Embedding.forward: of a large table only the rows that are asked for are decoded."""
    packed = dict.get(module._parameters, "weight")
    if isinstance(packed, _Packed) and not numbers.dtype.is_floating_point and numbers.numel() > 0:
        wanted, places = torch.unique(numbers, return_inverse=True)
        inside = int(wanted[0]) >= 0 and int(wanted[-1]) < packed.shape[0]
        if inside and wanted.numel() * packed.cost_of_row() < packed.nbytes:
            rows = packed.guarded(lambda: packed.rows(wanted.tolist()))
            return nn.functional.embedding(places, rows)
    return nn.Embedding.forward(module, numbers)


def _linear(module: Any, values: torch.Tensor) -> torch.Tensor:
    """Linear.forward: few vectors are multiplied with packed rows; for more of them the weight is unpacked."""
    packed = dict.get(module._parameters, "weight")
    if not isinstance(packed, _Packed) or type(values) is not torch.Tensor:
        return nn.Linear.forward(module, values)
    matrix = packed.source
    if not isinstance(matrix, matrices.Matrix) or packed.device.type != "cpu":
        return nn.Linear.forward(module, values)
    trained = torch.is_grad_enabled() and (packed.trainable or values.requires_grad)
    if trained or torch._C._is_any_autocast_enabled() or not matrix.takes(values):
        return nn.Linear.forward(module, values)
    return matrix.multiply(values, module.bias)


_OVERRIDES: dict[str, Callable[..., Any]] = {
    "_apply": _apply,
    "train": _train,
    "_load_from_state_dict": _load_from_state_dict,
}


def _take_over(module: nn.Module, name: str, packed: _Packed) -> None:
    """Makes a parameter of a module a packed one."""
    if not isinstance(module._parameters, _Weights):
        for word, function in _OVERRIDES.items():
            vars(module)[word] = functools.partial(function, module)
        if type(module).forward is nn.Embedding.forward and module.max_norm is None and packed.has_rows:
            vars(module)["forward"] = functools.partial(_embed, module)
        if type(module).forward is nn.Linear.forward and packed.form != "whole":
            vars(module)["forward"] = functools.partial(_linear, module)
        module._parameters = _Weights(module._parameters)
    dict.__setitem__(module._parameters, name, packed)


# Parameters, each with all places where it stands.
_Places = list[tuple[nn.Module, str, str]]


def _places(model: nn.Module) -> list[_Places]:
    """Lists the parameters that may be packed. None is kept alive by the list."""
    found: dict[int, _Places] = {}
    for path, module in model.named_modules():
        if isinstance(module, nn.RNNBase) or isinstance(module._parameters, _Weights):
            continue  # RNNs keep their weights in a list of their own, too
        for name, param in module._parameters.items():
            if type(param) is nn.Parameter and param.is_contiguous():
                found.setdefault(id(param), []).append((module, name, f"{path}.{name}" if path else name))
    return list(found.values())


def _stored_in(archive: Archive, places: _Places, packed: _Packed) -> Tensor | None:
    """Returns the parameter as the archive has it, None if it has not."""
    for _, _, path in places:
        stored = archive.get(path)
        if stored is None or dtypes.is_packed(stored.dtype):
            continue
        same_type = dtypes.torch_dtype(stored.dtype) == packed.dtype
        if stored.shape != packed.shape or not same_type:
            has = f"{stored.dtype} {list(stored.shape)}"
            what = f"the model has {packed.dtype} {list(packed.shape)}"
            raise ValueError(f"{shown(path)} is {has} in the archive, and {what}")
        if stored.is_run and "big-endian" not in stored.layout:
            return stored
    return None


def _fill(model: nn.Module, archive: Archive) -> None:
    """Takes what is not packed from the archive, too."""
    for path, module in model.named_modules():
        before = path + "." if path else ""
        for name, param in _raw(module):
            stored = archive.get(before + name)
            if stored is not None and isinstance(param, nn.Parameter):
                value = nn.Parameter(stored.torch(_device_of(param)), requires_grad=param.requires_grad)
                dict.__setitem__(module._parameters, name, value)
        for name, buffer in module._buffers.items():
            stored = archive.get(before + name)
            if stored is not None and buffer is not None:
                module._buffers[name] = stored.torch(_device_of(buffer))


def _device_of(tensor: torch.Tensor) -> Any:
    return None if tensor.device.type == "meta" else tensor.device


def _check_values(model: nn.Module) -> None:
    """Raises ValueError if something has no values."""
    plain = [(path, module, [*_raw(module), *module._buffers.items()]) for path, module in model.named_modules()]
    lacking = [
        f"{path}.{name}".lstrip(".")
        for path, _, tensors in plain
        for name, tensor in tensors
        if isinstance(tensor, torch.Tensor) and tensor.device.type == "meta"
    ]
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise ValueError(f"{shown(lacking[0])}{more} have no values: the archive does not have them")


def _raw(module: nn.Module) -> list[tuple[str, Any]]:
    """The parameters of a module, as they stand there."""
    weights = module._parameters
    return weights.raw() if isinstance(weights, _Weights) else list(weights.items())


def compressed(
    model: Model,
    device: Any = None,
    *,
    archive: Any = None,
    level: int | None = None,
    threads: int | None = None,
    form: str = "whole",
) -> Model:
    """Compresses the parameters of a model in memory, and returns the model. They stay compressed while it runs: each
    is decoded to one of two scratch buffers when its layer asks for it, and the one of the next layer meanwhile, in a
    thread. Outputs are those of the plain model, bit by bit; bf16 weights take a third less memory. Every token costs
    a decoding of all weights (python/README.md has figures), so this is for models that do not fit otherwise, unless
    `form` says "fast".

    device   where the model runs: what is not compressed moves there, and weights do when they are decoded. None: where
             each parameter is. "cuda": weights stay compressed in the memory of the GPU, which decodes all of a layer
             on a side stream while the one before runs, where it can (zipnn.gpu); `form` and `threads` do nothing then
    archive  a safetensors file's archive (a path, bytes or an Archive), which stays in use: parameters that it has
             under the names of the state dict are taken from it and not compressed again. The model may be on the
             device "meta"
    level    of compression
    threads  to compress with
    form     "whole": as archives, each decoded as a whole for each run. "stored": as archives, but Linear multiplies up
             to eight vectors (tokens) with matrices of bf16 while they are decoded a few rows at a time in the
             processor's cache, on the CPU and outside of autocast: no weight is written to memory for them. "fast":
             these matrices are packed instead, to 70 % with AVX-512 and 75 % without, and multiplied with the packed
             rows. Both add in the order of zipnn/matrix.h and give the same bits; outputs differ from torch's in the
             last bits, as those of another version of torch may. More vectors go torch's way, with a whole weight and
             the same bits. All else is as with "whole"

    Parameters below 16 KiB stay as they are, and so do buffers, RNNs, parameters of other classes than nn.Parameter,
    and those that compression gains nothing of. Tied parameters stay tied. state_dict() and parameters() give plain
    tensors, decoded one by one; deepcopy, pickle and to() work, to another dtype by compressing again.

    It is for inference, under torch.inference_mode() or no_grad(): otherwise autograd keeps every decoded weight.
    train() and backward() raise RuntimeError where a compressed weight requires a gradient, and load_state_dict()
    always; a change of a weight in place is lost. decompressed() undoes it. Any number of threads may run the model at
    once, with further buffers for what they use at the same time."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"compressed() takes a module of torch, not a {type(model).__name__}")
    if form not in _FORMS:
        raise ValueError(f"the form {form!r} is not 'whole', 'stored' or 'fast'")
    opened = archive if archive is None or isinstance(archive, Archive) else Archive(archive, threads)
    on_gpu = None if device is None else gpu.of(device)
    if on_gpu and (opened is None or on_gpu.takes(opened)):
        on_device.pack(model, on_gpu, opened, level)
    else:
        decoder = _Decoder()
        for places in _places(model):
            _pack(decoder, places, opened, level, threads, form)
    if opened is not None:
        _fill(model, opened)
        _check_values(model)
    if device is not None:
        model.to(device)
    return model


def _pack(
    decoder: _Decoder, places: _Places, archive: Archive | None, level: int | None, threads: int | None, form: str
) -> None:
    """Packs a parameter, if that gains something."""
    module, name, path = places[0]
    param: Any = module._parameters[name]
    packed = _Packed(decoder, param, form)
    if packed.nbytes < _LEAST:
        return
    stored = None if archive is None else _stored_in(archive, places, packed)
    if stored is not None:
        fast = form == "fast" and matrices.can_be_one(packed.dtype, packed.shape)
        if not fast or not packed.pack(path, stored.torch(), level, threads):
            product = form == "stored" and matrices.StoredMatrix.can_be(stored)
            packed.source = matrices.StoredMatrix(stored) if product else stored
        packed.device = torch.device("cpu") if packed.device.type == "meta" else packed.device
    elif param.device.type == "meta" or not packed.pack(path, param, level, threads):
        return
    for module, name, _ in places:
        _take_over(module, name, packed)


def decompressed(model: Model) -> Model:
    """Gives a model that compressed() was called with its plain parameters back, and returns it. That takes
    the memory of the whole model again."""
    plain: dict[int, nn.Parameter] = {}
    for module in model.modules():
        if not isinstance(module._parameters, _Weights):
            continue
        weights: dict[str, Any] = {}
        for name, value in module._parameters.raw():
            if isinstance(value, _Packed):
                value = plain.setdefault(id(value), value.listed())
            weights[name] = value
        module._parameters = weights
        for word in (*_OVERRIDES, "forward"):
            if getattr(vars(module).get(word), "func", None) in (*_OVERRIDES.values(), _embed, _linear):
                del vars(module)[word]
    return model


class Held(NamedTuple):
    """Bytes of a model's parameters: as plain ones, and as they are now."""

    plain: int
    held: int


def held(model: nn.Module) -> Held:
    """Tells what the parameters of a model take in memory. The two scratch buffers of compressed() come on top: each
    is as large as one of the largest parameters. Tied parameters count once."""
    found: dict[int, tuple[int, int]] = {}
    for module in model.modules():
        for _, value in _raw(module):
            if isinstance(value, _Packed):
                found[id(value)] = value.nbytes, value.stored()
            elif value is not None:
                found[id(value)] = (value.nbytes, value.nbytes)
    return Held(sum(plain for plain, _ in found.values()), sum(now for _, now in found.values()))


from . import on_device  # noqa: E402  # which uses what is above
