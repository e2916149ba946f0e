#!/usr/bin/env python3
"""Writes archives of the codecs and layouts that came after the first ones: make_plane_vectors.py FOLDER, which gets
NAME.znn and list.txt as make_vectors.py explains. New ones are added at the end of their part; none is ever changed."""

import pathlib
import sys

from encoder import BITS, R16, RAW, Archive, bits, chunk_body, stream, u8
from make_vectors import bytes_plane, noise, r16_of, weights
from native import xxh3_128


def good_bits():
    for mask, base, n in ((0, 9, 5), (1, 0, 1), (1, 64, 9), (254, 0, 800), (254, 1, 803), (255, 0, 16), (170, 85, 77)):
        data = bytes(byte & mask | base for byte in noise(n, n))
        yield f"bits_{mask}_{n}", bytes_plane(data, BITS, bits(data, mask, base))
    positive = bytes(byte & 254 for byte in noise(300))  # fp32 without signs
    planes = [(BITS, bits(positive, 254, 0)), (RAW, noise(300, 2)), (RAW, noise(300, 3)), (R16, r16_of(weights(150)).coded())]
    words = b"".join(words_of(positive, noise(300, 2), noise(300, 3), weights(150)))
    yield "bits_fp32", Archive().add(chunk_body(4, planes), words)
    escapes = r16_of(noise(64), nested_escapes=b"")
    escapes.nested_escapes = stream(BITS, bits(escapes.escapes, 255, 0))
    yield "bits_escapes", bytes_plane(noise(64), R16, escapes.coded())
    yield "bits_none", Archive().add(chunk_body(1, [(BITS, u8(1, 0)), (RAW, b"")], b"\x01"), b"\x01")


def words_of(*planes):
    """Words of 32 bits whose rotated bytes these are."""
    for plane_bytes in zip(*planes):
        rotated = int.from_bytes(bytes(plane_bytes), "little")
        yield (rotated >> 1 | (rotated & 1) << 31).to_bytes(4, "little")


def bad_bits():
    data = bytes(byte & 7 for byte in noise(21))
    coded = bits(data, 7, 0)
    for name, changed in (("cut", coded[:-1]), ("long", coded + b"\0"), ("mask_alone", b"\x07"), ("nothing", b""),
                          ("base_in_mask", u8(7, 1) + coded[2:]), ("unused", coded[:-1] + u8(coded[-1] | 128)),
                          ("other_mask", u8(15, 0) + coded[2:])):  # fmt: skip
        yield f"bits_{name}", "corrupt", bytes_plane(data, BITS, changed)


def every_vector():
    """(name, expected answer, Archive)"""
    for good in (good_bits,):
        for name, archive in good():
            yield name, "ok", archive
    for bad in (bad_bits,):
        for name, expected, archive in bad():
            yield "bad_" + name, expected, archive


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, expected, archive in every_vector():
        (folder / f"{name}.znn").write_bytes(archive.coded())
        known = f" {len(archive.original)} {xxh3_128(archive.original).hex()}" if expected == "ok" else ""
        lines.append(f"{name}.znn {expected}{known}\n")
    (folder / "list.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
