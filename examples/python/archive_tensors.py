"""Lists the tensors of an archive, or prints the first rows of one of them, decoding no more than these.

python archive_tensors.py model.safetensors.znn
python archive_tensors.py model.safetensors.znn model.norm.weight
"""

import sys

import zipnn


def main(path, name=None):
    with zipnn.Archive(path) as archive:
        if name is None:
            for t in archive.values():
                print(f"{t.dtype:5} {t.nbytes:12} -> {t.stored:12}  {t.name} {list(t.shape)}")
        else:
            t = archive[name]
            print((t[:4] if t.shape else t).numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
