#!/usr/bin/env python3
"""check_hardening.py FILE...: programs and shared libraries of a release build are linked and compiled so that a bug
is hard to exploit: no segment to write and execute, no text relocations, everything resolved at start and read-only
from then on, position-independent, stack protector, checked libc functions."""

import re
import subprocess
import sys
from collections.abc import Iterator


def readelf(option: str, path: str) -> str:
    return subprocess.run(["readelf", "-W", option, path], capture_output=True, text=True, check=True).stdout


def faults(path: str) -> Iterator[str]:
    segments, dynamic, symbols = readelf("-l", path), readelf("-d", path), readelf("--dyn-syms", path)
    line = re.search(r"\(FLAGS_1\).*", dynamic)
    flags = line.group().split() if line else []
    stack = re.search(r"GNU_STACK.* ([RWE]{1,3}) +0x", segments)
    loaded = re.findall(r"LOAD +(?:0x\w+ +){5}([RWE ]{3})", segments)
    if not stack or "E" in stack.group(1):
        yield "the stack can be executed"
    if not loaded or any("W" in access and "E" in access for access in loaded):
        yield "a segment can be written and executed"
    if "GNU_RELRO" not in segments or "NOW" not in flags:
        yield "relocations stay writable (RELRO with BIND_NOW is missing)"
    if "TEXTREL" in dynamic:
        yield "text relocations"
    if "Elf file type is DYN" not in segments or ("INTERP" in segments and "PIE" not in flags):
        yield "not position-independent"
    if "__stack_chk_fail" not in symbols:
        yield "no stack protector"
    if not re.search(r" __(?!stack)\w+_chk\b", symbols):
        yield "no checked libc functions (_FORTIFY_SOURCE)"


def main() -> int:
    found = [f"{path}: {fault}" for path in sys.argv[1:] for fault in faults(path)]
    print("\n".join(found) if found else f"hardening: {len(sys.argv) - 1} files have it all")
    return 1 if found or len(sys.argv) < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
