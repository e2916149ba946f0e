#!/usr/bin/env python3
"""Holds what the program stores against a base against the reference decoder.

    check_deltas.py ZIPNN...             the program and what it needs to run
    check_deltas.py --golden FOLDER ZIPNN

The second form writes a folder of tests/golden, as make_vectors.py explains; it is made once and never again."""

import pathlib
import random
import struct
import subprocess
import sys
import tempfile

from make_golden import safetensors
from make_vectors import halves, noise, weights
from native import xxh3_128
from zipnn_reference import restore


def nudged(data, form, part, spread, seed):
    """`part` of 1000 words of this form moved by a few units."""
    rng = random.Random(seed)
    width = struct.calcsize(form)
    top = 256**width - 1
    words = list(struct.unpack(f"<{len(data) // width}{form}", data))
    for i in range(len(words)):
        if rng.randrange(1000) < part:
            words[i] = words[i] + int(rng.gauss(0, spread)) & top
    return struct.pack(f"<{len(words)}{form}", *words)


def pairs():
    """(name, base, model)"""
    bf16, fp16, fp32, fp64 = weights(6000, seed=31), halves(6000, seed=32), weights(3000, 4, 33), weights(2000, 8, 34)
    ints, fp8 = noise(6000, 35), bytes(b & 0xBF for b in noise(6000, 36))
    base = [
        ("a", "BF16", [6000], bf16),
        ("b", "F16", [6000], fp16),
        ("c", "F32", [3000], fp32),
        ("d", "F64", [2000], fp64),
        ("e", "I8", [6000], ints),
        ("f", "F8_E4M3", [6000], fp8),
    ]
    forms = {"BF16": "H", "F16": "H", "F32": "I", "F64": "Q", "I8": "B", "F8_E4M3": "B"}
    for name, part, spread in (("sparse", 8, 1.5), ("some", 200, 2), ("dense", 1000, 9), ("same", 0, 1)):
        model = [(n, d, s, nudged(data, forms[d], part, spread, i)) for i, (n, d, s, data) in enumerate(base)]
        yield name, safetensors(base), safetensors(model)
    yield "renamed", safetensors(base), safetensors([("new." + n, d, s, data) for n, d, s, data in base[::-1]])
    yield "added", safetensors(base[:3]), safetensors(base[:2] + [("x", "BF16", [6000], weights(6000, seed=37))])
    twice = base + [("again", "BF16", [6000], bf16)]
    yield "repeated", safetensors(base), safetensors(twice)


def pack(program, folder, base, model):
    (folder / "base.safetensors").write_bytes(base)
    (folder / "model.safetensors").write_bytes(model)
    command = [*program, "-c", "-T1", "--base", str(folder / "base.safetensors"), str(folder / "model.safetensors")]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def write_golden(golden, program):
    golden.mkdir(parents=True)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for name, base, model in pairs():
            (golden / f"{name}.znn").write_bytes(pack(program, pathlib.Path(folder), base, model))
            (golden / f"{name}.base").write_bytes(base)
            lines.append(f"{name}.znn ok {len(model)} {xxh3_128(model).hex()} {name}.base\n")
            lines.append(f"{name}.znn base 0 -\n")
    (golden / "list.txt").write_text("".join(lines))


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--golden":
        write_golden(pathlib.Path(sys.argv[2]), sys.argv[3:])
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, base, model in pairs():
            if base == model:
                continue  # decoded as golden files; the encoder refuses to make an original from itself
            archive = pack(sys.argv[1:], pathlib.Path(folder), base, model)
            if restore(archive, [base]) != model:
                sys.exit(f"{name} came back changed")
            print(f"{name}: {len(archive)} of {len(model)}")


if __name__ == "__main__":
    main()
