#!/usr/bin/env python3
"""Writes archives that exercise doc/format.md to its corners, most of which no encoder would write.

    make_vectors.py FOLDER

FOLDER gets NAME.znn and list.txt, with one line per archive: its file, what a decoder must answer, and for ok the length
and the XXH3-128 of the original. The answers: ok, corrupt, unsupported; and one of the latter from those
decoders alone that read frames without original bytes (unread), or compute the XXH3-128 (digest) or the SHA-256 (sha256)
of the original.
"""

import pathlib
import random
import struct
import sys

from encoder import (
    CONSTANT,
    F16,
    LAYOUTS,
    NIBBLES,
    R16,
    RAW,
    ZSTD,
    Archive,
    R16Stream,
    Table,
    chunk_body,
    coded_chunk,
    coded_records,
    nibbles,
    plain_table,
    records_body,
    simple,
    split,
    split_records,
    stream,
    u8,
    u16,
    u32,
    u64,
)  # fmt: skip
from native import xxh3_128

EVERY_BYTE = bytes(range(256))


def noise(n, seed=1):
    return random.Random(seed).randbytes(n)


def peaked(n, middle=120, spread=3, seed=1):
    """Bytes around `middle`, as exponents are."""
    rng = random.Random(seed)
    return bytes(int(rng.gauss(middle, spread)) & 255 for _ in range(n))


def weights(n, width=2, seed=1):
    """n floats with Gaussian values: bf16, fp32 or fp64 by width."""
    rng = random.Random(seed)
    if width == 8:
        return struct.pack(f"<{n}d", *(rng.gauss(0, 0.02) for _ in range(n)))
    whole = struct.pack(f"<{n}f", *(rng.gauss(0, 0.02) for _ in range(n)))
    return whole if width == 4 else b"".join(whole[i + 2 : i + 4] for i in range(0, len(whole), 4))


def halves(n, seed=1):
    rng = random.Random(seed)
    return struct.pack(f"<{n}e", *(rng.gauss(0, 0.02) for _ in range(n)))


def bytes_plane(data, codec, coded):
    """An archive of one chunk in layout 8, its plane as given."""
    return Archive().add(chunk_body(0, [(codec, coded)]), data)


def r16_of(data, **changes):
    """R16 of `data` by a plain table, with parts replaced."""
    r16 = R16Stream(data, *plain_table(data), lanes_log2=3)
    for part, value in changes.items():
        setattr(r16, part, value)
    return r16


def zstd_frame(*blocks):
    """A zstd frame of raw (bytes) and run-length (byte, count) blocks, without content size; a window of 1 KiB."""
    coded = b""
    for i, block in enumerate(blocks):
        last = int(i == len(blocks) - 1)
        run = isinstance(block, tuple)
        size = block[1] if run else len(block)
        coded += struct.pack("<I", size << 3 | int(run) << 1 | last)[:3] + (u8(block[0]) if run else block)
    return bytes.fromhex("28B52FFD0000") + coded


# ---- archives that must be restored ----------------------------------------------------------------------------------


def good_containers():
    yield "empty", Archive()
    yield "empty_sha256", Archive(sha256=True)
    yield "one_byte", Archive().chunk(b"\x5a", 0, [RAW])
    yield "sha256", Archive(sha256=True).chunk(noise(100), 0, [RAW])
    ones = Archive(max_chunk=1)
    for byte in noise(20):
        ones.chunk(u8(byte), 0, [RAW])
    yield "chunks_of_one_byte", ones
    yield "max_chunk_reached", Archive(max_chunk=64, level=9).chunk(noise(64), 0, [RAW]).chunk(noise(63), 0, [RAW])
    mixed = Archive()
    for layout, (width, _) in LAYOUTS.items():
        mixed.chunk(noise(7 * width + 1, layout), layout, [RAW] * 8)
    yield "layouts_mixed", mixed
    skipped = Archive().add(u8(128) + noise(3)).add(u8(255) + noise(700)).chunk(noise(30), 0, [RAW])
    yield "ancillary", skipped.add(u8(200) + noise(40)).chunk(noise(31, 2), 0, [RAW]).add(u8(129) + bytes(3))
    yield "ancillary_only", Archive().add(u8(128) + noise(9))
    for level in (0, 1, 9, 255):
        yield f"level_{level}", Archive(level=level).chunk(noise(8), 1, [RAW] * 2)


def good_layouts():
    for layout, (width, _) in LAYOUTS.items():
        for n_head in sorted({0, width - 1}):
            for length in (n_head, n_head + width, n_head + 65 * width + width - 1):
                if length > 0:
                    data = noise(length, length)
                    planes = [RAW] * 8
                    yield f"layout_{layout}_head_{n_head}_len_{length}", Archive().chunk(data, layout, planes, n_head)
    yield "bf16", Archive().chunk(weights(600), 2, [RAW, R16])
    yield "fp16", Archive().chunk(halves(600), F16, [RAW, RAW, R16])
    yield "fp16_r16", Archive().chunk(halves(333), F16, [R16, R16, R16])
    yield "fp16_zeros", Archive().chunk(bytes(254), F16, [CONSTANT] * 3)
    yield "fp16_nibbles", Archive().chunk(struct.pack("<100H", *range(100)), F16, [RAW, RAW, NIBBLES])
    largest = Archive(max_chunk=1 << 20).chunk(bytes(1 << 20), F16, [ZSTD] * 3)
    yield "fp16_widest_planes", largest.chunk(halves(99), F16, [RAW, RAW, R16])
    yield "fp32", Archive().chunk(weights(300, 4), 4, [RAW, RAW, RAW, R16])
    yield "fp64", Archive().chunk(weights(150, 8), 6, [RAW] * 6 + [R16, R16])
    yield "int64", Archive().chunk(struct.pack("<100q", *range(100)), 5, [NIBBLES if p == 8 else RAW for p in range(8)])
    small = struct.pack("<200I", *(i % 16 for i in range(200)))
    yield "int32", Archive().chunk(small, 3, [NIBBLES, CONSTANT, CONSTANT, CONSTANT])
    yield "every_codec", Archive().chunk(weights(200, 8), 5, [RAW, RAW, ZSTD, ZSTD, R16, R16, R16, R16])


def good_codecs():
    yield "constant_1", bytes_plane(b"\xff", CONSTANT, b"\xff")
    yield "constant_1000", bytes_plane(bytes(1000), CONSTANT, b"\x00")
    for n in (1, 2, 255):
        data = bytes(i * 7 % 16 for i in range(n))
        yield f"nibbles_{n}", bytes_plane(data, NIBBLES, nibbles(data))
    yield "nibbles_none", Archive().add(chunk_body(1, [(NIBBLES, b""), (RAW, b"")], b"\x01"), b"\x01")
    text = b"a decoder needs nothing else. " * 40
    yield "zstd", bytes_plane(text, ZSTD, simple(ZSTD, text))
    yield "zstd_blocks", bytes_plane(b"abc" + b"d" * 900 + b"e", ZSTD, zstd_frame(b"abc", (100, 900), b"e"))
    yield "zstd_none", Archive().add(chunk_body(1, [(ZSTD, zstd_frame(b"")), (RAW, b"")], b"\x01"), b"\x01")


def good_r16():
    for lanes_log2 in range(8):
        for n in (1 if lanes_log2 < 7 else 60, 127, 300):
            data = peaked(n)
            coded = R16Stream(data, *plain_table(data), lanes_log2=lanes_log2).coded()
            yield f"r16_lanes_{1 << lanes_log2}_len_{n}", bytes_plane(data, R16, coded)
    for name, data, classes, counts in (
        ("one_symbol_64", b"A" * 500, b"A", [64]),
        ("one_symbol_63", b"A" * 500, b"A", [63]),
        ("one_symbol_1", b"A" * 200, b"A", [1]),
        ("escapes_only", noise(300), b"", []),
        ("escapes_only_unused_class", noise(300), b"A", []),
        ("no_escape_slot", bytes(i % 15 for i in range(400)), range(15), [4] * 13 + [6, 6]),
        ("fifteen_and_escape", bytes(i % 17 for i in range(400)), range(15), [4] * 15),
        ("every_byte", EVERY_BYTE, b"\x00\xff", [1, 1]),
        ("unused_symbols", b"B" * 100, b"ABC", [20, 20, 24]),
    ):
        coded = R16Stream(data, bytes(classes), [Table(0, counts)]).coded()
        yield "r16_" + name, bytes_plane(data, R16, coded)
    data = peaked(400, spread=9)
    for codec, name in ((RAW, "raw"), (R16, "r16")):
        coded = R16Stream(data, *plain_table(data), escapes_codec=codec).coded()
        yield "r16_escapes_" + name, bytes_plane(data, R16, coded)
    yield "r16_escapes_constant", bytes_plane(b"AAAB" * 50, R16, R16Stream(b"AAAB" * 50, b"A", [Table(0, [48])],
                                              escapes_codec=CONSTANT).coded())  # fmt: skip
    low = bytes(200 if i % 3 else i % 16 for i in range(301))
    yield "r16_escapes_nibbles", bytes_plane(low, R16, R16Stream(low, b"\xc8", [Table(0, [40])], 6,
                                             escapes_codec=NIBBLES).coded())  # fmt: skip
    most = R16Stream(b"A" * 300, b"", [Table(0, [])], lanes_log2=0, escapes_codec=CONSTANT)
    most.n_classes, most.classes = 240, bytes(range(16, 256))
    yield "r16_240_classes", bytes_plane(b"A" * 300, R16, most.coded())
    listed = R16Stream(b"\x42" * 9, b"", [Table(0, [])])
    listed.classes, listed.n_classes, listed.tables = b"\x42", 1, Table(0, []).coded()
    yield "r16_listed_but_escaped", bytes_plane(b"\x42" * 9, R16, listed.coded())
    yield "r16_as_large_as_allowed", bytes_plane(*with_128_lanes(277 - 256))


def with_128_lanes(n):
    """n equal bytes that become a body of 277 bytes, most of them states."""
    return b"A" * n, R16, R16Stream(b"A" * n, b"A", [Table(0, [64])], lanes_log2=7).coded()


def good_tables():
    """Several tables, the ids of the blocks in every codec."""
    data = b"".join(peaked(128, middle, 2, middle) for middle in range(20, 20 + 16 * 13, 13))
    classes = bytes(range(10, 10 + 240))
    tables = [Table(middle - 10 - 5, [1, 2, 4, 6, 8, 10, 8, 6, 4, 2, 1]) for middle in range(20, 20 + 16 * 13, 13)]
    for codec, name in ((RAW, "raw"), (NIBBLES, "nibbles")):
        coded = R16Stream(data, classes, tables, 7, 7, list(range(16)), codec).coded()
        yield "r16_16_tables_ids_" + name, bytes_plane(data, R16, coded)
    many = peaked(128 * 24 + 5, 70, 2) + peaked(128 * 9, 200, 2)
    two = [Table(55, [1, 2, 6, 10, 18, 10, 6, 2, 1]), Table(186, [1, 2, 6, 10, 18, 10, 6, 2, 1])]
    ids = [int(i * 128 > 128 * 24) for i in range((len(many) + 127) // 128)]
    yield "r16_2_tables_ids_r16", bytes_plane(many, R16, R16Stream(many, classes, two, 5, 7, ids, R16, R16).coded())
    short = peaked(199)
    one = [Table(105, [1, 2, 6, 10, 18, 10, 6, 2, 1])] * 2
    yield "r16_block_2_to_24", bytes_plane(short, R16, R16Stream(short, classes, one, 4, 24, [1], CONSTANT).coded())
    yield "r16_block_2_to_8", bytes_plane(many, R16, R16Stream(
        many, classes, two, 6, 8, [i & 1 for i in range((len(many) + 255) // 256)], RAW).coded())  # fmt: skip
    inner = peaked(600, 5, 2)
    nested = R16Stream(inner, *plain_table(inner), lanes_log2=1)
    outer = R16Stream(inner, b"", [Table(0, [])], lanes_log2=7)
    outer.nested_escapes = stream(R16, R16Stream(
        inner, range(2, 9), [Table(0, [9] * 7), Table(1, [9] * 5)], 3, 7, [0, 1, 0, 1, 0], NIBBLES, RAW).coded())  # fmt: skip
    yield "r16_nested_with_tables_and_escapes", bytes_plane(inner, R16, outer.coded())
    outer.nested_escapes = stream(R16, nested.coded())
    yield "r16_nested_plain", bytes_plane(inner, R16, outer.coded())


def good_records():
    def archive(data, fields, codecs=(RAW,) * 8, n_head=0, max_chunk=4194304):
        return Archive(max_chunk=max_chunk).add(coded_records(data, fields, codecs, n_head), data)

    yield "records_bytes", archive(noise(34 * 20), [(0, 1), (0, 1), (0, 32)])
    yield "records_halves", archive(noise(18 * 12), [(0, 1), (0, 1), (1, 16)])
    yield "records_halves_coded", archive(noise(18 * 70), [(0, 1), (0, 1), (1, 16)], [R16, R16, NIBBLES, NIBBLES])
    yield "records_8_fields", archive(noise(8 * 9), [(0, 1)] * 8)
    yield "records_8_planes_of_halves", archive(noise(13 * 7), [(1, 3), (1, 1), (1, 8), (1, 1)])
    mixed = [(1, 12), (0, 4), (0, 16), (1, 32), (0, 32)]
    codecs = [NIBBLES, NIBBLES, RAW, RAW, NIBBLES, NIBBLES, RAW]
    yield "records_mixed_lengths", archive(noise(96 * 5 + 95), mixed, codecs, n_head=95)
    yield "records_of_1_byte", archive(noise(77), [(1, 1)])
    yield "records_of_1024", archive(noise(255 + 2 * 1024 + 1023), [(0, 1000), (0, 24)], n_head=255)
    yield "records_none", archive(noise(33), [(0, 1), (0, 1), (0, 32)])
    yield "records_constant", archive(bytes(18 * 50), [(0, 1), (0, 1), (1, 16)], [CONSTANT] * 4)
    yield "records_widest_planes", archive(bytes(1 << 16), [(1, 1024)], [ZSTD, ZSTD], max_chunk=1 << 16)
    many = archive(peaked(32 * 300, 0x55, 20), [(0, 2), (1, 30)], [ZSTD, R16, R16])
    yield "records_after_words", many.chunk(weights(50), 2, [RAW, R16])


# ---- archives that must be refused -----------------------------------------------------------------------------------


def bad_headers():
    def archive(**changes):
        a = Archive().chunk(noise(20), 0, [RAW])
        for part, value in changes.items():
            setattr(a, part, value)
        return a

    for max_chunk in (0, 4194305, 19):
        yield f"max_chunk_{max_chunk}", "corrupt", archive(max_chunk=max_chunk)
    for version in (0, 2, 65535):
        yield f"version_{version}", "unsupported", archive(version=version)
    yield "header_flag", "unsupported", archive(flags=1)
    whole = archive().coded()
    yield "magic", "corrupt", u8(whole[0] ^ 1) + whole[1:]
    yield "header_check", "corrupt", whole[:16] + u8(whole[16] ^ 1) + whole[17:]
    yield "header_only", "corrupt", whole[:24]
    yield "nothing", "corrupt", b""


def bad_frames():
    data = noise(20)
    body = coded_chunk(data, 0, [RAW])
    yield "chunk_without_bytes", "unread", Archive().add(body[:4] + u8(0) + u32(0))
    yield "chunk_longer_than_original", "corrupt", bytes_plane(*with_128_lanes(277 - 257))
    yield "body_of_3", "corrupt", Archive().add(u8(128, 0, 0))
    yield "body_of_0", "corrupt", Archive().add(b"")
    yield "ancillary_with_original", "corrupt", Archive().chunk(data, 0, [RAW]).add(u8(128) + bytes(20), data)
    for kind in (0, 100, 127):
        yield f"frame_kind_{kind}", "unread", Archive().chunk(data, 0, [RAW]).add(u8(kind) + bytes(9))
    for kind in (100, 127):
        yield f"frame_kind_{kind}_of_20", "unsupported", Archive().add(u8(kind) + body[1:], data)
    yield "frame_kind_128_of_20", "corrupt", Archive().add(u8(128) + body[1:], data)
    whole = Archive().add(body, data).add(body, data).coded()
    yield "frame_check", "corrupt", whole[:24] + u8(whole[24] ^ 1) + whole[25:]
    size = 16 + len(body)
    yield "frame_missing", "corrupt", whole[:24] + whole[24 + size :]
    yield "frame_repeated", "corrupt", whole[: 24 + size] + whole[24:]
    a = Archive().chunk(data, 0, [RAW]).chunk(noise(20, 2), 0, [RAW])
    index = a.index_parts()
    a.frames.reverse()
    a.index_changes = index
    yield "frames_exchanged", "corrupt", a


def bad_indexes():
    def archive(with_sha256=False, **changes):
        a = Archive(with_sha256).chunk(noise(20), 0, [RAW]).chunk(noise(21), 0, [RAW])
        entries = a.index_parts()["entries"]
        a.index_changes = {k: v(entries) if callable(v) else v for k, v in changes.items()}
        return a

    original = noise(20) + noise(21)
    yield "index_original_40", "corrupt", archive(original=u64(40))
    yield "index_original_huge", "corrupt", archive(original=u64(2**64 - 1))
    yield "index_xxh3", "digest", archive(xxh3=xxh3_128(original[1:]))
    yield "index_xxh3_little_endian", "digest", archive(xxh3=xxh3_128(original)[::-1])
    yield "index_sha256", "sha256", archive(True, sha256=bytes(32))
    yield "index_sha256_cut", "corrupt", archive(True, sha256=b"")
    yield "index_no_xxh3", "corrupt", archive(digests=u8(0), xxh3=b"")
    yield "index_digest_bit", "unsupported", archive(digests=u8(65))
    yield "index_reserved", "unsupported", archive(reserved=u16(1))
    yield "index_orig_len", "corrupt", archive(orig_len=1)
    yield "index_entry_missing", "corrupt", archive(entries=lambda e: e[:16])
    yield "index_entry_extra", "corrupt", archive(entries=lambda e: e + e[16:])
    yield "index_byte_after_entries", "corrupt", archive(entries=lambda e: e + b"\x00")
    yield "index_entry_cut", "corrupt", archive(entries=lambda e: e[:-1])
    for field, at in (("body_len", 16), ("orig_len", 20), ("check", 24)):
        change = lambda e, at=at: e[:at] + u8(e[at] ^ 1) + e[at + 1 :]  # noqa: E731
        yield f"index_entry_{field}", "corrupt", archive(entries=change)
    swap = lambda e: e[16:] + e[:16]  # noqa: E731
    yield "index_entries_exchanged", "corrupt", archive(entries=swap)
    yield "trailer_index_len", "corrupt", archive(index_len=16 + 28 + 33)
    yield "trailer_index_len_huge", "corrupt", archive(index_len=2**64 - 1)
    yield "trailer_index_len_0", "corrupt", archive(index_len=0)
    whole = archive().coded()
    yield "trailer_magic", "corrupt", whole[:-1] + u8(whole[-1] ^ 1)
    yield "trailer_missing", "corrupt", whole[:-16]
    yield "bytes_after_trailer", "corrupt", whole + b"\x00"
    yield "two_archives", "corrupt", whole + whole
    yield "index_twice", "corrupt", whole[:-16] + whole[-16 - 76 : -16] + whole[-16:]


def bad_chunks():
    data = noise(40)
    raw = [(RAW, data[::2]), (RAW, data[1::2])]

    def chunk(layout, planes, **parts):
        return Archive().add(chunk_body(layout, planes, **parts), data)

    yield "chunk_flags", "unsupported", chunk(1, raw, flags=1)
    for layout in (200, 255):
        yield f"chunk_layout_{layout}", "unsupported", chunk(layout, raw)
    yield "chunk_head_is_element", "corrupt", Archive().add(
        chunk_body(1, [(RAW, data[2::2]), (RAW, data[3::2])], data[:2]), data)  # fmt: skip
    yield "chunk_head_past_original", "corrupt", Archive().add(
        chunk_body(5, [(RAW, b"")] * 8, data[:3]), data[:2])  # fmt: skip
    yield "chunk_head_255", "corrupt", chunk(1, raw, n_head=255)
    yield "chunk_plane_missing", "corrupt", chunk(1, raw[:1])
    yield "chunk_plane_extra", "corrupt", chunk(1, raw + [(RAW, b"")])
    yield "chunk_byte_after_planes", "corrupt", Archive().add(chunk_body(1, raw) + b"\x00", data)
    yield "chunk_planes_cut", "corrupt", Archive().add(chunk_body(1, raw)[:-1], data)
    yield "chunk_body_of_4", "corrupt", Archive().add(u8(1, 0, 0, 0), data)
    huge = u8(1, 1, 0, 0) + u8(RAW) + u32(2**32 - 1) + u8(RAW) + u32(41) + data
    yield "chunk_plane_lengths_wrap", "corrupt", Archive().add(huge, data)
    for codec in (200, 255):
        yield f"codec_{codec}", "unsupported", chunk(0, [(codec, data)])
    for n in (39, 41):
        coded = (data + b"\x00")[:n]
        yield f"raw_{n}_for_40", "corrupt", chunk(0, [(RAW, coded)])
    for n in (0, 2):
        yield f"constant_{n}", "corrupt", chunk(0, [(CONSTANT, bytes(n))])
    yield "constant_of_none", "corrupt", Archive().add(chunk_body(1, [(CONSTANT, b"A"), (RAW, b"")], b"A"), b"A")
    yield "nibbles_short", "corrupt", chunk(0, [(NIBBLES, bytes(19))])
    yield "nibbles_long", "corrupt", chunk(0, [(NIBBLES, bytes(21))])
    yield "nibbles_unused_half", "corrupt", bytes_plane(b"\x01\x02\x03", NIBBLES, b"\x21\x13")
    planes = split(F16, data)
    for name, p, part in (
        ("f16_exponent_32", 2, bytes(19) + b"\x20"),
        ("f16_exponent_255", 2, b"\xff" * 20),
        ("f16_mask_bit_20", 1, planes[1][:2] + u8(planes[1][2] | 16) + planes[1][3:]),
        ("f16_mask_bit_63", 1, planes[1][:23] + u8(planes[1][23] | 128)),
    ):
        changed = planes[:p] + [part] + planes[p + 1 :]
        yield name, "corrupt", chunk(F16, [(RAW, plane) for plane in changed])
    yield "f16_exponent_constant_32", "corrupt", chunk(F16, [(RAW, planes[0]), (RAW, planes[1]), (CONSTANT, b"\x20")])
    exponent = bytes([40] * 20)
    coded = R16Stream(exponent, b"\x28", [Table(0, [64])]).coded()
    yield "f16_exponent_r16_40", "corrupt", chunk(F16, [(RAW, planes[0]), (RAW, planes[1]), (R16, coded)])
    frame = zstd_frame(data)
    for name, coded in (
        ("zstd_empty", b""),
        ("zstd_garbage", noise(30)),
        ("zstd_cut", frame[:-1]),
        ("zstd_byte_after", frame + b"\x00"),
        ("zstd_two_frames", zstd_frame(data[:20]) + zstd_frame(data[20:])),
        ("zstd_skippable_after", frame + bytes.fromhex("502A4D1800000000")),
        ("zstd_skippable_before", bytes.fromhex("502A4D1800000000") + frame),
        ("zstd_39_for_40", zstd_frame(data[:39])),
        ("zstd_41_for_40", zstd_frame(data, (1, 1))),
        ("zstd_huge", zstd_frame(*[(65, 1000)] * 20)),
    ):
        yield name, "corrupt", chunk(0, [(ZSTD, coded)])


def bad_records():
    fields = [(0, 1), (0, 1), (1, 16)]
    data = noise(18 * 12)
    planes = split_records(fields, data)
    raw = [(RAW, plane) for plane in planes]

    def chunk(fields, planes, **parts):
        return Archive().add(records_body(fields, planes, **parts), data)

    yield "records_0_fields", "unsupported", chunk([], [])
    yield "records_9_fields", "unsupported", chunk([(0, 1)] * 9, [(RAW, data[p::9]) for p in range(9)])
    yield "records_255_fields", "unsupported", chunk(fields, raw, n_fields=255)
    for kind in (100, 255):
        yield f"records_field_kind_{kind}", "unsupported", chunk([(0, 1), (0, 1), (kind, 16)], raw)
    yield "records_field_of_none", "corrupt", chunk(fields + [(0, 0)], raw + [(RAW, b"")])
    long = noise(1025)
    yield "records_of_1025", "corrupt", Archive().add(records_body([(0, 1025)], [(RAW, long)]), long)
    yield "records_lengths_wrap", "corrupt", chunk([(0, 65535), (0, 3)], [(RAW, b"")] * 2, tail=data)
    wide = split_records([(1, 1)] * 5, noise(50))
    yield "records_10_planes", "corrupt", Archive().add(
        records_body([(1, 1)] * 5, [(RAW, plane) for plane in wide]), noise(50))  # fmt: skip
    for p, name in ((2, "low"), (3, "high")):
        for value in (16, 255):
            changed = planes[p][:-1] + u8(value)
            yield f"records_{name}_half_{value}", "corrupt", chunk(fields, raw[:p] + [(RAW, changed)] + raw[p + 1 :])
        yield f"records_{name}_half_constant_16", "corrupt", chunk(
            fields, raw[:p] + [(CONSTANT, b"\x10")] + raw[p + 1 :])  # fmt: skip
        sixteen = R16Stream(b"\x10" * 192, b"\x10", [Table(0, [64])]).coded()
        yield f"records_{name}_half_r16_16", "corrupt", chunk(fields, raw[:p] + [(R16, sixteen)] + raw[p + 1 :])
    yield "records_head_is_record", "corrupt", Archive().add(
        records_body(fields, [(RAW, p[len(p) // 12 :]) for p in planes], data[:18]), data)  # fmt: skip
    yield "records_plane_missing", "corrupt", chunk(fields, raw[:3])
    yield "records_plane_short", "corrupt", chunk(fields, raw[:3] + [(RAW, planes[3][:-1])])
    for n in (4, 5, 7, 10, 13):
        yield f"records_table_cut_{n}", "corrupt", Archive().add(records_body(fields, raw)[:n], data)


def bad_r16():
    data = peaked(300)
    plain = r16_of(data)

    def plane(**changes):
        return bytes_plane(data, R16, r16_of(data, **changes).coded())

    yield "r16_of_none", "corrupt", Archive().add(chunk_body(1, [(R16, plain.coded()), (RAW, b"")], b"A"), b"A")
    nothing = R16Stream(b"", b"", [Table(0, [])]).coded()
    yield "r16_of_none_at_rest", "corrupt", Archive().add(chunk_body(1, [(R16, nothing), (RAW, b"")], b"A"), b"A")
    yield "r16_empty", "corrupt", bytes_plane(data, R16, b"")
    wide = R16Stream(b"A" * 700, b"A", [Table(0, [64])], lanes_log2=8)
    yield "r16_lanes_256", "corrupt", bytes_plane(b"A" * 700, R16, wide.coded())
    yield "r16_lanes_log2_255", "corrupt", plane(lanes_log2=255)
    yield "r16_no_table", "corrupt", plane(n_tables=0, tables=b"")
    yield "r16_block_of_one_table", "corrupt", plane(block_log2=7)
    escaped = R16Stream(b"A" * 300, b"", [Table(0, [])], lanes_log2=0, escapes_codec=CONSTANT)
    for n in (241, 255):
        escaped.n_classes, escaped.classes = n, bytes(range(n))
        yield f"r16_{n}_classes", "corrupt", bytes_plane(b"A" * 300, R16, escaped.coded())
    yield "r16_more_escapes_than_symbols", "corrupt", plane(n_escapes=301, nested_escapes=stream(RAW, bytes(301)))
    flood = R16Stream(b"A" * 300, b"", [Table(0, [])], lanes_log2=0, escapes_codec=CONSTANT)
    flood.n_escapes = 1 << 20
    body = chunk_body(0, [(R16, flood.coded())])
    yield "r16_escapes_past_max_chunk", "corrupt", Archive(max_chunk=300).add(body, b"A" * 300)
    yield "r16_classes_equal", "corrupt", plane(classes=plain.classes[:1] + plain.classes[:-1])
    yield "r16_classes_descend", "corrupt", plane(classes=plain.classes[::-1])
    k = plain.n_classes
    counts = [1] * k
    yield "r16_table_past_classes", "corrupt", plane(tables=Table(1, counts).coded())
    yield "r16_table_first_240", "corrupt", plane(tables=Table(240, []).coded())
    many = bytes(range(100, 130))
    yield "r16_table_of_16", "corrupt", plane(classes=many, n_classes=30, tables=Table(0, [1] * 16).coded())
    yield "r16_table_sum_65", "corrupt", plane(tables=Table(0, [65 - (k - 1)] + counts[1:]).coded())
    same = R16Stream(data[:1] * 300, data[:1], [Table(0, [64])])
    same.tables = Table(0, [64]).coded(unused_bits=1)
    yield "r16_table_unused_bit", "corrupt", bytes_plane(data[:1] * 300, R16, same.coded())
    yield "r16_table_cut", "corrupt", bytes_plane(data, R16, plain.coded()[: 8 + k + 3])
    for state, name in ((0, "0"), (255, "255")):
        yield f"r16_state_{name}", "corrupt", plane(states=[state] + plain.states[1:])
    for state, name, renorm in ((1, "state_1", b"\x00"), (257, "end_state_257", b"")):
        still = R16Stream(b"A", b"A", [Table(0, [64])], lanes_log2=0)
        still.states, still.renorm = [state], renorm
        yield "r16_" + name, "corrupt", bytes_plane(b"A", R16, still.coded())
    yield "r16_end_state", "corrupt", plane(states=plain.states[1:] + plain.states[:1])
    yield "r16_states_cut", "corrupt", plane(states=plain.states[:-1], renorm=b"")
    yield "r16_byte_missing", "corrupt", plane(renorm=plain.renorm[:-1])
    yield "r16_byte_after", "corrupt", plane(renorm=plain.renorm + b"\x00")
    yield "r16_no_bytes", "corrupt", plane(renorm=b"")
    escaped = R16Stream(data, *plain_table(data[:40]), lanes_log2=3)
    yield "r16_escape_extra", "corrupt", plane(n_escapes=1, nested_escapes=stream(RAW, b"A"))
    for n in (escaped.n_escapes - 1, escaped.n_escapes + 1):
        few = R16Stream(data, *plain_table(data[:40]), lanes_log2=3)
        few.n_escapes, few.nested_escapes = n, stream(RAW, (few.escapes + b"A")[:n])
        yield f"r16_escapes_{n}_of_{escaped.n_escapes}", "corrupt", bytes_plane(data, R16, few.coded())
    few.n_escapes, few.nested_escapes = 0, b""
    yield "r16_escapes_none", "corrupt", bytes_plane(data, R16, few.coded())
    yield from bad_nested(data)


def bad_nested(data):
    """Streams within R16 that break a rule."""
    two = [Table(0, [64])] * 2
    same = b"A" * 300

    def with_ids(nested, block_log2=7, n=2):
        r16 = R16Stream(same, b"A", two[:1] * n, 2, block_log2, [0] * 5)
        r16.nested_ids, r16.block_log2 = nested, block_log2
        return bytes_plane(same, R16, r16.coded())

    yield "r16_id_2_of_2", "corrupt", with_ids(stream(RAW, u8(0, 2, 0)))
    yield "r16_id_constant_9", "corrupt", with_ids(stream(CONSTANT, u8(9)))
    yield "r16_ids_short", "corrupt", with_ids(stream(RAW, u8(0, 0)))
    yield "r16_ids_long", "corrupt", with_ids(stream(RAW, u8(0, 0, 0, 0)))
    yield "r16_ids_length_huge", "corrupt", with_ids(u8(RAW) + u32(2**32 - 1) + bytes(3))
    yield "r16_ids_codec_200", "unsupported", with_ids(stream(200, u8(0, 0, 0)))
    yield "r16_ids_zstd", "corrupt", with_ids(stream(ZSTD, zstd_frame(bytes(3))))
    yield "r16_block_64", "corrupt", with_ids(stream(RAW, bytes(5)), 6)
    yield "r16_block_2_to_25", "corrupt", with_ids(stream(RAW, bytes(1)), 25)
    yield "r16_17_tables", "corrupt", with_ids(stream(RAW, bytes(3)), 7, 17)
    inner = R16Stream(data, b"", [Table(0, [])], lanes_log2=1, escapes_codec=R16)
    outer = R16Stream(data, b"", [Table(0, [])], lanes_log2=1)
    outer.nested_escapes = stream(R16, inner.coded())
    yield "r16_nested_twice", "corrupt", bytes_plane(data, R16, outer.coded())
    outer.nested_escapes = stream(ZSTD, zstd_frame(data))
    yield "r16_escapes_zstd", "corrupt", bytes_plane(data, R16, outer.coded())


# ---- output ----------------------------------------------------------------------------------------------------------


def named(goods, bads):
    """(name, expected answer, Archive or bytes) of what these functions make."""
    for good in goods:
        for name, archive in good():
            yield name, "ok", archive
    for bad in bads:
        for name, expected, archive in bad():
            yield "bad_" + name, expected, archive


def every_vector():
    goods = good_containers, good_layouts, good_codecs, good_r16, good_tables, good_records
    return named(goods, (bad_headers, bad_frames, bad_indexes, bad_chunks, bad_records, bad_r16))


def write(vectors, folder):
    """A file for each, and the list of them."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, expected, archive in vectors:
        (folder / f"{name}.znn").write_bytes(archive if isinstance(archive, bytes) else archive.coded())
        known = f" {len(archive.original)} {xxh3_128(archive.original).hex()}" if expected == "ok" else ""
        lines.append(f"{name}.znn {expected}{known}\n")
    (folder / "list.txt").write_text("".join(lines))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(every_vector(), sys.argv[1])
