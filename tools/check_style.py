#!/usr/bin/env python3
"""What a line may not hold (CONVENTIONS.md, rules 4, 6, 12, 17, 18)."""

import pathlib
import re
import sys
from collections.abc import Iterator

import tree

TEXT = {".c", ".h", ".py", ".sh", ".txt", ".cmake", ".md", ".json", ".in", ".def", ".1"}
MAY_BRANCH = {"base", "kernels", "io"}  # rooms with #if

# Links that may stand in the tree; a new one is a decision.
HOSTS = {"example.org", "localhost", "127.0.0.1", "www.apache.org", "arxiv.org", "github.com", "huggingface.co"}
URL = re.compile(r"https?://([^/\s\"')>]+)")

Rule = tuple[re.Pattern[str], str]  # what a line may not match, and why

EVERYWHERE = [(re.compile(r"[ \t]+$"), "blanks at the end"), (re.compile(r"\r"), "carriage return")]
# A person's or a machine's folders; written so that this line does not match itself.
PATHS = (re.compile(r"(?<![\w.])/(work|root|home)/"), "path of one machine")
IN_CODE = [
    (re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b"), "unfinished: open an issue instead"),
    (re.compile(r"^\t"), "tab"),
]
IN_SOURCES = [(re.compile(r"\bgoto (?!out;)"), "goto leads to out: only")]
BANNER = (re.compile(r"^ ?\* -{5,}"), "a banner is one line")
IN_LIBRARY = [
    (re.compile(r"\b(printf|fprintf|puts|fputs|perror|abort|exit|_Exit)\("), "the library never prints or ends"),
    (re.compile(r"\b(getenv|setlocale|localeconv|srand|rand|strtok|signal)\("), "process-wide state"),
    (re.compile(r"\b(sprintf|strcpy|strcat|gets|alloca)\("), "unbounded"),
]
BRANCH = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif)\b")


def is_text(path: pathlib.Path) -> bool:
    return path.suffix in TEXT or path.name == "Makefile" or path.parent.name == ".ci"


def rules_for(parts: tuple[str, ...], suffix: str) -> list[Rule]:
    rules = list(EVERYWHERE) + [PATHS]
    is_source = suffix in (".c", ".h")
    if suffix != ".md" and parts[0] != "LICENSE":
        rules += IN_CODE if parts[-1] != "Makefile" else IN_CODE[:1]
    if is_source:
        rules.append(BANNER)
    if is_source and parts[0] in ("src", "cli"):
        rules += IN_SOURCES
    if is_source and parts[0] == "src":
        rules += IN_LIBRARY
    return rules


def guard_line(lines: list[str]) -> int:
    """Number of the #ifndef of a header guard, or 0."""
    for number, line in enumerate(lines, 1):
        match = re.match(r"#ifndef (\w+_H)$", line)
        if match:
            return number if lines[number : number + 1] == [f"#define {match.group(1)}"] else 0
    return 0


def check(path: pathlib.Path) -> Iterator[str]:
    parts = path.relative_to(tree.ROOT).parts
    text = path.read_text()
    lines = text.splitlines()
    rules = rules_for(parts, path.suffix)
    may_branch = parts[0] not in ("src", "cli", "examples") or (parts[0] == "src" and parts[1] in MAY_BRANCH)
    guard = guard_line(lines) if path.suffix == ".h" else 0
    if path.suffix == ".h" and not guard and not path.name.endswith("_tpl.h"):
        yield f"{path.relative_to(tree.ROOT)}: no header guard"
    if text and not text.endswith("\n"):
        yield f"{path.relative_to(tree.ROOT)}: no newline at the end"
    for number, line in enumerate(lines, 1):
        where = f"{path.relative_to(tree.ROOT)}:{number}"
        for pattern, reason in rules:
            if pattern.search(line):
                yield f"{where}: {reason}"
        for host in URL.findall(line):
            if host.rpartition("@")[2].partition(":")[0] not in HOSTS:
                yield f"{where}: link to {host}"
        if not may_branch and number != guard and BRANCH.match(line):
            yield f"{where}: #if belongs in base, kernels and io"


def main() -> int:
    files = [p for p in tree.files() if is_text(p) and p.relative_to(tree.ROOT).parts[:2] != ("tests", "golden")]
    faults = [fault for path in files for fault in check(path)]
    print("\n".join(faults) if faults else f"style: {len(files)} files")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
