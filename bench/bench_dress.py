#!/usr/bin/env python3
"""bench_dress.py [MODEL] [--program ZIPNN] [--level N]: the same weights in another dress, `make bench-dress`.

MODEL is a safetensors file of F32. From it come the files that people make of one model: casts, added rows, parts of
ranks, fused and split projections, matrices turned over, shards, bytes without a header. Each is stored alone, against
what it was made from, and by zstd -3 --patch-from; every archive is restored and compared. Added rows and changed
words are random (synthetic); all else is the model's own. Prints a table in per cent of the file. Needs numpy and the
program zstd."""

import argparse
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator

import figures
import markdown
import numpy
import weights
from weights import Tensor

DEFAULT = figures.ROOT.parent / "shared/data/weights/rwkv__tiny-rwkv-4v0-660K-FP32.bin.safetensors"
ROWS, SMALL = 66, 4096
FUSED = (("query", "key", "value"), ("q_proj", "k_proj", "v_proj"), ("receptance", "key", "value"))
Model = list[Tensor]


def words(t: Tensor) -> weights.Array:
    return numpy.frombuffer(t.data, {"F32": "<u4", "F64": "<u8"}.get(t.dtype, "<u2")).reshape(t.shape)


def of(t: Tensor, array: weights.Array) -> Tensor:
    return Tensor(t.name, t.dtype, list(array.shape), numpy.ascontiguousarray(array).tobytes())


def mapped(model: Model, change: Callable[[weights.Array], weights.Array]) -> Model:
    """The model with its matrices changed."""
    return [of(t, change(words(t))) if len(t.shape) == 2 else t for t in model]


def cast(model: Model, dtype: str) -> Model:
    narrow = {"BF16": weights.to_bf16, "F16": weights.to_fp16}[dtype]
    return [
        t._replace(dtype=dtype, data=narrow(numpy.frombuffer(t.data, "<f4"))) if t.dtype == "F32" else t for t in model
    ]


def with_rows(model: Model, in_front: bool) -> Model:
    """Rows are added to the largest matrix, random ones of its spread."""
    largest = max((t for t in model if len(t.shape) == 2), key=lambda t: len(t.data))
    rng = numpy.random.default_rng(1)
    spread = float(numpy.std((words(largest).astype("<u4") << 16).view("<f4")))
    rows = weights.to_bf16((rng.standard_normal(ROWS * largest.shape[1]) * spread).astype("f4"))
    new = numpy.frombuffer(rows, "<u2").reshape(ROWS, -1)
    parts = [new, words(largest)] if in_front else [words(largest), new]
    return [of(t, numpy.concatenate(parts)) if t is largest else t for t in model]


def fused(model: Model) -> Model | None:
    """Three projections in one tensor, wherever there are such three."""
    by_name = {t.name: t for t in model}
    for names in FUSED:
        for t in model:
            if names[0] not in t.name:
                continue
            found = [by_name.get(t.name.replace(names[0], n)) for n in names]
            parts = [f for f in found if f and f.shape[1:] == t.shape[1:] and len(f.shape) == 2]
            if len(parts) == len(names):
                for part in parts:
                    del by_name[part.name]
                whole = numpy.concatenate([words(part) for part in parts])
                by_name[t.name] = of(t._replace(name=t.name.replace(names[0], "fused")), whole)
    return list(by_name.values()) if len(by_name) < len(model) else None


def tensors_of(folder: pathlib.Path, name: str, model: Model) -> pathlib.Path:
    path = folder / f"{name}.safetensors"
    weights.write(path, model)
    return path


def raw_of(folder: pathlib.Path, name: str, data: bytes) -> pathlib.Path:
    path = folder / f"{name}.bin"
    path.write_bytes(data)
    return path


def dresses(wide: Model, folder: pathlib.Path) -> Iterator[tuple[str, pathlib.Path, pathlib.Path]]:
    """(what it is, base, file)"""
    model, half = cast(wide, "BF16"), cast(wide, "F16")
    base, master, f16 = (tensors_of(folder, n, m) for n, m in (("bf16", model), ("fp32", wide), ("fp16", half)))
    yield "bf16 given the fp32 it was cast from", master, base
    yield "fp32 given its bf16", base, master
    yield "fp16 given fp32", master, f16
    yield "fp16 given bf16", base, f16
    yield f"{ROWS} rows at the end of the largest matrix", base, tensors_of(folder, "end", with_rows(model, False))
    yield f"{ROWS} rows in front of it", base, tensors_of(folder, "front", with_rows(model, True))
    half_rows = mapped(model, lambda m: m[: max(len(m) // 2, 1)])
    yield "the first half of the rows of each matrix", base, tensors_of(folder, "rows", half_rows)
    half_columns = mapped(model, lambda m: m[:, : max(m.shape[1] // 2, 1)])
    yield "the first half of the columns", base, tensors_of(folder, "columns", half_columns)
    together = fused(model)
    if together:
        path = tensors_of(folder, "fused", together)
        yield "three projections fused", base, path
        yield "three projections split", path, base
    yield "matrices turned over", base, tensors_of(folder, "turned", mapped(model, lambda m: m.T))
    renamed = [t._replace(name=f"model.{t.name}") for t in model]
    yield "renamed", base, tensors_of(folder, "renamed", renamed)
    small = [t for t in model if len(t.data) < SMALL]
    if small:
        yield "a shard of the small tensors", base, tensors_of(folder, "small", small)
    data = base.read_bytes()[weights.read(base)[0] :]
    raw, rng = raw_of(folder, "raw", data), numpy.random.default_rng(2)
    changed = numpy.frombuffer(data[: len(data) // 2 * 2], "<u2").copy()
    changed[rng.random(len(changed)) < 0.002] ^= 1
    yield "bytes, 0.2 % of the words changed", raw, raw_of(folder, "changed", changed.tobytes())
    yield "bytes behind 8 others", raw, raw_of(folder, "shifted", bytes(range(8)) + data)
    yield "bytes given safetensors", base, raw
    yield "safetensors given bytes", raw, base


def size_of(program: pathlib.Path, level: int, base: pathlib.Path | None, path: pathlib.Path) -> int:
    """Of the archive, which is restored and compared."""
    with tempfile.TemporaryDirectory() as name:
        out, back = pathlib.Path(name) / "out.znn", pathlib.Path(name) / "back"
        given = ["--base", str(base)] if base else []
        subprocess.run([program, "-q", f"-{level}", *given, path, "-o", out], check=True)
        subprocess.run([program, "-qd", *given, out, "-o", back], check=True)
        if back.read_bytes() != path.read_bytes():
            raise SystemExit(f"{path.name} came back changed")
        return out.stat().st_size


def patch_size(base: pathlib.Path, path: pathlib.Path) -> int:
    command = ["zstd", "-q", "-3", "--long=27", f"--patch-from={base}", "-c", str(path)]
    return len(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=DEFAULT)
    parser.add_argument("--program", type=pathlib.Path, default=figures.ZIPNN)
    parser.add_argument("--level", type=int, default=3)
    arguments = parser.parse_args()
    if not arguments.model.exists():
        raise SystemExit(f"{arguments.model} is not there: name a safetensors file of F32")
    _, wide = weights.read(arguments.model)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for what, base, path in dresses(wide, folder):
            length = path.stat().st_size
            sizes = (
                size_of(arguments.program, arguments.level, None, path),
                size_of(arguments.program, arguments.level, base, path),
                patch_size(base, path),
            )
            rows.append([what, *(f"{100 * size / length:.3f}" for size in sizes)])
        both = [t._replace(name=f"master.{t.name}") for t in wide if t.dtype == "F32"]
        masters = tensors_of(folder, "masters", both)
        beside = tensors_of(folder, "beside", both + cast(wide, "BF16"))
        alone = size_of(arguments.program, arguments.level, None, masters)
        more = size_of(arguments.program, arguments.level, None, beside) - alone
        length = beside.stat().st_size - masters.stat().st_size
    print(f"{re.sub(r'.*/', '', str(arguments.model))}, level {arguments.level}, in per cent of the file\n")
    print(markdown.table(["file given its base", "alone", "--base", "zstd -3 --patch-from"], rows))
    print(f"bf16 beside its fp32 master in one file: {more} bytes for {length}")


if __name__ == "__main__":
    main()
