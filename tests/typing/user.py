"""What a program of somebody who checks types strictly may write. It is checked, by tools/check_python.sh and by
`make integration`, and never runs."""

from __future__ import annotations

import io
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import assert_type

import numpy as np
import numpy.typing as npt
import torch
import zipnn
import zipnn.safetensors.numpy as zn
import zipnn.safetensors.torch as zt
import zipnn.torch
from zipnn import Archive, Stats, Tensor, ZipNN, zipnn_hf, zipnn_safetensors
from zipnn.safetensors import Writer, safe_open


def callback(done: int, total: int | None) -> None:
    print(done, total)


def everything(path: Path) -> None:
    data = zipnn.compress(b"abc" * 100, "bf16", 9, progress=True)
    assert_type(data, bytes)
    assert_type(zipnn.decompress(bytearray(data)), bytes)
    assert_type(zipnn.compress(np.zeros(9, np.float32)), bytes)
    assert_type(zipnn.compress(memoryview(data), 9), bytes)
    assert_type(zipnn.compress_file(path, progress=callback, base=[path, str(path)]), Stats)
    zipnn.decompress_file(str(path) + ".znn", overwrite=True, base=path)
    n: int = zipnn.decompress_into(data, bytearray(300))
    with zipnn.open(path, "wb", level=3) as w:
        assert_type(w, io.BufferedWriter)
        w.write(b"x")
    with zipnn.open(path) as r:
        assert_type(r, io.BufferedReader)
        head = r.read(10)
    with zipnn.open(path, "rt") as t:
        assert_type(t, io.TextIOWrapper)
    with Archive(path, base=path) as archive:
        mapping: Mapping[str, Tensor] = archive
        for name, tensor in archive.items():
            assert_type(name, str)
            assert_type(tensor, Tensor)
            rows = tensor[:100]
            assert_type(rows, Tensor)
            tt: torch.Tensor = tensor[3, ..., ::2].torch()
            a: npt.NDArray[np.float32] = tensor.numpy()
            shape: tuple[int, ...] = tensor.shape
            size: int = tensor.size + tensor.ndim + tensor.nbytes
            value: float = float(tensor[0, 0])
            as_np = np.asarray(tensor)
            print(as_np.shape, tt.shape, a, shape, size, value, bytes(tensor))
        info = archive.info
        level: int = info.level
        for chunk in archive.chunks:
            for plane in chunk.planes:
                s: str = plane.codec
                print(s)
        meta: dict[str, str] | None = archive.metadata
        archive.prefetch(["a"])
        print(level, meta, mapping, head, n)
    with safe_open(path, "pt") as f:
        x = f.get_tensor("a")
        assert_type(x, torch.Tensor)
        assert_type(f.get_slice("a")[:2], torch.Tensor)
        keys: list[str] = f.keys()
        print(keys)
    with safe_open(str(path), framework="np") as g:
        y: npt.NDArray[np.float32] = g.get_tensor("a")
        print(y)
    state = zt.load_file(path, device="cpu", base=path)
    assert_type(state, dict[str, torch.Tensor])
    zt.save_file(state, path, metadata={"a": "b"}, level=6)
    zt.save_model(torch.nn.Linear(2, 2), path)
    arrays: dict[str, npt.NDArray[np.float32]] = zn.load_file(path)
    zn.save_file(zn.load_file(path), path)
    zipnn.torch.save({"model": state, "step": 3}, path)
    future = zipnn.torch.async_save(state, path)
    assert_type(future, Future[None])
    loaded = zipnn.torch.load(path)
    print(loaded, arrays)
    with Writer(path, {"a": ("BF16", (2, 3))}) as writer:
        writer["a"] = np.zeros((2, 3))
    with zipnn_hf(save=True), zipnn_safetensors():
        pass
    old = ZipNN(method="auto", input_format="torch")
    print(old.compress(b"x"))
    for listed in zipnn.inspect(path).tensors:
        print(listed.name)
    print(zipnn.estimate(path, level=6).archive, zipnn.verify(path), zipnn.salvage(path, path))
    zipnn.apply(path, bytearray(3))
    zipnn.recompress(path, level=9)
    with zipnn.open_url("https://example.org/x.znn", storage_options={"headers": {"a": "b"}}) as far:
        print(far["a"])
    try:
        zipnn.verify_file(path)
    except zipnn.BaseError as error:
        wanted: list[zipnn.BaseInfo] = error.wanted
        print(wanted)
    except (zipnn.CorruptError, OSError) as other:
        print(other)
