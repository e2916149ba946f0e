#!/usr/bin/env python3
"""make bench-load: a model from its file into torch tensors, with the package safetensors from the plain file and with
zipnn from the archive: from the page cache, from storage, and from sources of 0.5 and 2 GB/s.

Each load is a process of its own, so that its peak memory is its own. Every byte of the loaded tensors is read once (a
sum), since safetensors only maps them: a tensor that nobody has touched costs nothing. A source of limited speed is a
pipe that this process feeds from the moment when the other one is ready; a load that takes less time than the source
needs at its speed is an error of this program, and says so.
Writes a table into doc/benchmarks.md, every time of every round into build/bench/load.jsonl.

    python_load.py [--size MIB] [--rounds N] [--source NAME]...

Needs an environment that has zipnn, torch and safetensors. --source measures only the named sources and keeps what was
measured before of the others; report.py writes the table.
"""

import argparse
import fcntl
import importlib
import json
import os
import pathlib
import subprocess
import sys
import time
from typing import IO, Any

import figures
import load_report

ROUNDS = 7
PIECE, BURST = 1 << 20, 8 << 20
FOLDER = figures.BUILD / "load"
PREFIX = {"safetensors": "", "zipnn": "zipnn."}


# ---- a load, in a process of its own ----


def touch(tensors: dict[str, Any]) -> int:
    import torch

    return sum(int(t.reshape(-1).view(torch.int64).sum()) for t in tensors.values())


class Model:
    """A safetensors file that comes front to back: its header says how long it is, so that one buffer takes it all."""

    def __init__(self) -> None:
        self.head, self.buffer, self.at = bytearray(), memoryview(b""), 0

    def missing(self) -> int:
        """How many bytes the header still lacks."""
        length = int.from_bytes(self.head[:8], "little") if len(self.head) >= 8 else 0
        return 8 + length - len(self.head)

    def add(self, piece: memoryview) -> None:
        while piece and (n := self.missing()):
            self.head += piece[:n]
            piece = piece[n:]
            if not self.missing():
                self.open()
        if piece:
            self.buffer[self.at : self.at + len(piece)] = piece
            self.at += len(piece)

    def open(self) -> None:
        import torch

        self.header = json.loads(self.head[8:])
        self.header.pop("__metadata__", None)
        self.bytes = torch.empty(max(t["data_offsets"][1] for t in self.header.values()), dtype=torch.uint8)
        self.buffer = memoryview(self.bytes.numpy())

    def tensors(self) -> dict[str, Any]:
        """Views of the buffer."""
        import torch

        found = {}
        for name, t in self.header.items():
            begin, end = t["data_offsets"]
            found[name] = self.bytes[begin:end].view(torch.bfloat16).reshape(t["shape"])
        return found


def receive(stream: IO[bytes], model: Model) -> None:
    """The plain file from a pipe, the tensors read to where they stay."""
    while n := model.missing():
        model.add(memoryview(stream.read(n)))
    while n := stream.readinto(model.buffer[model.at : model.at + PIECE]):  # type: ignore[attr-defined]
        model.at += n


def load_file(package: str, path: str) -> float:
    library = importlib.import_module(f"{PREFIX[package]}safetensors.torch")
    start = time.perf_counter()
    touch(library.load_file(path))
    return time.perf_counter() - start


def load_pipe(package: str) -> float:
    """Both fill one buffer while the bytes come: the plain file by reading, the archive by decoding."""
    core = importlib.import_module("zipnn._zipnn")
    stream, model = os.fdopen(0, "rb", buffering=0), Model()
    print("ready", flush=True)
    start = time.perf_counter()
    if package == "zipnn":
        core.unpack((stream.readinto, None, None), model.add, 0, os.cpu_count() or 1, None)
    else:
        receive(stream, model)
    touch(model.tensors())
    return time.perf_counter() - start


def child(package: str, path: str) -> None:
    for module in ("torch", "safetensors.torch", "zipnn.safetensors.torch"):
        __import__(module)
    before = resident()
    seconds = load_pipe(package) if path == "-" else load_file(package, path)
    print(json.dumps({"seconds": seconds, "memory": resident() - before}))


def resident() -> int:
    """The highest resident memory so far, in bytes."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


# ---- sources ----


def feed(path: pathlib.Path, rate: float, sink: IO[bytes]) -> None:
    """Writes a file at `rate` bytes a second. What the reader kept waiting is made up for as far as BURST bytes go,
    which a network or a disk would have ready."""
    due = time.perf_counter()
    with open(path, "rb", buffering=0) as f:
        while piece := f.read(PIECE):
            due = max(due, time.perf_counter() - BURST / rate) + len(piece) / rate
            time.sleep(max(due - time.perf_counter(), 0))
            sink.write(piece)


def drop(path: pathlib.Path) -> None:
    with open(path, "rb") as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def run(package: str, path: pathlib.Path, source: str) -> figures.Row:
    command = [sys.executable, "-B", __file__, "--child", package]
    if source == "storage":
        drop(path)
    if source in ("page cache", "storage"):
        done = subprocess.run([*command, str(path)], capture_output=True, check=True)
        loaded: figures.Row = json.loads(done.stdout)
        return loaded
    rate = float(source.split()[0]) * 1e9
    with subprocess.Popen([*command, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin and process.stdout
        fcntl.fcntl(process.stdin, fcntl.F_SETPIPE_SZ, PIECE)
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{package} did not come to read its pipe")
        feed(path, rate, process.stdin)
        process.stdin.close()
        result: figures.Row = json.loads(process.stdout.read())
    least = path.stat().st_size / rate
    if result["seconds"] < 0.99 * least:
        raise RuntimeError(f"{package} took {result['seconds']:.3f} s from a source that needs {least:.3f} s")
    return result


# ---- the benchmark ----


def make_model(size: int) -> dict[str, pathlib.Path]:
    """{package: what it loads}, of so many MiB; those of an earlier call where they are there."""
    import safetensors.torch
    import torch

    zipnn = importlib.import_module("zipnn")
    plain = FOLDER / f"model-{size}.safetensors"
    archive = plain.with_suffix(".safetensors.znn")
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not plain.exists():
        g = torch.Generator().manual_seed(1)
        rows = 2048
        tensors = {
            f"layers.{i}.weight": (torch.randn(rows, 4096, generator=g) * 0.02).to(torch.bfloat16)
            for i in range(max(size * (1 << 20) // (2 * 4096 * rows), 1))
        }
        safetensors.torch.save_file(tensors, plain)
    archive.unlink(missing_ok=True)  # of another version, maybe
    zipnn.compress_file(plain)
    return {"safetensors": plain, "zipnn": archive}


def measure(results: figures.Results, files: dict[str, pathlib.Path], source: str, rounds: int) -> None:
    """The packages take turns; safetensors first, then zipnn."""
    size = files["safetensors"].stat().st_size
    loads: dict[str, list[figures.Row]] = {package: [] for package in files}
    for _ in range(rounds):
        for package, path in files.items():
            loads[package].append(run(package, path, source))
    for package, rows in loads.items():
        seconds, memory = ([row[key] for row in rows] for key in ("seconds", "memory"))
        results.add({"group": source, "name": package, "bytes": size, "seconds": seconds, "memory": memory})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="MiB of weights")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--source", action="append", choices=load_report.SOURCES, help="only this one")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return
    path = figures.BUILD / "load.jsonl"
    figures.BUILD.mkdir(parents=True, exist_ok=True)
    files = make_model(options.size)
    results = figures.Results.load(path) if options.source and path.exists() else figures.Results(path)
    original, archive = (files[package].stat().st_size for package in ("safetensors", "zipnn"))
    results.start("model")
    results.add({"model": original, "archive": archive, "rounds": options.rounds, "date": time.strftime("%Y-%m-%d")})
    for source in options.source or load_report.SOURCES:
        print(f"{source} ...", flush=True)
        results.start(source)
        measure(results, files, source, options.rounds)
    if not options.source:
        load_report.write_load(results)
        for file in files.values():
            file.unlink()


if __name__ == "__main__":
    main()
