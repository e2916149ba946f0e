"""Downloads that never need the room of a whole model: each file is packed before the next one comes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from .blobs import Outcome, pack
from .cache import is_weights, scan

__all__ = ["pull"]


def _library() -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise ImportError("downloading needs the package huggingface_hub: pip install huggingface_hub") from None
    return huggingface_hub


def pull(
    repo: str,
    *,
    revision: str = "main",
    kind: str = "model",
    cache: str | os.PathLike[str] | None = None,
    include: Iterable[str] = (),
    level: int | None = None,
    threads: int | None = None,
    report: Callable[[Outcome], Any] | None = None,
) -> str:
    """Downloads a repository to the cache, and packs its weights: the disk holds at most one file of weights that is
    not packed. What is there already is neither downloaded nor packed again. Returns the folder of the snapshot.

    repo      OWNER/NAME
    revision  a branch, a tag or a commit
    kind      "model", "dataset" or "space"
    include   patterns of the files that are wanted; all unless told
    report    is called with what became of each blob
    """
    library = _library()
    named: dict[str, Any] = {"repo_type": kind}
    if cache is not None:
        named["cache_dir"] = os.fspath(cache)
    info = library.HfApi().repo_info(repo, revision=revision, repo_type=kind, files_metadata=True)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    patterns = list(include) or None
    wanted = library.utils.filter_repo_objects(sizes, allow_patterns=patterns)

    def packed(name: str | None) -> None:
        folder = f"{kind}s--{repo.replace('/', '--')}"
        (found,) = scan(cache, [folder])
        found = found._replace(blobs=[blob for blob in found.blobs if name in (None, *blob.names)])
        for outcome in pack([found], level=level, threads=threads):
            if report and outcome.status != "kept":
                report(outcome)

    for name in sorted(filter(is_weights, wanted), key=lambda name: (sizes[name], name)):
        library.hf_hub_download(repo, name, revision=info.sha, **named)
        packed(name)
    # What is left, and the ref. It also fetches what came to the repository meanwhile.
    snapshot: str = library.snapshot_download(repo, revision=revision, allow_patterns=patterns, **named)
    packed(None)
    return snapshot
