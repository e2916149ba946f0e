#!/usr/bin/env python3
"""Checkpoints of torch.distributed.checkpoint in S3, that is moto on this machine: a step, one against it, and a save
that dies, which leaves the last one.

Needs zipnn, torch, s3fs and moto (tools/test_integration.sh dcps3).
"""

import os
from typing import Any

import fsspec
import torch
from moto.server import ThreadedMotoServer
from torch.distributed import checkpoint
from zipnn.torch.distributed import StorageReader, StorageWriter


def load(url: str, like: dict[str, torch.Tensor], options: dict[str, Any]) -> dict[str, torch.Tensor]:
    state = {name: torch.zeros_like(tensor) for name, tensor in like.items()}
    checkpoint.load(state, storage_reader=StorageReader(url, storage_options=options), no_dist=True)
    return state


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def check(options: dict[str, Any]) -> None:
    system = fsspec.filesystem("s3", **options)
    system.mkdir("run")
    torch.manual_seed(1)
    first = {"w": torch.randn(500, 300), "b": torch.randn(300).bfloat16()}
    second = {name: tensor.clone() for name, tensor in first.items()}
    second["w"][:5] += 1

    def save(state: dict[str, torch.Tensor], url: str, **more: Any) -> None:
        checkpoint.save(state, storage_writer=StorageWriter(url, storage_options=options, **more), no_dist=True)

    save(first, "s3://run/step-1")
    save(second, "s3://run/step-2", base="s3://run/step-1")
    sizes = [sum(system.sizes(system.find(f"run/step-{i}"))) for i in (1, 2)]
    assert sizes[1] * 10 < sizes[0], sizes
    assert same(load("s3://run/step-1", first, options), first)
    assert same(load("s3://run/step-2", second, options), second)

    # The metadata comes last: without it the step that is there is the last one.
    class Dies(StorageWriter):  # type: ignore[misc]
        def finish(self, *_: Any, **more: Any) -> None:
            raise KeyboardInterrupt

    try:
        checkpoint.save(second, storage_writer=Dies("s3://run/step-1", storage_options=options), no_dist=True)
    except BaseException as error:
        died = error
    assert "KeyboardInterrupt" in repr(died), died
    assert same(load("s3://run/step-1", first, options), first)
    save(second, "s3://run/step-1")
    assert same(load("s3://run/step-1", first, options), second)
    print(f"dcps3: {sizes[0]:,} bytes, {sizes[1]:,} against the step before; a save that died left the last one")


def main() -> None:
    os.environ.update(AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s", AWS_DEFAULT_REGION="us-east-1")
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        check({"client_kwargs": {"endpoint_url": "http" + f"://{host}:{port}"}, "use_listings_cache": False})
    finally:
        server.stop()


if __name__ == "__main__":
    main()
