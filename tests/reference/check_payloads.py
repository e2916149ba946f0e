#!/usr/bin/env python3
"""Holds the reference decoder against the NAME.delta files of a folder, made with NAME.ref: NAME.orig comes back."""

import pathlib
import sys

from delta_reference import decode_delta


def main():
    deltas = sorted(pathlib.Path(sys.argv[1]).glob("*.delta"))
    wrong = []
    for d in deltas:
        reference, original = (d.with_suffix(suffix).read_bytes() for suffix in (".ref", ".orig"))
        if decode_delta(d.read_bytes(), reference) != original:
            wrong.append(d.name)
    print("\n".join(f"{name} came back changed" for name in wrong) or f"{len(deltas)} deltas as they should be")
    return 1 if wrong or not deltas else 0


if __name__ == "__main__":
    sys.exit(main())
