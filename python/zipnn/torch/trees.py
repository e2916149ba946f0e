"""Trees of tensors and plain values as text and a flat dict of tensors, without pickle: nothing is run on loading."""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch

from ..buffers import shown
from ..safetensors.exceptions import FormatError

__all__ = ["flattened", "restored"]

# Values that are text as they are; everything else is an object with one key, which says what it is.
_PLAIN = (type(None), bool, int, float, str)


class _Writer:
    def __init__(self, add: Callable[[str, torch.Tensor], str]) -> None:
        self._add = add
        self._open: set[int] = set()

    def node(self, value: Any, path: str) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if isinstance(value, torch.Tensor):
            return {"tensor": self._add(path, value)}
        if kind in (list, tuple, torch.Size, dict, OrderedDict):
            return {self._word(kind): self._inside(value, path)}
        if kind in (bytes, bytearray):
            return {kind.__name__: base64.b64encode(value).decode()}
        if kind is complex:
            return {"complex": [value.real, value.imag]}
        if kind in (torch.dtype, torch.device):
            return {kind.__name__: str(value).removeprefix("torch.")}
        raise TypeError(
            f"{shown(path)} is a {kind.__name__}: trees are of tensors, numbers, str, bytes, None, dict, list, tuple; "
            "others by torch.save(obj, f) with f of zipnn.open(filename, 'wb')"
        )

    @staticmethod
    def _word(kind: type) -> str:
        return "ordered" if kind is OrderedDict else kind.__name__.lower()

    def _inside(self, value: Any, path: str) -> list[Any]:
        if id(value) in self._open:
            raise ValueError(f"{shown(path)} contains itself")
        self._open.add(id(value))
        at = path + "." if path else ""
        if isinstance(value, dict):
            inner = [[self.node(key, f"{at}key"), self.node(item, f"{at}{key}")] for key, item in value.items()]
        else:
            inner = [self.node(item, f"{at}{i}") for i, item in enumerate(value)]
        self._open.discard(id(value))
        return inner


def flattened(tree: Any, add: Callable[[str, torch.Tensor], str]) -> str:
    """Returns a tree as text. `add` takes each tensor with its path, and returns the name that it is stored by."""
    try:
        return json.dumps(_Writer(add).node(tree, ""), separators=(",", ":"))
    except RecursionError:
        raise ValueError("the tree is too deep") from None


def restored(text: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Returns the tree. Raises FormatError if the text is not one that flattened() wrote."""
    try:
        return _value(json.loads(text), tensors)
    except (RecursionError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise FormatError(None, f"the tree of the file cannot be read: {error!r}") from None


def _value(node: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if not isinstance(node, dict):
        if type(node) not in _PLAIN:
            raise ValueError(f"a {type(node).__name__} where a value is wanted")
        return node
    ((word, inner),) = node.items()
    if word == "tensor":
        return tensors[inner]
    if word in ("list", "tuple", "size"):
        kind: Any = {"list": list, "tuple": tuple, "size": torch.Size}[word]
        return kind([_value(item, tensors) for item in inner])
    if word in ("dict", "ordered"):
        pairs = [(_value(key, tensors), _value(item, tensors)) for key, item in inner]
        return dict(pairs) if word == "dict" else OrderedDict(pairs)
    if word in ("bytes", "bytearray"):
        data = base64.b64decode(inner, validate=True)
        return data if word == "bytes" else bytearray(data)
    if word == "complex":
        return complex(*inner)
    if word == "dtype":
        dtype = getattr(torch, inner)
        if isinstance(dtype, torch.dtype):
            return dtype
    if word == "device":
        return torch.device(inner)
    raise ValueError(f"{word!r} is unknown")
