#!/usr/bin/env python3
"""Kills the command at random moments (SIGKILL), and judges what is left.

  kills.py [N [SEED]]    until N runs were killed before their end, 500 unless told; ZIPNN is the program
"""

import random
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import scenes

SIZES = 0.6, 1.3, 12  # MiB


def wanted(scene):
    """The scenes that leave something behind."""
    return not scene.answer and scene.name not in ("test", "verify")


def measure(scene, folder):
    """How long it runs without trouble, the start of the process included."""
    times = []
    for _ in range(3):
        scene.set_up(folder)
        start = time.monotonic()
        scenes.run(scene.arguments, folder, scene.stdin)
        times.append(time.monotonic() - start)
    scene.seconds = min(times)


def attempt(job):
    scene, moment = job
    folder = scenes.work_folder()
    try:
        scene.set_up(folder)
        delay = max(0.0005, moment * scene.seconds)
        code, out, err = scenes.run(scene.arguments, folder, scene.stdin, kill_after=delay)
        wrong = scene.judge(folder, code, out, err, killed=True)
        names = scenes.read_state(folder)
    finally:
        shutil.rmtree(folder)
    if wrong:
        print(f"FAILED: {scene.name}, killed after {delay * 1000:.1f} ms of {scene.seconds * 1000:.1f}: {wrong}")
    return bool(wrong), code < 0, any(scenes.TEMPORARY in name for name in names)


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    sizes = SIZES if n > 100 else SIZES[:1]
    source = random.Random(seed)
    folder = scenes.work_folder()
    try:
        every = [s for size in sizes for s in scenes.make_scenes(folder, size, 2, seed) if wanted(s)]
        for scene in every:
            measure(scene, folder + "/measure")
        results = []
        with ThreadPoolExecutor(2) as pool:
            while sum(killed for _, killed, _ in results) < n and len(results) < 20 * n:
                jobs = [(source.choice(every), source.uniform(0, 1)) for _ in range(max(8, n // 8))]
                results += pool.map(attempt, jobs)
    finally:
        shutil.rmtree(folder)
    wrong, killed, left = (sum(r[i] for r in results) for i in range(3))
    print(f"kills: {killed} of {len(results)} runs were killed before their end, {left} left a private temporary file, "
          f"{wrong} wrong (seed {seed})")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
