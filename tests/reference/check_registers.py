#!/usr/bin/env python3
"""Fails when a row of a register lacks something that doc/adding.md asks for: its section in doc/format.md, the second
decoder, a golden archive, a fuzz seed, its place in zipnn.h. tools/check_places.py asks for what other tables need, and
tests/unit/test_registered.c for a sample of each layout and codec."""

from __future__ import annotations

import pathlib
import re
import struct
import sys
from collections.abc import Iterator

import zipnn_reference
from zipnn_reference import CHUNK, INDEX, REFERENCE

ROOT = pathlib.Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests/golden"
SEEDS = ROOT / "tests/fuzz/corpus"
DELTA_LAYOUTS = {9, 10, 11, 22}


def rows(register: str, macro: str) -> list[list[str]]:
    """The arguments of each row of a .def file, as far as they have no parentheses."""
    text = re.sub(r"/\*.*?\*/", "", (ROOT / register).read_text(), flags=re.S)
    return [[a.strip() for a in row.split(",")] for row in re.findall(rf"^{macro}\(([^\n]*)\)$", text, flags=re.M)]


def frames(archive: bytes) -> Iterator[bytes]:
    """Bodies of the frames before the index."""
    at = 24
    while at + 17 <= len(archive):
        body = archive[at + 16 : at + 16 + struct.unpack_from("<I", archive, at + 8)[0]]
        if body[:1] == bytes([INDEX]):
            return
        yield body
        at += 16 + len(body)


def layout_of(body: bytes) -> int | None:
    """The layout of a chunk, or of the payload of one with a reference."""
    if len(body) > 1 and body[0] == CHUNK:
        return body[1]
    return body[32] if len(body) > 32 and body[0] == REFERENCE and body[1] == 1 else None


def golden_layouts() -> tuple[set[int], set[int]]:
    """Layouts of archives that restore, and of those that must not."""
    good: set[int] = set()
    bad: set[int] = set()
    for listed in GOLDEN.glob("*/list.txt"):
        for line in listed.read_text().splitlines():
            name, expected = line.split()[:2]
            found = {layout_of(b) for b in frames((listed.parent / name).read_bytes())} - {None}
            (good if expected == "ok" else bad).update(found)
    return good, bad


def seed_layouts_and_codecs() -> tuple[set[int], set[int]]:
    layouts = {p.read_bytes()[0] for p in (SEEDS / "fuzz_delta").iterdir() if p.stat().st_size}
    codecs: set[int] = set()
    for path in (SEEDS / "fuzz_decode").iterdir():
        seed = path.read_bytes()
        if len(seed) > 4 and seed[2] == 0:
            layouts.add(seed[4])
        elif len(seed) > 3:
            codecs.add(seed[2] - 1)
    return layouts, codecs


def faults_of_layouts() -> Iterator[str]:
    spec = (ROOT / "doc/format.md").read_text()
    good, bad = golden_layouts()
    seeds, _ = seed_layouts_and_codecs()
    layouts = rows("src/format/layouts.def", "LAYOUT")
    groups_of_bad = {row[3] for row in layouts if int(row[1]) in bad}
    for layout, number, _, group, *_ in layouts:
        n = int(number)
        ranges = re.findall(r"^\| (\d+) \.\. (\d+) \| chunks", spec, flags=re.M)
        in_spec = re.search(rf"^\| {n} \| ", spec, flags=re.M) or any(int(a) <= n <= int(b) for a, b in ranges)
        if not in_spec and not (n in DELTA_LAYOUTS and re.search(rf"\b{n}\b", spec)):
            yield f"layout {layout}: no row of doc/format.md has its number {n}"
        if n not in zipnn_reference.KNOWN_LAYOUTS:
            yield f"layout {layout}: tests/reference/zipnn_reference.py does not know it (KNOWN_LAYOUTS)"
        if n not in good:
            yield f"layout {layout}: no archive of tests/golden has it"
        if n not in bad and not (group == "WORDS" and group in groups_of_bad):  # words are decoded by the same code
            yield f"layout {layout}: no damaged archive of tests/golden has it"
        if n not in seeds and n not in DELTA_LAYOUTS:
            yield f"layout {layout}: no seed of tests/fuzz/corpus has it"


def faults_of_codecs() -> Iterator[str]:
    spec = (ROOT / "doc/format.md").read_text()
    _, seeds = seed_layouts_and_codecs()
    for codec, number, *_ in rows("src/codec/codecs.def", "CODEC"):
        n = int(number)
        if not re.search(rf"^\| {n} \| ", spec, flags=re.M) and not re.search(rf"codec {n}\b", spec):
            yield f"codec {codec}: doc/format.md does not name codec {n}"
        if n not in zipnn_reference.KNOWN:
            yield f"codec {codec}: tests/reference/zipnn_reference.py does not know it (KNOWN)"
        if n not in seeds and codec != "R16C":
            yield f"codec {codec}: no seed of tests/fuzz/corpus/fuzz_decode is a stream of it"


def faults_of_dtypes() -> Iterator[str]:
    header = (ROOT / "include/zipnn/zipnn.h").read_text()
    enum = header.split("typedef enum zipnn_dtype {")[1].split("}")[0]
    listed = re.findall(r"\bZIPNN_(\w+)", enum)
    names = [row[0] for row in rows("src/plan/dtypes.def", "DTYPE")]
    for name in names:
        if name not in listed:
            yield f"dtype {name}: no ZIPNN_{name} in zipnn.h"
    count = re.search(r"ZN_N_DTYPES = ZIPNN_(\w+) \+ 1", (ROOT / "src/plan/dtype.h").read_text())
    if not count or count[1] != names[-1]:
        yield f"dtype {names[-1]}: ZN_N_DTYPES of src/plan/dtype.h does not end with it"
    records = (ROOT / "src/chunk/records.c").read_text()
    for row in rows("src/plan/dtypes.def", "DTYPE"):
        if row[2] == "BLOCK" and f"[ZIPNN_{row[0]}] = " not in records:
            yield f"dtype {row[0]}: src/chunk/records.c does not say how its blocks fall apart"


def main() -> int:
    faults = [*faults_of_layouts(), *faults_of_codecs(), *faults_of_dtypes()]
    print("\n".join(faults) or "every row has what doc/adding.md asks for")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
