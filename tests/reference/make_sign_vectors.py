#!/usr/bin/env python3
"""Writes archives whose chunks code signs apart, for section 7.4 of doc/format.md: make_sign_vectors.py FOLDER.

FOLDER gets NAME.znn and list.txt as make_references.py explains. The sound payload is tests/deltas/bf16_signs.delta."""

import pathlib
import sys

from encoder import CONSTANT, RAW, u8, u32
from make_references import against, copy, table
from native import xxh3_64, xxh3_128

TESTS = pathlib.Path(__file__).parent.parent
REF, ORIG, DELTA = ((TESTS / f"deltas/bf16_signs.{kind}").read_bytes() for kind in ("ref", "orig", "delta"))
SIGNS, HEAD = 22, 4
FLIPS_LEN = int.from_bytes(DELTA[HEAD + 1 : HEAD + 5], "little")
FLIPS, INNER = DELTA[HEAD + 5 : HEAD + 5 + FLIPS_LEN], DELTA[HEAD + 5 + FLIPS_LEN :]
N = (len(REF) - DELTA[2]) // 2


def signed(codec=None, flips=FLIPS, inner=INNER, head=DELTA[:HEAD]):
    """A payload."""
    return head + u8(DELTA[HEAD] if codec is None else codec) + u32(len(flips)) + flips + inner


def archive(payload, ref=REF, orig=ORIG, **changes):
    body = copy(orig, 0, source=1, method=1, payload=payload, check=xxh3_64(ref), **changes)
    return against(body, orig, table(ref))


def changed(data, at, value):
    return data[:at] + u8(value) + data[at + 1 :]


def every_vector():
    yield "signs", "ok", archive(DELTA)
    plain = bytes(b"\0\1"[(a ^ b) >> 7] for a, b in zip(REF[DELTA[2] + 1 :: 2], ORIG[DELTA[2] + 1 :: 2]))[:N]
    yield "signs_raw", "ok", archive(signed(RAW, plain))
    yield "bad_detail", "unsupported", archive(changed(DELTA, 3, 1))
    for number in (0, 1, 2, 5, 6, 7):
        yield f"bad_number_{number}", "unsupported", archive(changed(DELTA, 1, number))
    yield "bad_head", "corrupt", archive(changed(DELTA, 2, 2))
    yield "bad_flip_2", "corrupt", archive(signed(RAW, changed(plain, 100, 2)))
    yield "bad_all_flips", "corrupt", archive(signed(CONSTANT, u8(2)))
    yield "bad_other_flips", "corrupt", archive(signed(RAW, changed(plain, 100, plain[100] ^ 1)))
    yield "bad_flips_cut", "corrupt", archive(signed(RAW, plain[:-1]))
    yield "bad_flips_long", "corrupt", archive(signed(RAW, plain + b"\0"))
    yield "bad_flips_missing", "corrupt", archive(DELTA[:HEAD])
    yield "bad_flips_past_the_end", "corrupt", archive(DELTA[: HEAD + 1] + u32(1 << 30) + DELTA[HEAD + 5 :])
    for layout in (11, SIGNS, 2, 99):
        yield f"bad_inner_layout_{layout}", "corrupt", archive(signed(inner=changed(INNER, 0, layout)))
    yield "bad_inner_signs", "corrupt", archive(signed(inner=DELTA))
    yield "bad_inner_number", "corrupt", archive(signed(inner=changed(INNER, 1, 3)))
    yield "bad_inner_head", "corrupt", archive(signed(inner=changed(INNER, 2, DELTA[2] ^ 1)))
    yield "bad_inner_missing", "corrupt", archive(signed(inner=b""))
    yield "bad_inner_cut", "corrupt", archive(signed(inner=INNER[:-1]))
    yield "bad_one_byte", "corrupt", archive(DELTA, REF[:1], ORIG[:1])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "base.bin").write_bytes(REF)
    (folder / "byte.bin").write_bytes(REF[:1])
    lines = []
    for name, expected, made in every_vector():
        (folder / f"{name}.znn").write_bytes(made.coded())
        known = f" {len(made.original)} {xxh3_128(made.original).hex()}" if expected == "ok" else " 0 -"
        lines.append(f"{name}.znn {expected}{known} {'byte' if name == 'bad_one_byte' else 'base'}.bin\n")
    (folder / "list.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
