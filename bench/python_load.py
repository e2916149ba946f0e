#!/usr/bin/env python3
"""make bench-load: a model from its file into torch tensors, with the package safetensors from the plain file and with
zipnn from the archive: from the page cache, from storage, and from sources of 0.5 and 2 GB/s.

Each load is a process of its own, so that its peak memory is its own. Every byte of the loaded tensors is read once (a
sum), since safetensors only maps them: a tensor that nobody has touched costs nothing. A source of limited speed is a
pipe that this process feeds from the moment when the other one is ready; a load that takes less time than the source
needs at its speed is an error of this program, and says so.
Prints a table: seconds (median, quartiles), GB/s of original bytes, peak memory above the model's size.

    python_load.py [--size MIB] [--rounds N]          in an environment that has zipnn, torch and safetensors
"""

import argparse
import fcntl
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 7
PIECE = 1 << 20


# ---- a load, in a process of its own ----


def touch(tensors):
    import torch

    return sum(int(t.reshape(-1).view(torch.int64).sum()) for t in tensors.values())


def read_all(stream):
    data = bytearray()
    while piece := stream.read(PIECE):
        data += piece
    return data


def load_file(package, path):
    if package == "zipnn":
        import zipnn.safetensors.torch as library
    else:
        import safetensors.torch as library
    start = time.perf_counter()
    touch(library.load_file(path))
    return time.perf_counter() - start


def load_pipe(package):
    """The archive is decoded as it comes; the plain file is read whole, as its format asks for."""
    import safetensors.torch
    from zipnn import _zipnn

    print("ready", flush=True)
    start = time.perf_counter()
    if package == "zipnn":

        data = bytearray()
        _zipnn.unpack((sys.stdin.buffer.raw.readinto, None, None), data.extend, 0, 0, None)
    else:
        data = read_all(sys.stdin.buffer)
    touch(safetensors.torch.load(bytes(data)))
    return time.perf_counter() - start


def child(package, path):
    for module in ("torch", "safetensors.torch", "zipnn.safetensors.torch"):
        __import__(module)
    before = resident()
    seconds = load_pipe(package) if path == "-" else load_file(package, path)
    print(json.dumps({"seconds": seconds, "memory": resident() - before}))


def resident():
    """The highest resident memory so far, in bytes."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


# ---- sources ----


def feed(path, rate, sink):
    """Writes a file at `rate` bytes a second. A piece that the reader kept waiting is not made up for."""
    due = time.perf_counter()
    with open(path, "rb", buffering=0) as f:
        while piece := f.read(PIECE):
            due = max(due, time.perf_counter()) + len(piece) / rate
            time.sleep(max(due - time.perf_counter(), 0))
            sink.write(piece)


def drop(path):
    with open(path, "rb") as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def run(package, path, source):
    command = [sys.executable, "-B", __file__, "--child", package]
    if source == "storage":
        drop(path)
    if source in ("cache", "storage"):
        done = subprocess.run([*command, str(path)], capture_output=True, check=True)
        return json.loads(done.stdout)
    rate = float(source)
    with subprocess.Popen([*command, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        fcntl.fcntl(process.stdin, fcntl.F_SETPIPE_SZ, PIECE)
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{package} did not come to read its pipe")
        feed(path, rate, process.stdin)
        process.stdin.close()
        result = json.loads(process.stdout.read())
    least = path.stat().st_size / rate
    if result["seconds"] < 0.99 * least:
        raise RuntimeError(f"{package} took {result['seconds']:.3f} s from a source that needs {least:.3f} s")
    return result


# ---- the table ----


def model(path, size):
    import safetensors.torch
    import torch

    g = torch.Generator().manual_seed(1)
    rows = 2048
    tensors = {
        f"layers.{i}.weight": (torch.randn(rows, 4096, generator=g) * 0.02).to(torch.bfloat16)
        for i in range(max(size * (1 << 20) // (2 * 4096 * rows), 1))
    }
    safetensors.torch.save_file(tensors, path)


def row(name, results, size, peer):
    seconds = sorted(r["seconds"] for r in results)
    low, middle, high = statistics.quantiles(seconds, n=4)
    ratio = peer / middle if peer else 1
    extra = statistics.median(r["memory"] for r in results) - size
    print(
        f"| {name:<44} | {middle:.3f} ({low:.3f} - {high:.3f}) | {size / middle / 1e9:5.2f} | {ratio:4.2f} | "
        f"{extra / (1 << 20):6.0f} MiB |",
        flush=True,
    )
    return middle


def compare(folder, size_mib, rounds):
    import zipnn

    plain, archive = folder / "model.safetensors", folder / "model.safetensors.znn"
    model(plain, size_mib)
    zipnn.compress_file(plain)
    size = plain.stat().st_size
    print(f"{size >> 20} MiB of synthetic bf16, archive {100 * archive.stat().st_size / size:.1f} %\n")
    print("| load | seconds (quartiles) | GB/s | against safetensors | memory above the model |")
    print("|---|---|---|---|---|")
    for name, source in (("page cache", "cache"), ("storage", "storage"), ("0.5 GB/s", "5e8"), ("2 GB/s", "2e9")):
        contenders = {"safetensors": plain, "zipnn": archive}
        results = {package: [] for package in contenders}
        for _ in range(rounds):
            for package, path in contenders.items():
                results[package].append(run(package, path, source))
        peer = row(f"{name}, safetensors", results["safetensors"], size, None)
        row(f"{name}, zipnn", results["zipnn"], size, peer)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=512, help="MiB of weights")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--child", nargs=2)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return
    with tempfile.TemporaryDirectory(prefix="bench-load-", dir=".") as folder:
        compare(pathlib.Path(folder).resolve(), options.size, options.rounds)


if __name__ == "__main__":
    main()
