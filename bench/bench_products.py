#!/usr/bin/env python3
"""bench_products.py [--size MIB] [--rounds N] [--piece one|two]: products over packed rows, beside plain ones.

`make bench-products` measures bench_products.c on one core (piece one) and on two (piece two), and writes the part
"products" of doc/benchmarks.md: ratios to the best of three plain loops of the same round, and what 1 to 128 cores
would give. Weights are synthetic: normal numbers, of which the rows differ in scale.
"""

import argparse
import statistics
import time

import figures
import markdown
import run_bench

PIECES = ("one", "two")
CORES = (1, 2, 4, 8, 16, 32, 64, 128)
MEMORIES = ((80, "a desktop, two channels"), (460, "a server, twelve channels"))
NAMES = {"avx512 pairs": "AVX-512, pairs of bf16", "avx512 f32": "AVX-512, fp32", "avx2 f32": "AVX2, fp32"}


def measure(piece: str, results: figures.Results, args: argparse.Namespace) -> None:
    program, cpus = figures.BUILD / "bench" / "bench_products", figures.all_cpus()
    if piece == "one":
        run_bench.run_lines(results, piece, [program, args.size, args.rounds], cpus[-1:])
    elif len(cpus) > 1:
        run_bench.run_lines(results, piece, [program, args.size, args.rounds, "two threads"], cpus[-2:])


def best_plain(results: figures.Results, group: str) -> figures.Row | None:
    """Of each round the fastest plain loop."""
    rows = [row for name in ("plain", "plain 2", "plain 3") if (row := results.find(group, name))]
    if not rows:
        return None
    return rows[0] | {"seconds": [min(times) for times in zip(*(row["seconds"] for row in rows), strict=True)]}


def rate(row: figures.Row) -> float:
    return float(row["bytes"] / statistics.median(row["seconds"]) / 1e9)


def times(plain: figures.Row, ours: figures.Row) -> str:
    low, middle, high = sorted(
        figures.quartiles([p / q for p, q in zip(plain["seconds"], ours["seconds"], strict=True)])
    )
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def groups_of(name: str) -> list[tuple[str, str]]:
    found = [(f"{name} x{n}", f"{n} vector{'s' if n > 1 else ''}") for n in (1, 2, 4, 8)]
    found += [(f"{name} x{n} two threads", f"{n} vector{'s' if n > 1 else ''}, two cores") for n in (1, 2)]
    found += [(f"{name} x1 scarce {n}", f"1 vector, memory scarce by {n}") for n in (1, 2, 4)]
    return found + [(f"{name} x{n} scarce 2", f"{n} vectors, memory scarce by 2") for n in (2, 4, 8)]


def ratio_rows(results: figures.Results) -> list[list[str]]:
    rows = []
    for name, shown in NAMES.items():
        for group, what in groups_of(name):
            plain, fast, stored = best_plain(results, group), results.find(group, "fast"), results.find(group, "stored")
            if plain and fast:
                rows.append(
                    [
                        f"{shown}: {what}", f"{rate(plain):.1f}", f"{rate(fast):.1f}", times(plain, fast),
                        times(plain, stored) if stored else "",
                    ]
                )  # fmt: skip
    return rows


def model_rows(results: figures.Results, name: str, share: float, bandwidth: int) -> list[list[str]]:
    """A core's rate is what it has alone from this machine's memory, all cores together get the bandwidth."""
    plain, fast = best_plain(results, f"{name} x1"), results.find(f"{name} x1", "fast")
    if not plain or not fast:
        return []
    rows = []
    for cores in CORES:
        slow = min(cores * rate(plain), bandwidth)
        quick = min(cores * rate(fast), bandwidth / share)
        rows.append([str(cores), f"{slow:.0f}", f"{quick:.0f}", f"{quick / slow:.2f}"])
    return rows


HEAD = """## Products with weights that stay packed

`make bench-products`, {machine}, {date}. **Synthetic** weights, {mib} MiB of bf16 in rows of 4096. GB/s of original
bytes; ratios to the best of three plain loops of the same round, with quartiles. `stored` is the product out of an
archive in memory. All results of a group have the same bits. *Memory scarce by N* is emulated: beside each 64 weights
the library's loops prefetch other memory, 3 N lines for each two of plain rows and in proportion for packed ones
(`bench/scarce.h`), so that the weights get what a core gets that shares the memory with others; the column "plain" says
how much. The processor drops some of these prefetches: a ratio above the inverse of the packed share (1.43, AVX2 1.33)
is an error of the emulation, and a full bus gives that inverse at most.

"""
MODEL = """
A model of more cores: each has the rate of one vector that it has here alone, and together they get no more than the
memory gives, plain bytes or packed ones. So n cores multiply min(n * rate, memory / share) GB/s of weights. What is not
modelled: caches that hold a layer, waiting for the slowest core, attention and all else that is no product.

"""
LIMITS = """What it does not do: with more vectors than two the product is bound by arithmetic, and packing saves memory
only. A prompt of many tokens goes by tiles to another program's kernels. Processors whose caches hold the weights wait
for no memory: there plain weights are faster (the rates in cache are in build/bench/products.jsonl). GPUs have other
limits.
"""


def packing_lines(results: figures.Results, shares: dict[str, float]) -> str:
    text = ""
    for name, share in shares.items():
        group = f"{name} packing"
        speed, ratio = results.speed(group, "packing"), results.ratio((group, "packing"), (group, "memcpy"))
        text += f"Packed rows take {share:.2%} of the plain ones ({name})"
        if speed and ratio:
            text += f"; to pack plain rows takes a core {speed[1]:.1f} GB/s, fresh memory included, "
            text += f"{ratio[1]:.2f} of a memcpy to memory in use"
        text += ".\n"
    return text


def report(results: figures.Results) -> None:
    machine = results.first("machine")
    if machine is None:
        return
    shares = {row["held"]: row["share"] for row in results.rows if "held" in row}
    text = HEAD.format(**machine)
    text += markdown.table(["", "plain", "packed", "packed / plain", "stored / plain"], ratio_rows(results)) + "\n\n"
    text += packing_lines(results, shares) + MODEL
    for name, set_name in (("avx512 pairs", "avx512"), ("avx2 f32", "avx2")):
        for bandwidth, what in MEMORIES:
            rows = model_rows(results, name, shares.get(set_name, 1), bandwidth)
            first = f"cores: {NAMES[name]}, share {shares.get(set_name, 1):.4f}, {bandwidth} GB/s ({what})"
            if rows:
                text += markdown.table([first, "plain, GB/s", "packed, GB/s", "packed / plain"], rows) + "\n\n"
    markdown.replace_part("products", text + LIMITS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256, metavar="MIB", help="of the weights (256)")
    parser.add_argument("--rounds", type=int, default=11, help="timed rounds (11)")
    parser.add_argument("--piece", action="append", choices=PIECES, help="only this")
    args = parser.parse_args()
    path = figures.BUILD / "products.jsonl"
    results = figures.Results.load(path) if args.piece and path.exists() else figures.Results(path)
    results.start("machine")
    results.add(
        {"machine": run_bench.processor(), "date": time.strftime("%Y-%m-%d", time.gmtime()), "mib": args.size}
    )
    for piece in args.piece or PIECES:
        results.start(piece)
        measure(piece, results, args)
    report(results)


if __name__ == "__main__":
    main()
