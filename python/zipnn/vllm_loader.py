"""The loader that zipnn.vllm registers. It is imported where vLLM is."""

from __future__ import annotations

import copy
import fnmatch
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from vllm.logger import init_logger
from vllm.model_executor.model_loader.default_loader import DefaultModelLoader
from vllm.model_executor.model_loader.weight_utils import (
    download_safetensors_index_file_from_hf,
    download_weights_from_hf,
)

from .errors import FileMissingError
from .model_folder import has_archives, weight_files, weights

_SUFFIX = ".znn"
_INDEX = "model.safetensors.index.json"
_MISTRAL = "consolidated*.safetensors"

# vLLM shows the log of its own modules.
_log = init_logger("vllm.zipnn")

# model_loader_extra_config: what is ours, and what a value must be.
_OURS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "threads": (lambda v: type(v) is int and v > 0, "a number of threads, 1 or more"),
    "prefetch": (lambda v: type(v) is int and v >= 0, "a number of bytes"),
    "base": (lambda v: isinstance(v, str), "the path of a file or of a folder"),
    "device": (lambda v: isinstance(v, str), "a device of torch"),
}


def check() -> None:
    """Raises AttributeError if vLLM's loader is not built as the one here expects it."""
    for name in ("Source", "_get_weights_iterator", "download_model", "load_weights"):
        if not hasattr(DefaultModelLoader, name):
            raise AttributeError(f"DefaultModelLoader has no {name}")


def _options(extra: Any) -> tuple[dict[str, Any], Any]:
    """Returns what is ours, and what is left for vLLM, which refuses keys that it does not know."""
    if not isinstance(extra, dict):
        return {}, extra
    for key, value in extra.items():
        if key in _OURS and not _OURS[key][0](value):
            raise ValueError(f"model_loader_extra_config: {key} is {_OURS[key][1]}, not {value!r}")
    return {k: v for k, v in extra.items() if k in _OURS}, {k: v for k, v in extra.items() if k not in _OURS}


class ZipnnModelLoader(DefaultModelLoader):
    """Weights from archives; a folder that has none loads as load format "auto" does."""

    counter_before_loading_weights: float = 0.0

    def __init__(self, load_config: Any) -> None:
        # A copy: the config is the caller's. What is not of archives is vLLM's, which does not know "zipnn".
        own = copy.copy(load_config)
        self._ours, own.model_loader_extra_config = _options(own.model_loader_extra_config)
        own.load_format = "auto"
        super().__init__(own)

    def _folder(self, source: Any) -> str:
        """Returns where the weights lie. Of what lies on the hub, the archives are downloaded first, with their index;
        what is not called .znn is left to vLLM."""
        model, revision, subfolder = source.model_or_path, source.revision, getattr(source, "subfolder", None)
        if os.path.isdir(model):
            return os.path.join(model, subfolder or "")
        patterns = [pattern + _SUFFIX for pattern in source.allow_patterns_overrides or ["*.safetensors"]]
        options = {"subfolder": subfolder} if subfolder else {}
        cache, ignored = self.load_config.download_dir, self.load_config.ignore_patterns
        folder = download_weights_from_hf(model, cache, patterns, revision, ignore_patterns=ignored, **options)
        folder = os.path.join(folder, subfolder or "")
        if len([name for name in os.listdir(folder) if name.endswith(_SUFFIX)]) > 1:
            download_safetensors_index_file_from_hf(
                model, _INDEX, cache_dir=cache, revision=revision, **options
            )
        return folder

    def _archives(self, source: Any) -> tuple[str, list[str]] | None:
        """Returns the folder of a source and which files of it count, if there are archives among them."""
        folder = self._folder(source)
        patterns = list(source.allow_patterns_overrides or [])
        if not patterns and any(fnmatch.fnmatch(name, _MISTRAL + "*") for name in os.listdir(folder)):
            patterns = [_MISTRAL]  # which load format "auto" takes, too
        try:
            return (folder, patterns) if has_archives(weight_files(folder, patterns)) else None
        except FileMissingError:
            return None  # vLLM says what it misses

    def download_model(self, model_config: Any) -> None:
        source = DefaultModelLoader.Source(model_config.model, model_config.revision)
        if self._archives(source) is None:
            super().download_model(model_config)

    def _get_weights_iterator(self, source: Any) -> Iterator[tuple[str, torch.Tensor]]:
        found = self._archives(source)
        if found is None:
            _log.info("zipnn: there are no archives in %s: it loads as with load format auto", source.model_or_path)
            plain: Iterator[tuple[str, torch.Tensor]] = super()._get_weights_iterator(source)
            return plain
        if getattr(self.load_config, "safetensors_load_strategy", None) == "torchao":
            raise ValueError(
                "the load format zipnn cannot load weights that torchao has quantized: "
                "zipnn run --mount FOLDER -- vllm serve FOLDER loads them"
            )
        if self.counter_before_loading_weights == 0.0:
            self.counter_before_loading_weights = time.perf_counter()
        _log.info("zipnn: loading archives from %s", found[0])
        return ((source.prefix + name, tensor) for name, tensor in self._tensors(*found, source))

    def _tensors(self, folder: str, patterns: list[str], source: Any) -> Iterator[tuple[str, torch.Tensor]]:
        unused = getattr(source, "is_unused_weight", None)
        skip = _expert_filter(getattr(self, "local_expert_ids", None))

        def wanted(name: str) -> bool:
            return not skip(name) and not (unused is not None and unused(name))

        bar = True if self.load_config.use_tqdm_on_load and _is_first_rank() else None
        yield from weights(folder, wanted=wanted, patterns=patterns, progress=bar, **self._ours)


def _expert_filter(local: Any) -> Callable[[str], bool]:
    """Returns what tells the weights of experts that another rank has."""
    if local is None:
        return lambda name: False
    try:
        from vllm.model_executor.model_loader.ep_weight_filter import should_skip_weight
    except ImportError:  # versions that filter later
        return lambda name: False
    return lambda name: bool(should_skip_weight(name, local))


def _is_first_rank() -> bool:
    distributed = torch.distributed
    return not (distributed.is_available() and distributed.is_initialized()) or distributed.get_rank() == 0
