#!/usr/bin/env python3
"""bench_cores.py [--size MIB] [--rounds N] [--piece NAME]...: what 1 to 128 cores would give, `make bench-cores`.

Measures on this machine what a chunk of 512 KiB costs a core, what it costs in turn (the digest of the original, the
account of the result), what a lock and a waking cost, and what one and all cores copy; lets that many workers take
chunks in a simulation (cores_model.py); holds it against the threads that this machine has; and writes the table into
doc/internals/cores.md. Objects of the measurements are in build/bench/cores.jsonl.

The model is synthetic (tools/make_model.c). --piece measures only the named pieces, as in run_bench.py; report.py then
writes the table.
"""

import argparse
import time

import cores_report
import figures
import run_bench

PIECES = ("turns", "digest", "threads", "floats")


def measure(piece: str, results: figures.Results, args: argparse.Namespace) -> None:
    cpus = figures.all_cpus()
    inside, library = (figures.BUILD / "bench" / name for name in ("bench_cores", "bench_library"))
    if piece in ("turns", "digest"):
        run_bench.run_lines(results, piece, [inside, piece, args.rounds], cpus if piece == "turns" else cpus[-1:])
        return
    model = run_bench.make_model(args.size, figures.BUILD / "work")
    case = {"threads": "threads", "floats": "best"}[piece]
    run_bench.run_lines(results, piece, [library, case, model, args.rounds], cpus if piece == "threads" else cpus[-1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, metavar="MIB", help="of the synthetic model (512)")
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds (7)")
    parser.add_argument("--piece", action="append", choices=PIECES, help="only this")
    args = parser.parse_args()
    path = figures.BUILD / "cores.jsonl"
    (figures.BUILD / "work").mkdir(parents=True, exist_ok=True)
    results = figures.Results.load(path) if args.piece and path.exists() else figures.Results(path)
    results.start("machine")
    results.add(
        {
            "machine": run_bench.processor(),
            "processors": len(figures.all_cpus()),
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "mib": args.size,
        }
    )
    for piece in args.piece or PIECES:
        results.start(piece)
        measure(piece, results, args)
    if not args.piece:
        cores_report.write_cores(results)


if __name__ == "__main__":
    main()
