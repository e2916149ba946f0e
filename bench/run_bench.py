#!/usr/bin/env python3
"""run_bench.py [--size MIB] [--rounds N]: everything that `make bench` measures. Results are
build/bench/results.jsonl, a table, and the first part of doc/benchmarks.md with its pictures.

The model is synthetic (tools/make_model.c): Gaussian rows of sigma 0.02, scaled by a log-normal factor (0.3) each,
bf16.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import subprocess
import time

import command_bench
import figures
import report

MIB = 1 << 20
OUTER_MIB, LAYER_MIB = 93.8, 12.0  # of make_model: embeddings and head, and each layer
PEER_MIB, PEER_ROUNDS = 256, 7
ONE_THREAD = ("best", "fp32", "fp16", "avx2", "scalar", "chunk", "small", "sizes", "tensors")


def output_of(*command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=figures.ROOT)
    return done.stdout.strip() if done.returncode == 0 else ""


def processor():
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
        return next(line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def file_system(folder):
    return output_of("findmnt", "-n", "-o", "FSTYPE", "-T", str(folder)) or "unknown file system"


def describe(args, folder):
    changed = output_of("git", "status", "--porcelain", "--untracked-files=no", "--", "src", "cli", "include")
    compiler = output_of("cc", "--version").splitlines()
    return {
        "machine": processor(),
        "processors": len(figures.all_cpus()),
        "system": f"{platform.system()} {platform.release()}, {file_system(folder)}",
        "compiler": compiler[0] if compiler else "cc",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": (output_of("git", "rev-parse", "--short", "HEAD") or "none") + (", changed since" if changed else ""),
        "mib": args.size,
        "rounds": args.rounds,
    }


def run_lines(results, what, command, cpus):
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


def measure(results, args, folder, model):
    cpus = figures.all_cpus()
    library, load = (figures.BUILD / "bench" / name for name in ("bench_library", "bench_load"))
    for case in ONE_THREAD:
        run_lines(results, f"library: {case}", [library, case, model, args.rounds], cpus[-1:])
    run_lines(results, "library: threads", [library, "threads", model, args.rounds], cpus)
    if figures.PYTHON.exists():
        peer = pathlib.Path(__file__).with_name("peer_python_zipnn.py")
        size = min(PEER_MIB, args.size)
        run_lines(results, "the Python zipnn", [figures.PYTHON, peer, model, "bfloat16", size, PEER_ROUNDS], cpus[-1:])
    else:
        results.add({"skip": "the Python zipnn", "why": "tools/install_bench.sh could not install it"})
    files = command_bench.run_all(results, folder, model, args.rounds)
    for case in ("hot", "cold"):
        run_lines(results, f"load: {case}", [load, case, model, files.archive("zipnn -3 -T1"), args.rounds], cpus[-1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="of the synthetic model (1024)")
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds (7)")
    parser.add_argument("--no-doc", action="store_true", help="leave doc/benchmarks.md as it is")
    args = parser.parse_args()

    start = time.monotonic()
    folder = figures.BUILD / "work"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if shutil.disk_usage(folder).free < 6 * args.size * MIB:
        raise SystemExit(f"bench: {6 * args.size} MiB of disk are needed; try --size")
    try:
        results = figures.Results(figures.BUILD / "results.jsonl")
        results.add(describe(args, folder))
        model = folder / "model.safetensors"
        layers = max(0, round((args.size - OUTER_MIB) / LAYER_MIB))
        subprocess.run([figures.BUILD / "tools" / "make_model", model, str(layers)], check=True)
        os.sync()
        measure(results, args, folder, model)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report.write_speed(results, doc=not args.no_doc)
    print(f"\n{time.monotonic() - start:.0f} s; every time of every round: {results.path.relative_to(figures.ROOT)}")


if __name__ == "__main__":
    main()
