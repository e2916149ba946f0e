"""Programs that load plain safetensors files, made to load archives without being changed.

    import zipnn

    zipnn.zipnn_hf()
    model = AutoModelForCausalLM.from_pretrained("folder with model.safetensors.znn")

Nothing here is needed by programs that call zipnn themselves. Ordinary files load as before. Each call returns a Patch:
undo() takes it back, and so does leaving its `with` block.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["Patch", "zipnn_hf", "zipnn_safetensors"]

# Which patches a new process begins with: names with commas between. Looked at by zipnn_patches.pth, which the wheel
# puts beside the package.
_ENVIRONMENT = "ZIPNN_PATCHES"

_SUFFIX = ".znn"

_log = logging.getLogger("zipnn")


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

    if _saving.wanted:
        import safetensors.torch  # what saves must be there to be replaced

    replaced = {safetensors.safe_open: _patched_safe_open(safetensors.safe_open)}
    for framework in ("numpy", "torch"):
        module = sys.modules.get(f"safetensors.{framework}")
        if module is not None:
            replaced[module.save_file] = _patched_save_file(f"safetensors.{framework}", module.save_file)
    return replaced


def _patched_safe_open(original: Any) -> Any:
    """Returns a class, because the original is one: for isinstance(), annotations and classes that derive from it."""
    kinds = {original}  # of what it opens

    def opened(filename: Any, framework: Any = "np", device: Any = "cpu", **others: Any) -> Any:
        from .safetensors import find_archive, open_archive
        from .safetensors.records import with_records

        path = find_archive(filename)
        if path is not None:
            file = open_archive(path, framework, device)
            kinds.add(type(file))
            _log.info("%s is read for %s", path, filename)
            return file
        _warn_of_two(filename, "is read")
        return with_records(original(filename, framework, device, **others), framework, device)

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


def _patched_save_file(module: str, original: Any) -> Any:
    @functools.wraps(original)
    def save_file(tensors: Any, filename: Any, *others: Any, **named: Any) -> Any:
        if _saving.wanted and os.fsdecode(filename).endswith(".safetensors"):
            return _save_archive(module, tensors, filename, *others, **named)
        result = original(tensors, filename, *others, **named)
        _warn_of_two(filename, "was written")
        return result

    return save_file


def _warn_of_two(filename: Any, what: str) -> None:
    path = os.fsdecode(filename)
    if os.path.isfile(path) and os.path.isfile(path + _SUFFIX):
        text = "%s %s, and not the archive %s beside it, which may hold other weights: remove one of them"
        _log.warning(text, path, what, os.path.basename(path) + _SUFFIX)


def _replacements_of_transformers() -> dict[Any, Any]:
    from .patched_transformers import replacements

    return replacements()


# ---- saving ---------------------------------------------------------------------------------------------------------


_PART = re.compile(r"(?P<stem>.*?)(?:-[0-9]{5}-of-(?P<count>[0-9]{5}))?\.safetensors(?:\.znn)?")


def _save_archive(module: str, tensors: Any, filename: Any, metadata: Any = None) -> None:
    """Writes X.safetensors.znn for X.safetensors, and then removes what would be read in its place: the plain file, and
    the weights of the same name that are divided into another number of files, with their index."""
    from importlib import import_module

    path = os.fsdecode(filename)
    import_module(f"zipnn.{module}").save_file(tensors, path + _SUFFIX, metadata)
    folder, name = os.path.split(path)
    mine = _PART.fullmatch(name)
    for other in os.listdir(folder or "."):
        part = _PART.fullmatch(other)
        is_same = part and mine and part["stem"] == mine["stem"] and part["count"] != mine["count"]
        is_index = mine and not mine["count"] and other == f"{mine['stem']}.safetensors.index.json"
        if (is_same or is_index or other == name) and os.path.isfile(os.path.join(folder, other)):
            os.unlink(os.path.join(folder, other))


# ---- what is called -------------------------------------------------------------------------------------------------

_saving = _Kind("saving", dict)  # replaces nothing: save_file asks whether it is wanted
_safetensors = _Kind("safetensors", _replacements_of_safetensors)
_transformers = _Kind("transformers", _replacements_of_transformers)


class _Several(Patch):
    def __init__(self, patches: list[Patch]) -> None:
        self._patches = patches

    def undo(self) -> None:
        for patch in self._patches:
            patch.undo()


def zipnn_safetensors() -> Patch:
    """Makes safetensors.safe_open, and with it safetensors.torch.load_file and all who use them, open archives: files
    that are archives, whatever their name, and "X" where there is only "X.znn". Where there are both, "X" is read, and
    the logger "zipnn" warns of that; likewise when save_file() writes "X" beside an archive. Processes that this one
    starts do so, too."""
    return _safetensors.acquire()


def zipnn_hf(replace_local_file: bool = False, *, save: bool = False) -> Patch:
    """Makes transformers' from_pretrained load models whose weights are archives: model.safetensors.znn, or the parts
    that model.safetensors.index.json names with .znn behind each; pytorch_model.bin.znn, too. Does what
    zipnn_safetensors() does besides.

    save                save_pretrained, and all who call safetensors' save_file, write X.safetensors.znn for
                        X.safetensors. What would then be read in its place is removed: the plain file, and parts of an
                        earlier save with another number of parts
    replace_local_file  is of zipnn 0.x, where it put restored files in the place of archives; it has no effect any more
    """
    if replace_local_file:
        text = "zipnn_hf(replace_local_file=True) has no effect any more: zipnn.decompress_file restores a file"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
    kinds = [_transformers, _safetensors]
    if save:
        import safetensors.torch  # noqa: F401  # what saves must be there to be replaced

        kinds.insert(0, _saving)
    return _Several([kind.acquire() for kind in kinds])


def begin_from_environment() -> None:
    """In a process whose parent was patched. The modules concerned are patched when they are imported."""
    names = os.environ.get(_ENVIRONMENT, "").split(",")
    if _saving.name in names:
        _saving.acquire()
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
