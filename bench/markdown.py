"""doc/benchmarks.md: its tables, and its parts. A part begins and ends with a comment; each benchmark replaces its
own."""

import re

import figures

HEAD = """# Benchmarks

What `make bench`, `make bench-ratio`, `make bench-types`, `make bench-load` and `make bench-delta` wrote here; what is
**synthetic** says so. Speeds are GB/s of original bytes (1 GB = 10^9 bytes). Every ratio is of things that took turns
in one run, warm and pinned to processors: the median of all rounds, then the quartiles.
"""


def replace_part(name: str, body: str) -> None:
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    old = figures.DOC.read_text() if figures.DOC.exists() else HEAD
    part = f"{begin}\n{body.rstrip()}\n\n{end}"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
    new = pattern.sub(lambda _: part, old) if pattern.search(old) else f"{old.rstrip()}\n\n{part}"
    figures.DOC.parent.mkdir(exist_ok=True)
    figures.DOC.write_text(new)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table whose columns also line up as plain text; numbers to the right."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in [head, *rows]]
    width = [max(len(row[i]) for row in cells) for i in range(len(head))]

    def line(row: list[str]) -> str:
        return (
            "| "
            + " | ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, width, strict=True)))
            + " |"
        )

    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(width)) + "|"
    return "\n".join([line(cells[0]), rule] + [line(row) for row in cells[1:]])
