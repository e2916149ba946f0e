"""Weights that stay compressed in the memory of a GPU, which decodes them layer by layer while a model runs."""

from __future__ import annotations

import bisect
import copy
import re
import threading
import weakref
from typing import Any

import torch
from torch import nn

from .. import gpu as gpus
from ..archives import Archive
from ..safetensors import saved
from ..safetensors.torch import entry_of
from ..tensors import Tensor
from . import packed as on_cpu

_ALIGN = 256  # of a tensor in a block
_BLOCKS = 2  # that are decoded at a time: the one at work, and the next or the last one


# ---- blocks ---------------------------------------------------------------------------------------------------------


class Block:
    """Parameters that are kept and decoded together: hundreds of chunks keep a GPU busy, those of one matrix do not."""

    def __init__(self, gpu: gpus.Gpu, archive: Archive, tensors: list[Tensor]) -> None:
        self.gpu = gpu
        self.at: dict[str, int] = {}  # where each of the tensors lies in the decoded block
        self.nbytes = 0
        parts = []
        for first, end, run in _runs(archive, tensors):
            place = self.nbytes + (first - run[0].offset - self.nbytes) % _ALIGN  # its first tensor is aligned
            self.at |= {tensor.name: place + tensor.offset - first for tensor in run}
            self.nbytes = place + end - first
            parts.append((first, end - first, place))
        self._kept = gpu.keep(archive, parts)
        self.stored = self._kept.stored

    def memory(self) -> torch.Tensor:
        with torch.inference_mode(False):
            return self.gpu.empty(self.nbytes)

    def decode_ahead(self, memory: torch.Tensor) -> Any:
        """Decodes beside what runs. Returns what Cuda.join takes."""
        return gpus.cuda.ahead(self.gpu.number, memory, lambda stream: self._kept.decode_on(memory, stream))

    def decoded(self) -> torch.Tensor:
        memory = self.memory()
        gpus.cuda.join(self.gpu.number, self.decode_ahead(memory), memory)
        return memory


_Run = tuple[int, int, list[Tensor]]  # the first byte, the one behind the last, and the tensors there


def _runs(archive: Archive, tensors: list[Tensor]) -> list[_Run]:
    """Returns ranges of whole chunks with the tensors in them: only these are the GPU's."""
    starts = [archive._archive.chunk(i)[0] for i in range(archive.info.n_chunks)]
    runs: list[_Run] = []
    for tensor in sorted(tensors, key=lambda tensor: tensor.offset):
        first, end = tensor.offset, tensor.offset + tensor.nbytes
        if starts:
            after = bisect.bisect_left(starts, end)
            first = starts[bisect.bisect_right(starts, first) - 1]
            end = starts[after] if after < len(starts) else archive.info.original
        if runs and first <= runs[-1][1]:
            runs[-1] = runs[-1][0], max(end, runs[-1][1]), [*runs[-1][2], tensor]
        else:
            runs.append((first, end, [tensor]))
    return runs


class Decoder:
    """What the weights of a model on a device share: a few decoded blocks, of which the next one is decoded on a side
    stream. It learns the order from the runs before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: dict[Block, tuple[torch.Tensor, Any]] = {}  # decoded, or being so; the last one used comes last
        self._last: tuple[Block | None, Block | None] = (None, None)
        self._follows: dict[tuple[Block | None, Block | None], Block] = {}
        self.for_cpu = on_cpu._Decoder()  # of weights that leave the device

    def weight(self, packed: Any) -> torch.Tensor:
        """Returns a weight that a module asks for while it runs."""
        block = packed.block
        with self._lock:
            memory, event = self._live.pop(block) if block in self._live else self._start(block)
            self._live[block] = memory, event
            self._look_ahead(block)
        gpus.cuda.join(block.gpu.number, event, memory)
        made: torch.Tensor = packed.guarded(lambda: packed.tensor(packed.part_of(memory)))
        return made

    def _start(self, block: Block) -> tuple[torch.Tensor, Any]:
        while len(self._live) >= _BLOCKS:  # whoever still uses one has its memory
            del self._live[next(iter(self._live))]
        memory = block.memory()
        return memory, block.decode_ahead(memory)

    def _look_ahead(self, block: Block) -> None:
        before, last = self._last
        if block is last:
            return
        self._follows[before, last] = block
        self._last = (last, block)
        wanted = self._follows.get(self._last)
        if wanted is None or wanted in self._live:
            return
        self._live[wanted] = self._start(wanted)

    def give_up(self) -> None:
        with self._lock:
            self._live.clear()


# ---- one parameter --------------------------------------------------------------------------------------------------


class OnDevice(on_cpu._Packed):
    """A parameter that lies in a block. Where it leaves the device, or is pickled, it is compressed for the processor
    again."""

    has_rows = False

    def __init__(self, decoder: Decoder, param: nn.Parameter, block: Block, at: int) -> None:
        super().__init__(decoder.for_cpu, param, "stored")
        self.decoder: Any = decoder
        self.block = block
        self.at = at
        self.device = block.gpu.empty(0).device

    def stored(self) -> int:
        share = self.block.stored / self.block.nbytes
        return int(share * self.nbytes)

    def part_of(self, memory: torch.Tensor) -> torch.Tensor:
        return memory[self.at : self.at + self.nbytes]

    def _shaped(self, loan: Any, shape: tuple[int, ...]) -> torch.Tensor:
        tensor: torch.Tensor = loan.view(self.dtype).view(shape)
        return tensor

    def listed(self) -> torch.Tensor:
        param: Any = self._param()
        if param is None:
            with torch.inference_mode(False):
                param = self.tensor(self.part_of(self.block.decoded()).clone())
            self._param = weakref.ref(param)
        found: torch.Tensor = param
        return found

    def _leave(self) -> None:
        """Becomes an ordinary packed parameter."""
        values = self.listed()
        self.decoder = self.decoder.for_cpu
        self.__class__ = on_cpu._Packed  # type: ignore[assignment]
        del self.block, self.at
        self._forget()
        self.pack("a parameter", values, None, None)

    def apply(self, convert: Any) -> None:
        with torch.no_grad():
            probe = convert(torch.zeros(1, dtype=self.dtype, device=self.device))
        if probe.device != self.device or probe.dtype != self.dtype:
            self._leave()
            self.apply(convert)

    def __deepcopy__(self, memo: dict[int, Any]) -> OnDevice:
        twin = object.__new__(OnDevice)
        vars(twin).update(vars(self))
        twin._forget()
        memo[id(self)] = twin
        return twin

    def __reduce_ex__(self, protocol: Any) -> Any:
        plain = copy.copy(self.__deepcopy__({}))
        plain._leave()
        return plain.__reduce_ex__(protocol)

    def __copy__(self) -> OnDevice:
        return self.__deepcopy__({})


# ---- models ---------------------------------------------------------------------------------------------------------

_LAYER = re.compile(r"^(.*\.)?\d+\.")


def layer_of(path: str) -> str:
    """Returns the layer that a parameter belongs to: its path up to the last number; itself where it has none."""
    found = _LAYER.match(path)
    return found.group() if found else path


# Parameters with all places where each stands.
_Layer = list[on_cpu._Places]


def pack(model: nn.Module, gpu: gpus.Gpu, archive: Archive | None, level: int | None) -> None:
    """Has the parameters of a model kept by a device, layer by layer."""
    decoder = Decoder()
    stored: dict[str, Tensor] = {}
    layers: dict[tuple[str, bool], _Layer] = {}
    for places in on_cpu._places(model):
        module, name, path = places[0]
        param: Any = module._parameters[name]
        if param.numel() * param.element_size() < on_cpu._LEAST:
            continue
        probe = on_cpu._Packed(decoder.for_cpu, param, "stored")
        has = None if archive is None else on_cpu._stored_in(archive, places, probe)
        if has is not None:
            stored[path] = has
        if has is not None or param.device.type != "meta":
            layers.setdefault((layer_of(path), has is not None), []).append(places)
    for (_, is_stored), layer in layers.items():
        if is_stored and archive is not None:
            _keep(decoder, layer, Block(gpu, archive, [stored[places[0][2]] for places in layer]))
        else:
            _compress(decoder, gpu, layer, level)


def _compress(decoder: Decoder, gpu: gpus.Gpu, layer: _Layer, level: int | None) -> None:
    """Compresses a layer; what gains nothing stays as it is."""
    entries = {}
    for places in layer:
        module, name, path = places[0]
        param: Any = module._parameters[name]
        try:
            entries[path] = entry_of(path, param.detach())
        except ValueError:
            pass  # a type that archives of models do not know
    with Archive(saved(entries, None, level)) as archive:
        poor = {t.name for t in archive.values() if t.stored >= on_cpu._WORTH * t.nbytes}
        if poor and len(poor) < len(entries):  # they would be kept with the others
            _compress(decoder, gpu, [places for places in layer if places[0][2] in entries.keys() - poor], level)
        elif entries and not poor:
            block = Block(gpu, archive, list(archive.values()))
            if block.stored < on_cpu._WORTH * block.nbytes:  # else they are short streams, which it keeps decoded
                _keep(decoder, layer, block)


def _keep(decoder: Decoder, layer: _Layer, block: Block) -> None:
    for places in layer:
        module, name, _ = places[0]
        param: Any = module._parameters[name]
        known = [path for _, _, path in places if path in block.at]
        if not known:
            continue
        kept = OnDevice(decoder, param, block, block.at[known[0]])
        for module, name, _ in places:
            on_cpu._take_over(module, name, kept)
