#!/usr/bin/env python3
"""Writes archives whose chunks refer to bytes that a recipe makes, for section 9.1 of doc/format.md: make_recipes.py FOLDER.

FOLDER gets NAME.znn and list.txt as make_references.py explains."""

import pathlib
import struct
import sys

import recipes
from encoder import RAW, Archive, u16
from make_references import SELF, against, copy, table, write_folder
from make_vectors import noise
from native import xxh3_64
from zipnn_reference import Reader

ZEROS, RANGE, COLUMNS, TURNED, CAST = recipes.ZEROS, recipes.RANGE, recipes.COLUMNS, recipes.TURNED, recipes.CAST
TESTS = pathlib.Path(__file__).parent.parent
# Numbers of three types at the edges of each: zeros, least, subnormal, ties, greatest, infinities, NaN.
WORDS = (0, 1, 0x007FFFFF, 0x00800000, 0x33000000, 0x33000001, 0x33800000, 0x387FC000, 0x387FE000, 0x387FFFFF, 0x38800000,
         0x3F800000, 0x3F801000, 0x3F803000, 0x3F808000, 0x3F818000, 0x3F80FFFF, 0x477FE000, 0x477FEFFF, 0x477FF000,
         0x47800000, 0x7F7F7FFF, 0x7F7F8000, 0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7FC12345, 0x7FFFFFFF)  # fmt: skip
F32 = b"".join(struct.pack("<I", word | sign) for word in WORDS for sign in (0, 1 << 31))
NARROW = b"".join(struct.pack("<H", word) for word in (*range(0, 1 << 16, 97), 1, 0x3FF, 0x400, 0x7BFF, 0x7C00, 0x7C01,
                                                      0x7E00, 0x7F80, 0x7F81, 0xFC01, 0xFF81))  # fmt: skip
BASE = noise(600, 6) + F32 + NARROW
WIDE_AT, NARROW_AT = 600, 600 + len(F32)


def number(v):
    return bytes([v & 127 | 128]) + number(v >> 7) if v > 127 else bytes([v])


def recipe(*parts, n=None):
    """Parts are (form, bytes made, offset, and what follows in a view), or bytes as they are."""
    out, at = u16(len(parts) if n is None else n), 0
    for part in parts:
        if isinstance(part, bytes):
            out += part
            continue
        form, size, off, *view = part
        out += bytes([form]) + number(size)
        if form != ZEROS:
            out += number((off - at) << 1 if off >= at else ((at - off) << 1) - 1)
            before, after = recipes.widths(form - CAST) if form >= CAST else (1, 1)
            at = off + size // after * before
        if form == TURNED:
            out += bytes([view.pop(0)])
        out += b"".join(map(number, view))
    return out


def made(*parts, source=1, data=BASE, method=2, delta=b"", first=None, found=None, **changes):
    """An archive of one chunk made of the parts; `found` is what it holds where the parts do not tell."""
    coded = recipe(*parts, n=changes.pop("n", None))
    if found is None:
        total = sum(part[1] for part in parts)
        found = recipes.make(Reader(coded), total, False, lambda start, end: data[start:end])
    body = copy(found, changes.pop("off", 0), source, method, payload=coded + delta, **changes)
    return against(body, found, first or table(data))


def sound():
    yield "zeros", made((ZEROS, 90, 0))
    yield "range", made((RANGE, 77, 13))
    yield "ranges", made((RANGE, 77, 500), (ZEROS, 3, 0), (RANGE, 20, 577), (RANGE, 1, 0), (RANGE, 300, 2))
    yield "whole", made((RANGE, len(BASE), 0))
    for i, kinds in enumerate(recipes.CASTS):
        wide = kinds is None or kinds[0] == recipes.F32
        at, size = (WIDE_AT, len(F32)) if wide else (NARROW_AT, len(NARROW))
        before, after = recipes.widths(i)
        yield f"cast_{i}", made((CAST + i, size // before * after, at))
    yield "columns", made((COLUMNS, 400, 100, 40, 100, 0))
    yield "columns_from_within", made((COLUMNS, 100, 3, 64, 64, 63))
    yield "columns_of_one_row", made((COLUMNS, 9, 3, 32, 1 << 25, 20))
    for width in (1, 2, 4, 8):
        yield f"turned_{width}", made((TURNED, 100 * width, 7, width, 20, 12, 0))
        yield f"turned_{width}_from_within", made((TURNED, 77 * width, 7, width, 20, 12, 163))
    yield "turned_row", made((TURNED, 600, 0, 1, 1, 600, 0))
    yield "turned_column", made((TURNED, 600, 0, 2, 300, 1, 0))
    yield "turned_wide", made((TURNED, 1999, 5, 1, 2, 1000, 1))
    yield "casts", made((CAST, 20, WIDE_AT), (CAST + 4, 40, NARROW_AT), (RANGE, 5, 4), (CAST + 2, 8, WIDE_AT + 1))
    yield "many", made(*[(RANGE, 5, (i * 7) % 595) for i in range(4096)])
    delta = TESTS / "deltas/bf16_sparse"
    ref, orig, payload = (delta.with_suffix(kind).read_bytes() for kind in (".ref", ".orig", ".delta"))
    halves = [(RANGE, len(ref) // 2, len(ref) - len(ref) // 2), (RANGE, len(ref) - len(ref) // 2, 0)]
    turned = ref[len(ref) // 2 :] + ref[: len(ref) // 2]
    yield "delta", made(*halves, data=turned, found=orig, method=3, delta=payload, check=xxh3_64(ref))


def own(*parts, n=3, source=0, **changes):
    """Parts of the archive's own original."""
    a = Archive()
    a.flags = SELF
    for i in range(n):
        a.chunk(noise(100, i), 0, [RAW])
    coded = recipe(*parts)
    found = recipes.make(Reader(coded), sum(p[1] for p in parts), False, lambda start, end: a.original[start:end])
    return a.add(copy(found, 0, source, 2, payload=coded, **changes), found)


def damaged():
    good = (RANGE, 77, 13)
    found = BASE[13:90]
    for n in (0, 2, 4097):
        yield f"bad_{n}_parts", "corrupt", made(good, n=n, found=found)
    yield "bad_cut", "corrupt", made(recipe(good)[2:-1], n=1, found=found)
    yield "bad_long", "corrupt", made(good, delta=b"x", found=found)
    yield "bad_short", "corrupt", made((RANGE, 76, 13), found=found)
    yield "bad_more", "corrupt", made(good, (ZEROS, 1, 0), found=found)
    yield "bad_empty_part", "corrupt", made(good, bytes([ZEROS, 0]), found=found)
    yield "bad_past_the_end", "corrupt", made((RANGE, 77, len(BASE) - 76), found=found)
    yield "bad_cast_past_the_end", "corrupt", made((CAST, 20, len(BASE) - 39), found=noise(20))
    yield "bad_before_the_start", "corrupt", made(bytes([RANGE, 77, 1]), n=1, found=found)
    yield "bad_far_away", "corrupt", made(bytes([RANGE, 77]) + number(2**64 - 2), n=1, found=found)
    yield "bad_number", "corrupt", made(bytes([RANGE, 77]) + bytes([255] * 9 + [2]), n=1, found=found)
    yield "bad_endless_number", "corrupt", made(bytes([RANGE] + [255] * 12), n=1, found=found)
    yield "bad_length", "corrupt", made(bytes([RANGE]) + number(2**32 + 77) + number(26), n=1, found=found)
    yield "bad_half_element", "corrupt", made((CAST + 3, 78, WIDE_AT), found=noise(78))
    yield "bad_check", "corrupt", made(good, check=1, orig_check=1)
    yield "bad_other_check", "corrupt", made(good, orig_check=1)
    yield "bad_offset", "corrupt", made(good, off=1)
    yield "bad_delta", "corrupt", made(good, method=3, orig_check=1, delta=b"\t")
    yield "bad_source", "corrupt", made(good, source=2)
    for name, view in (("row", (31, 40, 0)), ("no_row", (0, 40, 0)), ("stride", (41, 40, 0)), ("no_stride", (40, 0, 0)),
                       ("skip", (40, 50, 40)), ("far", (32, 1 << 25, 0)), ("wide", (32, (1 << 25) + 1, 0)),
                       ("past_the_end", (40, 1100, 0))):  # fmt: skip
        yield f"bad_columns_{name}", "corrupt", made((COLUMNS, 100, 13, *view), found=noise(100))
    for name, view in (("width_0", (0, 20, 12, 0)), ("width_3", (3, 20, 12, 0)), ("width_16", (16, 20, 12, 0)),
                       ("no_row", (2, 0, 12, 0)), ("no_column", (2, 20, 0, 0)), ("half", (8, 20, 12, 0)),
                       ("skip", (2, 20, 12, 191)), ("large", (2, 1 << 12, 1 << 13, 0)), ("rows", (2, 1 << 40, 1, 0)),
                       ("past_the_end", (2, 100, 11, 0))):  # fmt: skip
        yield f"bad_turned_{name}", "corrupt", made((TURNED, 100, 13, *view), found=noise(100))
    yield "bad_view_cut", "corrupt", made(recipe((COLUMNS, 100, 13, 40, 50, 0))[2:-1], n=1, found=noise(100))
    yield "bad_own_columns", "corrupt", own((COLUMNS, 60, 10, 40, 50, 0))
    yield "bad_own_turned", "corrupt", own((TURNED, 60, 10, 2, 10, 5, 0))
    for form in (4, 15, CAST + len(recipes.CASTS), 255):
        yield f"bad_form_{form}", "unsupported", made(bytes([form, 77, 26]), n=1, found=found)
    yield "bad_method_4", "unsupported", made(good, method=4)
    yield "bad_own_parts", "corrupt", own((RANGE, 20, 0), (RANGE, 20, 30))
    yield "bad_own_17_chunks", "corrupt", own((CAST, 842, 0), n=17)
    yield "bad_own_itself", "corrupt", own((RANGE, 50, 0)).add(copy(noise(9), 0, 0, 2, payload=recipe((RANGE, 9, 305))), noise(9))


def repeats():
    yield "own_range", "ok", own((RANGE, 150, 70))
    yield "own_cast", "ok", own((CAST, 150, 0))
    yield "own_16_chunks", "ok", own((CAST, 800, 0), n=16)
    yield "own_zeros", "ok", own((ZEROS, 60, 0))


def bases():
    for name, archive in sound():
        yield name, "ok", archive


def with_bases():
    yield from bases()
    yield from (vector for vector in damaged() if not vector[0].startswith("bad_own"))


def alone():
    yield from repeats()
    yield from (vector for vector in damaged() if vector[0].startswith("bad_own"))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    write_folder(folder, BASE, ((alone, ""), (with_bases, "base.bin")), {"delta": "turned.bin"})
    delta = (TESTS / "deltas/bf16_sparse.ref").read_bytes()
    (folder / "turned.bin").write_bytes(delta[len(delta) // 2 :] + delta[: len(delta) // 2])


if __name__ == "__main__":
    main()
