"""The command, file to file through the page cache and through pipes, beside cp, cat, zstd and lz4."""

import filecmp
import json
import os
import pathlib
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Any

import figures

START_RUNS = 300
MORE_ROUNDS = 6  # of runs that the system disturbs most: their files come and go
PEER_PART = 4


class Files:
    """The model and what is made of it, in a folder of their own."""

    def __init__(self, folder: pathlib.Path, model: pathlib.Path) -> None:
        self.model, self.out, self.warm = model, folder / "out", folder / "warm"
        self.folder = folder

    def archive(self, name: str) -> pathlib.Path:
        return self.folder / f"archive.{name}"

    def made(self, name: str) -> pathlib.Path:
        """The archive that a command of our own makes of the model, "zipnn -3 -T1"; made now where it is not there."""
        path = self.archive(name)
        if not path.exists():
            subprocess.run([figures.ZIPNN, "-qf", *name.split()[1:], self.model, "-o", path], check=True)
        return path

    def prepare(self, argv: list[Any]) -> None:
        """No output from before; the pages that the next run will fill have been in use just now. A virtual machine may
        have to fetch others from its host first. What the command reads is in the page cache, which may have let go of
        what nobody has read for a while."""
        self.out.unlink(missing_ok=True)
        shutil.copyfile(self.model, self.warm)
        for archive in set(argv) & set(self.folder.glob("archive.*")):
            shutil.copyfile(archive, self.warm)
        self.warm.unlink()


def close(fd: int | None) -> None:
    if fd is not None:
        os.close(fd)


class Contender:
    """A command in a group: `argv` writes files.out itself, or with `redirect` its standard output goes there.
    `producer` feeds its standard input through a pipe."""

    def __init__(
        self,
        name: str,
        argv: list[Any],
        threads: int = 1,
        redirect: bool = False,
        producer: list[Any] | None = None,
        restores: bool = False,
    ) -> None:
        self.name, self.argv, self.redirect, self.producer, self.restores = name, argv, redirect, producer, restores
        cpus = figures.all_cpus()
        self.cpus = cpus[-1:] if threads == 1 else cpus
        self.seconds, self.memory = list[float](), 0

    def once(self, files: Files, wait: Callable[[int, figures.Command], Any] = figures.finish) -> tuple[float, Any]:
        """Runs it; seconds, and what `wait` found while it ran."""
        files.prepare(self.argv + (self.producer or []))
        out = os.open(files.out, os.O_WRONLY | os.O_CREAT, 0o644) if self.redirect else None
        read_end, write_end = os.pipe() if self.producer else (None, None)
        start = time.perf_counter()
        if self.producer:
            first = figures.spawn(self.producer, figures.all_cpus(), None, write_end)
            close(write_end)
        pid = figures.spawn(self.argv, self.cpus, read_end, out)
        if self.producer:
            close(read_end)
        found = wait(pid, self.argv)
        if self.producer:
            figures.finish(first, self.producer)
        seconds = time.perf_counter() - start
        close(out)
        return seconds, found

    def warm_up(self, files: Files) -> None:
        _, self.memory = self.once(files, figures.watch)
        if self.restores and not filecmp.cmp(files.out, files.model, shallow=False):
            raise SystemExit(f"bench: {self.name}: gave other bytes")

    def measure(self, files: Files) -> None:
        self.seconds.append(self.once(files)[0])


def compressors(files: Files) -> list[Contender]:
    zipnn, model, out = figures.ZIPNN, files.model, files.out
    rows = [
        Contender("cp", ["cp", model, out], restores=True),
        Contender("cat", ["cat", model], redirect=True, restores=True),
    ]
    for level in (1, 3):
        rows.append(Contender(f"zipnn -{level} -T1", [zipnn, "-q", f"-{level}", "-T1", model, "-o", out]))
        rows.append(Contender(f"zipnn -{level} -T2", [zipnn, "-q", f"-{level}", "-T2", model, "-o", out], 2))
    rows.append(Contender("zipnn -3 -T2 --no-verify", [zipnn, "-q", "-T2", "--no-verify", model, "-o", out], 2))
    rows.append(Contender("cat | zipnn", [zipnn, "-q", "-c", "-T2"], 2, redirect=True, producer=["cat", model]))
    return rows


def restorers(files: Files) -> list[Contender]:
    zipnn, out = figures.ZIPNN, files.out
    small, fast = files.made("zipnn -3 -T1"), files.made("zipnn -1 -T1")
    return [
        Contender("cp", ["cp", files.model, out], restores=True),
        Contender("zipnn -d -T1", [zipnn, "-q", "-d", "-T1", small, "-o", out], restores=True),
        Contender("zipnn -d -T2", [zipnn, "-q", "-d", "-T2", small, "-o", out], 2, restores=True),
        Contender("zipnn -d -T1 of -1", [zipnn, "-q", "-d", "-T1", fast, "-o", out], restores=True),
        Contender("zipnn -t -T2", [zipnn, "-q", "-t", "-T2", small], 2),
        Contender("cat | zipnn -d", [zipnn, "-q", "-d", "-c", "-T2"], 2, True, ["cat", small], restores=True),
    ]


def peer_compressors(files: Files) -> list[Contender]:
    model, out, rows, n = files.model, files.out, list[Contender](), len(figures.all_cpus())
    if shutil.which("zstd"):
        for level in (1, 3):
            rows.append(Contender(f"zstd -{level} -T1", ["zstd", "-q", f"-{level}", "-T1", model, "-o", out]))
            rows.append(Contender(f"zstd -{level} -T{n}", ["zstd", "-q", f"-{level}", f"-T{n}", model, "-o", out], n))
    if shutil.which("lz4"):
        rows.append(Contender("lz4", ["lz4", "-q", "-1", model, out]))
    return rows


def peer_restorers(files: Files) -> list[Contender]:
    rows, out = list[Contender](), files.out
    for level in (1, 3):
        source = files.archive(f"zstd -{level} -T1")
        if source.exists():
            rows.append(Contender(f"zstd -d of -{level}", ["zstd", "-q", "-d", source, "-o", out], restores=True))
    if files.archive("lz4").exists():
        rows.append(Contender("lz4 -d", ["lz4", "-q", "-d", files.archive("lz4"), out], restores=True))
    return rows


def run_group(results: figures.Results, files: Files, group: str, contenders: list[Contender], n_rounds: int) -> None:
    """Each round begins with another contender: none always follows the same one."""
    print(f"command: {group}, {', '.join(c.name for c in contenders)} ...", flush=True)
    size = files.model.stat().st_size
    for c in contenders:
        c.warm_up(files)
        if group == "compress":
            results.add({"group": group, "size of": c.name, "original": size, "archive": files.out.stat().st_size})
            if "|" not in c.name and c.name.endswith(("T1", "lz4")):
                files.out.rename(files.archive(c.name))
    for i in range(n_rounds):
        at = i % max(1, len(contenders))
        for c in contenders[at:] + contenders[:at]:
            c.measure(files)
    for c in contenders:
        results.add({"group": group, "name": c.name, "bytes": size, "seconds": c.seconds})
        if "zipnn" in c.name:
            results.add({"memory": c.name, "most": c.memory, "threads": 1 if "-T1" in c.name else 2})
    files.out.unlink(missing_ok=True)


def start_up(results: figures.Results) -> None:
    """How long `zipnn -V` takes, process start and end included."""
    command = [str(figures.ZIPNN), "-V"]
    if shutil.which("hyperfine"):
        options = ["-N", "--style", "none", "--warmup", "20", "--runs", str(START_RUNS), "--export-json", "/dev/stdout"]
        done = subprocess.run(["hyperfine", *options, " ".join(command)], capture_output=True, text=True, check=True)
        seconds = json.loads(done.stdout)["results"][0]["times"]
    else:
        results.add({"skip": "hyperfine", "why": "not installed; start-up is timed here instead"})
        seconds = [figures.seconds_of(command, figures.all_cpus()) for _ in range(START_RUNS)]
    results.add({"group": "start", "name": "zipnn -V", "bytes": 0, "seconds": seconds})


def first_part(folder: pathlib.Path, model: pathlib.Path) -> Files:
    """The first quarter of the model, for the slow peers."""
    folder.mkdir(exist_ok=True)
    with open(model, "rb") as source, open(folder / "part.safetensors", "wb") as target:
        target.write(source.read(model.stat().st_size // PEER_PART))
    return Files(folder, folder / "part.safetensors")


def run(piece: str, results: figures.Results, files: Files, n_rounds: int) -> None:
    """A piece: start, compress, restore (both of our own and cp), peers."""
    if piece == "start":
        start_up(results)
    elif piece == "compress":
        run_group(results, files, "compress", compressors(files), n_rounds + MORE_ROUNDS)
    elif piece == "restore":
        run_group(results, files, "restore", restorers(files), n_rounds + MORE_ROUNDS)
    else:
        for tool in ("zstd", "lz4"):
            if not shutil.which(tool):
                results.add({"skip": tool, "why": "not installed"})
        part = first_part(files.folder / "part", files.model)
        run_group(results, part, "compress", peer_compressors(part), n_rounds)
        run_group(results, part, "restore", peer_restorers(part), n_rounds)
