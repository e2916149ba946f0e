#!/usr/bin/env python3
"""Writes archives of the codecs and layouts that came after the first ones: make_plane_vectors.py FOLDER, which gets
NAME.znn and list.txt as make_vectors.py explains. New ones are added at the end of their part; none is ever changed."""

import sys

from encoder import (
    BITS,
    CONSTANT,
    NIBBLES,
    R16,
    R16C,
    RAW,
    Archive,
    R16Stream,
    Table,
    bits,
    chunk_body,
    coded_chunk,
    coded_records,
    nibbles,
    plain_table,
    records_body,
    simple,
    split_records,
    stream,
    u8,
    u16,
    u32,
)  # fmt: skip
from joint import JOINT_BITS
from keyed import groups_of, pack, sorted_groups
from make_vectors import bytes_plane, halves, named, noise, peaked, r16_of, weights, write
from rewritten import GATHERED, LATIN1, VARINTS, scatter, spell
from scaled import NONE, n_groups, product
from values import TYPES, planes_of, put_values
from values import n_bits as bits_of
from zipnn_reference import TOPS_BITS


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


def element(value, width):
    return (value % (1 << 8 * width)).to_bytes(width, "little")


def differences(values, width, mode, layout, head=b"", tail=b"", **changed):
    """(body, original) of layout 14."""
    coded, before = b"", 0
    for v in values:
        d = v - before if mode & 1 else v
        half = 1 << 8 * width - 1
        d = (d + half) % (2 * half) - half
        coded += element(d << 1 ^ (-1 if d < 0 else 0) if mode & 2 else d, width)
        before = v
    inner = coded_chunk(head + coded + tail, layout, [RAW] * 8, len(head))
    return u8(1, 14, len(head), 0, changed.get("width_log2", width.bit_length() - 1), changed.get("wire_mode", mode)) + inner, (
        head + b"".join(element(v, width) for v in values) + tail)  # fmt: skip


def repeats(original, runs, inner=None, kept=None, n_runs=None):
    """A body of layout 15; a run is (at, length, from)."""
    rest, at, table = b"", 0, b""
    for start, length, source in runs:
        rest += original[at:start]
        table += u32(start - at) + u32(length) + u32(source)
        at = start + length
    rest += original[at:]
    inner = coded_chunk(rest, 0, [RAW]) if inner is None else inner
    return u8(1, 15, 0, 0) + u16(len(runs) if n_runs is None else n_runs) + u32(len(rest) if kept is None else kept) + (
        table + inner)  # fmt: skip


def frequent(original, width, values, head=0, inner_map=None, width_log2=None, rest_layout=0):
    """A body of layout 16; `values` are numbers."""
    n = (len(original) - head) // width
    elements = [original[head + i * width : head + (i + 1) * width] for i in range(n)]
    table = [element(v, width) for v in values]
    places = bytes(table.index(e) + 1 if e in table else 0 for e in elements)
    rest = original[:head] + b"".join(e for e in elements if e not in table) + original[head + n * width :]
    inner = coded_chunk(places, 0, [RAW]) if inner_map is None else inner_map
    start = u8(1, 16, head, 0, width.bit_length() - 1 if width_log2 is None else width_log2, len(values))
    inner_rest = coded_chunk(rest, rest_layout, [RAW] * 8, head if rest_layout else 0) if rest else b""
    return start + b"".join(table) + u32(len(inner)) + inner + inner_rest


def good_wrapped():
    ids = [3 * i * i - 40 * i for i in range(60)]
    for width, layout in ((1, 0), (2, 1), (4, 3), (8, 5)):
        for mode in (1, 2, 3):
            body, original = differences(ids, width, mode, layout, noise(width - 1), noise(width - 1, 2))
            yield f"differences_{width}_{mode}", Archive().add(body, original)
    body, original = differences([], 8, 3, 0, b"", b"four")
    yield "differences_of_none", Archive().add(body, original)
    first = noise(300)
    for name, original, runs in (("once", first + first, [(300, 300, 0)]), ("none", first, []), ("end", first + b"x" + first[:9] + b"tail", [(301, 9, 0)]),
                                 ("again", first + first + first[5:50], [(300, 300, 0), (600, 45, 305)]), ("bytes", b"a" * 9, [(i, 1, i - 1) for i in range(1, 9)])):  # fmt: skip
        yield f"repeats_{name}", Archive().add(repeats(original, runs), original)
    for width in (1, 2, 4, 8):
        zeros = b"".join(bytes(width) if i % 3 else noise(width, i) for i in range(99))
        original = noise(width - 1) + zeros + noise(width - 1, 3)
        yield f"frequent_{width}", Archive().add(frequent(original, width, [0], width - 1), original)
    few = b"".join(element(7 * (i % 5), 4) for i in range(200))
    yield "frequent_only", Archive().add(frequent(few, 4, [0, 7, 14, 21, 28]), few)
    many = b"".join(element(1000 - i % 255, 2) for i in range(400))
    yield "frequent_255", Archive().add(frequent(many, 2, range(746, 1001)), many)
    yield "frequent_no_values", Archive().add(frequent(few, 4, []), few)
    floats = b"".join(bytes(4) if i % 2 else weights(1, 4, i) for i in range(80))
    yield "frequent_fp32", Archive().add(frequent(floats, 4, [0], rest_layout=4), floats)
    inner = frequent(floats, 4, [0])
    yield "repeats_of_frequent", Archive().add(repeats(floats + floats, [(320, 320, 0)], inner, 320), floats + floats)
    body, original = differences(ids, 4, 3, 3)
    yield "repeats_of_differences", Archive().add(repeats(original * 2, [(240, 240, 0)], body, 240), original * 2)


def bad_wrapped():
    ids = list(range(60))
    body, original = differences(ids, 4, 3, 3)
    for mode in (0, 4, 255):
        yield f"differences_mode_{mode}", "unsupported", Archive().add(*differences(ids, 4, 3, 3, wire_mode=mode))
    for width_log2 in (4, 255):
        yield f"differences_width_{width_log2}", "unsupported", Archive().add(*differences(ids, 4, 3, 3, width_log2=width_log2))
    yield "differences_cut", "corrupt", Archive().add(body[:5], original)
    yield "differences_without_chunk", "corrupt", Archive().add(body[:6], original)
    yield "differences_chunk_cut", "corrupt", Archive().add(body[:-1], original)
    yield "differences_head", "corrupt", Archive().add(body[:2] + u8(4) + body[3:], original)
    yield "differences_flags", "unsupported", Archive().add(body[:3] + u8(8) + body[4:], original)
    yield "differences_twice", "corrupt", Archive().add(body[:6] + body, original)
    first = noise(100)
    for name, runs in (("ahead", [(100, 50, 51)]), ("far", [(100, 50, 2**32 - 1)]), ("of_none", [(100, 0, 0), (100, 50, 0)]), ("long", [(100, 51, 0)]),
                       ("huge", [(100, 2**32 - 1, 0)])):  # fmt: skip
        yield f"repeats_{name}", "corrupt", Archive().add(repeats(first, runs), first + first[:50])
    good = first + first[:50]
    runs = [(100, 50, 0)]
    for kept in (0, 99, 101, 2**32 - 1):
        yield f"repeats_kept_{kept}", "corrupt", Archive().add(repeats(good, runs, kept=kept), good)
    yield "repeats_runs_cut", "corrupt", Archive().add(repeats(good, runs, n_runs=65535), good)
    yield "repeats_head", "corrupt", Archive().add(u8(1, 15, 1, 0) + repeats(good, runs)[4:], good)
    yield "repeats_gap", "corrupt", Archive().add(repeats(first, [(101, 49, 0)], coded_chunk(first, 0, [RAW]), 100), good)
    yield "repeats_twice", "corrupt", Archive().add(repeats(good, runs, repeats(first, [])), good)
    few = b"".join(element(7 * (i % 5), 4) for i in range(60))
    yield "frequent_value_6", "corrupt", Archive().add(frequent(few, 4, [0, 7, 14, 21, 28], inner_map=coded_chunk(u8(6) * 60, 0, [RAW])), few)
    yield "frequent_width_4", "unsupported", Archive().add(frequent(few, 4, [0], width_log2=4), few)
    yield "frequent_head", "corrupt", Archive().add(u8(1, 16, 4) + frequent(few, 4, [0])[3:], few)
    whole = frequent(few, 4, [0, 7, 14, 21, 28])
    yield "frequent_rest_of_none", "corrupt", Archive().add(whole + u8(0), few)
    for n in (5, 6, 12, 28, 34, len(whole) - 1):
        yield f"frequent_cut_{n}", "corrupt", Archive().add(whole[:n], few)
    yield "frequent_without_rest", "corrupt", Archive().add(frequent(few, 4, [0, 7, 14, 21, 28])[:-60] + bytes(60), few)
    yield "frequent_map_of_frequent", "corrupt", Archive().add(frequent(few, 4, [0], inner_map=frequent(bytes(60), 1, [0])), few)
    yield "frequent_map_of_repeats", "corrupt", Archive().add(frequent(few, 4, [0], inner_map=repeats(bytes(60), [])), few)
    yield "frequent_no_element", "corrupt", Archive().add(frequent(b"abc", 4, [], 0, inner_map=coded_chunk(b"\0", 0, [RAW])), b"abc")


def tops_planes(inner, words):
    """The planes of layout 12 of whole little-endian words."""
    planes = []
    for n_bits in TOPS_BITS[inner]:
        planes.append(bytes(word & (1 << n_bits) - 1 for word in words))
        words = [word >> n_bits for word in words]
    return planes


def rotated_words(data, width):
    words = (int.from_bytes(data[i : i + width], "little") for i in range(0, len(data), width))
    return [(word << 1 | word >> 8 * width - 1) & (1 << 8 * width) - 1 for word in words]


def tops_body(inner, coded, head=b"", tail=b"", **changed):
    records = b"".join(u8(codec) + u32(len(data)) for codec, data in coded)
    start = u8(1, 12, changed.get("n_head", len(head)), changed.get("flags", 0), inner)
    return start + head + tail + records + b"".join(data for _, data in coded)


def some_tops(inner, n, lanes_log2=3):
    """(coded planes, original) of n floats: low bits packed, upper bits given the exponent, which R16 codes."""
    original = {2: weights(n), 4: weights(n, 4), 7: halves(n)}[inner]
    planes = tops_planes(inner, rotated_words(original, len(original) // n))
    cut = sorted(planes[-1])[n // 2]
    coded = [(BITS, bits(plane, 31, 0)) if n_bits == 5 else (RAW, plane) for plane, n_bits in zip(planes[:-2], TOPS_BITS[inner])]
    coded += [(R16C, given(planes[-2], planes[-1], ((cut,),), lanes_log2).coded()), (R16, r16_of(planes[-1]).coded())]
    return coded, planes, original


def good_tops():
    for inner in (2, 4, 7):
        coded, planes, original = some_tops(inner, 900)
        width = len(original) // 900
        yield f"tops_{inner}", Archive().add(tops_body(inner, coded), original)
        head, tail = noise(width - 1), noise(width - 1, 2)
        yield f"tops_{inner}_edges", Archive().add(tops_body(inner, coded, head, tail), head + original + tail)
        raw = [(RAW, plane[:90]) for plane in planes]
        yield f"tops_{inner}_raw", Archive().add(tops_body(inner, raw), original[: 90 * width])
        yield f"tops_{inner}_none", Archive().add(tops_body(inner, [(RAW, b"")] * len(planes), b"", b"x"), b"x")
    coded, _, original = some_tops(4, 300, 7)
    yield "tops_in_repeats", Archive().add(repeats(original * 2, [(1200, 1200, 0)], tops_body(4, coded), 1200), original * 2)


def bad_tops():
    for inner in (2, 4, 7):
        coded, planes, original = some_tops(inner, 203)
        raw = [(RAW, plane) for plane in planes]
        for p, n_bits in enumerate(TOPS_BITS[inner]):
            if n_bits == 8:
                continue
            for at in (0, 202):
                wide = planes[p][:at] + u8(planes[p][at] | 1 << n_bits) + planes[p][at + 1 :]
                body = tops_body(inner, raw[:p] + [(RAW, wide)] + raw[p + 1 :])
                yield f"tops_{inner}_plane_{p}_at_{at}", "corrupt", Archive().add(body, original)
        body = tops_body(inner, coded)
        for p in range(len(planes)):
            none = [(RAW, b"")] * p + [(CONSTANT, b"")] + [(RAW, b"")] * (len(planes) - p - 1)
            yield f"tops_{inner}_none_constant_{p}", "corrupt", Archive().add(tops_body(inner, none, b"", b"x"), b"x")
        yield f"tops_{inner}_cut", "corrupt", Archive().add(body[:-1], original)
        yield f"tops_{inner}_long", "corrupt", Archive().add(body + b"x", original)
        yield f"tops_{inner}_records_cut", "corrupt", Archive().add(body[:9], original)
        yield f"tops_{inner}_exponents_given", "corrupt", Archive().add(tops_body(inner, raw[:-1] + coded[-2:-1]), original)
        yield f"tops_{inner}_head", "corrupt", Archive().add(tops_body(inner, raw, n_head=4), original)
        yield f"tops_{inner}_flags", "unsupported", Archive().add(tops_body(inner, raw, flags=1), original)
    coded, _, original = some_tops(2, 99)
    yield "tops_nothing", "corrupt", Archive().add(u8(1, 12, 0, 0), original)
    for inner in (0, 6, 12, 255):
        yield f"tops_inner_{inner}", "unsupported", Archive().add(tops_body(inner, coded), original)


def joint_body(inner, coded, head=b"", tail=b"", **changed):
    records = b"".join(u8(codec) + u32(len(data)) for codec, data in coded)
    start = u8(1, 13, changed.get("n_head", len(head)), changed.get("flags", 0), inner, changed.get("bits", 1), changed.get("base", 0))
    return start + head + tail + records + b"".join(data for _, data in coded)


def low_floats(inner, n, mask=0xBF):
    """Floats whose exponents are below 128, zeros among them; `mask` is that of their top bytes."""
    data = bytearray({2: weights(n), 4: weights(n, 4), 7: halves(n)}[inner])
    width = len(data) // n
    for i in range(n):
        if inner != 7:
            data[(i + 1) * width - 1] &= mask
        if i % 50 == 7:
            data[i * width : (i + 1) * width] = bytes(width)
    return bytes(data)


def split_jointly(original, widths):
    """The planes below the symbols, coded, and the symbols."""
    words, planes = rotated_words(original, (sum(widths) + 2) // 8), []
    for width in widths:
        planes.append(bytes(word & (1 << width) - 1 for word in words))
        words = [word >> width for word in words]
    coded = [(RAW, plane) for plane in planes[:-2]] + [(BITS, bits(planes[-2], (1 << widths[-2]) - 1, 0))]
    return coded, planes[-1]


def joint_planes(inner, n, lanes_log2=3):
    """(coded planes, original) of n floats."""
    original = low_floats(inner, n)
    coded, symbols = split_jointly(original, JOINT_BITS[inner, 1])
    return coded + [(R16, R16Stream(symbols, *plain_table(symbols), lanes_log2).coded())], original


def with_base(original, inner, base):
    width, exponent = (2, 7) if inner == 2 else (4, 23)
    words = [int.from_bytes(original[i : i + width], "little") for i in range(0, len(original), width)]
    return b"".join((w + (base << exponent) * (w >> exponent & 255 > 0)).to_bytes(width, "little") for w in words)


def good_joint():
    for inner in (2, 4, 7):
        for n, lanes_log2 in ((1, 0), (7, 0), (8, 1), (203, 3), (515, 7)):
            coded, original = joint_planes(inner, n, lanes_log2)
            yield f"joint_{inner}_{n}", Archive().add(joint_body(inner, coded), original)
        width = len(original) // 515
        head, tail = noise(width - 1), noise(width - 1, 2)
        yield f"joint_{inner}_edges", Archive().add(joint_body(inner, coded, head, tail), head + original + tail)
    for inner in (2, 4):
        for base in (1, 60, 128):
            coded, original = joint_planes(inner, 203)
            yield f"joint_{inner}_base_{base}", Archive().add(joint_body(inner, coded, base=base), with_base(original, inner, base))
    coded, original = joint_planes(4, 300, 7)
    yield "joint_in_repeats", Archive().add(repeats(original * 2, [(1200, 1200, 0)], joint_body(4, coded), 1200), original * 2)


def bad_joint():
    for inner in (2, 4, 7):
        coded, original = joint_planes(inner, 203)

        def changed(p, codec, data):
            return Archive().add(joint_body(inner, coded[:p] + [(codec, data)] + coded[p + 1 :]), original)

        body, packed = joint_body(inner, coded), len(coded) - 2
        data = coded[packed][1]
        for name, other in (("cut", data[:-1]), ("long", data + b"\0"), ("mask", u8(data[0] >> 1, 0) + data[2:]), ("base", u8(data[0], 128) + data[2:]),
                            ("unused", data[:-1] + u8(data[-1] | 128)), ("nothing", b""), ("head_alone", data[:2])):  # fmt: skip
            yield f"joint_{inner}_packed_{name}", "corrupt", changed(packed, BITS, other)
        yield f"joint_{inner}_packed_raw", "unsupported", changed(packed, RAW, noise(203))
        yield f"joint_{inner}_symbols_raw", "unsupported", changed(packed + 1, RAW, noise(203))
        yield f"joint_{inner}_symbols_cut", "corrupt", changed(packed + 1, R16, coded[-1][1][:-1])
        yield f"joint_{inner}_symbols_long", "corrupt", changed(packed + 1, R16, coded[-1][1] + b"x")
        for p in range(packed):
            yield f"joint_{inner}_raw_{p}_cut", "corrupt", changed(p, RAW, coded[p][1][:-1])
            yield f"joint_{inner}_raw_{p}_constant", "unsupported", changed(p, CONSTANT, b"a")
        yield f"joint_{inner}_cut", "corrupt", Archive().add(body[:-1], original)
        yield f"joint_{inner}_long", "corrupt", Archive().add(body + b"x", original)
        yield f"joint_{inner}_records_cut", "corrupt", Archive().add(body[:11], original)
        yield f"joint_{inner}_head", "corrupt", Archive().add(joint_body(inner, coded, n_head=4), original)
        yield f"joint_{inner}_flags", "unsupported", Archive().add(joint_body(inner, coded, flags=1), original)
        for n_bits in (0, 2, 255):
            yield f"joint_{inner}_bits_{n_bits}", "unsupported", Archive().add(joint_body(inner, coded, bits=n_bits), original)
        for base in (1,) if inner == 7 else (129, 255):
            yield f"joint_{inner}_base_{base}", "corrupt", Archive().add(joint_body(inner, coded, base=base), original)
        none = [(RAW, b"")] * packed + [(BITS, data[:2]), (R16, b"")]
        yield f"joint_{inner}_none", "corrupt", Archive().add(joint_body(inner, none, b"", b"x"), b"x")
    wide, original = joint_planes(7, 203)
    symbols = bytes(64 if i == 100 else i % 50 for i in range(203))
    yield "joint_7_symbol_64", "corrupt", Archive().add(joint_body(7, wide[:-1] + [(R16, r16_of(symbols).coded())]), original)
    coded, original = joint_planes(2, 99)
    yield "joint_nothing", "corrupt", Archive().add(u8(1, 13, 0, 0), original)
    yield "joint_no_base", "corrupt", Archive().add(u8(1, 13, 0, 0, 2, 1), original)
    for inner in (0, 6, 13, 255):
        yield f"joint_inner_{inner}", "unsupported", Archive().add(joint_body(inner, coded), original)


def values_body(kind, coded, low_bits, order, exact=b"", head=b"", tail=b"", **changed):
    records = b"".join(u8(codec) + u32(len(data)) for codec, data in coded)
    start = u8(1, 17, changed.get("n_head", len(head)), changed.get("flags", 0), changed.get("number", kind), low_bits, order)
    return start + u8(changed.get("n_exact", len(exact))) + exact + head + tail + records + b"".join(data for _, data in coded)


def some_blocks(kind, n, seed=1):
    """Records whose scales differ and whose values are what they are."""
    width, n_values, _, sides, _, _ = TYPES[kind]
    most, data = (1 << bits_of(kind)) - 1, b""
    for i in range(n):
        record = bytearray(width)
        for at, length in sides:
            record[at : at + length] = bytes(b % 16 + 40 for b in noise(length, seed + 99 * i + at))
        put_values(kind, record, bytes(b * most // 255 for b in peaked(n_values, 120, 9, seed + i)))
        data += bytes(record)
    return data


def coded_values(kind, data, low_bits, order, exact, lanes_log2=3):
    planes = planes_of(kind, data, low_bits, order, exact)
    symbols = (R16, R16Stream(planes[-1], *plain_table(planes[-1]), lanes_log2).coded())
    return [(RAW, plane) for plane in planes[:-1]] + [symbols]


def low_bits_of(kind):
    return max(bits_of(kind) - 4, 0)


def good_values():
    for kind, (width, n_values, _, sides, _, _) in enumerate(TYPES):
        low_bits, top = low_bits_of(kind), (1 << bits_of(kind)) - 1
        for order in (0, 1):
            for n, exact in ((3, b""), (7, u8(0, 1, top)), (20, u8(1, 2, top - 1))):
                data = some_blocks(kind, n, n)
                body = values_body(kind, coded_values(kind, data, low_bits, order, exact), low_bits, order, exact)
                yield f"values_{kind}_{order}_{n}", Archive().add(body, data)
        data, head, tail = some_blocks(kind, 5), noise(width - 1), noise(width - 1, 2)
        coded = coded_values(kind, data, low_bits, 1, b"", 5)
        yield f"values_{kind}_edges", Archive().add(values_body(kind, coded, low_bits, 1, b"", head, tail), head + data + tail)
        data = some_blocks(kind, 5 if n_values < 256 else 1)
        raw = [(RAW, plane) for plane in planes_of(kind, data, low_bits, 1, b"")]
        yield f"values_{kind}_raw", Archive().add(values_body(kind, raw, low_bits, 1), data)
        none = [(RAW, b"")] * (len(sides) + 2)
        yield f"values_{kind}_none", Archive().add(values_body(kind, none, low_bits, 1, b"", b"x"), b"x")
    for kind, low_bits in ((0, 4), (1, 1), (1, 2), (3, 2), (3, 4), (5, 0), (5, 1), (5, 2), (8, 4)):
        data, exact = some_blocks(kind, 9), bytes(range(1 << bits_of(kind)))[-16::2]
        body = values_body(kind, coded_values(kind, data, low_bits, 1, exact), low_bits, 1, exact)
        yield f"values_{kind}_low_{low_bits}", Archive().add(body, data)
    data = some_blocks(0, 8)
    body = values_body(0, coded_values(0, data, 4, 1, b""), 4, 1)
    yield "values_in_repeats", Archive().add(repeats(data * 2, [(272, 272, 0)], body, 272), data * 2)
    planes = planes_of(1, bytes(18 * 40), 0, 1, b"")
    coded = [(CONSTANT, b"\0"), (CONSTANT, b"\0"), (RAW, b""), (CONSTANT, b"\0")]
    yield "values_constant", Archive().add(values_body(1, coded, 0, 1), bytes(18 * 40))
    yield "values_nibbles", Archive().add(values_body(1, coded[:3] + [(4, nibbles(planes[-1]))], 0, 0), bytes(18 * 40))


def bad_values():
    data, exact = some_blocks(3, 9), u8(12, 15)
    planes = planes_of(3, data, 1, 1, exact)
    coded = [(RAW, plane) for plane in planes]

    def changed(p, codec, other, **more):
        return Archive().add(values_body(3, coded[:p] + [(codec, other)] + coded[p + 1 :], 1, 1, exact, **more), data)

    body = values_body(3, coded, 1, 1, exact)
    low, symbols = planes[2:]
    for name, other in (("cut", low[:-1]), ("long", low + b"\0"), ("unused", low[:-1] + u8(low[-1] | 128)), ("nothing", b"")):
        yield f"values_low_{name}", "corrupt", changed(2, RAW, other)
    yield "values_low_bits", "unsupported", changed(2, BITS, bits(noise(4), 1, 0))
    yield "values_low_constant", "unsupported", changed(2, CONSTANT, b"\0")
    for at in (0, len(symbols) - 1):
        for value in (18, 32, 255):
            yield f"values_symbol_{value}_at_{at}", "corrupt", changed(3, RAW, symbols[:at] + u8(value) + symbols[at + 1 :])
    wide = symbols[:7] + u8(18) + symbols[8:]
    yield "values_symbol_by_r16", "corrupt", changed(3, R16, R16Stream(wide, *plain_table(wide), 3).coded())
    yield "values_symbols_cut", "corrupt", changed(3, RAW, symbols[:-1])
    yield "values_symbols_given", "corrupt", changed(3, R16C, given(symbols, symbols).coded())
    escapes = R16Stream(symbols, *plain_table(symbols), 3).coded()
    yield "values_escapes_many", "corrupt", changed(3, R16, escapes[:4] + u32(len(data) + 1) + escapes[8:])
    yield "values_side_cut", "corrupt", changed(0, RAW, planes[0][:-1])
    yield "values_side_given", "corrupt", changed(0, R16C, given(planes[0], planes[0]).coded())
    yield "values_cut", "corrupt", Archive().add(body[:-1], data)
    yield "values_long", "corrupt", Archive().add(body + b"x", data)
    for end in (4, 5, 6, 7, 8, 9, 10, 20):
        yield f"values_end_{end}", "corrupt", Archive().add(body[:end], data)
    yield "values_head", "corrupt", changed(0, RAW, planes[0], n_head=22)
    yield "values_flags", "unsupported", changed(0, RAW, planes[0], flags=1)
    for kind in (len(TYPES), 255):
        yield f"values_type_{kind}", "unsupported", changed(0, RAW, planes[0], number=kind)
    for order in (2, 255):
        yield f"values_order_{order}", "unsupported", Archive().add(values_body(3, coded, 1, order, exact), data)
    for low_bits in (0, 3, 5, 8, 255):
        yield f"values_low_bits_{low_bits}", "corrupt", Archive().add(values_body(3, coded, low_bits, 1, exact), data)
    for name, other in (("descend", u8(31, 0)), ("twice", u8(3, 3)), ("32", u8(0, 32)), ("17", bytes(range(17)))):
        yield f"values_exact_{name}", "corrupt", Archive().add(values_body(3, coded, 1, 1, other), data)
    inner = values_body(3, coded, 1, 1, exact)
    yield "values_in_differences", "corrupt", Archive().add(u8(1, 14, 0, 0, 1, 1) + inner, data)
    yield "values_in_frequent", "corrupt", Archive().add(u8(1, 16, 0, 0, 0, 0) + u32(len(inner)) + inner, data)


def floats_of_32(*patterns):
    return b"".join(u32(pattern) for pattern in patterns)


def scaled_original(inner, group, first, scales, integers):
    """(original, rest): where there is no scale, an element is its place."""
    original, rest = b"", b""
    for i, byte in enumerate(integers):
        scale = scales[0 if i < first else 1 + (i - first) // group]
        rest += u16(i) if scale == NONE else b""
        original += u16(i) if scale == NONE else u16(product((byte + 128) % 256 - 128, scale, inner))
    return original, rest


def scaled_body(inner, group, first, scales, integers, **changed):
    scales = changed.get("coded_scales", chunk_body(0, [(RAW, scales)]))
    start = u8(1, 18, changed.get("n_head", 0), changed.get("flags", 0), inner) + u32(group) + u32(first)
    coded = changed.get("coded_integers", chunk_body(0, [(RAW, integers)]))
    lens = u32(changed.get("scales_len", len(scales))) + u32(changed.get("integers_len", len(coded)))
    return start + lens + scales + coded + changed.get("rest", b"")


def some_scaled(inner, n, group, first, patterns=(0x3C012345, 0x38800000, 0x3F7FFFFF, 0)):
    scales = [patterns[g % len(patterns)] for g in range(n_groups(n, group, first))]
    integers = bytes((b * 7) & 255 if i % 5 else 0 for i, b in enumerate(noise(n, n)))
    return scales, integers, scaled_original(inner, group, first, scales, integers)[0]


def good_scaled():
    for inner in (2, 7):
        for n, group, first in ((64, 16, 16), (64, 16, 1), (100, 4096, 5), (333, 128, 128), (400, 33, 32), (77, 1 << 31, 1 << 31)):
            scales, integers, original = some_scaled(inner, n, group, first)
            yield f"scaled_{inner}_{n}_{group}_{first}", Archive().add(scaled_body(inner, group, first, floats_of_32(*scales), integers), original)
        for name, patterns in (("denormal", (1, 0x7FFFFF, 0x800001)), ("fp16_denormal", (0x33800000, 0x33000001, 0x387FE000)),
                               ("large", (0x7F7FFFFF, 0x477FF000, 0x477FEFFF)), ("even", (0x3F808000, 0x3F818000, 0x3F801000, 0x3F803000))):  # fmt: skip
            scales, integers, original = some_scaled(inner, 300, 64, 50, patterns)
            yield f"scaled_{inner}_{name}", Archive().add(scaled_body(inner, 64, 50, floats_of_32(*scales), integers), original)
        scales = (NONE, 0x3C012345, NONE, NONE)
        original, rest = scaled_original(inner, 32, 7, scales, integers[:90])
        rest = chunk_body(0, [(RAW, rest)])
        body = scaled_body(inner, 32, 7, floats_of_32(*scales), integers[:90], rest=rest)
        yield f"scaled_{inner}_rest", Archive().add(body, original)
        scales, integers, original = some_scaled(inner, 90, 32, 7)
        body = scaled_body(inner, 32, 7, floats_of_32(*scales), b"h" + integers + b"t", n_head=1)
        yield f"scaled_{inner}_edges", Archive().add(body, b"h" + original + b"t")
        yield f"scaled_{inner}_in_repeats", Archive().add(
            repeats(original * 2, [(180, 180, 0)], scaled_body(inner, 32, 7, floats_of_32(*scales), integers), 180), original * 2)


def bad_scaled():
    scales, integers, original = some_scaled(2, 90, 32, 7)
    coded = floats_of_32(*scales)

    def changed(inner=2, group=32, first=7, scales=coded, **more):
        return Archive().add(scaled_body(inner, group, first, scales, integers, **more), original)

    for inner in (0, 1, 4, 12, 255):
        yield f"scaled_inner_{inner}", "unsupported", changed(inner=inner)
    for group, first in ((15, 7), (0, 0), (32, 0), (32, 33), (16, 7)):
        yield f"scaled_group_{group}_first_{first}", "corrupt", changed(group=group, first=first)
    for name, pattern in (("infinite", 0x7F800000), ("none", 0x7F800001), ("negative", 0x80000000), ("below_0", 0xBF800000)):
        yield f"scaled_{name}", "corrupt", changed(scales=coded[:-4] + u32(pattern))
    yield "scaled_head", "corrupt", changed(n_head=2)
    yield "scaled_flags", "unsupported", changed(flags=1)
    yield "scaled_scales_cut", "corrupt", changed(scales=coded[:-1])
    yield "scaled_scales_long", "corrupt", changed(scales=coded + b"x")
    yield "scaled_integers_cut", "corrupt", changed(coded_integers=chunk_body(0, [(RAW, integers[:-1])]))
    yield "scaled_integers_none", "corrupt", changed(coded_integers=b"")
    for length in (0, 5, 1 << 20, (1 << 32) - 1):
        yield f"scaled_scales_len_{length}", "corrupt", changed(scales_len=length)
        yield f"scaled_integers_len_{length}", "corrupt", changed(integers_len=length)
    yield "scaled_rest_of_nothing", "corrupt", changed(rest=chunk_body(0, [(RAW, b"xx")]))
    few = some_scaled(2, 63, 32, 7)
    yield "scaled_63", "corrupt", Archive().add(scaled_body(2, 32, 7, floats_of_32(*few[0]), few[1]), few[2])
    body = scaled_body(2, 32, 7, coded, integers)
    for end in (4, 5, 9, 13, 17, 30):
        yield f"scaled_end_{end}", "corrupt", Archive().add(body[:end], original)
    yield "scaled_long", "corrupt", Archive().add(body + b"x", original)
    inside = scaled_body(2, 32, 7, coded, integers, coded_integers=body)
    yield "scaled_in_scaled", "corrupt", Archive().add(inside, original)
    yield "scaled_in_differences", "corrupt", Archive().add(u8(1, 14, 0, 0, 1, 1) + body, original)
    blocks = values_body(1, [(CONSTANT, b"\0"), (CONSTANT, b"\0"), (RAW, b""), (CONSTANT, b"\0")], 0, 1)
    yield "scaled_of_values", "corrupt", Archive().add(scaled_body(2, 32, 7, coded, integers, coded_integers=blocks), original)


def keyed_parts(unit_log2, runs, seed=1):
    """(original, keys, numbers in the order of the keys, what is between the tiles) of runs that are followed by 9 bytes."""
    groups = groups_of(runs, 1 << unit_log2)
    keys = bytes(b % 5 * 40 for b in noise(len(groups), seed))
    n = sum(len(group) for group in groups)
    placed = [b & 15 for b in noise(n, seed + 1)]
    numbers = bytes(placed[i] for g in sorted_groups(keys) for i in groups[g])
    original, rest, at = b"", b"", 0
    for gap, rows, count, columns in runs:
        between, n = noise(gap, seed + 2), (rows * columns * count) << unit_log2
        original, rest, at = original + between + pack(placed[at : at + n]), rest + between, at + n
    return original + b"rest data", keys, numbers, rest + b"rest data"


def keyed_body(unit_log2, runs, keys, numbers, rest, **changed):
    start = u8(1, 19, changed.get("n_head", 0), changed.get("flags", 0), unit_log2) + u16(changed.get("n_runs", len(runs)))
    heads = b"".join(u8(codec) + u32(len(coded)) for codec, coded in (keys, numbers))
    table = b"".join(u32(gap) + u16(rows) + u16(count) + u32(columns) for gap, rows, count, columns in runs)
    return start + heads + table + keys[1] + numbers[1] + rest


SOME_RUNS = [(7, 4, 2, 5), (0, 3, 1, 8)]


def some_keyed(unit_log2=3, runs=SOME_RUNS):
    original, keys, numbers, rest = keyed_parts(unit_log2, runs)
    return original, (RAW, keys), (NIBBLES, nibbles(numbers)), chunk_body(0, [(RAW, rest)])


def good_keyed():
    shapes = (0, [(3, 16, 2, 10), (1, 21, 1, 6), (0, 17, 1, 2)]), (0, [(0, 24, 1, 24)]), (1, [(5, 8, 2, 9)]), (2, [(0, 5, 3, 3)]), (3, SOME_RUNS)
    for unit_log2, runs in shapes:
        original, keys, numbers, rest = some_keyed(unit_log2, runs)
        yield f"keyed_{unit_log2}_{len(runs)}", Archive().add(keyed_body(unit_log2, runs, keys, numbers, rest), original)
    original, keys, numbers, rest = keyed_parts(3, SOME_RUNS)
    inner = chunk_body(0, [(RAW, rest)])
    body = keyed_body(3, SOME_RUNS, (R16, r16_of(keys).coded()), (R16, r16_of(numbers).coded()), inner)
    yield "keyed_r16", Archive().add(body, original)
    yield "keyed_in_repeats", Archive().add(repeats(original * 2, [(len(original), len(original), 0)], body, len(original)), original * 2)
    body = keyed_body(3, [(0, 4, 1, 1)] * 256, (CONSTANT, b"\3"), (CONSTANT, b"\5"), b"")
    yield "keyed_256_runs", Archive().add(body, b"\x55" * 4096)
    original, keys, numbers, _ = some_keyed(3, [(0, 4, 1, 8)])
    yield "keyed_no_rest", Archive().add(keyed_body(3, [(0, 4, 1, 8)], keys, numbers, b""), original[:-9])


def bad_keyed():
    original, keys, numbers, rest = some_keyed()

    def changed(runs=SOME_RUNS, unit_log2=3, keys=keys, numbers=numbers, rest=rest, **more):
        return Archive().add(keyed_body(unit_log2, runs, keys, numbers, rest, **more), original)

    for unit_log2 in (4, 255):
        yield f"keyed_unit_{unit_log2}", "unsupported", changed(unit_log2=unit_log2)
    yield "keyed_flags", "unsupported", changed(flags=1)
    yield "keyed_head", "corrupt", changed(n_head=1)
    for n_runs in (0, 3, 257, 65535):
        yield f"keyed_runs_{n_runs}", "corrupt", changed(n_runs=n_runs)
    many = keyed_body(3, [(0, 4, 1, 1)] * 257, (CONSTANT, b"\3"), (CONSTANT, b"\5"), b"")
    yield "keyed_257_runs", "corrupt", Archive().add(many, b"\x55" * 4112)
    for name, run in (("rows", (7, 0, 2, 5)), ("count", (7, 4, 0, 5)), ("columns", (7, 4, 2, 0)), ("group", (7, 1, 2, 5)), ("gap", ((1 << 32) - 1, 4, 2, 5)),
                      ("long", (7, 4, 2, 6)), ("large", (7, 65535, 65535, (1 << 32) - 1)), ("wide", (7, 4, 2, (1 << 32) - 1))):  # fmt: skip
        yield f"keyed_run_{name}", "corrupt", changed(runs=[run, SOME_RUNS[1]])
    yield "keyed_half_byte", "corrupt", changed(unit_log2=0, runs=[(7, 17, 1, 3)])
    yield "keyed_number_16", "corrupt", changed(numbers=(CONSTANT, b"\x10"))
    for name, part in (("keys", keys), ("numbers", numbers)):
        yield f"keyed_{name}_cut", "corrupt", changed(**{name: (part[0], part[1][:-1])})
        yield f"keyed_{name}_long", "corrupt", changed(**{name: (part[0], part[1] + b"x")})
        yield f"keyed_{name}_given", "corrupt", changed(**{name: (R16C, part[1])})
    escapes = r16_of(keyed_parts(3, SOME_RUNS)[2]).coded()
    yield "keyed_escapes", "corrupt", changed(numbers=(R16, escapes[:4] + u32(len(original) + 1) + escapes[8:]))
    body = keyed_body(3, SOME_RUNS, keys, numbers, rest)
    for end in (4, 5, 7, 12, 17, 29, 40, 41, 60, len(body) - 1):
        yield f"keyed_end_{end}", "corrupt", Archive().add(body[:end], original)
    yield "keyed_long", "corrupt", Archive().add(body + b"x", original)
    full = some_keyed(3, [(0, 4, 1, 8)])
    yield "keyed_rest_of_nothing", "corrupt", Archive().add(keyed_body(3, [(0, 4, 1, 8)], *full[1:]), full[0][:-9])
    yield "keyed_in_keyed", "corrupt", changed(numbers=(CONSTANT, b"\0"), rest=keyed_body(3, [(0, 2, 1, 1)], (CONSTANT, b"\0"), (CONSTANT, b"\0"), rest))
    yield "keyed_in_differences", "corrupt", Archive().add(u8(1, 14, 0, 0, 0, 1) + body, original)
    blocks = values_body(1, [(CONSTANT, b"\0"), (CONSTANT, b"\0"), (RAW, b""), (CONSTANT, b"\0")], 0, 1)
    yield "keyed_of_values", "corrupt", changed(rest=blocks)


def rewritten_body(rule, plain, marks, **changed):
    places = [0, *marks]
    coded = chunk_body(0, [(RAW, b"".join(u32((b - a) % (1 << 32)) for a, b in zip(places, places[1:])))]) if marks else b""
    coded = changed.get("coded_marks", coded)
    start = u8(1, 20, changed.get("n_head", 0), changed.get("flags", 0), rule) + u32(changed.get("n_plain", len(plain)))
    counts = u32(changed.get("n_marks", len(marks))) + u32(changed.get("marks_len", len(coded)))
    return start + counts + coded + changed.get("inner", chunk_body(0, [(RAW, plain)]))


def some_rewritten(rule, n=200, marks=(0, 7, 9)):
    """(plain bytes, marks, original)"""
    plain = noise(n, rule)
    if rule == VARINTS:
        plain = b"".join(bytes([v, v * 37 & 0xFF if i not in marks else 0]) for i, v in enumerate(plain))
    return plain, list(marks), scatter(plain, marks) if rule == GATHERED else spell(rule, plain, marks)


def good_rewritten():
    for rule in (LATIN1, VARINTS, GATHERED):
        for name, n, marks in (
            ("", 200, (0, 7, 9)),
            ("_end", 200, (199,)),
            ("_plain", 200, ()),
            ("_many", 900, range(5, 50, 3)),
            ("_one", 1, ()),
        ):
            plain, marks, original = some_rewritten(rule, n, marks)
            yield f"rewritten_{rule}{name}", Archive().add(rewritten_body(rule, plain, marks), original)
        plain, marks, original = some_rewritten(rule)
        body = rewritten_body(rule, plain, marks)
        yield (
            f"rewritten_{rule}_in_repeats",
            Archive().add(
                repeats(original * 2, [(len(original), len(original), 0)], body, len(original)), original * 2
            ),
        )
    every = b"".join(v.to_bytes(2, "little") for v in (0, 127, 128, 255, 16383, 16384, 32768, 65535))
    yield "rewritten_2_lengths", Archive().add(rewritten_body(VARINTS, every, []), spell(VARINTS, every, ()))
    every = bytes(range(256))
    yield "rewritten_1_every", Archive().add(rewritten_body(LATIN1, every, []), every.decode("latin-1").encode())


def bad_rewritten():
    for rule in (LATIN1, VARINTS, GATHERED):
        plain, marks, original = some_rewritten(rule)

        def changed(rule=rule, plain=plain, marks=marks, original=original, **more):
            return Archive().add(rewritten_body(rule, plain, marks, **more), original)

        yield f"rewritten_{rule}_flags", "unsupported", changed(flags=1)
        yield f"rewritten_{rule}_head", "corrupt", changed(n_head=1)
        for n_plain in (0, len(plain) - 2, len(plain) - 1, len(plain) + 1, len(original) + 1, (1 << 32) - 1):
            yield f"rewritten_{rule}_plain_{n_plain}", "corrupt", changed(n_plain=n_plain)
        for n_marks in (0, 2, 4, len(original) // 16 + 1, 1 << 30, (1 << 32) - 1):
            yield f"rewritten_{rule}_marks_{n_marks}", "corrupt", changed(n_marks=n_marks)
        far = len(plain) // (2 if rule == VARINTS else 1)
        for name, places in (("twice", (3, 3)), ("back", (9, 7)), ("far", (far,)), ("around", (7, (1 << 32) + 3))):
            yield f"rewritten_{rule}_{name}", "corrupt", changed(marks=places)
        for length in (0, 11, 1 << 20, (1 << 32) - 1):
            yield f"rewritten_{rule}_marks_len_{length}", "corrupt", changed(marks_len=length)
        body = rewritten_body(rule, plain, marks)
        for end in (4, 5, 9, 13, 17, 20, 35, len(body) - 1):
            yield f"rewritten_{rule}_end_{end}", "corrupt", Archive().add(body[:end], original)
        yield f"rewritten_{rule}_long", "corrupt", Archive().add(body + b"x", original)
        yield f"rewritten_{rule}_shorter", "corrupt", Archive().add(body, original[:-1])
        yield f"rewritten_{rule}_longer", "corrupt", Archive().add(body, original + b"x")
        yield f"rewritten_{rule}_in_itself", "corrupt", changed(inner=body)
    plain, marks, original = some_rewritten(VARINTS)
    yield "rewritten_2_odd", "corrupt", Archive().add(rewritten_body(VARINTS, plain + b"x", marks), original)
    yield "rewritten_2_wide_mark", "corrupt", Archive().add(rewritten_body(VARINTS, b"\0\1" * 50, [1]), bytes(100))
    for rule in (0, 4, 255):
        yield f"rewritten_rule_{rule}", "unsupported", Archive().add(rewritten_body(rule, plain, marks), original)


def good_sixes():
    """Fields of kind 5. Their decoder reads packed low bits piece by piece."""
    floats = peaked(9001, 56, 9)
    fields = [(5, 1)]
    for n in (1, 8, 230, 4096, 9001):
        low, high = split_records(fields, floats[:n])
        body = records_body(fields, [(BITS, bits(low, 3, 0)), (R16, r16_of(high).coded() if n < 1000 else simple(R16, high))])
        yield f"sixes_bits_{n}", Archive().add(body, floats[:n])
    low, high = split_records(fields, floats[:1000])
    yield "sixes_raw", Archive().add(records_body(fields, [(RAW, low[:230]), (RAW, high[:230])]), floats[:230])
    yield "sixes_given", Archive().add(records_body(fields, [(R16C, given(low, high).coded()), (R16, simple(R16, high))]), floats[:1000])
    yield "sixes_other_bits", Archive().add(records_body(fields, [(BITS, bits(low, 7, 0)), (R16, simple(R16, high))]), floats[:1000])
    fields, data = [(0, 1), (5, 2), (4, 5)], noise(8 * 20 + 9)
    yield "sixes_among_fields", Archive().add(coded_records(data, fields, [RAW] * 5, 3), data)


def bad_sixes():
    data = peaked(601, 56, 9)
    low, high = split_records([(5, 1)], data)
    packed = bits(low, 3, 0)

    def field(low, high):
        return Archive().add(records_body([(5, 1)], [low, high]), data)

    coded = R16, simple(R16, high)
    yield "sixes_low_too_large", "corrupt", field((NIBBLES, nibbles(low[:-1] + b"\4")), coded)
    yield "sixes_high_too_large", "corrupt", field((BITS, packed), (RAW, high[:-1] + b"\x40"))
    yield "sixes_high_lists_64", "corrupt", field((BITS, packed), (R16, simple(R16, high[:-1] + b"\x40")))
    yield "sixes_unused_bits", "corrupt", field((BITS, packed[:-1] + u8(packed[-1] | 128)), coded)
    yield "sixes_low_cut", "corrupt", field((BITS, packed[:-1]), coded)
    yield "sixes_low_long", "corrupt", field((BITS, packed + b"\0"), coded)
    yield "sixes_high_cut", "corrupt", field((BITS, packed), (R16, coded[1][:-1]))


def every_vector():
    good = (good_bits, good_halves, good_wrapped, good_tops, good_joint, good_values, good_scaled, good_keyed, good_rewritten, good_sixes)
    return named(good, (bad_bits, bad_halves, bad_wrapped, bad_tops, bad_joint, bad_values, bad_scaled, bad_keyed, bad_rewritten, bad_sixes))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(every_vector(), sys.argv[1])
