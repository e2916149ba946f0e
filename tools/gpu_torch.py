#!/usr/bin/env python3
"""Loading into a GPU by zipnn beside safetensors, from the page cache: median of 7. tools/gpu_check.sh runs it.

gpu_torch.py FOLDER [MEGABYTES]: files go to FOLDER. It needs zipnn with kernels, torch with CUDA, and safetensors.
"""

import json
import pathlib
import statistics
import sys
import time
from typing import Any


def seconds(load: Any) -> float:
    import torch

    times = []
    for _ in range(7):
        torch.cuda.synchronize()
        start = time.perf_counter()
        load()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> int:
    import safetensors.torch
    import torch
    import zipnn.gpu
    import zipnn.safetensors.torch

    folder = pathlib.Path(sys.argv[1])
    matrices = max(int(sys.argv[2]) if len(sys.argv) > 2 else 1024, 32) // 32
    if reason := zipnn.gpu.why_not("cuda"):
        print(f"\nThe GPU does not decode for torch: {reason}")
        return 1
    weights = {f"layers.{i}": (torch.randn(4096, 4096) * 0.02).to(torch.bfloat16) for i in range(matrices)}
    plain, archive = folder / "torch.safetensors", folder / "torch.safetensors.znn"
    safetensors.torch.save_file(weights, plain)
    zipnn.safetensors.torch.save_file(weights, archive)
    loaded = zipnn.safetensors.torch.load_file(archive, device="cuda")
    wrong = [name for name, tensor in weights.items() if not torch.equal(loaded[name].cpu(), tensor)]
    del loaded
    nbytes = sum(tensor.nbytes for tensor in weights.values())
    theirs = seconds(lambda: safetensors.torch.load_file(plain, device="cuda"))
    ours = seconds(lambda: zipnn.safetensors.torch.load_file(archive, device="cuda"))
    plain.unlink()
    archive.unlink()
    figures = {"bytes": nbytes, "safetensors_s": theirs, "zipnn_s": ours, "ratio": theirs / ours, "wrong": wrong}
    (folder / "torch.json").write_text(json.dumps(figures) + "\n")
    print(
        f"\ntorch, {nbytes / 1e6:.0f} MB of bf16 in the page cache: safetensors {nbytes / theirs / 1e9:.2f} GB/s, "
        f"zipnn {nbytes / ours / 1e9:.2f} GB/s, {theirs / ours:.2f} times; {'WRONG' if wrong else 'equal'}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
