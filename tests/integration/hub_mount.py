#!/usr/bin/env python3
"""zipnn hub mount: huggingface_hub downloads from a hub on this machine, the cache is packed, and its view shows every
snapshot as it was, to huggingface_hub offline as to any program.

  hub_mount.py BIN     the folder with zipnn and zipnn-mount (tools/test_integration.sh hub)
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.fspath(pathlib.Path(__file__).parent.parent / "python"))
from hub_server import Hub  # noqa: E402

DOWNLOAD = "import huggingface_hub as h, sys; print(h.snapshot_download('org/tiny', revision=sys.argv[1]))"


def model(seed: int) -> bytes:
    r = random.Random(seed)
    words = b"".join((0x3C00 + r.getrandbits(9)).to_bytes(2, "little") for _ in range(100_000))
    head = json.dumps({"w": {"dtype": "BF16", "shape": [100_000], "data_offsets": [0, 200_000]}}).encode()
    return len(head).to_bytes(8, "little") + head + words


def snapshot(revision: str, environment: dict[str, str]) -> pathlib.Path:
    done = subprocess.run(
        [sys.executable, "-c", DOWNLOAD, revision], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return pathlib.Path(done.stdout.strip())


def files_of(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check(programs: str, place: pathlib.Path) -> None:
    files = {"main": {"model.safetensors": model(1), "config.json": b"{}"}, "v2": {"model.safetensors": model(2)}}
    for revision, tree in files.items():
        for name, data in tree.items():
            path = place / "hub/org/tiny" / revision / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    cache, point = place / "cache", place / "point"
    hub = Hub(place / "hub")
    path = f"{programs}:{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    environment |= {"HF_HUB_CACHE": str(cache), "HF_HOME": str(place / "home"), "PATH": path}
    try:
        for revision, tree in files.items():
            assert files_of(snapshot(revision, environment)) == tree
    finally:
        hub.close()
    before = sum(p.stat().st_size for p in cache.rglob("blobs/*"))
    subprocess.run(["zipnn", "hub", "pack"], env=environment, check=True, stdout=subprocess.DEVNULL)
    after = sum(p.stat().st_size for p in cache.rglob("blobs/*"))
    assert after < before * 0.8, (before, after)
    subprocess.run(["zipnn", "hub", "mount", point], env=environment, check=True, stdout=subprocess.DEVNULL)
    try:
        seen = {**environment, "HF_HUB_CACHE": str(point), "HF_HUB_OFFLINE": "1"}
        for revision, tree in files.items():
            assert files_of(snapshot(revision, seen)) == tree, revision
    finally:
        subprocess.run(["zipnn", "umount", point], env=environment, check=True)
    print(f"hub: {before:,} bytes became {after:,}, and the view shows both snapshots to huggingface_hub offline")


if __name__ == "__main__":
    if not os.path.exists("/dev/fuse"):
        print("skipped: there is no /dev/fuse")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as made:
        check(os.path.abspath(sys.argv[1]), pathlib.Path(made))
