#!/usr/bin/env python3
"""check_counts.py [--write] PERF_KERNELS COMPILER: no kernel executes more instructions than it did.

Speed without a clock: callgrind counts what each kernel executes on fixed input, which is the same on a busy machine.
counts.txt beside this file holds the numbers for one compiler; another gives other numbers and the check is skipped.
--write replaces them: do so in the commit that changes a kernel, and say why there. AVX-512 is unknown to valgrind.
"""

import collections
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

COUNTS = pathlib.Path(__file__).with_name("counts.txt")
SETS = ("scalar", "avx2")
SLACK = 0.03
SKIPPED = 77
NO_SUCH_SET = 2  # perf_kernels says so


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def parse(text):
    """Instructions below each measure_*: in callgrind's file the lines of a function are its own costs and those of its
    calls, "position cost"; names are given once, "fn=(4) name", and then as "fn=(4)"."""
    names, counts, function = {}, collections.Counter(), None
    for line in text.splitlines():
        match = re.match(r"(c?fn)=\((\d+)\)(?: (.*))?", line)
        if match:
            kind, number, name = match.groups()
            names.setdefault(number, name)
            if kind == "fn":
                function = names[number]
        elif function and function.startswith("measure_"):
            cost = re.fullmatch(r"[-+*\d]\S* (\d+)", line)
            counts[function.removeprefix("measure_")] += int(cost.group(1)) if cost else 0
    return counts


def count(driver, kernel_set):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "callgrind.out")
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", driver, kernel_set]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == NO_SUCH_SET:
            skip(f"this processor has no {kernel_set}")
        if done.returncode:
            sys.exit(f"{' '.join(command)}: {done.returncode}\n{done.stderr}")
        return parse(out.read_text())


def measure(driver):
    return {f"{kernel_set} {kernel}": n for kernel_set in SETS for kernel, n in count(driver, kernel_set).items()}


def write(compiler, counts):
    lines = [f"compiler: {compiler}"] + [f"{name} {n}" for name, n in sorted(counts.items())]
    COUNTS.write_text("\n".join(lines) + "\n")


def read():
    first, *lines = COUNTS.read_text().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines)
    return first.removeprefix("compiler: "), {name: int(n) for name, n in pairs}


def compare(wanted, counts):
    """Prints a line per kernel; how many are missing or too slow."""
    faults = 0
    for name, limit in wanted.items():
        n = counts.get(name, 0)
        worse = n == 0 or n > limit * (1 + SLACK)
        note = "TOO MANY" if worse else "fewer: time for --write" if n < limit * (1 - SLACK) else ""
        print(f"{name:24} {n:10} of {limit:10} {n / limit - 1:+7.1%}  {note}".rstrip())
        faults += worse
    return faults


def main():
    arguments = [a for a in sys.argv[1:] if a != "--write"]
    if len(arguments) != 2:
        sys.exit(__doc__)
    driver, compiler = arguments
    if not shutil.which("valgrind"):
        skip("valgrind is not installed")
    if "--write" in sys.argv:
        write(compiler, measure(driver))
        return
    if not COUNTS.exists():
        skip("no counts are recorded")
    recorded, wanted = read()
    if compiler != recorded:
        skip(f"the counts are those of {recorded}, this is {compiler}")
    sys.exit(1 if compare(wanted, measure(driver)) else 0)


if __name__ == "__main__":
    main()
