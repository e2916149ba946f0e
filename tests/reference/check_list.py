#!/usr/bin/env python3
"""Holds the reference decoder against the list.txt of each folder named on the command line (see make_vectors.py)."""

import pathlib
import sys

from native import xxh3_128
from zipnn_reference import Corrupt, NoBase, Unsupported, restore


def answer(archive, bases):
    try:
        original = restore(archive, bases)
    except Corrupt as error:
        return "corrupt", str(error)
    except Unsupported as error:
        return "unsupported", str(error)
    except NoBase as error:
        return "base", str(error)
    return f"ok {len(original)} {xxh3_128(original).hex()}", ""


def failures(folder):
    for line in (folder / "list.txt").read_text().splitlines():
        name, expected, *known = line.split()
        bases = [(folder / base).read_bytes() for base in known[2:]]
        if expected == "ok":
            expected = " ".join([expected, *known[:2]])
        found, why = answer((folder / name).read_bytes(), bases)
        if found != expected and not (why and expected in ("unread", "digest", "sha256")):
            yield f"{name}: expected {expected}, found {found} {why}"


def main():
    wrong = [failure for folder in sys.argv[1:] for failure in failures(pathlib.Path(folder))]
    print("\n".join(wrong) or "all as listed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
