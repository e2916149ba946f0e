"""What zipnn_hf() puts in the place of functions of transformers."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

from .safetensors import find_archive

_SUFFIX = ".znn"


def replacements() -> dict[Any, Any]:
    """Returns the functions of transformers that load, each with the one that loads archives, too."""
    from transformers import modeling_utils

    find, load = modeling_utils._get_resolved_checkpoint_files, modeling_utils.load_state_dict

    @functools.wraps(find)
    def found(pretrained_model_name_or_path: Any, *others: Any, **named: Any) -> Any:
        try:
            return _without_suffix(find(pretrained_model_name_or_path, *others, **named))
        except OSError:
            archives = _find_checkpoint(pretrained_model_name_or_path, named)
            if archives is None:
                raise
            return archives

    @functools.wraps(load)
    def loaded(checkpoint_file: Any, *others: Any, **named: Any) -> Any:
        path = os.fspath(checkpoint_file)
        archive = None if path.endswith(".safetensors") else find_archive(path)
        if archive is None:
            return load(checkpoint_file, *others, **named)
        return _load_pickle(archive, *others, **named)

    return {find: found, load: loaded}


def _load_pickle(path: str, map_location: Any = "cpu", weights_only: bool = True, *unused: Any, **others: Any) -> Any:
    """Loads the archive of a file of torch.save, as transformers loads such a file."""
    import torch
    from transformers.utils.import_utils import check_torch_load_is_safe

    from . import fileobj

    if weights_only:
        check_torch_load_is_safe()
    with fileobj.open(path) as f:
        return torch.load(f, map_location=map_location, weights_only=weights_only)


def _without_suffix(found: Any) -> Any:
    """What transformers has found by itself, from an index that names archives, by the names that it decides by."""
    files, index = found
    if not files or not any(file.endswith((".safetensors" + _SUFFIX, ".bin" + _SUFFIX)) for file in files):
        return found
    if index and "weight_map" in index:
        names = {key: name.removesuffix(_SUFFIX) for key, name in index["weight_map"].items()}
        index = {**index, "weight_map": names}
    return [file.removesuffix(_SUFFIX) for file in files], index


def _find_checkpoint(model: Any, named: dict[str, Any]) -> tuple[list[str], dict[str, Any] | None] | None:
    """Returns the files of a model that is stored as archives, under the names that they were made from, since
    transformers decides by these names; for several files also what it wants to know of the index. Returns None if
    there are none."""
    if model is None or named.get("gguf_file"):
        return None
    fetch = _fetcher(str(model), named.get("download_kwargs") or {})
    for name, index_name in _names(named.get("variant"), named.get("use_safetensors")):
        if (single := fetch(name + _SUFFIX)) is not None:
            return [single.removesuffix(_SUFFIX)], None
        if (index_path := fetch(index_name)) is not None and (found := _shards(index_path, fetch)) is not None:
            return found
    return None


def _names(variant: str | None, use_safetensors: bool | None) -> Iterator[tuple[str, str]]:
    """Returns the names that weights may have: of one file, and of the index of several."""
    part = f".{variant}" if variant else ""
    if use_safetensors is not False:
        yield f"model{part}.safetensors", f"model.safetensors.index{part}.json"
    if not use_safetensors:
        yield f"pytorch_model{part}.bin", f"pytorch_model.bin.index{part}.json"


def _shards(index_path: str, fetch: Callable[[str], str | None]) -> tuple[list[str], dict[str, Any]] | None:
    with open(index_path, encoding="utf-8") as f:
        index = json.load(f)
    files = [fetch(name.removesuffix(_SUFFIX) + _SUFFIX) for name in sorted(set(index["weight_map"].values()))]
    if not all(files):
        return None
    metadata = dict(index.get("metadata") or {})
    metadata["all_checkpoint_keys"] = list(index["weight_map"])
    metadata["weight_map"] = {key: name.removesuffix(_SUFFIX) for key, name in index["weight_map"].items()}
    return [file.removesuffix(_SUFFIX) for file in files if file], metadata


def _fetcher(model: str, options: dict[str, Any]) -> Callable[[str], str | None]:
    """Returns a function that gives the path of a file of the model, or None. The model is a folder, or a repository on
    the Hub."""

    def local(name: str) -> str | None:
        path = os.path.join(model, options.get("subfolder", ""), name)
        return path if os.path.isfile(path) else None

    def remote(name: str) -> str | None:
        from transformers.utils.hub import cached_file

        quiet = {"_raise_exceptions_for_gated_repo": False, "_raise_exceptions_for_missing_entries": False}
        wanted = ("cache_dir", "force_download", "local_files_only", "token", "revision", "subfolder")
        given = {key: options[key] for key in wanted if options.get(key) is not None}
        found: str | None = cached_file(model, name, **given, **quiet)
        return found

    return local if os.path.isdir(model) else remote
