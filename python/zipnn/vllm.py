"""vLLM with archives: `vllm serve FOLDER --load-format zipnn`, or LLM(FOLDER, load_format="zipnn").

The wheel brings an entry point (vllm.general_plugins) by which vLLM finds register() in each of its processes: nothing
is to be imported. The folder, or repository of the hub, holds the weights as *.safetensors.znn, or as archives under
their own names, or plain; a folder without archives loads as with load format "auto".

    LLM(folder, load_format="zipnn", model_loader_extra_config={"threads": 8, "prefetch": 1 << 30})

With {"device": "cuda"} the GPU decodes the weights, where it can (zipnn.gpu), and vLLM copies them on the device.

Other engines take tensors one by one: weights(folder) yields them, for SGLang, TensorRT-LLM and whatever has a
load_weights().
"""

from __future__ import annotations

import logging
from typing import Any

from .model_folder import weights

__all__ = ["register", "weights"]

_FORMAT = "zipnn"
_log = logging.getLogger("zipnn")
_registered: list[Any] = []  # with which functions of vLLM it was done: it would warn of a second time


def register() -> None:
    """Makes the load format "zipnn" known to vLLM, in this process. It never raises: where this version of vLLM lacks
    what is needed, a loader that says so is registered, or, if even that is not possible, the log says so."""
    try:
        from vllm.model_executor.model_loader import register_model_loader
    except ImportError as error:
        _log.warning("%s", _refusal(str(error)))
        return
    if register_model_loader in _registered:
        return
    try:
        loader = _loader()
    except Exception as error:
        loader = _refusing(_refusal(str(error)))
    register_model_loader(_FORMAT)(loader)
    _registered.append(register_model_loader)


def _loader() -> Any:
    from . import vllm_loader

    vllm_loader.check()
    return vllm_loader.ZipnnModelLoader


def _refusal(lacks: str) -> str:
    try:
        from vllm import __version__ as version
    except Exception:
        version = "of an unknown version"
    return (
        f"the load format zipnn needs vLLM 0.10 or later (tried: 0.32.0), and this vLLM {version} lacks something: "
        f"{lacks}. `zipnn run --mount FOLDER -- vllm serve FOLDER` works with every version"
    )


def _refusing(text: str) -> Any:
    """Returns a loader that raises as soon as it is used."""
    from vllm.model_executor.model_loader.base_loader import BaseModelLoader

    class RefusingLoader(BaseModelLoader):  # type: ignore[misc]
        def __init__(self, load_config: Any) -> None:
            raise RuntimeError(text)

        def download_model(self, model_config: Any) -> None:
            raise RuntimeError(text)

        def load_weights(self, model: Any, model_config: Any) -> None:
            raise RuntimeError(text)

    return RefusingLoader
