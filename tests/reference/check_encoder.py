#!/usr/bin/env python3
"""Holds the encoder against the reference decoder: check_encoder.py ZIPNN, the program and what it needs to run."""

import subprocess
import sys

from make_golden import originals
from zipnn_reference import restore


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for name, options, original in originals():
        command = [*sys.argv[1:], "-c", "-T1", *options]
        archive = subprocess.run(command, input=original, stdout=subprocess.PIPE, check=True).stdout
        if restore(archive) != original:
            sys.exit(f"{name} came back changed")


if __name__ == "__main__":
    main()
