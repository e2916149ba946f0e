#!/usr/bin/env python3
"""Lets each call of the system that the command makes fail, in every way that call can, and judges what is left.

  faults.py [SAMPLE]    every SAMPLE-th of these runs, 1 unless told; ZIPNN is the program, ZIPNN_INJECT_LIBRARY
  inject.c
"""

import errno
import os
import shutil
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import scenes

TRANSFER = ["EIO", "EINTR", "short", "kill"]
STORE = ["ENOSPC", "EDQUOT", "EIO", "EINTR", "short", "kill", "tear", "+ENOSPC"]
# What each call is tried with; "+" for that call and all of its kind that follow.
TROUBLE = {
    "read": TRANSFER, "pread": TRANSFER + ["+EIO", "+short"],
    "write": STORE + ["+short"], "pwrite": STORE + ["+short"],
    "open": ["EMFILE", "EIO", "EACCES", "EINTR", "+EMFILE", "kill"], "openat": ["EMFILE", "ENOSPC", "EACCES", "kill"],
    "tmpfile": ["EOPNOTSUPP", "EISDIR", "EMFILE", "ENOSPC", "kill"],
    "opendir": ["EMFILE", "EACCES"], "close": ["EIO", "EINTR", "EDQUOT", "kill"], "mmap": ["ENOMEM", "+ENODEV"],
    "fstat": ["EIO"], "stat": ["EIO", "EACCES"], "fstatat": ["EIO", "EACCES"],
    "fchmod": ["EPERM", "EIO"], "fchown": ["EPERM"], "futimens": ["EPERM", "EIO"],
    "fallocate": ["ENOSPC", "EOPNOTSUPP", "EINTR", "EDQUOT"], "ftruncate": ["EIO", "ENOSPC"],
    "fsync": ["EIO", "ENOSPC", "EDQUOT", "EINVAL", "kill"],
    "rename": ["EIO", "ENOSPC", "EXDEV", "kill"], "rename2": ["EIO", "ENOSPC", "EINVAL", "ENOSYS", "EEXIST", "kill"],
    "linkat": ["EIO", "EPERM", "EEXIST", "kill"], "unlink": ["EIO", "EACCES", "kill"],
    "flock": ["EWOULDBLOCK", "ENOLCK"], "pthread_create": ["EAGAIN", "+EAGAIN"],
}


TRANSFERS = "read", "pread", "write", "pwrite"


def plans(scene):
    """(what to inject, whether it kills, whether it keeps temporary files from being deleted)"""
    for n, call in enumerate(scene.calls, 1):
        flips = ["flip"] if scene.reads_back and call.split(" ")[0] in TRANSFERS else []
        for trouble in TROUBLE[call.split(" ")[0]] + flips:
            sticky = "+" if trouble[0] == "+" else ""
            what = trouble.lstrip("+")
            number = what if what in ("short", "flip", "kill", "tear") else getattr(errno, what)
            yield call, trouble, f"{n}{sticky}:{number}", what in ("kill", "tear"), call.startswith("unlink")


def attempt(job):
    scene, (call, trouble, injection, kills, may_leave) = job
    folder = scenes.work_folder(scene.on_device)
    try:
        scene.set_up(folder)
        code, out, err = scenes.run(scene.arguments, folder, scene.stdin, trouble=injection, named=scene.named)
        if trouble == "flip":
            wrong = scene.judge_flip(folder, code)
        else:
            wrong = scene.judge(folder, code, out, err, kills, may_leave)
    finally:
        shutil.rmtree(folder)
    if wrong:
        print(f"FAILED: {scene.name}: {call} with {trouble} ({injection}): {wrong}", flush=True)
    return bool(wrong), code == scene.code


def check_order(scene):
    """Where the only copy goes: the result reaches the device before it gets its name, and the name before that. What
    is read back under no name yet is synced for that, too."""
    wanted = ["fsync file", "name", "fsync folder"] + ["unlink m"] * ("--rm" in scene.name)
    seen = [call for call in scene.calls if call.startswith(("fsync", "rename", "linkat", "unlink"))]
    seen = ["name " + call if call.startswith(("rename", "linkat")) else call for call in seen]
    once = [call for i, call in enumerate(seen) if i == 0 or call.split(" ")[0] != seen[i - 1].split(" ")[0]
            or call == "fsync folder"]
    if len(once) == len(wanted) and all(s.startswith(w) for s, w in zip(once, wanted)):
        return 0
    print(f"FAILED: {scene.name}: calls in the order {seen}")
    return 1


def main():
    sample = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    if not scenes.PRELOAD or not os.path.exists(scenes.PRELOAD):
        print("skipped: no library to inject faults with")
        return 77
    folder, device = scenes.work_folder(), scenes.work_folder(on_device=True)
    try:
        # One thread makes the same calls each time, so that none is missed; several are a sample by nature.
        one, several = (scenes.make_scenes(folder, 1.3, threads) for threads in (1, 3))
        named = scenes.make_scenes(folder, 1.3, 1, named=True)
        large = scenes.large_scene(device)
        every = one + several + named + [large]
        jobs = [(s, plan) for s in one for plan in plans(s)][::sample]
        jobs += [(s, plan) for s in several for plan in plans(s)][:: 4 * sample]
        jobs += [(s, plan) for s in named for plan in plans(s)][:: 2 * sample]
        jobs += [(large, plan) for plan in plans(large) if plan[0].startswith(("fallocate", "ftruncate"))]
        failed = sum(check_order(s) for s in every if "--rm" in s.name or "in place" in s.name)
        with ThreadPoolExecutor(scenes.WORKERS) as pool:
            results = list(pool.map(attempt, jobs))
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(device)
    failed += sum(wrong for wrong, _ in results)
    calls = Counter(call.split(" ")[0] for s in every for call in s.calls)
    survived = sum(fine for _, fine in results)
    print(f"faults: {len(results)} runs of {len(every)} operations, {sum(calls.values())} calls of {len(calls)} kinds; "
          f"{survived} ended as if nothing had happened, {failed} wrong")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
