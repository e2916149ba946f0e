"""`python -m zipnn`, and the command `zipnn` of the wheel: the program, which is in the package."""

from __future__ import annotations

import os
import sys

__all__ = ["main", "path"]


def path() -> str:
    """Returns the program's file."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "zipnn")


def main() -> int:
    """Becomes the program, with the arguments of this process. Returns only if it is not there."""
    try:
        os.execv(path(), ["zipnn", *sys.argv[1:]])
    except OSError as error:
        print(f"zipnn: the program is missing from the package: {path()}: {error.strerror}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
