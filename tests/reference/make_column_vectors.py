#!/usr/bin/env python3
"""Writes archives of layout 21: make_column_vectors.py FOLDER. The folder gets NAME.znn and list.txt, as make_vectors.py
explains."""

import sys

from encoder import BITS, CONSTANT, R16, R16C, R16W, RAW, ZSTD, Archive, R16WStream, bits, u8, u32, wide_table
from joint import JOINT_BITS, Columns
from make_plane_vectors import low_floats, repeats, split_jointly, with_base
from make_vectors import named, noise, r16_of, write

FLAT = (128, 0, 0, 2**32 - 1)  # start, fast, slow, stride


def columns_body(inner, columns, coded, head=b"", tail=b"", **changed):
    start, fast, slow, stride = columns
    records = b"".join(u8(codec) + u32(len(data)) for codec, data in coded)
    first = u8(1, 21, changed.get("n_head", len(head)), changed.get("flags", 0), inner, changed.get("bits", 2), changed.get("base", 0))
    return first + u8(start, fast | slow << 4) + u32(stride) + head + tail + records + b"".join(data for _, data in coded)


def some_planes(inner, n, columns, lanes_log2=3):
    """(coded planes, original with base 0) of n floats."""
    original = low_floats(inner, n, 0x9F)
    coded, symbols = split_jointly(original, JOINT_BITS[inner, 2])
    differences = Columns(*columns).differences(symbols)
    return [*coded, (R16W, R16WStream(differences, wide_table(differences), lanes_log2).coded())], original


def positive(inner, n):
    """(coded planes, original) of floats without a sign, whose lowest plane has a bit less."""
    width = {2: 2, 4: 4}[inner]
    original = bytearray(low_floats(inner, n, 0x9F))
    for i in range(width - 1, len(original), width):
        original[i] &= 0x7F
    coded, symbols = split_jointly(original, JOINT_BITS[inner, 2])
    coded[0] = (BITS, bits(*((split_low(original, 6), 0x3E, 0) if inner == 2 else (coded[0][1], 0xFE, 0))))
    differences = Columns(60, 1, 4, 64).differences(symbols)
    return [*coded, (R16W, R16WStream(differences, wide_table(differences)).coded())], bytes(original)


def split_low(original, n_bits):
    """The packed plane of bf16, a number a byte."""
    words = [int.from_bytes(original[i : i + 2], "little") for i in range(0, len(original), 2)]
    return bytes((word << 1 | word >> 15) & (1 << n_bits) - 1 for word in words)


def good_columns():
    for inner in (2, 4):
        for columns in ((60, 0, 4, 64), (0, 0, 0, 64), (255, 7, 7, 65), (128, 2, 3, 100), (90, 3, 7, 128), FLAT):
            for n, lanes_log2 in ((1, 0), (203, 3), (1000, 7)):
                coded, original = some_planes(inner, n, columns, lanes_log2)
                name = "_".join(map(str, (inner, n, *columns)))
                yield f"columns_{name}", Archive().add(columns_body(inner, columns, coded), original)
        for base in (1, 64, 192):
            coded, original = some_planes(inner, 300, (99, 1, 5, 70))
            yield f"columns_{inner}_base_{base}", Archive().add(columns_body(inner, (99, 1, 5, 70), coded, base=base), with_base(original, inner, base))
        head, tail = noise(inner - 1), noise(inner - 1, 2)
        yield f"columns_{inner}_edges", Archive().add(columns_body(inner, (99, 1, 5, 70), coded, head, tail), head + original + tail)
        for n_head in (inner, 80, 255):
            yield f"columns_{inner}_head_{n_head}", Archive().add(columns_body(inner, (99, 1, 5, 70), coded, noise(n_head), tail), noise(n_head) + original + tail)
        coded, original = positive(inner, 333)
        yield f"columns_{inner}_positive", Archive().add(columns_body(inner, (60, 1, 4, 64), coded), original)
        coded, original = some_planes(inner, 299, (60, 0, 4, 64))
        low = split_low(original, 6) if inner == 2 else bytes(int.from_bytes(original[i + 2 : i + 3], "little") << 1 & 62 | original[i + 1] >> 7 for i in range(0, len(original), 4))
        for name, plane in (("raw", (RAW, low)), ("r16", (R16, r16_of(low).coded()))):
            yield f"columns_{inner}_packed_{name}", Archive().add(columns_body(inner, (60, 0, 4, 64), [*coded[:-2], plane, coded[-1]]), original)
    flat = bytes(4 * 200)
    coded = [(CONSTANT, b"\0")] * 3 + [(R16W, R16WStream(bytes([128 - 7]) * 64 + bytes([128]) * 136, [(100, [4] * 30)]).coded())]
    yield "columns_4_zeros", Archive().add(columns_body(4, (7, 0, 0, 64), coded), flat)
    coded, original = some_planes(4, 300, (60, 0, 4, 64), 7)
    inside = columns_body(4, (60, 0, 4, 64), coded)
    yield "columns_in_repeats", Archive().add(repeats(original * 2, [(1200, 1200, 0)], inside, 1200), original * 2)


def bad_columns():
    for inner in (2, 4):
        usual = (60, 0, 4, 64)
        coded, original = some_planes(inner, 203, usual)

        def made(planes=coded, columns=usual, original=original, inner=inner, **changed):
            return Archive().add(columns_body(inner, columns, planes, **changed), original)

        def changed(p, codec, data, coded=coded, made=made):
            return made(coded[:p] + [(codec, data)] + coded[p + 1 :])

        last = len(coded) - 1
        packed, symbols = coded[last - 1][1], coded[last][1]
        for stride in (0, 1, 63):
            yield f"columns_{inner}_stride_{stride}", "corrupt", made(columns=(60, 0, 4, stride))
        for fast, slow in ((5, 4), (8, 8), (0, 8), (15, 15)):
            yield f"columns_{inner}_rates_{fast}_{slow}", "corrupt", made(columns=(60, fast, slow, 64))
        for name, other in (("cut", packed[:-1]), ("long", packed + b"\0"), ("mask", u8(127, 0) + packed[2:]), ("base", u8(63, 64) + packed[2:]),
                            ("unused", packed[:-1] + u8(packed[-1] | 128)), ("nothing", b""), ("head_alone", packed[:2])):  # fmt: skip
            yield f"columns_{inner}_packed_{name}", "corrupt", changed(last - 1, BITS, other)
        yield f"columns_{inner}_packed_raw_large", "corrupt", changed(last - 1, RAW, b"\x40" * 203)
        yield f"columns_{inner}_packed_constant_large", "corrupt", changed(last - 1, CONSTANT, b"\x40")
        yield f"columns_{inner}_packed_given", "corrupt", changed(last - 1, R16C, packed)
        yield f"columns_{inner}_packed_zstd", "corrupt", changed(last - 1, ZSTD, packed)
        yield f"columns_{inner}_packed_unknown", "corrupt", changed(last - 1, 9, packed)  # codec 9 was unknown once
        yield f"columns_{inner}_symbols_raw", "unsupported", changed(last, RAW, noise(203))
        yield f"columns_{inner}_symbols_r16", "unsupported", changed(last, R16, symbols)
        yield f"columns_{inner}_symbols_cut", "corrupt", changed(last, R16W, symbols[:-1])
        yield f"columns_{inner}_symbols_long", "corrupt", changed(last, R16W, symbols + b"x")
        for p in range(last - 1):
            yield f"columns_{inner}_raw_{p}_cut", "corrupt", changed(p, RAW, coded[p][1][:-1])
        yield f"columns_{inner}_head", "corrupt", made(n_head=4)
        yield f"columns_{inner}_flags", "unsupported", made(flags=1)
        for n_bits in (0, 1, 3):
            yield f"columns_{inner}_bits_{n_bits}", "unsupported", made(bits=n_bits)
        for base in (193, 255):
            yield f"columns_{inner}_base_{base}", "corrupt", made(base=base)
        none = [(RAW, b"")] * last + [(R16W, b"")]
        yield f"columns_{inner}_none", "corrupt", Archive().add(columns_body(inner, usual, none, b"", b"x"), b"x")
    coded, original = some_planes(2, 99, (60, 0, 4, 64))
    for inner in (0, 1, 3, 6, 7, 13, 21, 255):
        yield f"columns_inner_{inner}", "unsupported", Archive().add(columns_body(inner, (60, 0, 4, 64), coded), original)
    body = columns_body(2, (60, 0, 4, 64), coded)
    for end in (4, 6, 7, 8, 9, 12, 13, 18, 22, len(body) - 1):
        yield f"columns_end_{end}", "corrupt", Archive().add(body[:end], original)
    yield "columns_long", "corrupt", Archive().add(body + b"x", original)


def every_vector():
    return named((good_columns,), (bad_columns,))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(every_vector(), sys.argv[1])
