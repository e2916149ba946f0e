#!/usr/bin/env python3
"""Writes seeds for the fuzz targets: make_seeds.py FOLDER, which is tests/fuzz/corpus.

They come from the archives of make_vectors.py that must be restored: whole for fuzz_container, chunk bodies and planes
for fuzz_decode. Those of fuzz_roundtrip are data of the common types, those of fuzz_readers the files of
model_files.py. The corpus keeps the ones that add coverage (a target's -merge=1)."""

import pathlib
import struct
import sys

from make_vectors import every_vector, halves, weights
from model_files import FILES

LONGEST = 1200


def chunk_bodies(archive):
    for frame in archive.frames:
        orig_len = struct.unpack_from("<I", frame, 12)[0]
        if orig_len > 0:
            yield orig_len, frame[16:]


def planes(orig_len, body):
    """(codec, size, coded bytes) of a chunk in layout 8."""
    if body[1] == 0:
        codec, length = struct.unpack_from("<BI", body, 4)
        yield codec, orig_len, body[9 : 9 + length]


def seeds():
    for name, expected, archive in every_vector():
        if expected != "ok":
            continue
        yield "fuzz_container", name, archive.coded()
        for i, (orig_len, body) in enumerate(chunk_bodies(archive)):
            if i == 0 and orig_len <= 65536:
                yield "fuzz_decode", name, struct.pack("<HB", orig_len - 1, 0) + body
                for codec, size, coded in planes(orig_len, body):
                    yield "fuzz_decode", name + "_plane", struct.pack("<HB", size - 1, codec + 1) + coded
    for dtype, name, data in ((1, "bf16", weights(300)), (2, "fp16", halves(300)), (3, "fp32", weights(150, 4)),
                              (0, "unknown", weights(150, 4)), (14, "bytes", bytes(300)),
                              (13, "text", b"the quick brown fox " * 9)):  # fmt: skip
        for level, times in ((1, 3), (3, 7), (3, 220)):
            yield "fuzz_roundtrip", f"{name}_{level}_{times}", bytes([dtype, level, 16 * times & 255]) + data
    for name, make in FILES.items():
        yield "fuzz_readers", name, make()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for target, name, seed in seeds():
        folder = pathlib.Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        if len(seed) <= LONGEST:
            (folder / name).write_bytes(seed)


if __name__ == "__main__":
    main()
