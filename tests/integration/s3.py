#!/usr/bin/env python3
"""Archives in S3: moto's server on this machine, read through s3fs.

Needs zipnn, moto[s3,server], s3fs and numpy (tools/test_integration.sh s3). Requests are counted where s3fs sends them.
"""

import collections
import json
import os
import pathlib
import struct
import tempfile
from typing import Any

import fsspec
import numpy
import s3fs
import zipnn
import zipnn.safetensors.numpy
from moto.server import ThreadedMotoServer

PIECE = 8 << 20
requests: collections.Counter[str] = collections.Counter()


def count_requests() -> None:
    send = s3fs.S3FileSystem._call_s3

    async def counted(self: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        requests[method] += 1
        return await send(self, method, *args, **kwargs)

    s3fs.S3FileSystem._call_s3 = counted


def write_model(path: pathlib.Path, seed: int, changed: int = 0) -> dict[str, numpy.ndarray]:
    """A safetensors file of bf16-like words; returns its tensors as unsigned integers."""
    random = numpy.random.default_rng(seed)
    shapes = {"embed": (6000, 1024), "small": (64,), "head": (3000, 1024)}
    header, data, at = {}, {}, 0
    for name, shape in shapes.items():
        words = (random.normal(0, 0.02, shape).astype("<f4").view("<u4") >> 16).astype("<u2")
        if changed:
            words.reshape(-1)[::changed] ^= 1
        data[name] = words
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + words.nbytes]}
        at += words.nbytes
    text = json.dumps(header).encode()
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for words in data.values():
            out.write(words.tobytes())
    return data


def same(tensor: Any, words: numpy.ndarray) -> bool:
    return bool(numpy.asarray(tensor).tobytes() == words.tobytes())


def refused(kind: type[BaseException], what: Any) -> str:
    try:
        what()
    except kind as error:
        return str(error)
    raise AssertionError(f"{kind.__name__} was expected")


def check(folder: pathlib.Path, options: dict[str, Any]) -> None:
    plain = folder / "model.safetensors"
    data = write_model(plain, 1)
    stored = zipnn.compress_file(plain, folder / "model.safetensors.znn").archive
    system = fsspec.filesystem("s3", **options)
    system.mkdir("models")
    url = "s3://models/model.safetensors.znn"
    system.put(str(folder / "model.safetensors.znn"), url)

    # Opening takes the length and two reads; a tensor one for each 8 MiB stored, and one more.
    requests.clear()
    with zipnn.open_url(url, options) as model:
        opened = requests.total()
        assert list(model) == list(data)
        assert opened <= 3, requests
        for name, words in data.items():
            requests.clear()
            assert same(model[name], words), name
            assert requests.total() <= -(-words.nbytes // PIECE) + 1, (name, requests)
        requests.clear()
        assert same(model["embed"][100:103], data["embed"][100:103])
        assert requests.total() <= 2, requests

    # The original as a file, and the twin of safetensors.
    with fsspec.open("znn::" + url) as file:
        assert file.read() == plain.read_bytes()
    loaded = zipnn.safetensors.numpy.load_file(url)
    assert all(same(loaded[name], words) for name, words in data.items())

    # An archive is written as any object is.
    with fsspec.open("s3://models/written.znn", "wb", **options) as file:
        file.write(zipnn.compress(plain.read_bytes()))
    with zipnn.open_url("s3://models/written.znn", options) as model:
        assert same(model["head"], data["head"])

    # A difference finds its base beside it.
    tuned = folder / "tuned.safetensors"
    changed = write_model(tuned, 1, changed=50)
    zipnn.compress_file(tuned, folder / "tuned.safetensors.znn", base=plain)
    assert (folder / "tuned.safetensors.znn").stat().st_size < stored / 4
    system.put(str(folder / "tuned.safetensors.znn"), "s3://models/tuned.safetensors.znn")
    with zipnn.open_url("s3://models/tuned.safetensors.znn", options, base=url) as model:
        assert same(model["embed"], changed["embed"])

    # What is not there, what is cut, and what changes under the reader.
    refused(zipnn.FileMissingError, lambda: zipnn.open_url("s3://models/nothing.znn", options))
    whole = (folder / "model.safetensors.znn").read_bytes()
    system.pipe("s3://models/cut.znn", whole[: len(whole) // 2])
    refused(zipnn.ZipnnError, lambda: zipnn.open_url("s3://models/cut.znn", options))
    with zipnn.open_url(url, options) as model:
        write_model(plain, 2)
        zipnn.compress_file(plain, folder / "other.znn")
        system.put(str(folder / "other.znn"), url)
        refused(zipnn.ZipnnError, lambda: bytes(model["embed"]))
    print(f"s3: opened by {opened} requests")


def main() -> None:
    count_requests()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    os.environ.update(
        AWS_ACCESS_KEY_ID="key",
        AWS_SECRET_ACCESS_KEY="secret",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            check(pathlib.Path(folder), {"use_listings_cache": False})
    finally:
        server.stop()


main()
