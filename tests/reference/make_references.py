#!/usr/bin/env python3
"""Writes archives whose chunks refer to other bytes, for section 9 of doc/format.md: make_references.py FOLDER.

FOLDER gets NAME.znn and list.txt as make_vectors.py explains; a line may go on with the files that are given as bases,
and the answer "base" means that one is missing."""

import pathlib
import sys

from encoder import RAW, Archive, u8, u16, u32, u64
from make_vectors import noise
from native import xxh3_64, xxh3_128

SELF, BASES = 2, 4
BASE = noise(3000, 5)


def copy(found, off, source=0, method=0, reserved=0, payload=b"", **changes):
    """Body of a chunk that is the bytes `found` at `off` of the source."""
    parts = {"says": len(found), "check": xxh3_64(found), "orig_check": xxh3_64(found), **changes}
    head = u8(3, method, source, reserved) + u32(parts["says"]) + u64(off)
    return head + u64(parts["check"]) + u64(parts["orig_check"]) + payload


def table(*bases, n=None, flags=0, kind=0, name=b"base.bin"):
    body = u8(4, len(bases) if n is None else n) + u16(flags)
    return body + b"".join(xxh3_128(b) + u64(len(b)) + u8(kind, len(name)) + name for b in bases)


def plain(flags=SELF, n=3, length=100):
    """n chunks of noise, to be followed by others."""
    a = Archive()
    a.flags = flags
    for i in range(n):
        a.chunk(noise(length, i), 0, [RAW])
    return a


def with_copy(off, length, flags=SELF, n=3, **changes):
    a = plain(flags, n)
    found = a.original[off : off + length]
    return a.add(copy(found, off, **changes), found, orig_len=length)


def against(body, original, first=None, flags=BASES):
    """One chunk of this body after the table."""
    a = Archive()
    a.flags = flags
    a.add(table(BASE) if first is None else first)
    return a.chunk(noise(50), 0, [RAW]).add(body, original)


def repeats():
    for off, length in ((0, 100), (100, 100), (0, 300), (50, 100), (120, 3), (299, 1)):
        yield f"copy_{off}_{length}", "ok", with_copy(off, length)
    yield "copy_of_16_chunks", "ok", with_copy(0, 1600, n=16)
    later = Archive()
    later.flags = SELF
    found = noise(70)
    later.add(copy(found, 70), found).chunk(found, 0, [RAW])
    yield "copy_before_its_source", "ok", later
    yield "copies_of_one_chunk", "ok", with_copy(0, 100).add(copy(noise(100, 0), 0), noise(100, 0))
    yield "flag_without_repeats", "ok", plain()
    yield "bad_copy_of_17_chunks", "corrupt", with_copy(0, 1700, n=17)
    yield "bad_copy_without_flag", "corrupt", with_copy(0, 100, flags=0)
    yield "bad_copy_of_itself", "corrupt", plain().add(copy(noise(100), 300), noise(100))
    yield "bad_copy_of_a_copy", "corrupt", with_copy(0, 100).add(copy(noise(100, 0), 300), noise(100, 0))
    two = plain(n=0).add(copy(noise(9), 9), noise(9)).add(copy(noise(9), 0), noise(9))
    yield "bad_copies_of_each_other", "corrupt", two
    yield "bad_copy_past_the_end", "corrupt", plain().add(copy(noise(100), 350), noise(100))
    yield "bad_copy_far_away", "corrupt", plain().add(copy(noise(100), 2**64 - 10), noise(100))
    yield "bad_copy_check", "corrupt", with_copy(0, 100, check=1, orig_check=1)
    yield "bad_copy_other_check", "corrupt", with_copy(0, 100, orig_check=1)
    yield "bad_copy_with_payload", "corrupt", with_copy(0, 100, payload=b"x")
    yield "bad_copy_of_base_1", "corrupt", with_copy(0, 100, source=1)
    yield "bad_copy_length", "unsupported", with_copy(0, 100, says=99)
    yield "bad_copy_reserved", "unsupported", with_copy(0, 100, reserved=1)
    yield "bad_method_200", "unsupported", with_copy(0, 100, method=200)
    whole = copy(noise(100, 0), 0)
    yield "bad_copy_cut", "corrupt", plain().add(whole[:31], noise(100, 0))
    yield "bad_copy_of_none", "unread", plain().add(copy(b"", 0), b"")


def deltas():
    """With the base at hand."""
    found = BASE[1000:1400]
    yield "base_copy", "ok", against(copy(found, 1000, source=1), found)
    both = against(copy(found, 1000, source=1), found, flags=BASES | SELF)
    yield "base_copy_copied", "ok", both.add(copy(found[5:300], 55), found[5:300])
    yield "base_second", "ok", against(copy(found, 1000, source=2), found, table(BASE, BASE))
    yield "base_without_name", "ok", against(copy(found, 1000, source=1), found, table(BASE, name=b""))
    yield "bad_copy_with_other_flag", "corrupt", against(copy(noise(50), 0), noise(50))
    yield "bad_base_2_of_1", "corrupt", against(copy(found, 1000, source=2), found)
    yield "bad_base_past_the_end", "corrupt", against(copy(found, 2601, source=1), found)
    yield "bad_base_check", "corrupt", against(copy(found, 1001, source=1), found)
    yield "bad_table_of_0", "corrupt", against(copy(found, 1000, source=1), found, table())
    yield "bad_table_of_65", "corrupt", against(copy(found, 1000, source=1), found, table(*[BASE] * 65))
    yield "bad_table_cut", "corrupt", against(copy(found, 1000, source=1), found, table(BASE)[:-1])
    yield "bad_table_long", "corrupt", against(copy(found, 1000, source=1), found, table(BASE) + b"x")
    yield "bad_table_flags", "unsupported", against(copy(found, 1000, source=1), found, table(BASE, flags=1))
    yield "bad_table_kind", "unsupported", against(copy(found, 1000, source=1), found, table(BASE, kind=1))
    yield "bad_table_missing", "corrupt", plain(BASES)
    empty = Archive()
    empty.flags = BASES
    yield "bad_table_of_nothing", "corrupt", empty
    yield "bad_table_twice", "unread", against(copy(found, 1000, source=1), found).add(table(BASE))
    yield "bad_table_without_flag", "unread", Archive().add(table(BASE)).chunk(found, 0, [RAW])


def write_folder(folder, base, groups, base_of=None):
    """Writes the archives of the groups, (vectors, name of their base or ""), and list.txt. `base_of` names other bases."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "base.bin").write_bytes(base)
    lines = []
    for vectors, usual in groups:
        for name, expected, archive in vectors():
            (folder / f"{name}.znn").write_bytes(archive.coded())
            known = f" {len(archive.original)} {xxh3_128(archive.original).hex()}" if expected == "ok" else " 0 -"
            given = (base_of or {}).get(name, usual)
            lines.append(f"{name}.znn {expected}{known} {given}".rstrip() + "\n")
            if usual and expected == "ok":
                lines.append(f"{name}.znn base 0 -\n")
    (folder / "list.txt").write_text("".join(lines))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write_folder(pathlib.Path(sys.argv[1]), BASE, ((repeats, ""), (deltas, "base.bin")))


if __name__ == "__main__":
    main()
