"""GPUs of NVIDIA that decode archives themselves: what device="cuda" does where it stands.

Most chunks are copied compressed and decoded by kernels in the GPU's memory; the processor decodes the rest in the same
call. That takes NVIDIA's driver, a GPU from compute capability 8.0 on (A100, RTX 30), a torch with CUDA, and the
kernels, which are in the library if it was built where `make gpu` had made them. Where one of these lacks but torch
has the device, the processor decodes all and torch copies: the tensors are the same, and why_not() says why. Where
torch has no CUDA, device="cuda" raises RuntimeError.

Before a device is used for the first time in a process, its kernels restore a few samples, which are compared with
what the processor restores; a device that fails is not used.

The environment variable ZIPNN_GPU is "0" to decode on the processor, or the path of kernels (what `make gpu` builds).

The kernels have run under an emulation only, on no GPU yet (doc/internals/gpu.md).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _zipnn, streams
from .errors import ZipnnError

if TYPE_CHECKING:
    from torch import Tensor as TorchTensor

    from .archives import Archive

__all__ = ["Gpu", "is_cuda", "of", "why_not"]

# (offset, length, tensor that gets the bytes)
Part = tuple[int, int, "TorchTensor"]


class Cuda:
    """What is asked of torch about a device. Tests put another one in its place."""

    def __init__(self) -> None:
        self._side: dict[int, Any] = {}  # streams, by device

    def number(self, device: Any) -> int:
        """Returns the number of a device. Raises RuntimeError if torch has none."""
        import torch

        if not self.is_there():
            why = "was built without it" if torch.version.cuda is None else "finds no GPU"
            raise RuntimeError(f"device {str(device)!r}: there is no CUDA here: torch {torch.__version__} {why}")
        index = torch.device(device).index
        number: int = torch.cuda.current_device() if index is None else index
        if number >= torch.cuda.device_count():
            raise RuntimeError(f"device {str(device)!r}: torch finds {torch.cuda.device_count()} of them")
        return number

    def is_there(self) -> bool:
        import torch

        return bool(torch.cuda.is_available())

    def is_of_nvidia(self) -> bool:
        import torch

        return torch.version.cuda is not None

    def empty(self, number: int, nbytes: int) -> TorchTensor:
        import torch

        return torch.empty(nbytes, dtype=torch.uint8, device=f"cuda:{number}")

    def settle(self, number: int) -> None:
        """Waits until memory that torch gave is free for others: it may still be in use by work that was started."""
        import torch

        torch.cuda.current_stream(number).synchronize()

    def stream(self, number: int) -> int:
        """Returns the stream that torch puts work on."""
        import torch

        return int(torch.cuda.current_stream(number).cuda_stream)

    def ahead(self, number: int, memory: TorchTensor, work: Callable[[int], None]) -> Any:
        """Has work(stream) put on a stream beside torch's, behind all that is on torch's now. Returns what join()
        takes. The work writes to the memory."""
        import torch

        side = self._side.get(number)
        if side is None:
            side = self._side.setdefault(number, torch.cuda.Stream(number))
        side.wait_stream(torch.cuda.current_stream(number))
        memory.record_stream(side)
        work(int(side.cuda_stream))
        return side.record_event()

    def join(self, number: int, event: Any, memory: TorchTensor) -> None:
        """Has torch's stream wait for that work."""
        import torch

        stream = torch.cuda.current_stream(number)
        stream.wait_event(event)
        memory.record_stream(stream)


cuda: Cuda = Cuda()


class Gpu:
    """A device with the kernels on it. What it loads is on the device when the call returns."""

    def __init__(self, number: int, code: bytes | None = None, staging: int = 0) -> None:
        self.number = number
        self._gpu = _zipnn.Gpu(number, code, staging)
        self.last = (0, 0, 0)  # bytes of the last call: decoded by the GPU, by the host, copied to the device

    def empty(self, nbytes: int) -> TorchTensor:
        """Returns bytes of the device's memory."""
        return cuda.empty(self.number, nbytes)

    def takes(self, archive: Archive) -> bool:
        """Returns whether an archive can be loaded: what Python reads, or what is fetched from afar, cannot."""
        return type(archive._archive) is _zipnn.Archive and not isinstance(archive._source, tuple)

    def load(self, archive: Archive, parts: list[Part]) -> None:
        """Restores parts of an archive's original, all of them in one go."""
        wanted = [_address(part) for part in parts]
        cuda.settle(self.number)
        with archive._explaining():
            self.last = self._gpu.load(archive._archive, wanted)

    def keep(self, archive: Archive, parts: list[tuple[int, int, int]]) -> Kept:
        """Keeps parts (offset, length, offset from where they are decoded to) compressed in the device's memory. The
        archive is not needed afterwards."""
        with archive._explaining():
            return Kept(self, _zipnn.Kept(self._gpu, archive._archive, parts))


class Kept:
    """Parts of originals that stay compressed in the memory of a device."""

    def __init__(self, gpu: Gpu, kept: _zipnn.Kept) -> None:
        self._gpu = gpu
        self._kept = kept
        self.by_gpu, self.by_host, self.stored = kept.stats()

    def decode(self, memory: TorchTensor) -> None:
        """Decodes to memory of the device, in order on torch's stream; it waits for nothing."""
        self.decode_on(memory, cuda.stream(self._gpu.number))

    def decode_on(self, memory: TorchTensor, stream: int) -> None:
        """Does the same on another stream."""
        self._kept.decode(memory.data_ptr(), stream)


def _address(part: Part) -> tuple[int, int, int]:
    offset, length, memory = part
    if memory.numel() * memory.element_size() < length or not memory.is_contiguous():
        raise ValueError(f"a tensor of {list(memory.shape)} has no {length} bytes in a run")
    return offset, length, memory.data_ptr() if length else 0


# ---- which device ---------------------------------------------------------------------------------------------------

_lock = threading.RLock()
_opened: dict[tuple[int, int], Gpu | str] = {}  # by process and number; a text: why there is none


def is_cuda(device: Any) -> bool:
    """Returns whether a device is one of CUDA, as torch spells them: "cuda", "cuda:1", 0, torch.device("cuda")."""
    if isinstance(device, int) and not isinstance(device, bool):
        return cuda.is_there()  # elsewhere numbers are those of other devices
    return str(device).partition(":")[0] == "cuda"


def of(device: Any) -> Gpu | None:
    """Returns the device if it decodes, None if the processor does. Raises RuntimeError if torch has no such device."""
    found = _find(device) if is_cuda(device) else None
    return found if isinstance(found, Gpu) else None


def why_not(device: Any = "cuda") -> str | None:
    """Returns why the processor decodes what goes to a device; None if the device does."""
    if not is_cuda(device):
        return f"{device} is no device of CUDA"
    found = _find(device)
    return found if isinstance(found, str) else None


def _find(device: Any) -> Gpu | str:
    number = cuda.number(device)
    key = os.getpid(), number
    with _lock:
        if key not in _opened:
            _opened[key] = _open(number)
        return _opened[key]


def _open(number: int) -> Gpu | str:
    wish = os.environ.get("ZIPNN_GPU", "")
    if wish == "0":
        return "ZIPNN_GPU is 0"
    if not cuda.is_of_nvidia():
        return "the kernels are for GPUs of NVIDIA"
    code = None
    if wish not in ("", "1"):
        with open(wish, "rb") as f:
            code = f.read()
    try:
        gpu = Gpu(number, code)
    except ZipnnError as error:
        return error.message
    return _fault(gpu) or gpu


# ---- a look at the kernels before they are used ---------------------------------------------------------------------

_SAMPLES = (
    ("BF16", "bfloat16", 3), ("BF16", "bfloat16", 6), ("F16", "float16", 3), ("F16", "float16", 6),
    ("F32", "float32", 3), ("F32", "float32", 6), ("F8_E4M3", "float8_e4m3fn", 3), ("F8_E5M2", "float8_e5m2", 3),
    ("I8", "int8", 3),
)  # fmt: skip
_ELEMENTS = 20011


def _fault(gpu: Gpu) -> str:
    """Returns what is wrong with a device that does not restore what the processor does, "" if nothing is."""
    import torch

    from .archives import Archive

    generator = torch.Generator().manual_seed(1)
    for dtype, name, level in _SAMPLES:
        values = torch.randn(_ELEMENTS, generator=generator) * (12.0 if name == "int8" else 0.02)
        right = values.to(getattr(torch, name)).view(torch.uint8)
        memory = gpu.empty(len(right))
        try:
            with Archive(streams.compress(right.numpy(), dtype, level), 1) as archive:
                gpu.load(archive, [(0, len(right), memory)])
        except ZipnnError as error:
            return f"the kernels do not restore a sample of {dtype}: {error.message}"
        if not torch.equal(memory.cpu(), right):
            return f"the kernels restore other bytes than the processor, of a sample of {dtype} at level {level}"
    return ""
