"""A distributed checkpoint, written compressed and read back.

python checkpoint.py FOLDER
"""

import sys

import torch
from torch.distributed import checkpoint
from zipnn.torch.distributed import StorageReader, StorageWriter


def main(folder):
    model = torch.nn.Linear(256, 256)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(8, 256)).square().mean().backward()
    optimizer.step()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": 1}
    checkpoint.save(state, storage_writer=StorageWriter(folder), no_dist=True)

    empty = {"model": torch.nn.Linear(256, 256).state_dict(), "step": 0}
    checkpoint.load(empty, storage_reader=StorageReader(folder), no_dist=True)
    same = all(torch.equal(empty["model"][name], tensor) for name, tensor in model.state_dict().items())
    print(f"step {empty['step']}: {'the same weights' if same else 'other weights'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
