#!/usr/bin/env python3
"""Writes archives of the codecs and layouts that came after the first ones: make_plane_vectors.py FOLDER, which gets
NAME.znn and list.txt as make_vectors.py explains. New ones are added at the end of their part; none is ever changed."""

import pathlib
import sys

from encoder import (
    BITS, R16, R16C, RAW, Archive, R16Stream, Table, bits, chunk_body, coded_records, plain_table, records_body, simple,
    split_records, stream, u8,
)  # fmt: skip
from make_vectors import bytes_plane, noise, peaked, r16_of, weights
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


def given(data, contexts, cuts=((3, 7, 12),), lanes_log2=3, **parts):
    """R16C of `data` by one plain table for each context."""
    classes, table = plain_table(data)
    n_tables = sum(len(c) + 1 for c in cuts)
    return R16Stream(data, classes, table * n_tables, lanes_log2, contexts=contexts, cuts=cuts, **parts)


def apart(data, contexts):
    """R16C with a table of its own for each half of the contexts."""
    parts = [bytes(d for d, c in zip(data, contexts) if (c >= 7) == high) for high in (False, True)]
    classes = bytes(sorted(set(data)))[:15]
    tables = [Table(0, [max(1, 48 * part.count(s) // max(1, len(part))) for s in classes]) for part in parts]
    return R16Stream(data, classes, tables, 7, contexts=contexts, cuts=((7,),))


def good_halves():
    floats = peaked(1000, 56, 9)
    for kind in (1, 2, 3, 4):
        fields = [(kind, 1)]
        low, high = split_records(fields, floats)
        raw = records_body(fields, [(RAW, low[:230]), (RAW, high[:230])])
        yield f"halves_{kind}_raw", Archive().add(raw, floats[:230])
        for name, coded in (("bits", (BITS, bits(low, 7 if kind == 3 else 15, 0))),
                            ("given", (R16C, given(low, high).coded())), ("apart", (R16C, apart(low, high).coded()))):  # fmt: skip
            body = records_body(fields, [coded, (R16, simple(R16, high))])
            yield f"halves_{kind}_{name}", Archive().add(body, floats)
    fields = [(0, 1), (3, 2), (4, 5)]
    data = noise(8 * 20 + 9)
    yield "halves_among_fields", Archive().add(coded_records(data, fields, [RAW] * 5, 3), data)
    fields = [(2, 4), (3, 4)]
    planes = split_records(fields, floats)
    coded = [(R16C, given(planes[0], planes[1]).coded()), (BITS, bits(planes[1], 15, 0)),
             (R16C, given(planes[2], planes[3], [[], []], block_log2=7, ids=[0, 1, 1, 0]).coded()), (BITS, bits(planes[3], 31, 0))]  # fmt: skip
    yield "halves_given_models", Archive().add(records_body(fields, coded), floats)


def bad_halves():
    data = peaked(600, 56, 9)

    def field(kind, low, high):
        return Archive().add(records_body([(kind, 1)], [low, high]), data)

    for kind, low_bits in ((2, 4), (3, 3), (4, 4)):
        low, high = split_records([(kind, 1)], data)
        yield f"halves_{kind}_low", "corrupt", field(kind, (RAW, low[:-1] + u8(1 << low_bits)), (RAW, high))
        yield f"halves_{kind}_high", "corrupt", field(kind, (RAW, low), (RAW, high[:-1] + u8(1 << (8 - low_bits))))
    low, high = split_records([(2, 1)], data)
    coded = given(low, high)
    yield "halves_high_given", "corrupt", field(2, (RAW, low), (R16C, given(high, low).coded()))
    yield "bytes_given", "corrupt", bytes_plane(data, R16C, given(data, data).coded())
    yield "field_given", "corrupt", Archive().add(records_body([(0, 1)], [(R16C, coded.coded())]), data)
    yield "halves_given_cut", "corrupt", field(2, (R16C, coded.coded()[:-1]), (RAW, high))
    for name, given_bytes in (("0_contexts", u8(0)), ("17_contexts", u8(17, *range(16))), ("cuts_descend", u8(4, 3, 7, 6))):
        coded.given = given_bytes
        yield f"halves_given_{name}", "corrupt", field(2, (R16C, coded.coded()), (RAW, high))
    yield "halves_kind_99", "unsupported", Archive().add(records_body([(99, 1)], [(RAW, low[:99])] * 2), data[:99])


def every_vector():
    """(name, expected answer, Archive)"""
    for good in (good_bits, good_halves):
        for name, archive in good():
            yield name, "ok", archive
    for bad in (bad_bits, bad_halves):
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
