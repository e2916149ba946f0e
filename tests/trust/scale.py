#!/usr/bin/env python3
"""Takes the command to sizes where counts and offsets overflow: files and tensors past 4 GiB, many tensors, next to
none.

  scale.py [GIB [TENSORS]]    4.5 and 100000 unless told; ZIPNN is the program
"""

import json
import os
import random
import subprocess
import sys
import tempfile

PROGRAM = os.environ["ZIPNN"]
GIB = 1 << 30
ISLAND = 1 << 16


def zipnn(*arguments, code=0, **options):
    process = subprocess.run([PROGRAM, *arguments], check=False, stdout=subprocess.PIPE, **options)
    if process.returncode != code:
        raise SystemExit(f"exit code {process.returncode}: {arguments}")
    return process.stdout


def pipe_equals(command, path):
    """The output of a shell's pipeline is the content of the file."""
    if subprocess.run(["bash", "-o", "pipefail", "-c", f'{command} | cmp - "$1"', "bash", path],
                      check=False, env=os.environ | {"ZIPNN": PROGRAM}).returncode != 0:
        raise SystemExit(f"{command}: not the original")


def write_header(file, tensors):
    header = json.dumps(tensors).encode()
    file.write(len(header).to_bytes(8, "little") + header)
    return 8 + len(header)


def huge(folder, gibibytes):
    """A file with holes, whose first tensor and whose length do not fit in 32 bits; bytes lie at the borders."""
    path = os.path.join(folder, "huge.safetensors")
    source = random.Random(1)
    first = int(gibibytes * GIB) // ISLAND * ISLAND
    with open(path, "wb") as file:
        data = write_header(file, {"a": {"dtype": "BF16", "shape": [first // 2], "data_offsets": [0, first]},
                                   "b": {"dtype": "F32", "shape": [1024], "data_offsets": [first, first + 4096]}})
        for at in (0, first // 2, min(4 * GIB, first) - ISLAND // 2, first - ISLAND // 2):
            file.seek(data + at)
            file.write(source.randbytes(ISLAND))
        file.truncate(data + first + 4096)
    zipnn(path)
    archive = path + ".znn"
    zipnn("verify", archive, "--against", path)
    pipe_equals('"$ZIPNN" -dc "$1.znn"', path)
    pipe_equals('"$ZIPNN" <"$1" | "$ZIPNN" -d', path)
    with open(path, "rb") as file:
        file.seek(data + first)
        last = file.read(4096)
    if zipnn("extract", archive, "--tensor", "b", "-c") != last:
        raise SystemExit("the tensor past 4 GiB is another")
    if zipnn("cat", archive, "--range", f"{data + first}:") != last:
        raise SystemExit("the bytes past 4 GiB are others")
    size = os.path.getsize(path)
    os.remove(path)
    os.remove(archive)
    return size


def many(folder, n):
    """A file of n tensors of 64 bytes."""
    path = os.path.join(folder, "many.safetensors")
    body = random.Random(2).randbytes(64 * n)
    with open(path, "wb") as file:
        ranges = ([64 * i, 64 * i + 64] for i in range(n))
        rows = ({"dtype": "BF16", "shape": [4, 8], "data_offsets": r} for r in ranges)
        write_header(file, {f"layer.{i}.weight": row for i, row in enumerate(rows)})
        file.write(body)
    zipnn(path)
    zipnn("verify", path + ".znn", "--against", path)
    pipe_equals('"$ZIPNN" -dc "$1.znn"', path)
    for i in (0, n // 2, n - 1):
        if zipnn("extract", path + ".znn", "--tensor", f"layer.{i}.weight", "-c") != body[64 * i:64 * i + 64]:
            raise SystemExit(f"tensor {i} is another")
    found = json.loads(zipnn("-l", "--json", path + ".znn").splitlines()[0])
    if found.get("n_tensors", n) != n and len(found.get("tensors", [])) != n:
        raise SystemExit(f"not {n} tensors")


def tiny():
    for data in (b"", b"\0", b"x", b"xy", bytes(7)):
        if zipnn("-d", "-c", input=zipnn("-c", input=data)) != data:
            raise SystemExit(f"{data} does not come back")


def main():
    gibibytes = float(sys.argv[1]) if len(sys.argv) > 1 else 4.5
    tensors = int(sys.argv[2]) if len(sys.argv) > 2 else 100000
    with tempfile.TemporaryDirectory(prefix="zipnn-trust-") as folder:
        tiny()
        many(folder, tensors)
        size = huge(folder, gibibytes)
    print(f"scale: a file of {size} bytes with a tensor of {gibibytes} GiB, one of {tensors} tensors, and files of "
          "0, 1, 2 and 7 bytes came back, whole and in parts, from files and pipes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
