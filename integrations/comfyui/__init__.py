"""Nodes for ComfyUI that load models from archives of zipnn, and one that makes them.

Archives are X.safetensors.znn (also X.ckpt.znn, X.pt.znn) in the folders where ComfyUI keeps models, or files that are
archives under their own names, as `zipnn --in-place` makes them. The weights are decoded to memory of the CPU, and from
there on everything is ComfyUI's: it finds out what model it is, and moves it to the device.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

import comfy.sd
import folder_paths
import torch
import zipnn
import zipnn.safetensors
import zipnn.safetensors.torch

# What ComfyUI calls a kind of models, today and before.
_KINDS = {
    "checkpoints": ("checkpoints",),
    "diffusion models": ("diffusion_models", "unet"),
    "text encoders": ("text_encoders", "clip"),
    "vae": ("vae",),
    "loras": ("loras",),
}
_TYPES = (
    "stable_diffusion stable_cascade sd3 stable_audio mochi ltxv pixart cosmos lumina2 wan hidream chroma ace omnigen2 "
    "qwen_image hunyuan_image hunyuan_video flux flux2 kandinsky5"
).split()


def _kind(title: str) -> str:
    known = folder_paths.folder_names_and_paths
    return next((name for name in _KINDS[title] if name in known), _KINDS[title][0])


def _archives_of(title: str) -> str:
    """Returns the name of a kind of our own: the same folders, and archives in them. The suffix is not added to the
    kinds of ComfyUI, whose loaders would be offered archives that they cannot read."""
    kind = _kind(title)
    folders = folder_paths.folder_names_and_paths[kind][0]
    folder_paths.folder_names_and_paths[kind + "_znn"] = (folders, {".znn"})
    return kind + "_znn"


def _listed(title: str) -> list[str]:
    """Returns the archives of a kind: those named .znn, and those under their own names."""
    named = folder_paths.get_filename_list(_archives_of(title))
    inside = [name for name in folder_paths.get_filename_list(_kind(title)) if _is_archive(_path(title, name))]
    return sorted({*named, *inside})


def _path(title: str, name: str) -> str:
    for kind in (_archives_of(title), _kind(title)):
        path = folder_paths.get_full_path(kind, name)
        if path is not None:
            return path
    raise FileNotFoundError(f"{name}: there is no such file among the {title}")


def _is_archive(path: str) -> bool:
    try:
        return zipnn.safetensors.is_archive(path)
    except OSError:
        return False


def _load(path: str) -> tuple[dict[str, torch.Tensor], dict[str, str] | None]:
    """Returns the weights of an archive, and the metadata of a safetensors file. It may be a difference from a file in
    its folder."""
    base = os.path.dirname(path)
    with zipnn.Archive(path, base=base) as archive:
        kind, metadata = archive.info.container, archive.metadata
    if kind == "safetensors":
        return zipnn.safetensors.torch.load_file(path, base=base), metadata
    with zipnn.open(path, base=base) as file:
        state = torch.load(file, map_location="cpu", weights_only=True)
    return state.get("state_dict", state), None


def _call(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Calls a function of ComfyUI with those of the named arguments that its version takes."""
    takes = inspect.signature(function).parameters
    return function(*arguments, **{name: value for name, value in named.items() if name in takes})


def _found(model: Any, path: str) -> Any:
    if model is None:
        raise RuntimeError(f"{path}: ComfyUI does not know what model this is")
    return model


class _Loader:
    """What the nodes share. `title` is the kind of models."""

    title = ""
    FUNCTION = "load"
    CATEGORY = "loaders/zipnn"

    @classmethod
    def _names(cls) -> dict[str, Any]:
        return {"name": (_listed(cls.title),)}

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": cls._names()}


class CheckpointLoaderZipnn(_Loader):
    """Load Checkpoint."""

    title = "checkpoints"
    RETURN_TYPES = ("MODEL", "CLIP", "VAE")

    def load(self, name: str) -> tuple[Any, Any, Any]:
        path = _path(self.title, name)
        weights, metadata = _load(path)
        embeddings = folder_paths.get_folder_paths("embeddings")
        guess = comfy.sd.load_state_dict_guess_config
        out = _call(
            guess, weights, output_vae=True, output_clip=True, embedding_directory=embeddings, metadata=metadata
        )
        return _found(out, path)[:3]


class DiffusionModelLoaderZipnn(_Loader):
    """Load Diffusion Model."""

    title = "diffusion models"
    RETURN_TYPES = ("MODEL",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        kinds = ["default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"]
        return {"required": {**cls._names(), "weight_dtype": (kinds,)}}

    def load(self, name: str, weight_dtype: str = "default") -> tuple[Any]:
        options: dict[str, Any] = {}
        if weight_dtype != "default":
            options["dtype"] = torch.float8_e5m2 if weight_dtype == "fp8_e5m2" else torch.float8_e4m3fn
        if weight_dtype.endswith("_fast"):
            options["fp8_optimizations"] = True
        path = _path(self.title, name)
        weights, metadata = _load(path)
        load = comfy.sd.load_diffusion_model_state_dict
        return (_found(_call(load, weights, model_options=options, metadata=metadata), path),)


class CLIPLoaderZipnn(_Loader):
    """Load CLIP; for models with several text encoders each further one is an input of its own."""

    title = "text encoders"
    RETURN_TYPES = ("CLIP",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        known = [kind for kind in _TYPES if hasattr(comfy.sd.CLIPType, kind.upper())]
        more = ["none", *_listed(cls.title)]
        return {
            "required": {**cls._names(), "type": (known,)},
            "optional": {"name2": (more,), "name3": (more,), "name4": (more,)},
        }

    def load(self, name: str, type: str, name2: str = "none", name3: str = "none", name4: str = "none") -> tuple[Any]:
        paths = [_path(self.title, each) for each in (name, name2, name3, name4) if each != "none"]
        clip = comfy.sd.load_text_encoder_state_dicts(
            [_load(path)[0] for path in paths],
            embedding_directory=folder_paths.get_folder_paths("embeddings"),
            clip_type=getattr(comfy.sd.CLIPType, type.upper()),
        )
        return (_found(clip, paths[0]),)


class VAELoaderZipnn(_Loader):
    """Load VAE."""

    title = "vae"
    RETURN_TYPES = ("VAE",)

    def load(self, name: str) -> tuple[Any]:
        weights, metadata = _load(_path(self.title, name))
        vae = _call(comfy.sd.VAE, sd=weights, metadata=metadata)
        if hasattr(vae, "throw_exception_if_invalid"):
            vae.throw_exception_if_invalid()
        return (vae,)


class LoraLoaderZipnn(_Loader):
    """Load LoRA."""

    title = "loras"
    RETURN_TYPES = ("MODEL", "CLIP")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        strength = ("FLOAT", {"default": 1.0, "min": -100.0, "max": 100.0, "step": 0.01})
        inputs = {"model": ("MODEL",), "clip": ("CLIP",), **cls._names()}
        return {"required": {**inputs, "strength_model": strength, "strength_clip": strength}}

    def load(self, model: Any, clip: Any, name: str, strength_model: float, strength_clip: float) -> tuple[Any, Any]:
        if strength_model == 0 and strength_clip == 0:
            return model, clip
        weights, _ = _load(_path(self.title, name))
        return comfy.sd.load_lora_for_models(model, clip, weights, strength_model, strength_clip)


class CompressModel:
    """Makes the archive of a model file beside it, reads it back, and tells what that saves."""

    RETURN_TYPES = ("STRING",)
    FUNCTION = "compress"
    CATEGORY = "zipnn"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        names = [
            f"{title}/{name}"
            for title in _KINDS
            for name in folder_paths.get_filename_list(_kind(title))
            if not _is_archive(_path(title, name))
        ]
        level = ("INT", {"default": 3, "min": 1, "max": 9})
        return {"required": {"model": (names,), "level": level, "remove_original": ("BOOLEAN", {"default": False})}}

    def compress(self, model: str, level: int = 3, remove_original: bool = False) -> dict[str, Any]:
        title, _, name = model.partition("/")
        path = folder_paths.get_full_path(_kind(title), name)
        if path is None:
            raise FileNotFoundError(f"{name}: there is no such file among the {title}")
        stats = zipnn.compress_file(path, level=level)
        if zipnn.verify_file(path + ".znn").xxh3 != stats.xxh3:
            raise RuntimeError(f"{path}.znn does not hold what was read from {path}: the original is kept")
        if remove_original:
            os.unlink(path)
        share = stats.archive / max(stats.original, 1)
        sizes = [f"{n / 1e9:.2f} GB" for n in (stats.original, stats.archive, stats.original - stats.archive)]
        text = f"{name}: {sizes[0]} -> {sizes[1]} ({share:.1%}), {sizes[2]} less"
        return {"ui": {"text": [text]}, "result": (text,)}


_NODES = {
    "CheckpointLoaderZipnn": (CheckpointLoaderZipnn, "Load Checkpoint (zipnn)"),
    "DiffusionModelLoaderZipnn": (DiffusionModelLoaderZipnn, "Load Diffusion Model (zipnn)"),
    "CLIPLoaderZipnn": (CLIPLoaderZipnn, "Load CLIP (zipnn)"),
    "VAELoaderZipnn": (VAELoaderZipnn, "Load VAE (zipnn)"),
    "LoraLoaderZipnn": (LoraLoaderZipnn, "Load LoRA (zipnn)"),
    "CompressModelZipnn": (CompressModel, "Compress Model (zipnn)"),
}
NODE_CLASS_MAPPINGS = {name: node for name, (node, _) in _NODES.items()}
NODE_DISPLAY_NAME_MAPPINGS = {name: title for name, (_, title) in _NODES.items()}
__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
