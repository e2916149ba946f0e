#!/usr/bin/env python3
"""Functions and files stay small (CONVENTIONS.md, rule 3).

A function is found by the formatter's layout: a line "}" closes it, and the nearest line above that starts in column 0
with a word, and is no label, opens it.
"""

import pathlib
import re
import sys
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("include", "src", "cli", "tests", "bench", "tools", "examples")
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


def main() -> int:
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
