"""Programs that load plain safetensors files, made to load archives without being changed.

    import zipnn

    zipnn.zipnn_hf()
    model = AutoModelForCausalLM.from_pretrained("folder with model.safetensors.znn")

Nothing here is needed by programs that call zipnn themselves. Ordinary files load as before. Each call returns a Patch:
undo() takes it back, and so does leaving its `with` block.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Patch", "zipnn_hf", "zipnn_safetensors"]

# Which patches a new process begins with: names with commas between. Looked at by zipnn_patches.pth, which the wheel
# puts beside the package.
_ENVIRONMENT = "ZIPNN_PATCHES"

_SUFFIX = ".znn"


class Patch:
    """Functions that were replaced. Patches of the same kind count: the last undo() puts the originals back."""

    def __init__(self, kind: _Kind) -> None:
        self._kind: _Kind | None = kind

    def undo(self) -> None:
        """Undoes the patch. A second call does nothing."""
        kind, self._kind = self._kind, None
        if kind is not None:
            kind.release()

    def __enter__(self) -> Patch:
        return self

    def __exit__(self, *unused: object) -> None:
        self.undo()


class _Kind:
    """One kind of patch: how often it is wanted, and what it replaced."""

    def __init__(self, name: str, replacements: Callable[[], dict[Any, Any]]) -> None:
        self.name = name
        self.replacements = replacements
        self.wanted = 0
        self.replaced: dict[Any, Any] = {}

    def acquire(self) -> Patch:
        if self.wanted == 0:
            self.replaced = self.replacements()
            for original, ours in self.replaced.items():
                _exchange(original, ours)
            _note_for_children(self.name, present=True)
        self.wanted += 1
        return Patch(self)

    def release(self) -> None:
        self.wanted -= 1
        if self.wanted == 0:
            for original, ours in self.replaced.items():
                _exchange(ours, original)
            self.replaced = {}
            _note_for_children(self.name, present=False)


def _exchange(old: Any, new: Any) -> None:
    """Replaces a function in every module that has imported it by name, because people write `from safetensors import
    safe_open`."""
    for module in list(sys.modules.values()):
        names = vars(module) if hasattr(module, "__dict__") else {}
        for name in [name for name, value in names.items() if value is old]:
            if not names.get("__name__", "").startswith("zipnn."):
                setattr(module, name, new)


def _note_for_children(name: str, present: bool) -> None:
    """A child that is forked is patched already; one that starts from the beginning reads its environment."""
    names = [n for n in os.environ.get(_ENVIRONMENT, "").split(",") if n and n != name]
    if present:
        names.append(name)
    if names:
        os.environ[_ENVIRONMENT] = ",".join(names)
    else:
        os.environ.pop(_ENVIRONMENT, None)


# ---- safetensors ----------------------------------------------------------------------------------------------------


def _replacements_of_safetensors() -> dict[Any, Any]:
    import safetensors

    replaced = {safetensors.safe_open: _patched_safe_open(safetensors.safe_open)}
    for framework in ("numpy", "torch"):
        module = sys.modules.get(f"safetensors.{framework}")
        if module is not None:
            replaced[module.save_file] = _patched_save_file(module.save_file)
    return replaced


def _patched_safe_open(original: Any) -> Any:
    """Returns a class, because the original is one: for isinstance(), annotations and classes that derive from it."""
    kinds = {original}  # of what it opens

    def opened(filename: Any, framework: Any = "np", device: Any = "cpu", **others: Any) -> Any:
        from .safetensors import find_archive, open_archive

        path = find_archive(filename)
        if path is not None:
            file = open_archive(path, framework, device)
            kinds.add(type(file))
            return file
        _warn_of_two(filename, "is read")
        return original(filename, framework, device, **others)

    class Kind(type):
        def __instancecheck__(cls, instance: Any) -> bool:
            return type.__instancecheck__(cls, instance) or (cls is safe_open and isinstance(instance, tuple(kinds)))

    class safe_open(metaclass=Kind):
        __doc__ = original.__doc__
        _file: Any

        def __new__(cls, *arguments: Any, **named: Any) -> Any:
            file = opened(*arguments, **named)
            if cls is safe_open:
                return file
            self = super().__new__(cls)
            self._file = file
            return self

        def __getattr__(self, name: str) -> Any:  # of a subclass
            if name == "_file":
                raise AttributeError(name)
            return getattr(self._file, name)

        def __enter__(self) -> Any:
            self._file.__enter__()
            return self

        def __exit__(self, *error: Any) -> Any:
            return self._file.__exit__(*error)

    safe_open.__module__, safe_open.__qualname__ = original.__module__, original.__qualname__
    return safe_open


def _patched_save_file(original: Any) -> Any:
    @functools.wraps(original)
    def save_file(tensors: Any, filename: Any, *others: Any, **named: Any) -> Any:
        result = original(tensors, filename, *others, **named)
        _warn_of_two(filename, "was written")
        return result

    return save_file


def _warn_of_two(filename: Any, what: str) -> None:
    path = os.fsdecode(filename)
    if os.path.isfile(path) and os.path.isfile(path + _SUFFIX):
        text = "%s %s, and not the archive %s beside it, which may hold other weights: remove one of them"
        logging.getLogger("zipnn").warning(text, path, what, os.path.basename(path) + _SUFFIX)


# ---- transformers ---------------------------------------------------------------------------------------------------


def _replacements_of_transformers() -> dict[Any, Any]:
    from transformers import modeling_utils

    original = modeling_utils._get_resolved_checkpoint_files

    @functools.wraps(original)
    def resolve(pretrained_model_name_or_path: Any, *others: Any, **named: Any) -> Any:
        try:
            return _without_suffix(original(pretrained_model_name_or_path, *others, **named))
        except OSError:
            found = _find_checkpoint(pretrained_model_name_or_path, named)
            if found is None:
                raise
            return found

    return {original: resolve}


def _without_suffix(found: Any) -> Any:
    """What transformers has found by itself, from an index that names archives, by the names that it decides by."""
    files, index = found
    if not files or not any(file.endswith(".safetensors" + _SUFFIX) for file in files):
        return found
    if index and "weight_map" in index:
        names = {key: name.removesuffix(_SUFFIX) for key, name in index["weight_map"].items()}
        index = {**index, "weight_map": names}
    return [file.removesuffix(_SUFFIX) for file in files], index


def _find_checkpoint(model: Any, named: dict[str, Any]) -> tuple[list[str], dict[str, Any] | None] | None:
    """Returns the files of a model that is stored as archives, under the names that they were made from, since
    transformers decides by these names; for several files also what it wants to know of the index. Returns None if
    there are none."""
    if model is None or named.get("gguf_file") or named.get("use_safetensors") is False:
        return None
    variant = named.get("variant")
    name = f"model.{variant}.safetensors" if variant else "model.safetensors"
    fetch = _fetcher(str(model), named.get("download_kwargs") or {})
    single = fetch(name + _SUFFIX)
    if single is not None:
        return [single.removesuffix(_SUFFIX)], None
    index_name = f"model.safetensors.index.{variant}.json" if variant else "model.safetensors.index.json"
    index_path = fetch(index_name)
    return None if index_path is None else _shards(index_path, fetch)


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


# ---- what is called -------------------------------------------------------------------------------------------------

_safetensors = _Kind("safetensors", _replacements_of_safetensors)
_transformers = _Kind("transformers", _replacements_of_transformers)


class _Both(Patch):
    def __init__(self, patches: Iterator[Patch]) -> None:
        self._patches = list(patches)

    def undo(self) -> None:
        for patch in self._patches:
            patch.undo()


def zipnn_safetensors() -> Patch:
    """Makes safetensors.safe_open, and with it safetensors.torch.load_file and all who use them, open archives: files
    that are archives, whatever their name, and "X" where there is only "X.znn". Where there are both, "X" is read, and
    the logger "zipnn" warns of that; likewise when save_file() writes "X" beside an archive. Processes that this one
    starts do so, too."""
    return _safetensors.acquire()


def zipnn_hf(replace_local_file: bool = False) -> Patch:
    """Makes transformers' from_pretrained load models whose weights are archives: model.safetensors.znn, or the parts
    that model.safetensors.index.json names with .znn behind each. Does what zipnn_safetensors() does besides.

    replace_local_file  is of zipnn 0.x, where it put restored files in the place of archives; it has no effect any more
    """
    if replace_local_file:
        text = "zipnn_hf(replace_local_file=True) has no effect any more: zipnn.decompress_file restores a file"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
    return _Both(iter([_transformers.acquire(), _safetensors.acquire()]))


def begin_from_environment() -> None:
    """In a process whose parent was patched. The modules concerned are patched when they are imported."""
    names = os.environ.get(_ENVIRONMENT, "").split(",")
    wanted = {"safetensors": _safetensors, "transformers": _transformers}
    targets = {"safetensors": "safetensors", "transformers": "transformers.modeling_utils"}
    hooks = {targets[name]: wanted[name] for name in names if name in wanted}
    if hooks:
        sys.meta_path.insert(0, _AfterImport(hooks))


class _AfterImport:
    """Finds nothing, but sees which modules are imported, and patches once they have been."""

    def __init__(self, hooks: dict[str, _Kind]) -> None:
        self._hooks = hooks

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        kind = self._hooks.pop(name, None)
        if kind is None:
            return None
        from importlib.util import find_spec

        spec = find_spec(name)
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            run(module)
            kind.acquire()

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
