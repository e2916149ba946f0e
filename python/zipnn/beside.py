"""Notices the distribution `zipnn`, which belongs to others and has files of the same names as libzipnn."""

from __future__ import annotations

import os

__all__ = ["found"]


def found() -> str:
    """Returns a sentence that says what to do, or "" when that distribution is not installed beside us."""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    try:
        names = os.listdir(folder)
    except OSError:  # in a zip file, say
        return ""
    for name in names:
        if name.startswith("zipnn-") and name.endswith((".dist-info", ".egg-info")):
            other = " ".join(name.split("-")[:2]).removesuffix(".dist").removesuffix(".egg")
            return (
                f"the distributions libzipnn and {other} are both installed in {folder} and overwrite each other's "
                "files: run `pip uninstall zipnn libzipnn`, then `pip install libzipnn`"
            )
    return ""
