#!/usr/bin/env python3
"""bench_delta.py [--weights FOLDER] [--speed]: models stored as their difference from others, `make bench-delta`.

Pairs of trained weights, and states of small networks trained here by Adam: sizes against the model alone, XOR and
zstd, XOR in byte planes and zstd, and the deltas of the Python package zipnn 0.5 (which --format zipnn writes byte for
byte). Every result is restored and compared. --speed measures compressing and restoring too. One JSON object per pair
in build/bench/delta.jsonl, the tables in doc/benchmarks.md. Needs numpy and the program zstd."""

import argparse
import itertools
import json
import pathlib
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

import figures
import markdown
import numpy
import weights

PROGRAM = figures.ROOT / "build/bench/zipnn"
RUNS = 7
REAL = (  # what it is, base, model
    ("rfb, epoch 0 to 20", "rfb__Epoch-0.pth", "rfb__Epoch-20.pth"),
    ("rfb, epoch 460 to 480", "rfb__Epoch-460.pth", "rfb__Epoch-480.pth"),
    ("rfb, epoch 480 to 499", "rfb__Epoch-480.pth", "rfb__Epoch-499.pth"),
    ("rfb, epoch 480 to 499, bf16", "rfb__Epoch-480.pth.bf16", "rfb__Epoch-499.pth.bf16"),
    ("textgenrnn, fine-tuned", "textgenrnn__textgenrnn_weights.hdf5", "textgenrnn__hacker_news.hdf5"),
    ("textgenrnn, fine-tuned, bf16", "textgenrnn__textgenrnn_weights.hdf5.bf16", "textgenrnn__hacker_news.hdf5.bf16"),
    ("silero, next release", "silero__silero_vad_16k_op15@625ad8.onnx", "silero__silero_vad_16k_op15@0607ae.onnx"),
    ("matgl, next release", "matgl__M3GNet-MP-2021.2.8-PES@fd1159.pt", "matgl__M3GNet-MP-2021.2.8-PES.pt"),
    (
        "matgl, another functional",
        "matgl__M3GNet-MatPES-r2SCAN-v2025.1-PES.pt",
        "matgl__M3GNet-MatPES-PBE-v2025.1-PES.pt",
    ),
    ("rfb given textgenrnn: unrelated", "textgenrnn__hacker_news.hdf5", "rfb__Epoch-499.pth"),
)
WIDTHS = {"BF16": 2, "F16": 2, "F32": 4}


# ---- models made here ----


def bf16(array: Any) -> bytes:
    bits = array.astype("<f4").view("<u4")
    words: bytes = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2").tobytes()
    return words


class Network:
    """Three layers that learn a random function, by Adam."""

    def __init__(self, rng: numpy.random.Generator, sizes: Sequence[int] = (256, 512, 512, 64)) -> None:
        self.rng = rng
        self.w = [(rng.standard_normal((a, b)) / a**0.5).astype("f4") for a, b in itertools.pairwise(sizes)]
        self.goal = [(rng.standard_normal((a, b)) / a**0.5).astype("f4") for a, b in itertools.pairwise(sizes)]
        self.m = [numpy.zeros_like(w) for w in self.w]
        self.v = [numpy.zeros_like(w) for w in self.w]
        self.t = 0

    @staticmethod
    def forward(layers: list[Any], x: Any) -> list[Any]:
        values = [x]
        for w in layers[:-1]:
            values.append(numpy.maximum(values[-1] @ w, 0))
        return [*values, values[-1] @ layers[-1]]

    def step(self, rate: float) -> None:
        x = self.rng.standard_normal((64, self.w[0].shape[0])).astype("f4")
        values = self.forward(self.w, x)
        error = (values[-1] - self.forward(self.goal, x)[-1]) / 64
        self.t += 1
        for i in range(len(self.w) - 1, -1, -1):
            grad = values[i].T @ error
            error = (error @ self.w[i].T) * (values[i] > 0)
            self.m[i] = 0.9 * self.m[i] + 0.1 * grad
            self.v[i] = 0.999 * self.v[i] + 0.001 * grad * grad
            scale = rate / (1 - 0.9**self.t)
            self.w[i] = self.w[i] - scale * self.m[i] / (numpy.sqrt(self.v[i] / (1 - 0.999**self.t)) + 1e-8)

    def save(self, path: pathlib.Path, with_state: bool = False) -> None:
        layers = [weights.Tensor(f"layer.{i}", "BF16", list(w.shape), bf16(w)) for i, w in enumerate(self.w)]
        for i in range(len(self.w) if with_state else 0):
            for name, moment in (("exp_avg", self.m[i]), ("exp_avg_sq", self.v[i])):
                layers.append(
                    weights.Tensor(f"state.{i}.{name}", "F32", list(moment.shape), moment.astype("<f4").tobytes())
                )
        weights.write(path, layers)


def made(folder: pathlib.Path) -> Iterator[tuple[str, pathlib.Path, pathlib.Path]]:
    """(what it is, base, model) of networks trained here."""
    net = Network(numpy.random.default_rng(1))
    for what, steps, rate, state in (
        ("trained here, 100 steps more", 100, 1e-3, False),
        ("trained here, with Adam's state", 50, 1e-3, True),
        ("trained here, rate 1e-5, 10 steps", 10, 1e-5, False),
        ("trained here, rate 1e-6, 1 step", 1, 1e-6, False),
    ):
        for _ in range(300 if net.t == 0 else 0):
            net.step(1e-3)
        base, model = (folder / f"{what}.{part}.safetensors" for part in ("base", "model"))
        net.save(base, state)
        for _ in range(steps):
            net.step(rate)
        net.save(model, state)
        yield what, base, model


# ---- methods ----


def run(*command: object, data: bytes | None = None) -> bytes:
    return subprocess.run([str(part) for part in command], input=data, stdout=subprocess.PIPE, check=True).stdout


def zstd(level: int, data: Any) -> int:
    return len(run("zstd", "-q", "-c", f"-{level}", "--single-thread", data=data.tobytes()))


def peers(base: pathlib.Path, model: pathlib.Path) -> dict[str, int]:
    """Sizes of what others do; they take the header of the file as it is, and files of one length."""
    a, b = (numpy.frombuffer(path.read_bytes(), "u1") for path in (base, model))
    sizes = {}
    if len(a) == len(b):
        _, tensors = weights.read(model)
        width = WIDTHS.get(weights.bytes_by_dtype(tensors).most_common(1)[0][0], 1)
        x = a ^ b
        whole = x[len(x) % width :].reshape(-1, width)
        sizes = {"XOR, zstd -1": zstd(1, x), "XOR, zstd -3": zstd(3, x)}
        sizes["XOR in planes, zstd -3"] = zstd(3, numpy.concatenate([x[: len(x) % width], whole.T.reshape(-1)]))
    return sizes


def old_delta(base: pathlib.Path, model: pathlib.Path, folder: pathlib.Path) -> int | None:
    _, tensors = weights.read(model)
    dtype = {"BF16": "bf16", "F16": "fp16", "F32": "fp32"}.get(weights.bytes_by_dtype(tensors).most_common(1)[0][0])
    if not dtype or base.stat().st_size != model.stat().st_size:
        return None
    out = folder / "old.znn"
    run(PROGRAM, "-qf", "--format", "zipnn", "--dtype", dtype, "--base", base, model, "-o", out)
    return out.stat().st_size


def measure(what: str, base: pathlib.Path, model: pathlib.Path, folder: pathlib.Path) -> figures.Row:
    out, back = folder / "new.znn", folder / "back"
    for path in (out, back):  # what was restored before may be the base now, which -f does not replace
        path.unlink(missing_ok=True)
    run(PROGRAM, "-qf", "--base", base, model, "-o", out)
    run(PROGRAM, "-qfd", "--base", base, out, "-o", back)
    if back.read_bytes() != model.read_bytes():
        raise SystemExit(f"{what}: came back changed")
    sizes: dict[str, int | None] = {
        "zipnn": out.stat().st_size,
        "alone": len(run(PROGRAM, "-c", model)),
        **peers(base, model),
    }
    sizes["zipnn 0.5 delta"] = old_delta(base, model, folder)
    return {"pair": what, "original": model.stat().st_size, "sizes": sizes}


def timed(*command: object) -> float:
    start = time.perf_counter()
    run(*command)
    return time.perf_counter() - start


def measure_speed(folder: pathlib.Path) -> list[figures.Row]:
    """GB/s on one thread of a large pair: the command, files in memory, in turns."""
    rng = numpy.random.default_rng(2)
    word = (rng.standard_normal(16 << 20).astype("f4") * 0.02).view("<u4") >> 16
    word = word.astype("<u2")
    base, model, out, alone, back = (folder / name for name in ("b", "m", "m.znn", "a.znn", "back"))
    rows: list[figures.Row] = []
    for what, part in (("1 % of words changed", 0.01), ("30 %", 0.3), ("all", 1.0)):
        moved = (rng.random(len(word)) < part) * rng.integers(-3, 4, len(word))
        for path, data in ((base, word), (model, (word + moved).astype("<u2"))):
            weights.write(path, [weights.Tensor("w", "BF16", [len(word)], data.tobytes())])
        commands = {
            "compress": (PROGRAM, "-qf", "-T1", "--no-verify", "--base", base, model, "-o", out),
            "compress alone": (PROGRAM, "-qf", "-T1", "--no-verify", model, "-o", alone),
            "restore": (PROGRAM, "-qfd", "-T1", "--base", base, out, "-o", back),
            "restore alone": (PROGRAM, "-qfd", "-T1", alone, "-o", back),
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(RUNS + 1):
            for name, command in commands.items():
                times[name].append(timed(*command))
        size = model.stat().st_size
        row = {name: size / statistics.median(t[1:]) / 1e9 for name, t in times.items()}
        rows.append({"changed": what, "size": out.stat().st_size / size, **row})
    return rows


# ---- report ----


def percent(size: float | None, original: float) -> str:
    return f"{100 * size / original:.2f} %" if size else "-"


def report(results: list[figures.Row], speeds: list[figures.Row]) -> None:
    columns = ["alone", "XOR, zstd -1", "XOR, zstd -3", "XOR in planes, zstd -3", "zipnn 0.5 delta", "zipnn"]
    rows = [[r["pair"]] + [percent(r["sizes"].get(c), r["original"]) for c in columns] for r in results]
    body = f"""## Differences

Models stored as their difference from another (`make bench-delta`), in per cent of the model. Every archive was
restored and compared. The Python package's deltas and the XOR ones need files of one length.

{markdown.table(["model given its base", *columns], rows)}
"""
    if speeds:
        names = ["compress", "compress alone", "restore", "restore alone"]
        rows = [[s["changed"], percent(s["size"], 1)] + [f"{s[n]:.2f}" for n in names] for s in speeds]
        body += f"""
The command on one thread, a bf16 file of 32 MiB, GB/s of the model, median of {RUNS}; the base is read and hashed too.

{markdown.table(["words changed", "size", *names], rows)}
"""
    markdown.replace_part("bench-delta", body)
    print(body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=pathlib.Path, default=figures.ROOT.parent / "shared/data/weights")
    parser.add_argument("--speed", action="store_true")
    arguments = parser.parse_args()
    results, speeds = list[figures.Row](), list[figures.Row]()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if arguments.speed:
            speeds = measure_speed(folder)
        pairs = [(w, *(arguments.weights / f"{p}.safetensors" for p in (b, m))) for w, b, m in REAL]
        for what, base, model in [*pairs, *made(folder)]:
            if base.exists() and model.exists():
                results.append(measure(what, base, model, folder))
    lines = [json.dumps(line) for line in [*results, *({"speed": line} for line in speeds)]]
    target = figures.ROOT / "build/bench/delta.jsonl"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines) + "\n")
    report(results, speeds)


if __name__ == "__main__":
    main()
