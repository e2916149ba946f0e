"""Weights for the ratio benchmark: safetensors files read, cast and written; what coding symbols one by one gives."""

import collections
import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy
import numpy.typing

Array = numpy.typing.NDArray[numpy.generic]
Floats = numpy.typing.NDArray[numpy.float32]
Counts = numpy.typing.NDArray[numpy.int64]
Header = dict[str, dict[str, str | list[int]]]

FLOATS = {  # dtype: (bits, exponent bits, mantissa bits)
    "F64": (64, 11, 52),
    "F32": (32, 8, 23),
    "BF16": (16, 8, 7),
    "F16": (16, 5, 10),
    "F8_E4M3": (8, 4, 3),
    "F8_E5M2": (8, 5, 2),
}
MAX_E4M3 = 448.0


class Tensor(NamedTuple):
    """A tensor of a safetensors file; dtype as there, "F32"."""

    name: str
    dtype: str
    shape: list[int]
    data: bytes


def read(path: pathlib.Path) -> tuple[int, list[Tensor]]:
    """(length of the header, tensors) of a safetensors file."""
    raw = path.read_bytes()
    length = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:length])
    header.pop("__metadata__", None)
    tensors = []
    for name, info in header.items():
        begin, end = info["data_offsets"]
        tensors.append(Tensor(name, info["dtype"], info["shape"], raw[length + begin : length + end]))
    return length, tensors


def write(path: pathlib.Path, tensors: Iterable[Tensor]) -> None:
    """In the order that the safetensors library writes: wide elements first, then by name."""
    tensors = sorted(
        tensors, key=lambda t: (-FLOATS.get(t.dtype, (0,))[0] or -int(t.dtype.strip("IUBOL") or 8), t.name)
    )
    header: Header = {}
    at = 0
    for t in tensors:
        header[t.name] = {"dtype": t.dtype, "shape": t.shape, "data_offsets": [at, at + len(t.data)]}
        at += len(t.data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(t.data for t in tensors))


# ---- casts, to the nearest, ties to even -----------------------------------------------------------------------------


def to_bf16(x: Floats) -> bytes:
    bits = x.view(numpy.uint32)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    return numpy.where(numpy.isnan(x), bits >> 16 | 0x40, rounded).astype("<u2").tobytes()


def to_fp16(x: Floats) -> bytes:
    with numpy.errstate(over="ignore"):
        return x.astype("<f2").tobytes()


def e4m3_values() -> numpy.typing.NDArray[numpy.float64]:
    """The numbers 0 ... 448 of E4M3 by their code."""
    codes = numpy.arange(127)
    exponent, mantissa = codes >> 3, codes & 7
    return numpy.where(exponent == 0, mantissa * 2.0**-9, (8 + mantissa) * 2.0 ** (exponent - 10.0))


def to_e4m3(numbers: Floats) -> tuple[bytes, numpy.float32]:
    """(bytes, scale): the largest number becomes 448."""
    x = numpy.nan_to_num(numbers.astype(numpy.float64), nan=0.0, posinf=0.0, neginf=0.0)
    largest = numpy.abs(x).max(initial=0.0)
    scale = numpy.float32(largest / MAX_E4M3 if largest else 1.0) or numpy.float32(1.0)
    values = e4m3_values()
    middles = (values[1:] + values[:-1]) / 2
    size = numpy.minimum(numpy.abs(x) / float(scale), MAX_E4M3)
    code = numpy.searchsorted(middles, size)  # a tie goes down
    tie = (code < 126) & (size == middles[numpy.minimum(code, 125)])
    code = code + (tie & (code & 1 == 1))
    return (code | numpy.signbit(x) * 0x80).astype(numpy.uint8).tobytes(), scale


def cast_tensor(t: Tensor, kind: str) -> list[Tensor]:
    """The tensors that a float32 tensor becomes; others stay as they are."""
    if t.dtype != "F32":
        return [t]
    x = numpy.frombuffer(t.data, "<f4")
    if kind == "fp16":
        return [t._replace(dtype="F16", data=to_fp16(x))]
    if kind == "bf16" or len(t.shape) < 2:
        return [t._replace(dtype="BF16", data=to_bf16(x))]
    data, scale = to_e4m3(x)
    return [
        t._replace(dtype="F8_E4M3", data=data),
        Tensor(t.name + "_scale", "F32", [1], numpy.float32(scale).tobytes()),
    ]


def cast(tensors: Iterable[Tensor], kind: str) -> list[Tensor]:
    return [part for t in tensors for part in cast_tensor(t, kind)]


def bytes_by_dtype(tensors: Iterable[Tensor]) -> collections.Counter[str]:
    count: collections.Counter[str] = collections.Counter()
    for t in tensors:
        count[t.dtype] += len(t.data)
    return count


# ---- symbols one by one ----------------------------------------------------------------------------------------------


def entropy_bytes(counts: Counts) -> float:
    """Bytes that an ideal coder of these symbols, one by one, needs for all of them."""
    found = counts[counts > 0].astype(float)
    return float(-(found * numpy.log2(found / found.sum())).sum() / 8)


def byte_counts(data: bytes) -> Counts:
    return numpy.bincount(numpy.frombuffer(data, numpy.uint8), minlength=256)


def byte_entropy(data: bytes) -> float:
    return entropy_bytes(byte_counts(data))


def exponent_counts(data: bytes, dtype: str) -> Counts:
    bits, exponent, mantissa = FLOATS[dtype]
    words = numpy.frombuffer(data, f"<u{bits // 8}")
    found = (words >> numpy.array(mantissa, words.dtype)).astype(numpy.int64) & ((1 << exponent) - 1)
    return numpy.bincount(found, minlength=1 << exponent)


def order0(header_len: int, tensors: Sequence[Tensor]) -> float:
    """The header, then for each dtype of the file: floats as the entropy of their exponents and the rest raw, others
    as the entropy of their bytes."""
    total = float(header_len)
    for dtype in {t.dtype for t in tensors}:
        data = b"".join(t.data for t in tensors if t.dtype == dtype)
        if dtype in FLOATS:
            bits, exponent, _ = FLOATS[dtype]
            total += len(data) * (bits - exponent) / bits + entropy_bytes(exponent_counts(data, dtype))
        else:
            total += byte_entropy(data)
    return total


def with_table(counts: Counts) -> float:
    """An order-0 coder's bytes with what its reader needs: which symbols occur, 12 bits of frequency each, a state."""
    return entropy_bytes(counts) + len(counts) / 8 + 1.5 * numpy.count_nonzero(counts) + 4


def plain(data: bytes, dtype: str) -> float:
    """The smallest of: raw; exponents coded, the rest raw; each byte of the elements coded by a table of its own."""
    if not data:
        return 0.0
    width = FLOATS[dtype][0] // 8 if dtype in FLOATS else int(dtype.strip("IUBOL") or 8) // 8
    planes = [data[i::width] for i in range(width)]
    choices = [float(len(data)), sum(min(len(plane), with_table(byte_counts(plane))) for plane in planes)]
    if dtype in FLOATS:
        bits, exponent, _ = FLOATS[dtype]
        choices.append(len(data) * (bits - exponent) / bits + with_table(exponent_counts(data, dtype)))
    return min(choices)


def plain_coder(header_len: int, tensors: Sequence[Tensor]) -> float:
    """What a plain order-0 coder makes of a file: the header as it is, then for each dtype the smaller of one coding
    for all and one for each tensor."""
    total = float(header_len)
    for dtype in {t.dtype for t in tensors}:
        parts = [t.data for t in tensors if t.dtype == dtype]
        total += min(plain(b"".join(parts), dtype), sum(plain(part, dtype) for part in parts))
    return total


def gaussian_bf16(seed: int) -> list[Tensor]:
    """Where no table can tell one row from another: an exponent of 2.46 bits, 65.4 % with the rest."""
    values = numpy.random.default_rng(seed).normal(size=(2048, 2048)).astype("<f4") * numpy.float32(0.02)
    return [Tensor("weight", "BF16", [2048, 2048], to_bf16(values.ravel()))]


# ---- synthetic families, where there are no real ones ----------------------------------------------------------------


def synthetic(seed: int) -> dict[str, list[Tensor]]:
    """Families of float32 tensors: {name: tensors}."""
    random = numpy.random.default_rng(seed)

    def tensor(name: str, values: Array) -> Tensor:
        return Tensor(name, "F32", list(values.shape), values.astype("<f4").tobytes())

    def rows(n: int, width: int) -> Array:
        scale = 0.02 * numpy.exp(0.3 * random.normal(size=(n, 1)))
        return (random.normal(size=(n, width)) * scale).astype(numpy.float32)

    return {
        "gaussian__rows": [tensor(f"layer{i}.weight", rows(256, 1024)) for i in range(4)],
        "gaussian__norms": [tensor(f"norm{i}.weight", 1 + 0.05 * random.normal(size=4096)) for i in range(64)],
        "laplace__conv": [
            tensor(f"conv{i}.weight", random.laplace(scale=0.05, size=(64, 64, 3, 3))) for i in range(12)
        ],
        "sparse__rows": [
            tensor(f"layer{i}.weight", rows(256, 1024) * (random.random((256, 1024)) < 0.7)) for i in range(4)
        ],
        "uniform__linear": [tensor(f"fc{i}.weight", random.uniform(-0.06, 0.06, (256, 512))) for i in range(8)],
    }
