"""What a view (zipnn mount) costs: processor time and speed beside restoring and beside copying the plain file.

The model is synthetic (tools/make_model.c, --size MIB). All files lie in memory (/dev/shm where it is there). Each
round does everything once, in turn, each time with a new view, so that no page of it is cached; the figures are medians
and quartiles of the rounds. The same for what is saved below a mount point, beside the file system of PyPI's lmzip,
if that can be installed. Needs root and /dev/fuse. What is measured goes to build/bench/mount.jsonl.
"""

import argparse
import contextlib
import json
import mmap
import os
import pathlib
import random
import resource
import shutil
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
LMZIP = figures.BUILD.parent / "bench-lmzip/bin/python"
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

    def __init__(self, command: list[str | pathlib.Path], point: pathlib.Path) -> None:
        self.point = point
        told = subprocess.DEVNULL if command[0] == LMZIP else None  # it complains when it is unmounted
        self.process = subprocess.Popen(command, stderr=told)
        while not os.path.ismount(point):
            if self.process.poll() is not None:
                sys.exit(f"bench-mount: {command} cannot mount")
            time.sleep(0.01)

    def cpu(self) -> float:
        return cpu_of(self.process.pid) + own_cpu()

    def memory_mb(self) -> float:
        """Most memory that the process has had, in MB."""
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


@contextlib.contextmanager
def mounted(command: list[str | pathlib.Path], point: pathlib.Path) -> Iterator[View]:
    served = View(command, point)
    try:
        yield served
    finally:
        subprocess.run(["umount", point], check=True)
        served.process.wait()


Mounted = contextlib.AbstractContextManager[View]


def view(source: pathlib.Path, point: pathlib.Path, threads: int, *options: str) -> Mounted:
    return mounted([figures.BUILD / "zipnn-mount", "mount", "-f", f"-T{threads}", *options, source, point], point)


def peer(source: pathlib.Path, point: pathlib.Path) -> Mounted:
    """lmzip's file system for reading and writing, which compresses after the last close."""
    return mounted([LMZIP, "-m", "lmz", "fs", source, point, "-q", "-j2"], point)


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


def save(model: pathlib.Path, served: View, archive: pathlib.Path) -> float:
    """Seconds until a copy of the model below a mount point is stored as `archive`."""

    def work() -> None:
        subprocess.run(["cp", model, served.point], check=True)
        while not archive.exists():
            time.sleep(0.002)

    return seconds(work)


def saving_round(folder: pathlib.Path, model: pathlib.Path) -> dict[str, float]:
    """Both file systems save the model, and read it from a new mount."""
    saved, point, out = folder / "saved", folder / "point", folder / "out"
    found = {"plain_save": copy(model, out)}
    archive = saved / (model.name + ".znn")
    with view(saved, point, 2, "--write") as served:
        found["save"] = save(model, served, archive)
    with view(saved, point, 2, "--write") as served:
        found["load"] = copy(point / model.name, out)
    archive.unlink()
    if LMZIP.exists():
        archive = saved / (model.name + ".lmz")
        with peer(saved, point) as served:
            found["peer_save"] = save(model, served, archive)
        with peer(saved, point) as served:
            found["peer_load"] = copy(point / model.name, out)
        archive.unlink()
    return found


def install_peer() -> None:
    if LMZIP.exists():
        return
    done = subprocess.run([sys.executable, "-m", "venv", LMZIP.parent.parent], capture_output=True)
    if done.returncode == 0:
        done = subprocess.run([LMZIP, "-m", "pip", "install", "-q", "lmzip", "numpy"], capture_output=True)
    if done.returncode != 0:
        print("skipped: lmzip cannot be installed")
        shutil.rmtree(LMZIP.parent.parent, ignore_errors=True)


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
    return found | saving_round(folder, model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=250, metavar="MIB", help="of the model, in MiB (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="(%(default)s)")
    args = parser.parse_args()
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        sys.exit("bench-mount: skipped: it needs root and /dev/fuse")
    install_peer()
    shared = pathlib.Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as name:
        folder = pathlib.Path(name)
        for sub in ("source", "point", "saved"):
            (folder / sub).mkdir()
        model = run_bench.make_model(args.size, folder)
        subprocess.run([figures.ZIPNN, "-q", model, "-o", f"{folder}/source/"], check=True)
        rounds = [one_round(folder, model) for _ in range(args.rounds + 1)][1:]  # the first one warms
    (figures.BUILD / "mount.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rounds))
    rows = [
        ("first read, processor time / that of zipnn -d -T1", [r["read"] / r["restore"] for r in rounds]),
        ("cp from the view (-T2), speed / that of cp", [r["copy"] / r["view_copy"] for r in rounds]),
        ("second read, time / that of the plain file", [r["again"] / r["plain"] for r in rounds]),
        ("random fault of 4 KiB, processor time in ms", [r["fault_ms"] for r in rounds]),
        ("most memory of the process (-T2), MB", [r["memory_mb"] for r in rounds]),
        ("cp into a view (--write, -T2), speed / that of cp", [r["plain_save"] / r["save"] for r in rounds]),
    ]
    if LMZIP.exists():
        rows += [
            ("the same, speed / that of lmzip's file system", [r["peer_save"] / r["save"] for r in rounds]),
            ("cp from it (-T2), speed / that of lmzip's", [r["peer_load"] / r["load"] for r in rounds]),
        ]
    for text, values in rows:
        low, middle, high = figures.quartiles(values)
        print(f"{text:52} {middle:7.3f}   ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
