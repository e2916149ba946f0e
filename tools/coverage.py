#!/usr/bin/env python3
"""Lines and branches of the library that the tests run, held against what is asked of parsers and decoders.

  coverage.py FOLDER    a build with the preset `coverage`, its tests run with
  LLVM_PROFILE_FILE=FOLDER/profiles/%m.profraw

A branch is one outcome of one condition. What is asked holds for every file; what is missing is listed.
"""

import json
import pathlib
import subprocess
import sys
from collections.abc import Collection, Iterator
from fnmatch import fnmatch
from typing import Any

SRC = pathlib.Path(__file__).resolve().parent.parent / "src"

File = dict[str, Any]  # what llvm-cov tells of a file

# What, per cent of lines and of branches that have to run in each file, and which files these are.
GROUPS = (
    ("records of the container", 100, 100, "format/*"),
    ("chunks", 95, 0, "chunk/*_decode.c chunk/layout.c chunk/mixed.c chunk/tops.c chunk/records.c chunk/wrapped.[ch] "
                      "delta/*"),
    ("codecs", 95, 0, "codec/* base/bytes.h base/cur.h base/out.h"),
    ("kernels", 95, 0, "kernels/*"),
    ("restoring", 95, 0, "jobs/apply.c archive/frames.c archive/original.c archive/reading.c archive/references.c "
                         "archive/fetched.c archive/recover.c jobs/refer.c archive/scan.c "
                         "workers/ends.[ch] jobs/unpack.c workers/windows.c api/archive.c api/archive_rebuild.c"),
    ("files of zipnn 0.x", 95, 0, "legacy/* archive/old.c"),
    ("readers of models", 95, 0, "readers/* plan/*"),
)


def measure(folder: pathlib.Path) -> dict[str, File]:
    """llvm-cov's answer for each file of the library: path under src -> its entry."""
    programs = [p for p in (folder / "tests/unit").glob("test_*") if p.is_file()] + [folder / "zipnn"]
    counts = folder / "counts.profdata"
    profiles = (folder / "profiles").glob("*.profraw")
    subprocess.run(["llvm-profdata", "merge", "-sparse", "-o", counts, *profiles], check=True)
    objects = [part for p in programs[1:] for part in ("-object", p)]
    # Programs without a part of the library have it under another hash, which it says on standard error.
    answer = subprocess.run(["llvm-cov", "export", programs[0], *objects, f"-instr-profile={counts}", SRC],
                            check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    files = json.loads(answer.stdout)["data"][0]["files"]
    return {pathlib.Path(f["filename"]).relative_to(SRC).as_posix(): f for f in files}


def missing_lines(file: File) -> list[int]:
    """Lines where nothing but code that never ran begins or goes on."""
    ran: set[int] = set()
    idle: set[int] = set()
    last = None
    for line, column, count, has_count, _, is_gap in file["segments"]:
        if last and last[1]:
            (idle if last[2] == 0 else ran).update(range(last[0], line + (column > 1)))
        last = (line, has_count and not is_gap, count)
    return sorted(idle - ran)


def missing_branches(file: File) -> Iterator[str]:
    """(line, column, the outcome that never was) of each condition."""
    for line, column, _, _, yes, no, *_ in file["branches"]:
        if yes == 0 or no == 0:
            yield f"{line}:{column} never {'true' if yes == 0 else 'false'}"


def check(name: str, file: File, least_lines: int, least_branches: int) -> bool:
    """Whether the file has what is asked; says what is missing."""
    lines, branches = file["summary"]["lines"], file["summary"]["branches"]
    if lines["count"] and lines["percent"] < least_lines:
        print(f"FAILED: {name}: {lines['percent']:.2f} % of lines; never run: {missing_lines(file)}")
        return False
    if branches["count"] and branches["percent"] < least_branches:
        print(f"FAILED: {name}: {branches['percent']:.2f} % of branches: {', '.join(missing_branches(file))}")
        return False
    return True


def share(files: Collection[File], what: str) -> str:
    total, covered = (sum(f["summary"][what][key] for f in files) for key in ("count", "covered"))
    return f"{100 * covered / max(total, 1):6.2f} % of {total}"


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    files = measure(pathlib.Path(sys.argv[1]).resolve())
    sound = True
    told: list[File] = []
    present = [p.relative_to(SRC).as_posix() for p in SRC.rglob("*.[ch]")]
    for title, least_lines, least_branches, patterns in GROUPS:
        members = {n: f for n, f in files.items() if any(fnmatch(n, p) for p in patterns.split())}
        for pattern in patterns.split():
            if not any(fnmatch(n, pattern) for n in present):
                print(f"FAILED: {title}: no file is called {pattern}")
                sound = False
        for name, file in sorted(members.items()):
            sound &= check(name, file, least_lines, least_branches)
        print(f"{title:26} {len(members):3} files, {share(members.values(), 'lines'):>18} lines, "
              f"{share(members.values(), 'branches'):>18} branches")
        told += members.values()
    print(f"coverage: {share(told, 'lines').strip()} lines and {share(told, 'branches').strip()} branches of "
          f"parsers and decoders, {share(files.values(), 'lines').strip()} lines of the library")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
