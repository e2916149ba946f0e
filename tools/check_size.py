#!/usr/bin/env python3
"""Functions and files stay small (CONVENTIONS.md, rule 3).

A function is found by the formatter's layout: a line "}" closes it, and the nearest line above that starts in column 0
with a word, and is no label, opens it.

check_size.py --table prints, for each room and for all of them, how long functions are and how many take 7 parameters
or more.
"""

import pathlib
import re
import sys
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("include", "src", "cli", "fetch", "mount", "python", "tests", "bench", "tools", "examples")
FILE_LINES = 600
PUBLIC_HEADER_LINES = 700
FUNCTION_LINES = 100
KERNEL_FUNCTION_LINES = 150

OPENING = re.compile(r"[A-Za-z_](?!\w*:$)")


def functions(lines: list[str]) -> Iterator[tuple[str, int, int]]:
    """Yields (opening line, its number, number of lines) of each function definition."""
    for end, line in enumerate(lines):
        if line == "}":
            start = end - 1
            while start > 0 and not OPENING.match(lines[start]):
                start -= 1
            yield lines[start], start + 1, end - start + 1


def n_parameters(lines: list[str], first: int) -> int:
    """Parameters of the function whose signature begins in line `first`."""
    signature = " ".join(lines[first - 1 : first + 7]).split("{")[0]
    inside = signature[signature.index("(") + 1 : signature.rindex(")")]
    depth = commas = 0
    for c in inside:
        depth += (c == "(") - (c == ")")
        commas += c == "," and depth == 0
    return 0 if inside.strip() in ("", "void") else commas + 1


def print_table() -> None:
    rooms: dict[str, list[tuple[int, int]]] = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            parts = path.relative_to(ROOT).parts
            lines = path.read_text().splitlines()
            for opening, first, count in functions(lines):
                if "(" in opening:  # not a struct, an enum or a table
                    row = (count, n_parameters(lines, first))
                    for room in {"/".join(parts[: 2 if parts[0] == "src" else 1]), parts[0], "all"}:
                        rooms.setdefault(room, []).append(row)
    print(f"{'room':14} functions  median  p95  max  >60  7 parameters or more")
    for room, rows in sorted(rooms.items()):
        sizes = sorted(count for count, _ in rows)
        many = sum(n >= 7 for _, n in rows)
        print(
            f"{room:14} {len(rows):9}  {sizes[len(sizes) // 2]:6}  {sizes[len(sizes) * 95 // 100]:3}  {sizes[-1]:3}  "
            f"{sum(s > 60 for s in sizes):3}  {many} ({100 * many / len(rows):.1f} %)"
        )


def main() -> int:
    if sys.argv[1:] == ["--table"]:
        print_table()
        return 0
    faults = []
    longest = (0, "")
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            name = path.relative_to(ROOT)
            lines = path.read_text().splitlines()
            limit = PUBLIC_HEADER_LINES if folder == "include" else FILE_LINES
            if len(lines) > limit:
                faults.append(f"{name}: {len(lines)} lines, {limit} allowed")
            limit = KERNEL_FUNCTION_LINES if "kernels" in name.parts else FUNCTION_LINES
            for function, first, count in functions(lines):
                longest = max(longest, (count, f"{name}:{first} {function}"))
                if count > limit:
                    faults.append(f"{name}:{first}: {count} lines, {limit} allowed: {function}")
    print("\n".join(faults) if faults else f"size: the longest function has {longest[0]} lines: {longest[1]}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
