"""A model of transformers from compressed weights, bit for bit what the plain ones give.

python transformers_model.py FOLDER      holds config.json and model*.safetensors.znn (or model*.safetensors)
"""

import sys

import zipnn
from transformers import AutoModel


def main(folder):
    with zipnn.zipnn_hf():  # or once, for the whole program: zipnn.zipnn_hf()
        model = AutoModel.from_pretrained(folder)
    print(f"{type(model).__name__}: {sum(p.numel() for p in model.parameters())} parameters")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
