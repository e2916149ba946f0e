"""Differences applied, restored and made in memory, beside memcpy: `make bench-apply`.

The weights are synthetic (bench_apply.c). Prints, for each group, the archive's share and the speeds as shares of
memcpy: medians of rounds in which all took turns. Options go to the program: MIB ROUNDS [GROUP [SET]]."""

import json
import statistics
import subprocess
import sys

import figures
import markdown

NAMES = ("memcpy", "apply", "restore", "pack")


def main() -> None:
    command = [str(figures.BUILD / "bench/bench_apply"), *(sys.argv[1:] or ["32", "7"])]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    groups: dict[str, dict[str, list[float]]] = {}
    sizes: dict[str, int] = {}
    for row in map(json.loads, lines):
        groups.setdefault(row["group"], {})[row["name"]] = row["seconds"]
        sizes[row["group"]] = row["bytes"]
    rows = []
    for group, times in groups.items():
        plain = statistics.median(times["memcpy"])
        shares = [f"{plain / statistics.median(times[name]):.3f}" for name in NAMES[1:]]
        rows.append([group, f"{sizes[group] / plain / 1e9:.1f}", *shares])
    print(markdown.table(["synthetic weights", "memcpy, GB/s", *NAMES[1:]], rows))


if __name__ == "__main__":
    main()
