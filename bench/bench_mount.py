"""What a view (zipnn mount) costs: processor time and speed beside restoring and beside copying the plain file.

The model is synthetic (tools/make_model.c, --size MIB). All files lie in memory (/dev/shm where it is there). Each
round does everything once, in turn, each time with a new view, so that no page of it is cached; the figures are medians
and quartiles of the rounds. Needs root and /dev/fuse. What is measured goes to build/bench/mount.jsonl.
"""

import argparse
import contextlib
import json
import mmap
import os
import pathlib
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import figures
import run_bench

PIECE = 1 << 20
PAGE = 4096
N_FAULTS = 500
TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process has taken."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class View:
    """A view of a folder, served by a process of its own."""

    def __init__(self, source: pathlib.Path, point: pathlib.Path, threads: int) -> None:
        self.point = point
        words: list[str | pathlib.Path] = [figures.BUILD / "zipnn-mount", "mount", "-f", f"-T{threads}", source, point]
        self.process = subprocess.Popen(words)
        while not os.path.ismount(point):
            if self.process.poll() is not None:
                sys.exit("bench-mount: the view cannot be mounted")
            time.sleep(0.01)

    def cpu(self) -> float:
        return cpu_of(self.process.pid) + own_cpu()

    def memory_mb(self) -> float:
        """Most memory that the process has had, in MB."""
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


@contextlib.contextmanager
def view(source: pathlib.Path, point: pathlib.Path, threads: int) -> Iterator[View]:
    served = View(source, point, threads)
    try:
        yield served
    finally:
        subprocess.run([figures.BUILD / "zipnn-mount", "umount", point], check=True)
        served.process.wait()


def read_all(path: pathlib.Path) -> None:
    with open(path, "rb", buffering=0) as file:
        piece = bytearray(PIECE)
        while file.readinto(piece):
            pass


def touch_pages(path: pathlib.Path) -> None:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
        places = random.Random(1)
        for _ in range(N_FAULTS):
            memory[places.randrange(len(memory) // PAGE) * PAGE]


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def restore_cpu(archive: pathlib.Path, out: pathlib.Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([figures.ZIPNN, "-dqf", "-T1", archive, "-o", out], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    out.unlink()
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def copy(source: pathlib.Path, to: pathlib.Path) -> float:
    taken = seconds(lambda: subprocess.run(["cp", source, to], check=True))
    to.unlink()
    return taken


def one_round(folder: pathlib.Path, model: pathlib.Path) -> dict[str, float]:
    source, point, out = folder / "source", folder / "point", folder / "out"
    shown = point / model.name
    found = {"restore": restore_cpu(source / (model.name + ".znn"), out), "copy": copy(model, out)}
    with view(source, point, 1) as one:
        before = one.cpu()
        read_all(shown)
        found["read"] = one.cpu() - before
        found["again"], found["plain"] = seconds(lambda: read_all(shown)), seconds(lambda: read_all(model))
    with view(source, point, 2) as two:
        found["view_copy"] = copy(shown, out)
        found["memory_mb"] = two.memory_mb()
    with view(source, point, 1) as one:
        before = one.cpu()
        touch_pages(shown)
        found["fault_ms"] = (one.cpu() - before) / N_FAULTS * 1e3
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=250, metavar="MIB", help="of the model, in MiB (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="(%(default)s)")
    args = parser.parse_args()
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        sys.exit("bench-mount: skipped: it needs root and /dev/fuse")
    shared = pathlib.Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as name:
        folder = pathlib.Path(name)
        for sub in ("source", "point"):
            (folder / sub).mkdir()
        model = run_bench.make_model(args.size, folder)
        subprocess.run([figures.ZIPNN, "-q", model, "-o", f"{folder}/source/"], check=True)
        rounds = [one_round(folder, model) for _ in range(args.rounds + 1)][1:]  # the first one warms
    (figures.BUILD / "mount.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rounds))
    for text, values in (
        ("first read, processor time / that of zipnn -d -T1", [r["read"] / r["restore"] for r in rounds]),
        ("cp from the view (-T2), speed / that of cp", [r["copy"] / r["view_copy"] for r in rounds]),
        ("second read, time / that of the plain file", [r["again"] / r["plain"] for r in rounds]),
        ("random fault of 4 KiB, processor time in ms", [r["fault_ms"] for r in rounds]),
        ("most memory of the process (-T2), MB", [r["memory_mb"] for r in rounds]),
    ):
        low, middle, high = figures.quartiles(values)
        print(f"{text:52} {middle:7.3f}   ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
