#!/usr/bin/env python3
"""check_globals.py LIBZIPNN.A LIBZIPNN.SO: no mutable globals (CONVENTIONS.md, rule 12), and no symbol leaves the
shared library that is not public API. Constants that need relocation (.data.rel.ro) are fine."""

import re
import subprocess
import sys
from collections.abc import Iterator

MUTABLE = re.compile(r"^(\.data(?!\.rel\.ro)|\.bss|\.tdata|\.tbss|\*COM\*|COMMON)")
# objdump -t: value, 7 flag characters, section, tab, size, name
SYMBOL = re.compile(r"^[0-9a-f]+ (.{7}) (\S+)\t([0-9a-f]+)\s+(?:\.hidden )?(\S+)$")


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def mutable_symbols(archive: str) -> Iterator[str]:
    member = ""
    for line in run("objdump", "-t", archive).splitlines():
        if ":     file format" in line:
            member = line.split(":")[0]
        match = SYMBOL.match(line)
        if match and MUTABLE.match(match.group(2)) and int(match.group(3), 16):
            yield f"{member}: {match.group(4)} lies in {match.group(2)}"


def foreign_exports(shared: str) -> Iterator[str]:
    for line in run("nm", "-D", "--defined-only", shared).splitlines():
        name = line.split()[-1]
        if not name.startswith("zipnn_"):
            yield f"{shared} exports {name}"


def main() -> int:
    archive, shared = sys.argv[1:]
    faults = list(mutable_symbols(archive)) + list(foreign_exports(shared))
    print("\n".join(faults) if faults else "globals: none that can change, and only zipnn_ symbols are exported")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
