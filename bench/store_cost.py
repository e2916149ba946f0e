#!/usr/bin/env python3
"""What compressing a store of models costs and saves: a simulation of `zipnn batch` over 10^6 files and 1 PB, by
constants that are measured here first.

  store_cost.py ZIPNN [--files N] [--bytes N] [--shards N] [--copies SHARE] [--family N] [--PRICE DOLLARS]...

Sizes are drawn (log-normal), families and copies are placed as batch places them, and every file is gone through: what
is read, computed, asked for and stored. Shards are those of --shard, with one processor each: the longest is known.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pathlib
import random
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass

MIB = 1 << 20
SEED = 5

# Parameters, in dollars. The list prices of AWS for us-east-1 (S3 Standard above 500 TB; on-demand c7i by virtual
# processor; transfer to the internet above 150 TB) as they stood in January 2025.
PRICES = {
    "cpu-hour": (0.0446, "a virtual processor for an hour"),
    "get": (0.0004 / 1000, "a request that reads (GET, HEAD)"),
    "put": (0.005 / 1000, "a request that writes or lists (PUT, LIST)"),
    "gb-month": (0.021, "10^9 bytes stored for a month"),
    "gb-out": (0.05, "10^9 bytes sent out of the cloud"),
}

# How zipnn.batch talks to an object store, counted on moto's server.
HEADS = 5  # a file's state before and after, its archive's before, the answer to writing, and its size
HEADER_READS = 2  # of the families' search
PART = 50 * MIB  # of s3fs, both ways


@dataclass
class Measured:
    """Seconds on one processor."""

    compress: float  # a byte that stands alone
    delta: float  # a byte of a member of a family
    restore: float  # a byte
    digest: float  # a byte of a file of which others have the size
    fixed: float  # a file, however small
    look: float  # a header
    alone: float  # stored share of a file that stands alone
    near: float  # of a member of a family


# ---- measuring -------------------------------------------------------------------------------------------------------


def words_of(n: int, seed: int) -> bytearray:
    """Words like bf16 weights: normal, as 2^16 values drawn once have it."""
    r = random.Random(seed)
    pool = b"".join(struct.pack("<f", r.gauss(0, 0.02))[2:] for _ in range(1 << 16))
    return bytearray(b"".join(pool[2 * k : 2 * k + 2] for k in (r.getrandbits(16) for _ in range(n))))


def write_model(path: pathlib.Path, words: bytes | bytearray) -> None:
    head = json.dumps({"w": {"dtype": "BF16", "shape": [len(words) // 2], "data_offsets": [0, len(words)]}}).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + words)


def seconds(*words: object) -> float:
    start = time.perf_counter()
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def best(*words: object) -> float:
    return min(seconds(*words) for _ in range(3))


def batch_seconds(zipnn: str, place: pathlib.Path, source: pathlib.Path, *options: str) -> float:
    listed = place / "list"
    listed.write_text("".join(f"{path}\n" for path in sorted(source.iterdir())))
    took = []
    for i in range(3):
        out = place / f"{source.name}.{len(options)}.{i}"
        words = [zipnn, "batch", "-q", "-T1", "--root", source, "--filelist", listed, *options]
        took.append(seconds(*words, "--output-dir", out, "--manifest", f"{out}.jsonl"))
    return min(took)


def measure(zipnn: str, place: pathlib.Path) -> Measured:
    n = 32 * MIB
    words = words_of(n // 2, SEED)
    big, tuned = place / "big.safetensors", place / "tuned.safetensors"
    write_model(big, words)
    r = random.Random(SEED + 1)
    for _ in range(len(words) // 200):  # one word of a hundred moves, as between two checkpoints of a run
        words[2 * r.randrange(len(words) // 2)] ^= 1
    write_model(tuned, words)
    alone, near = place / "alone.znn", place / "near.znn"
    compress = best(zipnn, "-qf", "-T1", big, "-o", alone) / n
    delta = best(zipnn, "-qf", "-T1", "--base", alone, tuned, "-o", near) / n
    restore = best(zipnn, "-qf", "-T1", "-d", alone, "-o", place / "back") / n
    digest = best("sha256sum", big) / n
    tiny, same = place / "tiny", place / "same"
    tiny.mkdir()
    same.mkdir()
    for i in range(500):
        (tiny / f"{i:04}").write_bytes(bytes([i % 251]) * (100 + i))
        write_model(same / f"{i:04}", bytes(2 * (i + 1)))
    fixed = batch_seconds(zipnn, place, tiny) / 500
    # Nothing is worked on in a shard that is empty: what is left is the looking.
    look = batch_seconds(zipnn, place, same, "--families", "--shard", "0/1000000") / 500
    share = [path.stat().st_size / big.stat().st_size for path in (alone, near)]
    return Measured(compress, delta, restore, digest, fixed, look, share[0], share[1])


# ---- simulating ------------------------------------------------------------------------------------------------------


@dataclass
class Total:
    read: float = 0  # bytes
    stored: float = 0
    cpu: float = 0  # seconds
    gets: float = 0
    puts: float = 0
    longest: float = 0  # seconds of the longest shard
    families: int = 0
    copies: int = 0


def sizes_of(files: int, total: float, r: random.Random) -> list[float]:
    drawn = [math.exp(r.gauss(0, 1.5)) for _ in range(files)]
    scale = total / sum(drawn)
    return [size * scale for size in drawn]


def simulate(args: argparse.Namespace, m: Measured) -> Total:
    """Files come in families of about args.family with one size; a share of all are copies of the one before."""
    r = random.Random(SEED)
    total = Total()
    shards = [0.0] * args.shards
    left, sizes = 0, iter(sizes_of(args.files, 1.0, r))
    plan: list[tuple[float, bool, bool, int]] = []  # size, is a copy, has a base, shard
    for drawn in sizes:
        if left == 0:
            left = max(1, round(r.expovariate(1 / args.family)))
            size, shard, first = drawn, r.randrange(args.shards), True
            total.families += 1
        left -= 1
        plan.append((size, not first and r.random() < args.copies, not first, shard))
        first = False
    scale = args.bytes / sum(size for size, *_ in plan)
    for share, is_copy, has_base, shard in plan:
        size = share * scale
        parts = math.ceil(size / PART)
        took = size * m.digest if has_base else 0.0  # all of a family have one size: it may be a copy
        total.read += size if has_base else 0
        total.gets += HEADS + HEADER_READS + (parts if has_base else 0)
        if is_copy:
            total.copies += 1
        else:
            stored = size * (m.near if has_base else m.alone)
            took += m.fixed + size * (m.delta if has_base else m.compress)
            total.read += size + (size * m.alone if has_base else 0)
            total.gets += parts + (math.ceil(size * m.alone / PART) if has_base else 0)
            total.puts += math.ceil(stored / PART) + 2 * (stored > PART)
            total.stored += stored
        total.cpu += took + m.look
        shards[shard] += took + m.look
    total.puts += args.files / 1000  # listing
    total.longest = max(shards)
    return total


# ---- telling ---------------------------------------------------------------------------------------------------------


def tell(args: argparse.Namespace, m: Measured, t: Total) -> None:
    price = {name: getattr(args, name.replace("-", "_")) for name in PRICES}
    hours = t.cpu / 3600
    once = hours * price["cpu-hour"] + t.gets * price["get"] + t.puts * price["put"]
    saved = args.bytes - t.stored
    month = saved / 1e9 * price["gb-month"]
    mean, headers = t.longest * args.shards / t.cpu, m.look * args.files * args.shards / 3600
    print("| measured here, one processor | |\n|---|---|")
    for name, value in (
        ("compress, level 3", f"{1e-9 / m.compress:.2f} GB/s, to {100 * m.alone:.1f} %"),
        ("compress against a root, one word of 200 changed", f"{1e-9 / m.delta:.2f} GB/s, to {100 * m.near:.2f} %"),
        ("restore", f"{1e-9 / m.restore:.2f} GB/s"),
        ("digest, of files that may be copies", f"{1e-9 / m.digest:.2f} GB/s"),
        ("a file, however small", f"{1e3 * m.fixed:.2f} ms"),
        ("a header, to find families", f"{1e3 * m.look:.3f} ms"),
    ):
        print(f"| {name} | {value} |")
    print(f"\n| {args.files:,} files, {args.bytes / 1e15:g} PB, {args.shards} shards | |\n|---|---|")
    for name, value in (
        ("families, copies", f"{t.families:,}, {t.copies:,}"),
        ("stored", f"{t.stored / 1e15:.3f} PB, {100 * t.stored / args.bytes:.1f} %"),
        ("read from the store", f"{t.read / 1e15:.2f} PB"),
        ("processor hours", f"{hours:,.0f}"),
        ("the longest shard, one processor", f"{t.longest / 3600:.1f} h, {mean:.2f} of the mean"),
        ("requests that read", f"{t.gets / 1e6:,.1f} million"),
        ("requests that write", f"{t.puts / 1e6:,.1f} million"),
        ("headers, if every shard of the command reads all", f"{headers:,.0f} processor hours more"),
        ("cost, once", f"${once:,.0f}"),
        ("saved in a month", f"${month:,.0f}"),
        ("paid back after", f"{30 * once / month:.1f} days"),
        ("network saved when all of it is sent once", f"{saved / 1e15:.3f} PB, ${saved / 1e9 * price['gb-out']:,.0f}"),
        ("processor hours to restore all of it once", f"{args.bytes * m.restore / 3600:,.0f}"),
    ):
        print(f"| {name} | {value} |")
    print("\n| price | |\n|---|---|")
    for name, (_, what) in PRICES.items():
        print(f"| {what} | ${price[name]:.7g} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="cost of compressing a store of models")
    parser.add_argument("zipnn")
    parser.add_argument("--files", type=int, default=10**6)
    parser.add_argument("--bytes", type=float, default=1e15)
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--copies", type=float, default=0.1, help="share of the files after the first of a family")
    parser.add_argument("--family", type=float, default=5, help="files of one, as a mean")
    for name, (dollars, what) in PRICES.items():
        parser.add_argument(f"--{name}", type=float, default=dollars, help=what)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        measured = measure(os.path.abspath(args.zipnn), pathlib.Path(place))
    tell(args, measured, simulate(args, measured))


if __name__ == "__main__":
    main()
