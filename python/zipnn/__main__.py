"""`python -m zipnn`, and the command `zipnn` of the package."""

from __future__ import annotations

import os
import signal
import sys

from . import _zipnn

__all__ = ["main"]


def main() -> int:
    """Does what the arguments of this process say, and ends it."""
    words = sys.argv[1:]
    if words[:1] == ["hub"] or words == ["help", "hub"]:
        from .hub.command import main as hub_main

        return hub_main(["--help"] if words[:1] == ["help"] else words)
    # What Python catches or ignores is the program's own business again.
    for name in ("SIGINT", "SIGPIPE", "SIGXFSZ"):
        number = getattr(signal, name, None)
        if number is not None and not (name == "SIGINT" and signal.getsignal(number) == signal.SIG_IGN):
            signal.signal(number, signal.SIG_DFL)
    return _zipnn.command([b"zipnn", *map(os.fsencode, sys.argv[1:])])


if __name__ == "__main__":
    sys.exit(main())
