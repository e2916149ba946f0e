#!/usr/bin/env python3
"""Writes seeds for the fuzz targets: make_seeds.py FOLDER, which is tests/fuzz/corpus.

They come from the archives of make_vectors.py and its like that must be restored: whole for fuzz_container, chunk
bodies and planes for fuzz_decode, with their base for fuzz_bases. Those of fuzz_delta are deltas and pairs of
tests/deltas, those of codec 6 the chunks of tests/golden/mixing, those of fuzz_roundtrip data of the common types,
those of fuzz_sync what it changes in updates, those of fuzz_readers the files of model_files.py and odd_files.py. The
corpus keeps the ones that add coverage (a target's -merge=1)."""

import pathlib
import struct
import sys

import make_column_vectors
import make_fine_vectors
import make_half_vectors
import make_plane_vectors
import make_recipes
import make_references
import make_vectors
import make_wide_vectors
import model_files
import odd_files
from make_vectors import halves, weights

LONGEST = 1200
TESTS = pathlib.Path(__file__).parent.parent


def chunk_bodies(archive):
    for frame in archive.frames:
        orig_len = struct.unpack_from("<I", frame, 12)[0]
        if orig_len > 0:
            yield orig_len, frame[16:]


def of_file(path):
    """An archive in parts, as far as chunk_bodies() cares."""
    data, at, frames = path.read_bytes(), 24, []
    while data[at + 16] != 2:
        size = 16 + struct.unpack_from("<I", data, at + 8)[0]
        frames.append(data[at : at + size])
        at += size
    return type("Parts", (), {"frames": frames})


def planes(orig_len, body):
    """(codec, size, coded bytes) of a chunk in layout 8."""
    if body[1] == 0:
        codec, length = struct.unpack_from("<BI", body, 4)
        yield codec, orig_len, body[9 : 9 + length]


def decoder_seeds(name, archive):
    for i, (orig_len, body) in enumerate(chunk_bodies(archive)):
        if i == 0 and orig_len <= 65536:
            yield "fuzz_decode", name, struct.pack("<HB", orig_len - 1, 0) + body
            for codec, size, coded in planes(orig_len, body):
                yield "fuzz_decode", name + "_plane", struct.pack("<HB", size - 1, codec + 1) + coded


def archive_seeds():
    vectors = (make_vectors, make_plane_vectors, make_wide_vectors, make_column_vectors, make_half_vectors, make_fine_vectors)
    for name, expected, archive in (vector for module in vectors for vector in module.every_vector()):
        if expected == "ok":
            yield "fuzz_container", name, archive.coded()
            yield from decoder_seeds(name, archive)
    for path in sorted((TESTS / "golden/mixing").glob("*.znn")):
        yield from decoder_seeds(path.stem, of_file(path))
    for name, expected, archive in (*make_references.repeats(), *make_recipes.repeats()):
        if expected == "ok":
            yield "fuzz_container", name, archive.coded()
            yield "fuzz_bases", name, struct.pack("<H", 0) + archive.coded()


def delta_seeds():
    base = make_references.BASE
    for name, expected, archive in make_references.deltas():
        if expected == "ok":
            yield "fuzz_bases", name, struct.pack("<H", len(base)) + base + archive.coded()
    for name, archive in make_recipes.sound():
        base = make_recipes.BASE if name != "delta" else (TESTS / "golden/recipes/turned.bin").read_bytes()
        if name != "many":
            yield "fuzz_bases", f"made_{name}", struct.pack("<H", len(base)) + base + archive.coded()
    for path in sorted((TESTS / "deltas").glob("*.delta")):
        delta, ref, orig = (path.with_suffix(kind).read_bytes() for kind in (".delta", ".ref", ".orig"))
        yield "fuzz_delta", path.stem, struct.pack("<HBB", len(ref), 0, 0) + ref + delta
        # A chunk with a reference in an archive: its checks are for the target to put right.
        body = make_references.copy(orig, 0, source=1, method=1, payload=delta)
        archive = make_references.against(body, orig, make_references.table(ref))
        yield "fuzz_bases", path.stem, struct.pack("<H", len(ref)) + ref + archive.coded()
    for dtype, name, data in ((1, "bf16", weights(300)), (2, "fp16", halves(300)), (3, "fp32", weights(150, 4)),
                              (9, "bytes", bytes(range(256)))):  # fmt: skip
        moved = bytes(b + (i % 7 == 0) & 255 for i, b in enumerate(data))
        yield "fuzz_delta", f"pair_{name}", struct.pack("<HBB", len(data), 1, dtype) + data + moved


def safetensors_head(claims):
    text = b'{"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (claims, claims)
    return struct.pack("<Q", len(text)) + text


def hostile_seeds():
    """Archives made to cost much: what a target may spend on them is bounded."""
    large = 4 << 20

    def constants(n):
        a = make_vectors.Archive()
        a.flags = make_references.SELF
        for i in range(n):
            a.add(make_vectors.chunk_body(0, [(make_vectors.CONSTANT, bytes([i]))]), bytes([i]) * large)
        return a

    across = bytes([0, 1])
    two = constants(2)
    for _ in range(12):
        two.add(make_references.copy(across, large - 1), across)
    yield "fuzz_container", "hostile_across_two", two.coded()
    many = constants(20)
    for i in range(20):
        many.add(make_references.copy(bytes([i]), i * large + 1), bytes([i]))
    yield "fuzz_container", "hostile_more_than_fit", many.coded()
    for power in (35, 59):
        head = make_vectors.Archive().chunk(safetensors_head(2**power), 0, [make_vectors.RAW]).coded()
        size = 24 + 16 + struct.unpack_from("<I", head, 32)[0]
        yield "fuzz_container", f"hostile_claim_{power}", head[:size] + make_vectors.noise(99)
    inner = make_vectors.Archive().chunk(make_vectors.noise(60), 0, [make_vectors.RAW]).coded()
    outer = bytearray(make_vectors.Archive().chunk(bytes(99) + inner, 0, [make_vectors.RAW]).chunk(
        make_vectors.noise(50), 0, [make_vectors.RAW]).coded())  # fmt: skip
    outer[60] ^= 1
    yield "fuzz_container", "hostile_archive_inside", bytes(outer)
    empty = make_vectors.Archive()
    for _ in range(40):
        empty.add(bytes([128, 0, 0, 0]), b"")
    yield "fuzz_container", "hostile_empty_frames", empty.coded()


def seeds():
    yield from hostile_seeds()
    yield from archive_seeds()
    yield from delta_seeds()
    for dtype, name, data in ((1, "bf16", weights(300)), (2, "fp16", halves(300)), (3, "fp32", weights(150, 4)),
                              (0, "unknown", weights(150, 4)), (14, "bytes", bytes(300)),
                              (13, "text", b"the quick brown fox " * 9)):  # fmt: skip
        for level, times in ((1, 3), (3, 7), (3, 220)):
            yield "fuzz_roundtrip", f"{name}_{level}_{times}", bytes([dtype, level, 16 * times & 255]) + data
    for form, name in enumerate(("difference", "values", "whole")):  # the updates themselves are made by fuzz_sync
        yield "fuzz_sync", f"changed_{name}", bytes([form, 1]) + struct.pack("<HB", 90 + form, 1)
        yield "fuzz_sync", f"steps_{name}", bytes([form, 0, 2]) + struct.pack("<IIBI", 12, 1, 2, 1) + b"\x07"
    for name, make in (model_files.FILES | odd_files.FILES).items():
        yield "fuzz_readers", name, make()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for target, name, seed in seeds():
        folder = pathlib.Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        long = target in ("fuzz_bases", "fuzz_delta", "fuzz_readers") or name.endswith("-9") or name.startswith("hostile")
        if len(seed) <= LONGEST * (10 if long else 1):
            (folder / name).write_bytes(seed)


if __name__ == "__main__":
    main()
