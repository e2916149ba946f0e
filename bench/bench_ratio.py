#!/usr/bin/env python3
"""bench_ratio.py [--weights FOLDER] [--limit N]: what each method makes of trained weights, `make bench-ratio`.

Every file of mostly float32 also counts as bf16, fp16 and fp8 (E4M3, one scale for each matrix; vectors become bf16),
cast here; what is stored in other types, and GGUF, counts as it is; the moments of Adam, known by their names, also
count as files of their own. Without the folder, synthetic families take its place. One JSON object per file in build/bench/ratio.jsonl. Needs numpy; with the PyPI package zipnn that is measured
too.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

import figures
import ratio_report
import weights

CASTS = ("bf16", "fp16", "fp8")
STORED_CASTS = tuple(f".{kind}.safetensors" for kind in CASTS)  # beside their source: cast here again, so left out
KINDS = {"F32": "fp32", "BF16": "bf16", "F16": "fp16", "F64": "fp64"}
MOMENTS = {  # names of tensors
    "Adam m": r"exp_avg$|/m(:0)?$",
    "Adam v": r"exp_avg_sq$|/v(:0)?$",
    "Adam m, v": r"exp_avg(_sq)?$|/[mv](:0)?$",
}
GGUF_TYPE = r"[a-z]+\d+(_\d)?$"  # ends the name of a file
PYTHON_DTYPES = {
    "fp32": "float32",
    "Adam": "float32",
    "bf16": "bfloat16",
    "Gaussian": "bfloat16",
    "fp16": "float16",
}
PYTHON_BYTES = "float8_e4m3fn"  # codes whole bytes: for fp8, and the best it has for integers
RUNS = 3


def kind_of(tensors):
    """What most bytes of a file are."""
    dtype = weights.bytes_by_dtype(tensors).most_common(1)[0][0]
    return KINDS.get(dtype, dtype.lower())


def entry(path, name, kind, ideal):
    return {
        "file": name,
        "family": name.split("__")[0],
        "kind": kind,
        "path": path,
        "original": path.stat().st_size,
        "ideal": round(ideal),
        "methods": {},
    }


def add_with_casts(entries, folder, path, name):
    """A float file as it is and, when it is float32, cast."""
    header_len, tensors = weights.read(path)
    kind = kind_of(tensors)
    stored = kind if kind == "fp32" else f"{kind} stored"
    entries.append(entry(path, name, stored, weights.order0(header_len, tensors)))
    for cast in CASTS if kind == "fp32" else ():
        target = folder / f"{name}.{cast}.safetensors"
        weights.write(target, weights.cast(tensors, cast))
        entries.append(entry(target, name, cast, weights.order0(*weights.read(target))))
    for moments, names in MOMENTS.items() if kind == "fp32" else ():
        chosen = [t for t in tensors if re.search(names, t.name)]
        if chosen:
            add_made(entries, folder, name, moments, chosen)


def add_made(entries, folder, name, kind, tensors):
    path = folder / f"{name}.{kind.replace(' ', '_')}.safetensors"
    weights.write(path, tensors)
    entries.append(entry(path, name, kind, weights.order0(*weights.read(path))))


def collect(source, folder):
    entries = []
    add_made(entries, folder, "gaussian", "Gaussian bf16", weights.gaussian_bf16(2411))
    if not source.is_dir():
        print("the folder of weights is absent: synthetic families instead", flush=True)
        for name, tensors in weights.synthetic(2411).items():
            path = folder / f"{name}.safetensors"
            weights.write(path, tensors)
            add_with_casts(entries, folder, path, name)
        return entries, "synthetic"
    for path in sorted(source.iterdir()):
        if path.suffix == ".safetensors" and not path.name.endswith(STORED_CASTS):
            add_with_casts(entries, folder, path, path.name.removesuffix(".safetensors"))
        elif path.suffix == ".gguf":
            found = re.search(GGUF_TYPE, path.stem)
            kind = f"GGUF {found.group().upper()}" if found else "GGUF"
            entries.append(entry(path, path.stem, kind, weights.byte_entropy(path.read_bytes())))
    return entries, "real"


# ---- methods: each adds {"archive": bytes, "encode": seconds, "decode": seconds} -------------------------------------


def measure_ours(entries):
    program = figures.BUILD / "bench" / "bench_files"
    by_path = {str(e["path"]): e for e in entries}
    done = subprocess.run([str(program), "".join(map(str, ratio_report.LEVELS)), *by_path], capture_output=True, text=True)
    for line in done.stdout.splitlines():
        row = json.loads(line)
        by_path[row["file"]]["methods"][f"zipnn -{row['level']}"] = {k: row[k] for k in ("archive", "encode", "decode")}
    if done.returncode:
        raise SystemExit(done.stderr)


def measure_zstd(e, level):
    """From zstd's own benchmark, in memory: "-3  2461440 (1.417) 129.26 MB/s  299.9 MB/s  name"."""
    done = subprocess.run(
        ["zstd", "-q", f"-b{level}", "-i0", str(e["path"])], capture_output=True, text=True, check=True
    )
    fields = next(line.split() for line in (done.stdout + done.stderr).splitlines() if line.startswith(f"-{level}"))
    encode, decode = (e["original"] / (float(fields[i]) * 1e6) for i in (3, 5))
    e["methods"][f"zstd -{level}"] = {"archive": int(fields[1]), "encode": encode, "decode": decode}


def best_time(call, *args):
    """(result, seconds) of the fastest of some runs; bytearrays are copied for each, for the package writes to them."""
    best = float("inf")
    for _ in range(RUNS):
        copies = [bytearray(a) if isinstance(a, bytearray) else a for a in args]
        start = time.perf_counter()
        result = call(*copies)
        best = min(best, time.perf_counter() - start)
    return result, best


def measure_python(package, e):
    data = e["path"].read_bytes()
    dtype = PYTHON_DTYPES.get(e["kind"].split()[0], PYTHON_BYTES)
    codec = package.ZipNN(input_format="byte", bytearray_dtype=dtype, threads=1)
    record, encode = best_time(codec.compress, bytearray(data))
    restored, decode = best_time(codec.decompress, bytes(record))
    if bytes(restored) != data:
        print(f"the Python zipnn does not restore {e['path'].name}")
        return
    e["methods"]["Python zipnn"] = {"archive": len(record), "encode": encode, "decode": decode}


def measure(entries):
    measure_ours(entries)
    if shutil.which("zstd"):
        for e in entries:
            for level in (3, 19):
                measure_zstd(e, level)
    else:
        print("skipped: zstd: not installed")
    try:
        import zipnn as package
    except ImportError:
        print("skipped: the Python zipnn: not installed")
        return
    for e in entries:
        measure_python(package, e)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=pathlib.Path, default=figures.ROOT.parent / "shared" / "data" / "weights")
    parser.add_argument("--limit", type=int, default=None, help="only the first N files, to try things")
    parser.add_argument("--no-doc", action="store_true", help="leave doc/benchmarks.md as it is")
    parser.add_argument("--no-speeds", action="store_true", help="sizes only, from a machine that is busy")
    args = parser.parse_args()

    folder = figures.BUILD / "ratio"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        entries, data = collect(args.weights.resolve(), folder)
        entries = entries[: args.limit]
        print(f"{len(entries)} files, {sum(e['original'] for e in entries) / 1e6:.0f} MB", flush=True)
        measure(entries)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    results = figures.Results(figures.BUILD / "ratio.jsonl")
    results.add({"data": data, "date": time.strftime("%Y-%m-%d", time.gmtime())})
    for e in entries:
        del e["path"]
        results.add(e)
    ratio_report.write_ratio(results, not args.no_doc, not args.no_speeds)


if __name__ == "__main__":
    sys.exit(main())
