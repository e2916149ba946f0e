"""The files of this tree, for the checkers. Works without git, so that an unpacked archive can be checked too."""

import pathlib
from collections.abc import Iterator

# The headers of POSIX that src/io gives to all rooms on a system that lacks them, under the names of that system.
SYSTEM_HEADERS = (("src", "io", "windows", "include"), ("src", "io", "macos", "include"))
ROOT = pathlib.Path(__file__).resolve().parent.parent


def files() -> Iterator[pathlib.Path]:
    """Every file that belongs to the tree, sorted: not what was built, nor what a tool left behind."""
    for top in sorted(ROOT.iterdir()):
        if top.is_file():
            yield top
        elif top.name == ".ci" or not (top.name == "dist" or top.name.startswith((".", "build"))):
            yield from (p for p in sorted(top.rglob("*")) if p.is_file() and "__pycache__" not in p.parts)
