#!/usr/bin/env python3
"""run_bench.py [--size MIB] [--rounds N] [--piece NAME]...: everything that `make bench` measures. Results are
build/bench/results.jsonl, a table, and the first part of doc/benchmarks.md with its pictures.

The model is synthetic (tools/make_model.c): Gaussian rows of sigma 0.02, scaled by a log-normal factor (0.3) each,
bf16. "kinds" are real: MiniLM and gemma-3-270m from PyPI, and quantised types made from MiniLM.

--piece measures only the named pieces and keeps what was measured before of the others, for a machine that is quiet for
a minute at a time; report.py then writes the tables.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import subprocess
import time
from collections.abc import Sequence

import command_bench
import figures
import report

MIB = 1 << 20
OUTER_MIB, LAYER_MIB = 93.8, 12.0  # of make_model: embeddings and head, and each layer
PEER_MIB, PEER_ROUNDS = 256, 7
ONE_THREAD = ("best", "fp32", "fp16", "avx2", "scalar", "chunk", "small", "sizes", "tensors")
KINDS = ("floats", "integers", "GGUF", "gemma")
COMMANDS = ("start", "compress", "restore", "peers")
LOADS = ("hot", "cold")
PIECES = (
    *ONE_THREAD,
    "threads",
    "python",
    *(f"kinds-{part}" for part in KINDS),
    *COMMANDS,
    *(f"load-{case}" for case in LOADS),
)


def processor() -> str:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
        return next(line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def file_system(folder: pathlib.Path) -> str:
    return figures.output_of("findmnt", "-n", "-o", "FSTYPE", "-T", str(folder)) or "unknown file system"


def describe(args: argparse.Namespace, folder: pathlib.Path) -> figures.Row:
    compiler = figures.output_of("cc", "--version").splitlines()
    return {
        "machine": processor(),
        "processors": len(figures.all_cpus()),
        "system": f"{platform.system()} {platform.release()}, {file_system(folder)}",
        "compiler": compiler[0] if compiler else "cc",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": figures.commit(),
        "mib": args.size,
        "rounds": args.rounds,
    }


def run_lines(results: figures.Results, what: str, command: Sequence[object], cpus: Sequence[int]) -> None:
    """Adds the JSON lines that a program prints; says so when it failed."""
    print(f"{what} ...", flush=True)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    os.sched_setaffinity(0, before)
    for line in done.stdout.splitlines():
        results.add(json.loads(line))
    if done.returncode:
        results.add({"skip": what, "why": (done.stderr.strip().splitlines() or ["failed"])[-1]})


def python_lines(results: figures.Results, what: str, script: str, *arguments: object) -> None:
    """The lines of a script that needs the packages of tools/install_bench.sh."""
    if figures.PYTHON.exists():
        path = pathlib.Path(__file__).with_name(script)
        run_lines(results, what, [figures.PYTHON, "-B", path, *arguments], figures.all_cpus()[-1:])
    else:
        results.add({"skip": what, "why": "tools/install_bench.sh could not install what it needs"})


def measure(piece: str, args: argparse.Namespace, results: figures.Results, files: command_bench.Files) -> None:
    cpus, model, folder = figures.all_cpus(), files.model, files.folder
    library, load = (figures.BUILD / "bench" / name for name in ("bench_library", "bench_load"))
    if piece in (*ONE_THREAD, "threads"):
        own = cpus if piece == "threads" else cpus[-1:]
        run_lines(results, f"library: {piece}", [library, piece, model, args.rounds], own)
    elif piece == "python":
        size = min(PEER_MIB, args.size)
        python_lines(results, "the Python zipnn", "peer_python_zipnn.py", model, "bfloat16", size, PEER_ROUNDS)
    elif piece.startswith("kinds-"):
        python_lines(results, piece, "kind_speeds.py", folder, piece.removeprefix("kinds-"))
    elif piece in COMMANDS:
        command_bench.run(piece, results, files, args.rounds)
    else:
        case = piece.removeprefix("load-")
        archive = files.made("zipnn -3 -T1")
        run_lines(results, f"load: {case}", [load, case, model, archive, args.rounds], cpus[-1:])


def make_model(size: int, folder: pathlib.Path) -> pathlib.Path:
    """The synthetic model of about `size` MiB; the one of an earlier call where it is there."""
    path = folder / f"model-{size}.safetensors"
    if not path.exists():
        if shutil.disk_usage(folder).free < 6 * size * MIB:
            raise SystemExit(f"bench: {6 * size} MiB of disk are needed; try --size")
        layers = max(0, round((size - OUTER_MIB) / LAYER_MIB))
        subprocess.run([figures.BUILD / "tools" / "make_model", path, str(layers)], check=True)
        os.sync()
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="of the synthetic model (1024)")
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds (7)")
    parser.add_argument("--piece", action="append", choices=PIECES, help="only this; the model stays for the next call")
    parser.add_argument("--no-doc", action="store_true", help="leave doc/benchmarks.md as it is")
    args = parser.parse_args()

    start = time.monotonic()
    folder, path = figures.BUILD / "work", figures.BUILD / "results.jsonl"
    if not args.piece:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    results = figures.Results.load(path) if args.piece and path.exists() else figures.Results(path)
    files = command_bench.Files(folder, make_model(args.size, folder))
    try:
        results.start("machine")
        results.add(describe(args, folder))
        for piece in args.piece or PIECES:
            results.start(piece)
            measure(piece, args, results, files)
    finally:
        if not args.piece:
            shutil.rmtree(folder, ignore_errors=True)
    if not args.piece:
        report.write_speed(results, doc=not args.no_doc)
    print(f"\n{time.monotonic() - start:.0f} s; every time of every round: {path.relative_to(figures.ROOT)}")


if __name__ == "__main__":
    main()
