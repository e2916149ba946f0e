"""What `progress=` may be: a function, or True for a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Optional, Union

__all__ = ["Progress"]

# True for a bar of tqdm, or a function: it is called with (bytes done, total or None).
Progress = Union[bool, Callable[[int, Optional[int]], Any], None]


@contextmanager
def shown(progress: Progress, what: str) -> Iterator[Callable[[int, int | None], Any] | None]:
    """Gives what the extension calls. A bar of tqdm, for a terminal or a notebook, is closed at the end."""
    if progress is None or progress is False:
        yield None
        return
    if progress is not True:
        if not callable(progress):
            raise TypeError(f"progress is True or a function of (done, total), not a {type(progress).__name__}")
        yield progress
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("progress=True draws a bar of the package tqdm: install it, or give a function") from None
    with tqdm(desc=what, unit="B", unit_scale=True) as bar:

        def update(done: int, total: int | None) -> None:
            if total is not None:
                bar.total = total
            bar.update(done - bar.n)

        yield update
