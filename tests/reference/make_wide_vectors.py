#!/usr/bin/env python3
"""Writes archives with streams of R16W, in planes, nested, and as joint symbols with two bits of the mantissa:
make_wide_vectors.py FOLDER. The folder gets NAME.znn and list.txt, as make_vectors.py explains."""

import sys

from encoder import (
    BITS,
    CONSTANT,
    R16,
    R16W,
    RAW,
    ZSTD,
    Archive,
    R16Stream,
    R16WStream,
    chunk_body,
    plain_table,
    stream,
    u8,
    u32,
    wide_table,
)
from joint import JOINT_BITS, most_base
from make_plane_vectors import joint_body, low_floats, repeats, split_jointly, with_base
from make_vectors import bytes_plane, named, noise, peaked, write


def wide_of(data, **changes):
    """R16W of `data` by a plain table, with parts replaced."""
    wide = R16WStream(data, wide_table(data), lanes_log2=3)
    for part, value in changes.items():
        setattr(wide, part, value)
    return wide


def good_streams():
    data = peaked(700)
    for lanes_log2 in (0, 3, 5, 7):
        for n in (1, 129, 700)[lanes_log2 // 7 :]:
            coded = R16WStream(data[:n], wide_table(data[:n]), lanes_log2).coded()
            yield f"wide_{n}_lanes_{lanes_log2}", bytes_plane(data[:n], R16W, coded)
    for k in (1, 2, 15, 16, 31):
        yield f"wide_k_{k}", bytes_plane(data, R16W, R16WStream(data, wide_table(data, k)).coded())
    yield "wide_all_escape", bytes_plane(noise(300), R16W, R16WStream(noise(300), [(200, [])]).coded())
    yield "wide_no_escape", bytes_plane(b"\x07" * 99, R16W, R16WStream(b"\x07" * 99, [(7, [128])]).coded())
    yield "wide_far_escapes", bytes_plane(noise(500), R16W, R16WStream(noise(500), [(224, [2] * 31)]).coded())
    near = bytes(byte % 20 for byte in noise(300))
    yield "wide_from_0", bytes_plane(near, R16W, R16WStream(near, [(0, [6] * 20)]).coded())
    tables = [(100, [8] * 12), (224, [1] * 31), (0, [])]
    yield "wide_tables", bytes_plane(noise(700), R16W, R16WStream(noise(700), tables, 4, 7, [0, 1, 2, 1, 0, 2]).coded())
    for depth in (R16, R16W):  # streams of R16 and of R16W in one of R16W
        outer = R16WStream(data, wide_table(data, 4))
        inner = R16Stream(outer.escapes, *plain_table(outer.escapes)) if depth == R16 else wide_of(outer.escapes)
        outer.nested_escapes = stream(depth, inner.coded())
        yield f"wide_escapes_by_{depth}", bytes_plane(data, R16W, outer.coded())
    frequent = R16WStream(data, wide_table(data))
    frequent.nested_freqs = stream(R16W, wide_of(frequent.freqs).coded())
    yield "wide_freqs_by_8", bytes_plane(data, R16W, frequent.coded())
    escapes = R16Stream(data, *plain_table(data[:20]))
    escapes.nested_escapes = stream(R16W, wide_of(escapes.escapes).coded())
    yield "wide_in_r16", bytes_plane(data, R16, escapes.coded())


def bad_streams():
    data = peaked(260) + noise(40)
    wide = wide_of(data)

    def changed(**parts):
        return bytes_plane(data, R16W, wide_of(data, **parts).coded())

    yield "wide_lanes_8", "corrupt", changed(lanes_log2=8)
    yield "wide_block_of_one_table", "corrupt", changed(block_log2=7)
    for n in (0, 17, 255):
        yield f"wide_{n}_tables", "corrupt", changed(n_tables=n)
    yield "wide_k_32", "corrupt", changed(spans=u8(100, 32), nested_freqs=stream(RAW, bytes(32)))
    yield "wide_lists_255", "corrupt", changed(spans=u8(225, 31))
    yield "wide_lists_256", "corrupt", changed(spans=u8(255, 31))
    yield "wide_frequencies_129", "corrupt", changed(nested_freqs=stream(RAW, u8(98) + bytes(30)))
    yield "wide_frequency_256", "corrupt", changed(nested_freqs=stream(RAW, u8(255) + bytes(30)))
    yield "wide_freqs_short", "corrupt", changed(nested_freqs=stream(RAW, wide.freqs[:-1]))
    yield "wide_freqs_zstd", "corrupt", changed(nested_freqs=stream(ZSTD, wide.freqs))
    yield "wide_freqs_unknown", "corrupt", changed(nested_freqs=stream(9, wide.freqs))  # codec 9 was unknown once
    yield "wide_escapes_many", "corrupt", changed(n_escapes=301)
    yield "wide_escapes_more", "corrupt", changed(nested_escapes=stream(RAW, wide.escapes + b"x"), n_escapes=wide.n_escapes + 1)
    yield "wide_escapes_fewer", "corrupt", changed(nested_escapes=stream(RAW, wide.escapes[:-1]), n_escapes=wide.n_escapes - 1)
    yield "wide_state_255", "corrupt", changed(states=[255, *wide.states[1:]])
    yield "wide_state_wrong", "corrupt", changed(states=[wide.states[0] ^ 256, *wide.states[1:]])
    yield "wide_bytes_more", "corrupt", changed(renorm=wide.renorm + b"x")
    yield "wide_bytes_fewer", "corrupt", changed(renorm=wide.renorm[:-1])
    coded = wide.coded()
    for end in (0, 6, 7, 8, 9, 13, 20, len(coded) - len(wide.renorm) - 1):
        yield f"wide_cut_{end}", "corrupt", bytes_plane(data, R16W, coded[:end])
    yield "wide_of_none", "corrupt", Archive().add(chunk_body(1, [(R16W, coded), (RAW, b"")], b"A"), b"A")
    twice = R16WStream(noise(300), [(100, [3] * 31)])
    once = wide_of(twice.escapes)
    once.nested_escapes = stream(R16W, wide_of(once.escapes).coded())
    twice.nested_escapes = stream(R16W, once.coded())
    yield "wide_nested_twice", "corrupt", bytes_plane(noise(300), R16W, twice.coded())
    blocks = R16WStream(noise(300), [(100, [3] * 31), (0, [])], 3, 7, [0, 1, 0])
    blocks.nested_ids = stream(RAW, u8(0, 1, 2))
    yield "wide_id_2", "corrupt", bytes_plane(noise(300), R16W, blocks.coded())


TWO = [inner for inner, n_bits in JOINT_BITS if n_bits == 2]


def two_planes(inner, n, lanes_log2=3):
    """(coded planes, original with base 0) of n floats."""
    original = low_floats(inner, n, 0x9F)
    coded, symbols = split_jointly(original, JOINT_BITS[inner, 2])
    return [*coded, (R16W, R16WStream(symbols, wide_table(symbols), lanes_log2).coded())], original


def good_joint2():
    for inner in TWO:
        for base in (0, 1, 60, 64, 128, 192):
            for n, lanes_log2 in ((1, 0), (8, 1), (203, 3), (515, 7)):
                coded, original = two_planes(inner, n, lanes_log2)
                if n == 203 or base in (0, 64):
                    body = joint_body(inner, coded, bits=2, base=base)
                    yield f"joint2_{inner}_{base}_{n}", Archive().add(body, with_base(original, inner, base))
        head, tail = noise(inner - 1), noise(inner - 1, 2)
        body = joint_body(inner, coded, head, tail, bits=2)
        yield f"joint2_{inner}_edges", Archive().add(body, head + original + tail)
        for n_head in (inner, 80, 255):
            body = joint_body(inner, coded, noise(n_head), tail, bits=2)
            yield f"joint2_{inner}_head_{n_head}", Archive().add(body, noise(n_head) + original + tail)
    coded, original = two_planes(4, 300, 7)
    inside = joint_body(4, coded, bits=2)
    yield "joint2_in_repeats", Archive().add(repeats(original * 2, [(1200, 1200, 0)], inside, 1200), original * 2)


def bad_joint2():
    for inner in TWO:
        coded, original = two_planes(inner, 203)

        def made(planes, head=b"", tail=b"", original=original, inner=inner, **changed):
            return Archive().add(joint_body(inner, planes, head, tail, **{"bits": 2, **changed}), original)

        def changed(p, codec, data, coded=coded, made=made):
            return made(coded[:p] + [(codec, data)] + coded[p + 1 :])

        last = len(coded) - 1
        data, symbols = coded[last - 1][1], coded[last][1]
        for name, other in (("cut", data[:-1]), ("long", data + b"\0"), ("mask", u8(127, 0) + data[2:]), ("base", u8(63, 64) + data[2:]),
                            ("unused", data[:-1] + u8(data[-1] | 128)), ("nothing", b""), ("head_alone", data[:2])):  # fmt: skip
            yield f"joint2_{inner}_packed_{name}", "corrupt", changed(last - 1, BITS, other)
        yield f"joint2_{inner}_packed_raw", "unsupported", changed(last - 1, RAW, noise(203))
        yield f"joint2_{inner}_symbols_raw", "unsupported", changed(last, RAW, noise(203))
        yield f"joint2_{inner}_symbols_r16", "unsupported", changed(last, R16, symbols)
        yield f"joint2_{inner}_symbols_cut", "corrupt", changed(last, R16W, symbols[:-1])
        yield f"joint2_{inner}_symbols_long", "corrupt", changed(last, R16W, symbols + b"x")
        for p in range(last - 1):
            yield f"joint2_{inner}_raw_{p}_cut", "corrupt", changed(p, RAW, coded[p][1][:-1])
            yield f"joint2_{inner}_raw_{p}_constant", "unsupported", changed(p, CONSTANT, b"a")
        yield f"joint2_{inner}_head", "corrupt", made(coded, n_head=4)
        yield f"joint2_{inner}_flags", "unsupported", made(coded, flags=1)
        yield f"joint2_{inner}_bits_3", "unsupported", made(coded, bits=3)
        yield f"joint2_{inner}_bits_1", "unsupported", made(coded, bits=1)
        for base in (most_base(inner, 2) + 1, 255):
            yield f"joint2_{inner}_base_{base}", "corrupt", made(coded, base=base)
        none = [(RAW, b"")] * (last - 1) + [(BITS, data[:2]), (R16W, b"")]
        yield f"joint2_{inner}_none", "corrupt", Archive().add(joint_body(inner, none, b"", b"x", bits=2), b"x")
    coded, original = two_planes(2, 99)
    yield "joint2_7", "unsupported", Archive().add(joint_body(7, [(RAW, noise(99)), *coded], bits=2), original)
    short = joint_body(2, coded, noise(100), bits=2)
    yield "joint2_head_alone", "corrupt", Archive().add(short, noise(100))
    yield "joint2_head_too_long", "corrupt", Archive().add(short, noise(99))
    yield "joint2_cut", "corrupt", Archive().add(joint_body(2, coded, bits=2)[:-1], original)
    yield "joint2_long", "corrupt", Archive().add(joint_body(2, coded, bits=2) + b"x", original)
    records = u8(1, 13, 0, 0, 2, 2, 64, BITS) + u32(5)
    yield "joint2_records_cut", "corrupt", Archive().add(records, original)


def every_vector():
    return named((good_streams, good_joint2), (bad_streams, bad_joint2))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(every_vector(), sys.argv[1])
