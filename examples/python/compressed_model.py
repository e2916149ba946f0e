"""A model whose weights stay compressed in memory: the outputs of the plain one, bit by bit.

python compressed_model.py
"""

import copy

import torch
import zipnn.torch
from torch import nn


def main():
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Linear(512, 2048), nn.GELU(), nn.Linear(2048, 512)) for _ in range(4)]
    model = nn.Sequential(*layers).to(torch.bfloat16).eval()
    plain = copy.deepcopy(model)

    zipnn.torch.compressed(model)
    taken = zipnn.torch.held(model)
    print(f"{taken.plain} bytes of weights take {taken.held} ({taken.held / taken.plain:.1%})")

    x = torch.randn(3, 512, dtype=torch.bfloat16)
    with torch.inference_mode():
        print("outputs are", "identical" if torch.equal(model(x), plain(x)) else "DIFFERENT")


if __name__ == "__main__":
    main()
