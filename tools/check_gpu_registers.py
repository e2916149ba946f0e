#!/usr/bin/env python3
"""Whether the GPU's kernels keep to their budget of registers, by what ptxas -v has written: no kernel may spill."""

import pathlib
import re
import sys

# Registers of a thread: a multiprocessor has 65 536, so 128 allow 16 warps, and 168 allow 12 (src/gpu/decode.cu).
USUAL = 128
GENERAL = 168

ENTRY = re.compile(r"Compiling entry function 'zipnn_decode_\d+_(\w+)' for '(sm_\d+)'")
SPILL = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")


def budget(kernel: str) -> int:
    return GENERAL if kernel.startswith(("GENERAL", "SECOND")) else USUAL


def main() -> int:
    kernel = chip = ""
    registers: dict[str, dict[str, int]] = {}
    faults = []
    for line in pathlib.Path(sys.argv[1]).read_text().splitlines():
        if entry := ENTRY.search(line):
            kernel, chip = entry.groups()
        elif (spill := SPILL.search(line)) and any(int(n) for n in spill.groups()):
            faults.append(f"{kernel} for {chip}: {line.strip()}")
        elif used := USED.search(line):
            registers.setdefault(kernel, {})[chip] = int(used.group(1))
            if int(used.group(1)) > budget(kernel):
                faults.append(f"{kernel} for {chip}: {used.group(1)} registers, {budget(kernel)} allowed")
    for name, by_chip in sorted(registers.items()):
        chips = sorted(by_chip, key=lambda sm: int(sm.removeprefix("sm_")))
        print(f"{name:12} registers:", *(f"{sm} {by_chip[sm]}" for sm in chips))
    if not registers:
        faults.append(f"{sys.argv[1]} names no kernel")
    print("\n".join(faults) if faults else "no kernel spills registers, and each keeps to its budget")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
