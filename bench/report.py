#!/usr/bin/env python3
"""report.py: prints what the last `make bench` and `make bench-ratio` measured, and writes doc/benchmarks.md again."""

import pathlib
from collections.abc import Callable
from typing import Any

import cores_report
import figures
import load_report
import plots
import ratio_report
from goals import GOALS, MEMORY_PER_THREAD, MEMORY_START, SMALL_GOAL, START_GOAL, Goal, What
from markdown import replace_part, table

Points = dict[str, tuple[float, float]]
Series = dict[str, list[tuple[float, float]]]

# ---- goals -----------------------------------------------------------------------------------------------------------


def best_peer(results: figures.Results, goal: Goal) -> What | None:
    """The peer of a goal that was fastest, as (group, name)."""
    found = [peer for peer in goal.peers if results.find(*peer)]
    return max(found, key=lambda peer: (results.speed(*peer) or [0.0, 0.0])[1], default=None)


def verdict(met: bool) -> str:
    return "met" if met else "**missed**"


def goal_rows(results: figures.Results) -> list[list[str]]:
    rows = []
    for goal in GOALS:
        peer = best_peer(results, goal)
        ratio, speed = peer and results.ratio(goal.ours, peer), results.speed(*goal.ours)
        if not ratio or not speed:
            rows.append([goal.label, goal.peer_label, "-", "-", goal_text(goal), "not measured"])
            continue
        q1, median, q3 = ratio
        met = median >= goal.at_least if goal.at_least else None
        other = results.ratio(goal.ours, goal.unless[0]) if goal.unless else None
        if goal.unless and other and other[1] >= goal.unless[1]:
            met = True
        rows.append(
            [
                goal.label,
                goal.peer_label,
                f"{speed[1]:.2f}",
                f"{median:.2f} ({q1:.2f} - {q3:.2f})",
                goal_text(goal),
                "" if met is None else verdict(met),
            ]
        )
    return rows


def goal_text(goal: Goal) -> str:
    return f"{goal.at_least:g}" if goal.at_least else ""


def plain_rows(results: figures.Results) -> list[list[str]]:
    """What is not a ratio: times and memory."""
    rows = []
    for label, group, name, limit, scale, unit in (
        ("`zipnn -V`, start to end", "start", "zipnn -V", START_GOAL, 1e3, "ms"),
        ("library, 2 KiB decoded, one call", "small", "decode", SMALL_GOAL, 1e6, "us"),
        ("library, 2 KiB encoded, one call", "small", "encode", SMALL_GOAL, 1e6, "us"),
    ):
        row = results.find(group, name)
        if row:
            q1, median, q3 = figures.quartiles(row["seconds"])
            rows.append(
                [
                    label,
                    f"{median * scale:.2f} {unit} ({q1 * scale:.2f} - {q3 * scale:.2f})",
                    f"{limit * scale:g} {unit}",
                    verdict(median <= limit),
                ]
            )
    for row in results.rows:
        if "memory" in row:
            limit = MEMORY_START + MEMORY_PER_THREAD * row["threads"]
            rows.append(
                [
                    f"`{row['memory']}`, resident memory",
                    f"{row['most'] / 2**20:.0f} MiB",
                    f"{limit / 2**20:.0f} MiB",
                    verdict(row["most"] <= limit),
                ]
            )
    return rows


# ---- speeds ----------------------------------------------------------------------------------------------------------


def speed_cell(results: figures.Results, group: str, name: str) -> str:
    speed = results.speed(group, name)
    return f"{speed[1]:.2f} ({speed[0]:.2f} - {speed[2]:.2f})" if speed else "-"


def archive_percent(results: figures.Results, group: str, name: str | None = None, level: int | None = None) -> str:
    for row in results.rows:
        if row.get("group") == group and "archive" in row and row.get("size of") == name and row.get("level") == level:
            return f"{100 * row['archive'] / row['original']:.2f} %"
    return ""


def group_rows(results: figures.Results, group: str) -> list[list[str]]:
    rows = [r for r in results.rows if r.get("group") == group and "seconds" in r]
    return [
        [f"`{r['name']}`", archive_percent(results, group, r["name"]), speed_cell(results, group, r["name"])]
        for r in rows
    ]


def thread_groups(results: figures.Results) -> list[str]:
    return sorted({r["group"] for r in results.rows if r.get("group", "").startswith("threads ")})


def named_groups(results: figures.Results, names: dict[str, str]) -> str:
    """One table of several groups: {group: what to call it}."""
    rows = [[f"{title}: {r[0]}", r[2]] for group, title in names.items() for r in group_rows(results, group)]
    return table(["", "GB/s (quartiles)"], rows)


def library_rows(results: figures.Results) -> tuple[list[str], list[list[str]]]:
    titles = {"best": "bf16, best set", "avx2": "bf16, avx2", "scalar": "bf16, scalar"}
    titles |= {"fp32": "fp32, best set", "fp16": "fp16, best set"}
    sets = [g for g in titles if results.find(g, "decode")]
    names = [r["name"] for r in results.rows if r.get("group") == sets[0] and "seconds" in r] if sets else []
    head = ["GB/s", *(titles[g] for g in sets)]
    rows = [[name, *(speed_cell(results, g, name) for g in sets)] for name in names]
    rows.append(["size, fast", *(archive_percent(results, g, level=1) for g in sets)])
    rows.append(["size, default", *(archive_percent(results, g, level=3) for g in sets)])
    return head, rows


def kind_rows(results: figures.Results) -> tuple[list[str], list[list[str]]]:
    """A row for each type; of each level the size, the speeds, and their shares of memcpy's."""
    kinds: dict[str, dict[int, figures.Row]] = {}
    for row in results.rows:
        if row.get("group") == "kinds":
            kinds.setdefault(row["kind"], {})[row["level"]] = row
    levels = sorted({level for found in kinds.values() for level in found})
    head = ["weights", *(f"level {level}: size, encode / decode, of memcpy" for level in levels)]
    return head, [[kind, *(kind_cell(found.get(level)) for level in levels)] for kind, found in kinds.items()]


def kind_cell(row: figures.Row | None) -> str:
    if not row:
        return "-"
    speeds = [f"{row['original'] / row[way] / 1e9:.2f}" for way in ("encode", "decode")]
    shares = [f"{row['memcpy'] / row[way]:.2f}" for way in ("encode", "decode")]
    return f"{100 * row['archive'] / row['original']:.2f} %, {' / '.join(speeds)}, {' / '.join(shares)}"


# ---- pictures --------------------------------------------------------------------------------------------------------


def size_speed_points(results: figures.Results) -> tuple[Points, Points]:
    """Of each method its size, how fast it compresses and how fast it restores, file to file."""
    packed: Points = {}
    restored: Points = {}
    for row in results.rows:
        if row.get("group") == "compress" and "archive" in row and "|" not in row["size of"]:
            name, size = row["size of"], 100 * row["archive"] / row["original"]
            speed = results.speed("compress", name)
            packed[name] = (size, speed[1] if speed else 0.0)
    for name, source in (
        ("zipnn -d -T1", "zipnn -3 -T1"),
        ("zipnn -d -T2", "zipnn -3 -T2"),
        ("zstd -d of -1", "zstd -1 -T1"),
        ("zstd -d of -3", "zstd -3 -T1"),
        ("lz4 -d", "lz4"),
        ("cp", "cp"),
    ):
        speed = results.speed("restore", name)
        if speed and source in packed:
            restored[name] = (packed[source][0], speed[1])
    return packed, restored


def thread_series(results: figures.Results) -> Series:
    series: Series = {}
    for row in results.rows:
        group = row.get("group", "")
        if group.startswith("threads ") and "seconds" in row:
            name, threads = row["name"].rsplit(" x", 1)
            if threads == group.split()[1] or group == "threads 2":
                speed = results.speed(group, row["name"]) or [0.0] * 3
                series.setdefault(name, []).append((float(threads), speed[1]))
    return series


def size_series(results: figures.Results) -> Series:
    series: Series = {}
    for row in results.rows:
        if row.get("group") == "sizes" and "seconds" in row:
            median = figures.quartiles(row["seconds"])[1]
            series.setdefault(row["name"], []).append((row["bytes"], row["bytes"] / median / 1e9))
    return series


def byte_text(n: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if n < 1000:
            return f"{n:.0f} {unit}"
        n /= 1000
    return f"{n:.0f} TB"


def draw(results: figures.Results, folder: pathlib.Path) -> list[str]:
    """The pictures there are data for; their file names."""
    folder.mkdir(parents=True, exist_ok=True)
    made: list[str] = []

    def picture(name: str, make: Callable[..., None], data: Any, *args: Any, **options: Any) -> None:
        if data:
            make(folder / name, *args, data, **options)
            made.append(name)

    packed, restored = size_speed_points(results)

    def ours(name: str) -> bool:
        return name.startswith("zipnn")

    size, speed = "size of the archive, % of the original", "GB/s"
    picture("compress.svg", plots.points, packed, "Compress, file to file", size, speed, ours=ours)
    picture("restore.svg", plots.points, restored, "Restore, file to file", size, speed, ours=ours)
    picture("threads.svg", plots.lines, thread_series(results), "The library by threads", "threads", "GB/s", log=False)
    picture(
        "sizes.svg",
        plots.lines,
        size_series(results),
        "The library by size of the buffer, one thread",
        "bytes a call",
        "GB/s",
        tick_text=byte_text,
    )
    return made


# ---- the whole -------------------------------------------------------------------------------------------------------


def rounds_text(results: figures.Results) -> str:
    """How many times each thing was timed: "7", or "5 to 13"."""
    counts = {len(r["seconds"]) for r in results.rows if "seconds" in r and r["group"] != "start"}
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low} to {high}" if low < high else str(low)


def write_speed(results: figures.Results, doc: bool = True) -> None:
    m = results.first("machine") or {}
    goals = table(["path", "peer", "GB/s", "ratio (quartiles)", "goal", ""], goal_rows(results))
    plain = table(["", "median (quartiles)", "at most", ""], plain_rows(results))
    head = "method", "size", "GB/s (quartiles)"
    library = table(*library_rows(results))
    compress = table(list(head), group_rows(results, "compress"))
    restore = table([head[0], head[2]], [[r[0], r[2]] for r in group_rows(results, "restore")])
    load = named_groups(results, {"load hot": "cached", "load cold": "from storage"})
    others = named_groups(
        results, {"chunk": "512 KiB in the cache", "small": "2 KiB", "tensors": "10 000 tensors of 4 KiB"}
    )
    threads = named_groups(results, dict.fromkeys(thread_groups(results), "in memory"))
    real = table(*kind_rows(results))
    python = named_groups(results, {"python zipnn": f"Python, {archive_percent(results, 'python zipnn')}"})
    skipped = [f"Not measured: {r['skip']} ({r['why']})." for r in results.rows if "skip" in r]
    print(f"\n{goals}\n\n{plain}\n\n{compress}\n\n{restore}")
    if not doc:
        return
    pictures = "\n".join(f"![{n[:-4]}](benchmarks/{n})" for n in draw(results, figures.DOC.with_suffix("")))
    body = f"""## Speed

{m["machine"]}, {m["processors"]} processors, {m["system"]}, {m["compiler"]}; {m["date"]}, commit {m["commit"]}.

The model is **synthetic**: {m["mib"]} MiB of bf16, Gaussian rows of sigma 0.02, each scaled by a log-normal factor
(0.3), in the tensors of a Llama. {rounds_text(results)} rounds. The fp32 and fp16 numbers are half of
it, with random bits below.
Library: in memory, pages touched before, buffers used again. Command: file to file in the page cache, output deleted
before each run; zstd and lz4 get a quarter of the model.

{goals}

{plain}

{pictures}

### Library, one thread

{library}

{others}

### Library by threads

{threads}

### Real weights by type and level, one thread, in memory

Not verified; encode / decode in GB/s, and as a share of memcpy of the same bytes in the same run. Medians of 5 at
levels 1 and 3, of 3 at level 6; level 9 in one run. The types are MiniLM's (bench/quantised.py), but for gemma. Files
of 8 to 30 MB lie partly in the cache, where memcpy is several times as fast: those of MiniLM in GGUF and integers.

{real}

### The Python zipnn in memory, one thread

"core" is what its C code alone takes.

{python}

### Command: compress

{compress}

### Command: restore

{restore}

### Load into memory, one thread

{load}

{chr(10).join(skipped)}"""
    replace_part("speed", body)


def main() -> None:
    writers: dict[str, Callable[[figures.Results], object]] = {
        "results.jsonl": write_speed,
        "ratio.jsonl": ratio_report.write_ratio,
        "load.jsonl": load_report.write_load,
        "cores.jsonl": cores_report.write_cores,
    }
    for name, write in writers.items():
        path = figures.BUILD / name
        if path.exists():
            write(figures.Results.load(path))


if __name__ == "__main__":
    main()
