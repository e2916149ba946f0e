"""Compresses files next to where they are, with a progress line.

python compress_files.py model-00001.safetensors model-00002.safetensors
"""

import sys

import zipnn


def show(done, total):
    print(f"\r{100 * done // total if total else 100:3} %", end="", file=sys.stderr)


def main(*paths):
    for path in paths:
        try:
            stats = zipnn.compress_file(path, progress=show)
        except (zipnn.ZipnnError, OSError) as error:
            print(f"\r{error}", file=sys.stderr)
            return 1
        print(f"\r{path}: {stats.original} -> {stats.archive} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
