"""The nodes for ComfyUI on a fake of the modules that they use, with the signatures of ComfyUI 0.3.76, and of an older
one that takes no metadata."""

import enum
import importlib.util
import os
import sys
import types
from pathlib import Path

import pytest
import zipnn

torch = pytest.importorskip("torch")
st = pytest.importorskip("safetensors.torch")

NODES = Path(__file__).resolve().parents[2] / "integrations" / "comfyui" / "__init__.py"
SUFFIXES = {".ckpt", ".pt", ".safetensors"}


def fake_folder_paths(root, kinds):
    made = types.ModuleType("folder_paths")
    made.folder_names_and_paths = {kind: ([os.fspath(root / kind)], set(SUFFIXES)) for kind in kinds}

    def get_filename_list(kind):
        folders, suffixes = made.folder_names_and_paths[kind]
        return sorted(p.name for folder in folders for p in Path(folder).glob("*") if p.suffix in suffixes)

    def get_full_path(kind, name):
        folders = made.folder_names_and_paths[kind][0]
        return next((f"{folder}/{name}" for folder in folders if os.path.isfile(f"{folder}/{name}")), None)

    made.get_filename_list, made.get_full_path = get_filename_list, get_full_path
    made.get_folder_paths = lambda kind: [f"/{kind}"]
    return made


def fake_sd(calls, has_metadata):
    sd = types.ModuleType("comfy.sd")

    def noted(name, result):
        return lambda weights, **named: calls.append((name, weights, named)) or result

    checkpoint, diffusion = noted("checkpoint", ("model", "clip", "vae", None)), noted("diffusion", "model")
    if has_metadata:

        def load_state_dict_guess_config(
            sd, output_vae=True, output_clip=True, output_clipvision=False, embedding_directory=None,
            output_model=True, model_options=None, te_model_options=None, metadata=None, disable_dynamic=False,
        ):  # fmt: skip
            return checkpoint(sd, embeddings=embedding_directory, metadata=metadata)

        def load_diffusion_model_state_dict(sd, model_options=None, metadata=None, disable_dynamic=False):
            return None if "odd" in sd else diffusion(sd, options=model_options, metadata=metadata)

        class VAE:
            def __init__(self, sd=None, device=None, config=None, dtype=None, metadata=None):
                noted("vae", None)(sd, metadata=metadata)

            def throw_exception_if_invalid(self):
                calls.append("checked")
    else:

        def load_state_dict_guess_config(
            sd, output_vae=True, output_clip=True, output_clipvision=False, embedding_directory=None,
            output_model=True, model_options=None,
        ):  # fmt: skip
            return checkpoint(sd, embeddings=embedding_directory)

        def load_diffusion_model_state_dict(sd, model_options=None):
            return diffusion(sd, options=model_options)

        class VAE:
            def __init__(self, sd=None, device=None, config=None, dtype=None):
                noted("vae", None)(sd)

    def load_text_encoder_state_dicts(state_dicts=(), embedding_directory=None, clip_type=None, model_options=None):
        calls.append(("clip", state_dicts, {"type": clip_type, "embeddings": embedding_directory}))
        return "clip"

    def load_lora_for_models(model, clip, lora, strength_model, strength_clip):
        calls.append(("lora", lora, {"strengths": (strength_model, strength_clip)}))
        return model + "+", clip + "+"

    sd.CLIPType = enum.Enum("CLIPType", "STABLE_DIFFUSION SD3 FLUX")
    sd.load_state_dict_guess_config, sd.load_diffusion_model_state_dict = (
        load_state_dict_guess_config, load_diffusion_model_state_dict
    )  # fmt: skip
    sd.VAE, sd.load_text_encoder_state_dicts, sd.load_lora_for_models = (
        VAE, load_text_encoder_state_dicts, load_lora_for_models
    )  # fmt: skip
    return sd


@pytest.fixture(params=["new", "old"])
def comfy(request, tmp_path, monkeypatch):
    new = request.param == "new"
    kinds = ["checkpoints", "vae", "loras", *(["diffusion_models", "text_encoders"] if new else ["unet", "clip"])]
    for kind in kinds:
        (tmp_path / kind).mkdir()
    calls = []
    package = types.ModuleType("comfy")
    package.sd = fake_sd(calls, new)
    folders = fake_folder_paths(tmp_path, kinds)
    for name, module in {"comfy": package, "comfy.sd": package.sd, "folder_paths": folders}.items():
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("comfyui_zipnn", NODES)
    nodes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(nodes)
    return types.SimpleNamespace(nodes=nodes.NODE_CLASS_MAPPINGS, root=tmp_path, calls=calls, new=new, paths=folders)


def weights(seed):
    return {"w": torch.randn(60, 50, generator=torch.Generator().manual_seed(seed)).half(), "b": torch.zeros(3)}


def put(folder, name, seed=1, base=None, **metadata):
    """An archive in the folder: NAME.safetensors.znn."""
    path = folder / f"{name}.safetensors"
    st.save_file(weights(seed), path, metadata or None)
    zipnn.compress_file(path, base=base)
    path.unlink()


def same(found, seed):
    assert found.keys() == weights(seed).keys() and all(torch.equal(found[k], t) for k, t in weights(seed).items())


def choices(node, name="name"):
    return node.INPUT_TYPES()["required"][name][0]


def test_checkpoints(comfy):
    folder = comfy.root / "checkpoints"
    put(folder, "a", 1, format="pt")
    st.save_file(weights(2), folder / "plain.safetensors")
    st.save_file(weights(3), folder / "inside.safetensors")
    zipnn.compress_file(folder / "inside.safetensors")
    os.replace(folder / "inside.safetensors.znn", folder / "inside.safetensors")
    torch.save({"state_dict": weights(4)}, folder / "old.ckpt")
    zipnn.compress_file(folder / "old.ckpt")
    (folder / "old.ckpt").unlink()
    node = comfy.nodes["CheckpointLoaderZipnn"]
    assert choices(node) == ["a.safetensors.znn", "inside.safetensors", "old.ckpt.znn"]
    for seed, name in ((1, "a.safetensors.znn"), (3, "inside.safetensors"), (4, "old.ckpt.znn")):
        assert getattr(node(), node.FUNCTION)(name=name) == ("model", "clip", "vae")
        kind, found, named = comfy.calls.pop()
        same(found, seed)
        assert kind == "checkpoint" and named["embeddings"] == ["/embeddings"]
        if comfy.new:
            assert named["metadata"] == ({"format": "pt"} if seed == 1 else None)
    with pytest.raises(FileNotFoundError, match="no such file among the checkpoints"):
        node().load("none.znn")
    assert comfy.paths.get_filename_list("checkpoints") == ["inside.safetensors", "plain.safetensors"]


def test_diffusion_models(comfy):
    folder = comfy.root / ("diffusion_models" if comfy.new else "unet")
    put(folder, "base", 1)
    zipnn.decompress_file(folder / "base.safetensors.znn")
    put(folder, "tuned", 2, base=folder / "base.safetensors")
    (folder / "base.safetensors").unlink()
    node = comfy.nodes["DiffusionModelLoaderZipnn"]
    options = {"default": {}, "fp8_e5m2": {"dtype": torch.float8_e5m2}, "fp8_e4m3fn": {"dtype": torch.float8_e4m3fn}}
    options["fp8_e4m3fn_fast"] = {"dtype": torch.float8_e4m3fn, "fp8_optimizations": True}
    assert set(choices(node, "weight_dtype")) == set(options)
    for kind, wanted in options.items():
        assert node().load("tuned.safetensors.znn", kind) == ("model",)
        _, found, named = comfy.calls.pop()
        same(found, 2)
        assert named["options"] == wanted
    if comfy.new:
        st.save_file({"odd": torch.ones(3)}, folder / "odd.safetensors")
        zipnn.compress_file(folder / "odd.safetensors")
        with pytest.raises(RuntimeError, match=r"odd.*ComfyUI does not know what model this is"):
            node().load("odd.safetensors.znn")


def test_text_encoders_vae_and_lora(comfy):
    clips = comfy.root / ("text_encoders" if comfy.new else "clip")
    put(clips, "a", 1)
    put(clips, "b", 2)
    node = comfy.nodes["CLIPLoaderZipnn"]
    assert choices(node, "type") == ["stable_diffusion", "sd3", "flux"]
    assert node().load("a.safetensors.znn", "flux", name2="b.safetensors.znn") == ("clip",)
    _, found, named = comfy.calls.pop()
    same(found[0], 1)
    same(found[1], 2)
    assert len(found) == 2 and named["type"].name == "FLUX"
    put(comfy.root / "vae", "v", 3, kind="x")
    comfy.nodes["VAELoaderZipnn"]().load("v.safetensors.znn")
    if comfy.new:
        assert comfy.calls.pop() == "checked" and comfy.calls[-1][2] == {"metadata": {"kind": "x"}}
    same(comfy.calls.pop()[1], 3)
    put(comfy.root / "loras", "l", 4)
    lora = comfy.nodes["LoraLoaderZipnn"]
    assert lora().load("m", "c", "l.safetensors.znn", 0.5, 0.25) == ("m+", "c+")
    _, found, named = comfy.calls.pop()
    same(found, 4)
    assert named == {"strengths": (0.5, 0.25)}
    assert lora().load("m", "c", "l.safetensors.znn", 0, 0) == ("m", "c") and not comfy.calls


def test_compress(comfy):
    path = comfy.root / "loras" / "l.safetensors"
    st.save_file({"w": weights(1)["w"].repeat(50, 20)}, path)
    node = comfy.nodes["CompressModelZipnn"]
    assert choices(node, "model") == ["loras/l.safetensors"]
    done = node().compress("loras/l.safetensors", level=1)
    assert done["result"][0].startswith("l.safetensors: ") and path.exists()
    assert choices(comfy.nodes["LoraLoaderZipnn"]) == ["l.safetensors.znn"]
    with pytest.raises(FileExistsError):
        node().compress("loras/l.safetensors", remove_original=True)
    assert path.exists()
    path.with_name("l.safetensors.znn").unlink()
    node().compress("loras/l.safetensors", remove_original=True)
    assert os.listdir(path.parent) == ["l.safetensors.znn"]


def test_every_node_is_one_of_comfyui(comfy):
    for node in comfy.nodes.values():
        assert node.INPUT_TYPES()["required"] and node.RETURN_TYPES and callable(getattr(node, node.FUNCTION))
        assert node.CATEGORY
