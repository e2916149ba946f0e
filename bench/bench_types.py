#!/usr/bin/env python3
"""bench_types.py [--make] [--doc]: sizes and speeds of quantised types, beside memcpy: `make bench-types`.

Every quantised type of quantised.py, made from MiniLM, and gemma-3-270m in Q4_K_M, both from PyPI; levels 1 and 3, one
thread, in memory, not verified: medians of 5 runs that take turns, by bench_files. Files are kept in build/bench/types,
results in build/bench/types.jsonl. --make only makes the files, for a machine that is quiet for a minute at a time;
--doc writes the table to doc/benchmarks.md, too.
"""

import argparse
import json
import subprocess
import time

import figures
import kind_speeds
import markdown
import pypi
import quantised

FOLDER = figures.BUILD / "types"
KINDS = (*quantised.GGUF_TYPES, *quantised.TENSOR_TYPES)
LEVELS = "13"
ABOUT = """One thread, in memory, not verified; encode / decode in GB/s, and as a share of memcpy of the same bytes in
the same run; medians of 5. MiniLM's types are of the same 14.2 M numbers (bench/quantised.py). Files of 8 to 30 MB lie
partly in the cache, where memcpy is two or three times as fast as with a model's size: gemma's row shows that."""


def cell(row: figures.Row) -> str:
    encode, decode = (row["original"] / row[name] / 1e9 for name in ("encode", "decode"))
    shares = " / ".join(f"{row['memcpy'] / row[name]:.3f}" for name in ("encode", "decode"))
    return f"{100 * row['archive'] / row['original']:.2f} %, {encode:.2f} / {decode:.2f}, {shares}"


def table(rows: list[figures.Row]) -> str:
    kinds: dict[str, list[figures.Row]] = {}
    for row in rows:
        kinds.setdefault(row["kind"], []).append(row)
    head = ["weights", "MB", "memcpy", *(f"level {level}: size, encode / decode, of memcpy" for level in LEVELS)]
    cells = [
        [kind, f"{of[0]['original'] / 1e6:.1f}", f"{of[0]['original'] / of[0]['memcpy'] / 1e9:.1f}", *map(cell, of)]
        for kind, of in kinds.items()
    ]
    return markdown.table(head, cells)


def measure() -> list[figures.Row]:
    rows = list[figures.Row]()
    for kind, path, _ in [*kind_speeds.types(FOLDER, KINDS), *kind_speeds.gemma(FOLDER)]:
        command = [str(kind_speeds.BENCH_FILES), str(kind_speeds.RUNS), LEVELS, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows += [json.loads(line) | {"kind": kind} for line in done.stdout.splitlines()]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", action="store_true", help="only make the files")
    parser.add_argument("--doc", action="store_true", help="write doc/benchmarks.md, too")
    args = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        files = [*kind_speeds.types(FOLDER, KINDS), *kind_speeds.gemma(FOLDER)]
    except pypi.Missing as why:
        raise SystemExit(f"bench-types: {why}") from None
    if args.make:
        print(f"{len(files)} files in {FOLDER}")
        return
    rows = measure()
    (figures.BUILD / "types.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = table(rows)
    print(found)
    if args.doc:
        head = f"Measured {time.strftime('%Y-%m-%d', time.gmtime())}, commit {figures.commit()}, by `make bench-types`."
        markdown.replace_part("types", f"## Quantised types\n\n{head}\n{ABOUT}\n\n{found}")


if __name__ == "__main__":
    main()
