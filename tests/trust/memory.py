#!/usr/bin/env python3
"""Measures the most memory that the command ever has resident, and holds it to 64 MiB and 8 MiB for each thread.

The system counts from what this script has at the moment, about 10 MiB, which it therefore keeps low.

  memory.py [MIB...]    with models of so many MiB, 64 unless told; ZIPNN is the program
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile

PROGRAM = os.environ["ZIPNN"]
MIB = 1 << 20
FIXED, EACH = 64, 8  # MiB
THREADS = 1, 4


def write_model(path, mebibytes):
    """One tensor in bf16, written a piece at a time, and by a process of its own."""
    source = random.Random(1)
    high = bytes(0x3B + i % 3 + 128 * (i % 2) for i in range(256))
    piece = bytearray(4 * MIB)
    piece[0::2] = source.randbytes(2 * MIB)
    piece[1::2] = source.randbytes(2 * MIB).translate(high)
    n = max(1, mebibytes // 4)
    header = b'{"w":{"dtype":"BF16","shape":[%d],"data_offsets":[0,%d]}}' % (n * 2 * MIB, n * 4 * MIB)
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for i in range(n):
            piece[i % 1000] ^= 1
            file.write(piece)


def peak(arguments, stdin=None, pipe=False):
    """MiB at the highest. A pipe is fed by cat."""
    feeder = subprocess.Popen(["cat", stdin], stdout=subprocess.PIPE) if pipe else None
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen([PROGRAM, *arguments], stdin=feeder.stdout if pipe else subprocess.DEVNULL,
                                   stdout=nothing)
        if pipe:
            feeder.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if pipe:
        feeder.wait()
    if process.returncode != 0:
        raise SystemExit(f"exit code {process.returncode}: {arguments}")
    return usage.ru_maxrss / 1024


def measure(model, mebibytes, threads):
    """(operation, MiB) of each."""
    archive, t = model + ".znn", f"-T{threads}"
    yield "compress", peak(["-f", t, model])
    yield "compress level 1", peak(["-c", "-1", t, model])
    yield "compress a pipe", peak(["-c", t], model, True)
    yield "restore", peak(["-d", "-f", t, archive, "-o", model + ".out"])
    yield "restore a pipe", peak(["-d", t], archive, True)
    yield "test", peak(["-t", t, archive])
    yield "verify", peak(["verify", t, archive])
    yield "recompress", peak(["recompress", "-1", t, archive, "-c"])


def main():
    if sys.argv[1:2] == ["--write"]:
        write_model(sys.argv[2], int(sys.argv[3]))
        return 0
    sizes = [int(a) for a in sys.argv[1:]] or [64]
    folder = tempfile.mkdtemp(prefix="zipnn-trust-")
    worst, bad, n = dict.fromkeys(THREADS, (0, "")), 0, 0
    try:
        for mebibytes in sizes:
            model = os.path.join(folder, "m.safetensors")
            subprocess.run([sys.executable, "-B", __file__, "--write", model, str(mebibytes)], check=True)
            for threads in THREADS:
                for operation, mib in measure(model, mebibytes, threads):
                    what = f"{operation}, {mebibytes} MiB"
                    n += 1
                    print(f"{mib:7.1f} MiB resident: {what}, {threads} threads")
                    worst[threads] = max(worst[threads], (mib, what))
                    bad += mib > FIXED + EACH * threads
    finally:
        shutil.rmtree(folder)
    told = "; ".join(f"{threads} threads: {mib:.0f} of {FIXED + EACH * threads} MiB ({what})"
                     for threads, (mib, what) in worst.items())
    print(f"memory: {n} runs with models of {', '.join(map(str, sizes))} MiB, the most by {told}; {bad} over the limit")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
