#!/usr/bin/env python3
"""Writes archives with planes of R32, alone, as joint symbols and of columns: make_fine_vectors.py FOLDER. The folder gets
NAME.znn and list.txt, as make_vectors.py explains."""

import sys

from encoder import (
    CONSTANT,
    R16,
    R32,
    RAW,
    ZSTD,
    Archive,
    R16Stream,
    R32Stream,
    chunk_body,
    fine_table,
    plain_table,
    stream,
    u8,
    u32,
)
from joint import JOINT_BITS, Columns
from make_column_vectors import columns_body
from make_plane_vectors import joint_body, low_floats, repeats, split_jointly
from make_vectors import named, noise, peaked, write


def fine_of(data, **changes):
    """R32 of `data` by one table, with parts replaced."""
    fine = R32Stream(data, fine_table(data))
    for part, value in changes.items():
        setattr(fine, part, value)
    return fine


def lowest_plane(data, coded):
    """A chunk of words of 64 bits whose lowest bytes are `data`, so that it is longer than the stream."""
    planes = [(R32, coded)] + [(CONSTANT, b"\0")] * 7
    return Archive().add(chunk_body(5, planes), b"".join(u8(byte) + bytes(7) for byte in data))


def good_streams():
    data = peaked(700)
    for n in (40, 63, 64, 65, 129, 700):
        yield f"fine_{n}", lowest_plane(data[:n], R32Stream(data[:n], fine_table(data[:n])).coded())
    for k in (1, 2, 31, 32, 62):
        yield f"fine_k_{k}", lowest_plane(data, R32Stream(data, fine_table(data, k)).coded())
    yield "fine_all_escape", lowest_plane(noise(300), R32Stream(noise(300), [(200, [5])]).coded())
    yield "fine_one_symbol", lowest_plane(b"\x07" * 99, R32Stream(b"\x07" * 99, [(7, [104, 0])]).coded())
    yield "fine_last_symbols", lowest_plane(noise(500), R32Stream(noise(500), [(193, [1] * 64)]).coded())
    yield "fine_equal", lowest_plane(noise(500), R32Stream(noise(500), [(0, [40] * 64)]).coded())
    yield "fine_far_apart", lowest_plane(noise(500), R32Stream(noise(500), [(9, [104, 1, 0, 17] * 15 + [8])]).coded())
    steep = [(60, [min(104, 3 * i) for i in range(40)] + [9])]
    yield "fine_steep", lowest_plane(noise(400), R32Stream(noise(400), steep).coded())
    yield "fine_unlisted_within", lowest_plane(noise(400), R32Stream(noise(400), [(100, [20, 0] * 31 + [30])]).coded())
    tables = [(100, [30] * 13), (193, [1] * 64), (0, [7])]
    yield "fine_tables", lowest_plane(noise(700), R32Stream(noise(700), tables, 7, [0, 1, 2, 1, 0, 2]).coded())
    many = [(t, [10 + t] * 50 + [60]) for t in range(16)]
    ids = [(5 * i + i // 3) % 16 for i in range(16)]
    yield "fine_16_tables", lowest_plane(noise(2000), R32Stream(noise(2000), many, 7, ids).coded())
    outer = R32Stream(data, fine_table(data, 4))
    outer.nested_escapes = stream(R16, R16Stream(outer.escapes, *plain_table(outer.escapes)).coded())
    yield "fine_escapes_by_2", lowest_plane(data, outer.coded())


def bad_streams():
    data = peaked(260) + noise(40)
    fine = fine_of(data)

    def changed(**parts):
        return lowest_plane(data, fine_of(data, **parts).coded())

    yield "fine_block_of_one_table", "corrupt", changed(block_log2=7)
    for n in (0, 17, 255):
        yield f"fine_{n}_tables", "corrupt", changed(n_tables=n)
    yield "fine_k_64", "corrupt", changed(spans=u8(100, 64), nested_steps=stream(RAW, bytes(65)))
    yield "fine_lists_256", "corrupt", changed(spans=u8(194, 63))
    yield "fine_size_105", "corrupt", changed(nested_steps=stream(RAW, u8(105) + fine.steps[1:]))
    yield "fine_size_255", "corrupt", changed(nested_steps=stream(RAW, fine.steps[:4] + u8(255 - fine.steps[0]) + fine.steps[5:]))
    yield "fine_no_slots", "corrupt", changed(nested_steps=stream(RAW, bytes(len(fine.steps))))
    yield "fine_steps_short", "corrupt", changed(nested_steps=stream(RAW, fine.steps[:-1]))
    yield "fine_steps_zstd", "corrupt", changed(nested_steps=stream(ZSTD, fine.steps))
    yield "fine_steps_fine", "corrupt", changed(nested_steps=stream(R32, fine_of(fine.steps).coded()))
    yield "fine_steps_unknown", "unsupported", changed(nested_steps=stream(255, fine.steps))
    yield "fine_escapes_many", "corrupt", changed(n_escapes=301)
    yield "fine_escapes_more", "corrupt", changed(nested_escapes=stream(RAW, fine.escapes + b"x"), n_escapes=fine.n_escapes + 1)
    yield "fine_escapes_fewer", "corrupt", changed(nested_escapes=stream(RAW, fine.escapes[:-1]), n_escapes=fine.n_escapes - 1)
    yield "fine_state_65535", "corrupt", changed(states=[65535, *fine.states[1:]])
    yield "fine_state_wrong", "corrupt", changed(states=[fine.states[0] ^ 1 << 20, *fine.states[1:]])
    yield "fine_words_more", "corrupt", changed(words=fine.words + b"xx")
    yield "fine_words_fewer", "corrupt", changed(words=fine.words[:-2])
    yield "fine_half_a_word", "corrupt", changed(words=fine.words + b"x")
    coded = fine.coded()
    for end in (0, 1, 5, 6, 7, 8, 12, 60, len(coded) - len(fine.words) - 1, len(coded) - 1):
        yield f"fine_cut_{end}", "corrupt", lowest_plane(data, coded[:end])
    yield "fine_of_none", "corrupt", Archive().add(chunk_body(1, [(R32, coded[:8]), (RAW, b"")], b"A"), b"A")
    blocks = R32Stream(noise(300), [(100, [3] * 31), (0, [1])], 7, [0, 1, 0])
    blocks.nested_ids = stream(RAW, u8(0, 1, 2))
    yield "fine_id_2", "corrupt", lowest_plane(noise(300), blocks.coded())
    for block_log2 in (6, 25):
        blocks = R32Stream(noise(300), [(100, [3] * 31), (0, [1])], 7, [0, 1, 0])
        blocks.block_log2 = block_log2
        yield f"fine_block_log2_{block_log2}", "corrupt", lowest_plane(noise(300), blocks.coded())


def fine_planes(inner, n, columns=None):
    """(coded planes, original with base 0) of n floats."""
    original = low_floats(inner, n, 0x9F)
    coded, symbols = split_jointly(original, JOINT_BITS[inner, 2])
    if columns:
        symbols = Columns(*columns).differences(symbols)
    return [*coded, (R32, R32Stream(symbols, fine_table(symbols)).coded())], original


def good_joint():
    usual = (60, 0, 4, 64)
    for inner in (2, 4):
        for n in (100, 203, 515):
            coded, original = fine_planes(inner, n)
            yield f"fine_joint_{inner}_{n}", Archive().add(joint_body(inner, coded, bits=2), original)
            coded, original = fine_planes(inner, n, usual)
            yield f"fine_columns_{inner}_{n}", Archive().add(columns_body(inner, usual, coded), original)
    coded, original = fine_planes(4, 300)
    inside = joint_body(4, coded, bits=2)
    yield "fine_in_repeats", Archive().add(repeats(original * 2, [(1200, 1200, 0)], inside, 1200), original * 2)


def bad_joint():
    usual = (60, 0, 4, 64)
    for inner in (2, 4):
        coded, original = fine_planes(inner, 203)
        symbols = coded[-1][1]
        for name, other in (("cut", symbols[:-2]), ("long", symbols + b"xx"), ("nothing", b"")):
            body = joint_body(inner, [*coded[:-1], (R32, other)], bits=2)
            yield f"fine_joint_{inner}_{name}", "corrupt", Archive().add(body, original)
        one = joint_body(inner, coded, bits=1)
        yield f"fine_joint_{inner}_bits_1", "unsupported", Archive().add(one, original)
        low = joint_body(inner, [(R32, coded[0][1]), *coded[1:]], bits=2)
        yield f"fine_joint_{inner}_low", "unsupported", Archive().add(low, original)
        coded, original = fine_planes(inner, 203, usual)
        cut = columns_body(inner, usual, [*coded[:-1], (R32, coded[-1][1][:-2])])
        yield f"fine_columns_{inner}_cut", "corrupt", Archive().add(cut, original)
    none = chunk_body(0, [(R32, u8(0, 1) + u32(0))])
    yield "fine_head_alone", "corrupt", Archive().add(none, b"x")


def every_vector():
    return named((good_streams, good_joint), (bad_streams, bad_joint))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(every_vector(), sys.argv[1])
