"""Times and where they are kept: JSON lines, one object for each thing that was measured.

{"group": G, "name": N, "bytes": B, "seconds": [one time per round]}, from bench_library, bench_load or from here.
Things of one group took turns in the same rounds. Other objects: {"group", "archive", ...} sizes, {"memory", ...}
resident memory, {"machine", ...} and {"skip", "why"}.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import time
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]
Command = Sequence[str | pathlib.Path]

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
ZIPNN = BUILD / "zipnn"
PYTHON = ROOT / "build" / "bench-venv" / "bin" / "python"
DOC = ROOT / "doc" / "benchmarks.md"


def quartiles(values: Sequence[float]) -> list[float]:
    """First quartile, median, third quartile."""
    if len(values) == 1:
        return [values[0]] * 3
    return statistics.quantiles(values, n=4, method="inclusive")


class Results:
    """What has been measured; with a path, every object is also a line of that file."""

    def __init__(self, path: pathlib.Path | None = None) -> None:
        self.path, self.rows, self.piece = path, list[Row](), ""
        self.save()

    @classmethod
    def load(cls, path: pathlib.Path) -> "Results":
        results = cls()
        results.path, results.rows = path, [json.loads(line) for line in path.read_text().splitlines()]
        return results

    def save(self) -> None:
        if self.path:
            self.path.write_text("".join(json.dumps(row) + "\n" for row in self.rows))

    def start(self, piece: str) -> None:
        """What is added from now on belongs to this piece of the benchmark, and takes the place of its older rows."""
        self.piece = piece
        self.rows = [row for row in self.rows if row.get("piece") != piece]
        self.save()

    def add(self, row: Row) -> None:
        self.rows.append(row | {"piece": self.piece} if self.piece else row)
        if self.path:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(self.rows[-1]) + "\n")
        if "skip" in row:
            print(f"skipped: {row['skip']}: {row['why']}", flush=True)

    def find(self, group: str, name: str) -> Row | None:
        """The row of times, or None when it was not measured."""
        return next(
            (r for r in self.rows if r.get("group") == group and r.get("name") == name and "seconds" in r), None
        )

    def first(self, key: str) -> Row | None:
        return next((r for r in self.rows if key in r), None)

    def speed(self, group: str, name: str) -> list[float] | None:
        """(first quartile, median, third quartile) in GB/s, or None."""
        row = self.find(group, name)
        return sorted(row["bytes"] / s / 1e9 for s in quartiles(row["seconds"])) if row else None

    def ratio(self, ours: tuple[str, str], peer: tuple[str, str]) -> list[float] | None:
        """Quartiles of how many times faster ours = (group, name) is than peer, or None. Round by round within a
        group."""
        a, b = self.find(*ours), self.find(*peer)
        if not a or not b:
            return None
        if ours[0] == peer[0] and a["bytes"] == b["bytes"]:
            return sorted(quartiles([q / p for p, q in zip(a["seconds"], b["seconds"], strict=False)]))
        median = statistics.median(b["seconds"]) / b["bytes"]
        return sorted(median / (s / a["bytes"]) for s in quartiles(a["seconds"]))


def output_of(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip() if done.returncode == 0 else ""


def commit() -> str:
    """The last commit that touched what is measured."""
    what = ("--", "src", "cli", "include")
    changed = output_of("git", "status", "--porcelain", "--untracked-files=no", *what)
    return (output_of("git", "log", "-1", "--format=%h", *what) or "none") + (", changed since" if changed else "")


# ---- processes -------------------------------------------------------------------------------------------------------


def all_cpus() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def spawn(command: Command, cpus: Sequence[int], stdin: int | None = None, stdout: int | None = None) -> int:
    """Starts a command on the given processors, with descriptors as its standard streams; its process id."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        null = os.open(os.devnull, os.O_RDWR)
        moves = [(os.POSIX_SPAWN_DUP2, null if fd is None else fd, i) for i, fd in enumerate((stdin, stdout))]
        pid = os.posix_spawnp(command[0], [str(part) for part in command], os.environ, file_actions=moves)
        os.close(null)
        return pid
    finally:
        os.sched_setaffinity(0, before)


def finish(pid: int, command: Command) -> None:
    """Waits for a process that must succeed."""
    _, status = os.waitpid(pid, 0)
    check(status, command)


def check(status: int, command: Command) -> None:
    if status:
        raise SystemExit(f"bench: {' '.join(str(part) for part in command)}: failed")


def watch(pid: int, command: Command) -> int:
    """Waits too; the most memory that was resident, in bytes. From /proc, a thousand times a second: what wait4 tells
    is never less than this interpreter had."""
    status_file, most = pathlib.Path(f"/proc/{pid}/status"), 0
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            check(status, command)
            return most
        found = re.search(r"VmHWM:\s*(\d+)", status_file.read_text()) if status_file.exists() else None
        if found:
            most = int(found.group(1)) * 1024
        time.sleep(0.001)


def seconds_of(command: Command, cpus: Sequence[int]) -> float:
    start = time.perf_counter()
    finish(spawn(command, cpus), command)
    return time.perf_counter() - start
