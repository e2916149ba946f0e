#!/usr/bin/env python3
"""Writes archives with fields of kinds 6, 7 and 8, and with R16W in layouts 17 and 19: make_half_vectors.py FOLDER. The folder gets NAME.znn and list.txt, as
make_vectors.py explains."""

import sys

from encoder import (
    BITS,
    NIBBLES,
    R16,
    R16C,
    R16W,
    RAW,
    Archive,
    R16WStream,
    bits,
    chunk_body,
    coded_records,
    nibbles,
    records_body,
    split_records,
    u8,
    u32,
    wide_table,
)
from make_plane_vectors import SOME_RUNS, given, keyed_body, keyed_parts, some_blocks, values_body
from make_vectors import named, noise, peaked, r16_of, write
from values import planes_of

LOW_BITS = {6: 1, 7: 3, 8: 3}
MIDDLE = {6: 56, 7: 130, 8: 4}


def some_bytes(kind, n):
    return bytes((byte + MIDDLE[kind]) % 256 for byte in peaked(n, 0, 9))


def wide(plane, lanes_log2=3, k=31):
    return R16W, R16WStream(plane, wide_table(plane, k), lanes_log2).coded()


def packed(kind, low):
    return BITS, bits(low, (1 << LOW_BITS[kind]) - 1, 0)


def good_fives():
    for kind in LOW_BITS:
        fields, data = [(kind, 1)], some_bytes(kind, 4099)
        for n, lanes_log2, k in ((1, 0, 31), (8, 3, 31), (230, 5, 4), (1027, 7, 31), (4099, 7, 24)):
            low, high = split_records(fields, data[:n])
            coded = [packed(kind, low), wide(high, lanes_log2, k)]
            yield f"fives_{kind}_bits_{n}", Archive().add(records_body(fields, coded), data[:n])
        low, high = split_records(fields, data[:230])
        yield f"fives_{kind}_raw", Archive().add(records_body(fields, [(RAW, low), (RAW, high)]), data[:230])
        low, high = split_records(fields, data[:1000])
        for name, coded in (("narrow", [packed(kind, low), (R16, r16_of(high).coded())]),
                            ("given", [(R16C, given(low, high).coded()), wide(high)]), ("other_bits", [(BITS, bits(low, (2 << LOW_BITS[kind]) - 1, 0)), wide(high)])):  # fmt: skip
            yield f"fives_{kind}_{name}", Archive().add(records_body(fields, coded), data[:1000])
    fields, data = [(6, 1), (7, 2), (8, 5)], noise(8 * 20 + 9)
    yield "fives_among_fields", Archive().add(coded_records(data, fields, [RAW] * 6, 3), data)


def bad_fives():
    for kind, low_bits in LOW_BITS.items():
        data = some_bytes(kind, 601)
        low, high = split_records([(kind, 1)], data)
        above, pack = u8(1 << (8 - low_bits)), packed(kind, low)[1]

        def field(low, high, kind=kind, data=data):
            return Archive().add(records_body([(kind, 1)], [low, high]), data)

        yield f"fives_{kind}_low_too_large", "corrupt", field((NIBBLES, nibbles(low[:-1] + u8(1 << low_bits))), wide(high))
        yield f"fives_{kind}_high_too_large", "corrupt", field((BITS, pack), (RAW, high[:-1] + above))
        for lanes_log2 in (3, 7):
            for at in (0, 300, 600):
                large = high[:at] + above + high[at + 1 :]
                yield f"fives_{kind}_escape_{lanes_log2}_{at}", "corrupt", field((BITS, pack), wide(large, lanes_log2, 4))
        yield f"fives_{kind}_unused_bits", "corrupt", field((BITS, pack[:-1] + u8(pack[-1] | 128)), wide(high))
        yield f"fives_{kind}_low_cut", "corrupt", field((BITS, pack[:-1]), wide(high))
        yield f"fives_{kind}_low_long", "corrupt", field((BITS, pack + b"\0"), wide(high))
        yield f"fives_{kind}_high_cut", "corrupt", field((BITS, pack), (R16W, wide(high)[1][:-1]))
    low, high = split_records([(7, 1)], data[:99])
    yield "fives_kind_9", "unsupported", Archive().add(records_body([(9, 1)], [(RAW, low), (RAW, high)]), data[:99])


def some_values():
    """(blocks of type 1, their planes)."""
    data = some_blocks(1, 9)
    return data, [(RAW, plane) for plane in planes_of(1, data, 0, 1, b"")]


def some_wide_keyed():
    original, keys, numbers, rest = keyed_parts(3, SOME_RUNS)
    return original, (RAW, keys), numbers, chunk_body(0, [(RAW, rest)])


def with_escapes(stream, n):
    return stream[:3] + u32(n) + stream[7:]


def good_wide():
    data, planes = some_values()
    planes[-1] = wide(planes[-1][1])
    yield "wide_values", Archive().add(values_body(1, planes, 0, 1), data)
    original, keys, numbers, rest = some_wide_keyed()
    for k in (31, 15):
        yield f"wide_keyed_{k}", Archive().add(keyed_body(3, SOME_RUNS, keys, wide(numbers, 3, k), rest), original)


def bad_wide():
    data, planes = some_values()
    codec, symbols = wide(planes[-1][1])
    for name, stream in (("many", with_escapes(symbols, len(data) + 1)), ("cut", symbols[:-1]), ("short", symbols[:6])):
        yield f"wide_values_{name}", "corrupt", Archive().add(values_body(1, [*planes[:-1], (codec, stream)], 0, 1), data)
    yield "wide_values_16", "corrupt", Archive().add(values_body(1, [*planes[:-1], wide(planes[-1][1][:-1] + u8(16))], 0, 1), data)
    original, keys, numbers, rest = some_wide_keyed()
    codec, stream = wide(numbers)
    for name, of in (("many", with_escapes(stream, len(original) + 1)), ("cut", stream[:-1]), ("short", stream[:6]),
                     ("16", wide(numbers[:-1] + u8(16))[1])):  # fmt: skip
        yield f"wide_keyed_{name}", "corrupt", Archive().add(keyed_body(3, SOME_RUNS, keys, (codec, of), rest), original)


def every_vector():
    return named((good_fives, good_wide), (bad_fives, bad_wide))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(every_vector(), sys.argv[1])
