"""Loaders of safetensors, and ours, load the same model from one slow disk.

The disk is a folder whose bytes come at a rate (bench/throttled.c): plain files for the others, their archive for ours.
Each load is a process of its own, from a disk that was just mounted, so that nothing is cached; it ends when every
tensor was copied into memory that was there before, as weights are copied into a model. Importing is not counted.

    race.py PYTHON [--size MIB] [--rounds N] [--rates MB/S...]

What it needs of this tree is built by `make bench-mount`. PYTHON is one with torch, safetensors, runai-model-streamer,
fastsafetensors and zipnn. Needs root and /dev/fuse. Prints a table in Markdown, beside the bound min(D, B / r) / B: B
is the rate of the disk, r the share that the archive takes, D the speed at which ours loads from the page cache.
"""

import argparse
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import figures
import run_bench

LOADERS = ("safetensors", "runai-model-streamer", "fastsafetensors", "zipnn")
RATES = (100.0, 500.0, 2000.0, 0.0)  # MB/s; 0 is the page cache

# What a process does that loads: argv is LOADER PATH. It prints seconds and a digest of all tensors.
LOAD = """
import hashlib, sys, time
loader, path = sys.argv[1:]
import torch
if loader == "safetensors":
    from safetensors import safe_open
elif loader == "runai-model-streamer":
    from runai_model_streamer import SafetensorsStreamer
elif loader == "fastsafetensors":
    from fastsafetensors import fastsafe_open
else:
    from zipnn.model_folder import weights
def tensors():
    if loader == "safetensors":
        with safe_open(path, "pt") as f:
            for name in f.offset_keys():
                yield name, f.get_tensor(name)
    elif loader == "runai-model-streamer":
        with SafetensorsStreamer() as s:
            s.stream_file(path)
            yield from s.get_tensors()
    elif loader == "fastsafetensors":
        with fastsafe_open(path, nogds=True, device="cpu") as f:
            for name in f.keys():
                yield name, f.get_tensor(name)
    else:
        import os
        yield from weights(os.path.dirname(path))
room = torch.ones(int(sys.stdin.readline()), dtype=torch.uint8)
start, at, names = time.perf_counter(), 0, {}
for name, tensor in tensors():
    flat = tensor.reshape(-1).view(torch.uint8)
    names[name] = at, at + flat.numel()
    room[at : at + flat.numel()].copy_(flat)
    at += flat.numel()
seconds = time.perf_counter() - start
digest = hashlib.sha256()
for name in sorted(names):
    digest.update(name.encode())
    digest.update(room[slice(*names[name])].numpy())
print(seconds, digest.hexdigest())
"""


@contextlib.contextmanager
def disk(folder: pathlib.Path, rate: float, point: pathlib.Path) -> Iterator[pathlib.Path]:
    """Shows the folder at a rate; without a rate it is the folder itself."""
    if not rate:
        yield folder
        return
    process = subprocess.Popen([figures.BUILD / "bench" / "throttled", folder, str(rate), point, "-f"])
    while not os.path.ismount(point):
        if process.poll() is not None:
            sys.exit("race: the slow disk cannot be mounted")
        time.sleep(0.01)
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=True)
        process.wait()


def load(python: str, loader: str, path: pathlib.Path, length: int) -> tuple[float, str]:
    words: list[str | pathlib.Path] = [python, "-c", LOAD, loader, path]
    done = subprocess.run(words, input=f"{length}\n", capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"race: {loader}: {done.stderr}")
    seconds, digest = done.stdout.split()[-2:]
    return float(seconds), digest


Times = dict[float, dict[str, float]]


def race(python: str, folders: dict[str, pathlib.Path], rates: list[float], rounds: int) -> Times:
    """Returns the median of each loader at each rate, in seconds; ours is always timed from the page cache (0), too.
    All must give the same tensors."""
    length = next(folders["plain"].iterdir()).stat().st_size
    point = folders["point"]
    times: Times = {}
    digests = set()
    for rate in dict.fromkeys((*rates, 0.0)):
        loaders = LOADERS if rate in rates else LOADERS[-1:]
        taken: dict[str, list[float]] = {loader: [] for loader in loaders}
        for _ in range(rounds):
            for loader in loaders:
                folder = folders["archive" if loader == "zipnn" else "plain"]
                with disk(folder, rate, point) as place:
                    seconds, digest = load(python, loader, place / "model.safetensors", length)
                taken[loader].append(seconds)
                digests.add(digest)
        times[rate] = {loader: statistics.median(found) for loader, found in taken.items()}
    if len(digests) != 1:
        sys.exit("race: the loaders do not give the same tensors")
    return times


def table(times: Times, length: int, stored: int) -> Iterator[str]:
    decoding = length / times[0.0]["zipnn"]
    yield f"| disk | {' | '.join(LOADERS)} | zipnn, times as fast as the best of the others | the bound |"
    yield "|---|" + "--:|" * (len(LOADERS) + 2)
    for rate, found in times.items():
        if len(found) < len(LOADERS):
            continue
        best = min(seconds for loader, seconds in found.items() if loader != "zipnn")
        name = f"{rate / 1e6:.0f} MB/s" if rate else "page cache"
        bound = f"{min(decoding, rate * length / stored) / rate:.2f}" if rate else ""
        cells = [f"{found[loader]:.2f} s" for loader in LOADERS]
        yield f"| {name} | {' | '.join(cells)} | {best / found['zipnn']:.2f} | {bound} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python")
    parser.add_argument("--size", type=int, default=128, help="MiB of the model")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rates", type=float, nargs="*", default=RATES, help="MB/s; 0 is the page cache")
    args = parser.parse_args()
    memory = pathlib.Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        folder = pathlib.Path(made)
        folders = {name: folder / name for name in ("plain", "archive", "point")}
        for each in folders.values():
            each.mkdir()
        model = run_bench.make_model(args.size, folder).rename(folders["plain"] / "model.safetensors")
        archive = folders["archive"] / "model.safetensors.znn"
        subprocess.run([figures.ZIPNN, "-q", model, "-o", archive], check=True)
        sizes = model.stat().st_size, archive.stat().st_size
        times = race(args.python, folders, [rate * 1e6 for rate in args.rates], args.rounds)
        print("\n".join(table(times, *sizes)))


if __name__ == "__main__":
    main()
