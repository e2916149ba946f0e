"""The load format of vLLM on a fake of the modules that it uses, with the signatures of vLLM 0.32.0; and the iterator
for other engines. The real program runs in tests/integration/vllm_program.py."""

import dataclasses
import json
import logging
import os
import shutil
import sys
import types
from pathlib import Path

import pytest
import zipnn
import zipnn.vllm

torch = pytest.importorskip("torch")
st = pytest.importorskip("safetensors.torch")


def tensors_of(n, experts=2):
    g = torch.Generator().manual_seed(n)
    found = {f"layers.{n}.w": torch.randn(96, 64, generator=g).to(torch.bfloat16), f"layers.{n}.b": torch.zeros(3)}
    for i in range(experts):
        found[f"layers.{n}.experts.{i}.weight"] = torch.randn(32, 32, generator=g)
    return found


@pytest.fixture
def folder(tmp_path):
    """A model in 11 parts, and an older file of all weights, which the index does not name."""
    whole, index = {}, {}
    place = tmp_path / "plain"
    place.mkdir()
    for n in range(11):
        name = f"model-{n + 1}-of-11.safetensors"
        st.save_file(tensors_of(n), place / name)
        whole.update(tensors_of(n))
        index.update(dict.fromkeys(tensors_of(n), name))
    (place / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    st.save_file({"stray": torch.ones(4)}, place / "stray.safetensors")
    return place, whole


def beside(folder, to, pattern="*.safetensors"):
    shutil.copytree(folder, to)
    for path in to.glob(pattern):
        zipnn.compress_file(path)
        path.unlink()
    return to


def in_place(folder, to):
    beside(folder, to)
    for path in to.glob("*.safetensors.znn"):
        path.rename(path.with_suffix(""))
    return to


def same(found, expected):
    found = list(found)
    assert sorted(name for name, _ in found) == sorted(expected)
    for name, tensor in found:
        assert tensor.dtype == expected[name].dtype and torch.equal(tensor, expected[name]), name
    return [name for name, _ in found]


# ---- weights() ------------------------------------------------------------------------------------------------------


def test_weights_of_every_kind_of_folder(folder, tmp_path):
    place, whole = folder
    layers = [f"layers.{n}" for n in range(11)]
    some = beside(place, tmp_path / "some", "model-1*.safetensors")
    for each in (place, beside(place, tmp_path / "beside"), in_place(place, tmp_path / "in place"), some):
        names = same(zipnn.vllm.weights(each), whole)
        assert list(dict.fromkeys(".".join(name.split(".")[:2]) for name in names)) == layers  # part 2 before part 10
    same(zipnn.vllm.weights(some, prefetch=0, threads=1), whole)


def test_weights_without_index_and_of_torch_save(folder, tmp_path):
    place, whole = folder
    (place / "model.safetensors.index.json").unlink()
    same(zipnn.vllm.weights(place), {**whole, "stray": torch.ones(4)})
    same(zipnn.vllm.weights(beside(place, tmp_path / "b"), patterns=["model-2-*.safetensors"]), tensors_of(1))
    old = tmp_path / "old"
    old.mkdir()
    torch.save(tensors_of(1), old / "pytorch_model.bin")
    torch.save({"lr": torch.ones(1)}, old / "training_args.bin")
    same(zipnn.vllm.weights(old), tensors_of(1))
    zipnn.compress_file(old / "pytorch_model.bin")
    (old / "pytorch_model.bin").unlink()
    same(zipnn.vllm.weights(old, wanted=lambda name: name.endswith("b")), {"layers.1.b": torch.zeros(3)})


def test_weights_made_against_a_base_in_the_folder(tmp_path):
    new, old = tmp_path / "model.safetensors", tmp_path / "base"
    old.mkdir()
    st.save_file(tensors_of(1), old / "base.safetensors")
    changed = {**tensors_of(1), "layers.1.b": torch.ones(3)}
    st.save_file(changed, new)
    zipnn.compress_file(new, base=old / "base.safetensors")
    new.unlink()
    with pytest.raises(zipnn.ZipnnError):
        list(zipnn.vllm.weights(tmp_path))
    same(zipnn.vllm.weights(tmp_path, base=old), changed)
    zipnn.compress_file(old / "base.safetensors", tmp_path / "base.znn")
    same(zipnn.vllm.weights(tmp_path), changed)


def test_weights_report_progress_and_both_files(folder, tmp_path, caplog):
    place, whole = folder
    each = beside(place, tmp_path / "b")
    shutil.copy(place / "model-3-of-11.safetensors", each)
    seen = []
    same(zipnn.vllm.weights(each, progress=lambda done, total: seen.append((done, total))), whole)
    assert seen == sorted(seen) and seen[-1][0] == seen[-1][1] > 0 and len({total for _, total in seen}) == 1
    assert "model-3-of-11.safetensors is read" in caplog.text


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"weight_map": {"a": 5}}', '{"weight_map": {"a": "../x"}}', '{"weight_map": {"a": "/x"}}']
)
def test_an_index_that_is_none(tmp_path, text):
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(zipnn.FormatError, match="index"):
        list(zipnn.vllm.weights(tmp_path))


def test_what_is_missing_or_damaged_is_said(folder, tmp_path):
    place, _ = folder
    with pytest.raises(FileNotFoundError, match="no weights"):
        list(zipnn.vllm.weights(tmp_path))
    each = beside(place, tmp_path / "b")
    victim = each / "model-5-of-11.safetensors.znn"
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    with pytest.raises(zipnn.CorruptError):
        list(zipnn.vllm.weights(each))
    victim.unlink()
    with pytest.raises(FileNotFoundError, match="model-5-of-11.safetensors: .*index.json names this file"):
        list(zipnn.vllm.weights(each))


# ---- the load format ------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class LoadConfig:
    load_format: str = "zipnn"
    download_dir: str | None = None
    model_loader_extra_config: dict = dataclasses.field(default_factory=dict)
    ignore_patterns: list = dataclasses.field(default_factory=list)
    use_tqdm_on_load: bool = False
    safetensors_load_strategy: str | None = None


def fake_default_loader(module):
    class BaseModelLoader:
        def __init__(self, load_config):
            self.load_config = load_config

    class DefaultModelLoader(BaseModelLoader):
        @dataclasses.dataclass
        class Source:
            model_or_path: str
            revision: str | None
            subfolder: str | None = None
            prefix: str = ""
            fall_back_to_pt: bool = True
            allow_patterns_overrides: list | None = None
            is_unused_weight: object = None

        counter_before_loading_weights = 0.0

        def __init__(self, load_config):
            super().__init__(load_config)
            self.local_expert_ids = None
            unexpected = set(load_config.model_loader_extra_config) - {"enable_multithread_load", "num_threads"}
            if unexpected:
                raise ValueError(f"Unexpected extra config keys: {unexpected}")

        def _prepare_weights(self, path):
            if self.load_config.load_format not in ("auto", "hf", "safetensors"):
                raise ValueError(f"Unknown load_format: {self.load_config.load_format}")
            files = sorted(Path(path).glob("*.safetensors"))
            if not files:
                raise RuntimeError(f"Cannot find any model weights with `{path}`")
            return files

        def _get_weights_iterator(self, source):
            files = self._prepare_weights(source.model_or_path)
            return ((source.prefix + name, t) for file in files for name, t in st.load_file(file).items())

        def get_all_weights(self, model_config):
            yield from self._get_weights_iterator(self.Source(model_config.model, model_config.revision))

        def download_model(self, model_config):
            self._prepare_weights(model_config.model)

        def load_weights(self, model, model_config):
            model.update(self.get_all_weights(model_config))

    module.DefaultModelLoader, module.BaseModelLoader = DefaultModelLoader, BaseModelLoader


@pytest.fixture
def vllm(monkeypatch):
    """The fake. `registered` holds the loaders; `hub` maps the names of repositories to folders."""
    loaders = "vllm.model_executor.model_loader"
    inner = [loaders, *(f"{loaders}.{n}" for n in "base_loader default_loader weight_utils ep_weight_filter".split())]
    made = {}
    for name in ["vllm", "vllm.logger", "vllm.model_executor", *inner]:
        made[name] = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, made[name])
    root = made["vllm"]
    root.__version__, root.registered, root.hub, root.downloads, root.modules = "0.32.0", {}, {}, [], made
    made["vllm.logger"].init_logger = logging.getLogger

    def register_model_loader(load_format):
        assert load_format not in root.registered, "vLLM warns of what is registered twice"

        def wrapped(loader):
            assert issubclass(loader, made[f"{loaders}.base_loader"].BaseModelLoader)
            root.registered[load_format] = loader
            return loader

        return wrapped

    made[loaders].register_model_loader = register_model_loader
    fake_default_loader(made[f"{loaders}.default_loader"])
    made[f"{loaders}.base_loader"].BaseModelLoader = made[f"{loaders}.default_loader"].BaseModelLoader

    def download(model, cache_dir, allow_patterns, revision=None, subfolder=None, ignore_patterns=None):
        assert allow_patterns and "*.safetensors" not in allow_patterns  # or it takes the names of the index
        root.downloads.append((model, allow_patterns, revision))
        return os.fspath(root.hub[model])

    def download_index(model, index_file, cache_dir, revision=None, subfolder=None):
        root.downloads.append((model, index_file, revision))

    made[f"{loaders}.weight_utils"].download_weights_from_hf = download
    made[f"{loaders}.weight_utils"].download_safetensors_index_file_from_hf = download_index

    def should_skip_weight(name, local):
        return ".experts." in name and int(name.split(".")[3]) not in local

    made[f"{loaders}.ep_weight_filter"].should_skip_weight = should_skip_weight
    monkeypatch.delitem(sys.modules, "zipnn.vllm_loader", raising=False)
    yield root
    sys.modules.pop("zipnn.vllm_loader", None)
    vars(zipnn).pop("vllm_loader", None)


def config_of(folder):
    return types.SimpleNamespace(model=os.fspath(folder), revision=None)


def load(vllm, folder, load_config=None, experts=None):
    loader = vllm.registered["zipnn"](load_config or LoadConfig())
    loader.local_expert_ids = experts
    model = {}
    loader.load_weights(model, config_of(folder))
    return model.items()


def test_vllm_loads_archives_and_plain_files(vllm, folder, tmp_path):
    place, whole = folder
    zipnn.vllm.register()
    zipnn.vllm.register()
    config = LoadConfig(model_loader_extra_config={"threads": 1, "prefetch": 4096, "num_threads": 2})
    for each in (beside(place, tmp_path / "b"), in_place(place, tmp_path / "i"), beside(place, tmp_path / "s", "*2-*")):
        same(load(vllm, each, config), whole)
    same(load(vllm, place), {**whole, "stray": torch.ones(4)})  # by the loader of vLLM, which is faked without index
    assert config == LoadConfig(model_loader_extra_config={"threads": 1, "prefetch": 4096, "num_threads": 2})
    with pytest.raises(RuntimeError, match="Cannot find any model weights"):
        load(vllm, tmp_path / "s" / "..")


def test_vllm_filters_experts_and_unused_weights(vllm, folder, tmp_path):
    place, whole = folder
    zipnn.vllm.register()
    each = beside(place, tmp_path / "b")
    same(load(vllm, each, experts={1}), {name: t for name, t in whole.items() if ".experts.0." not in name})
    loader = vllm.registered["zipnn"](LoadConfig())
    source = loader.Source(os.fspath(each), None, prefix="p.", is_unused_weight=lambda name: name.endswith(".w"))
    kept = {"p." + name: t for name, t in whole.items() if not name.endswith(".w")}
    same(loader._get_weights_iterator(source), kept)
    source = loader.Source(os.fspath(tmp_path), None, "b", allow_patterns_overrides=["model-4-*.safetensors"])
    same(loader._get_weights_iterator(source), tensors_of(3))


def test_vllm_takes_consolidated_files_as_auto_does(vllm, folder, tmp_path):
    place, _ = folder
    st.save_file({"tok_embeddings.weight": torch.ones(5)}, place / "consolidated.safetensors")
    zipnn.vllm.register()
    same(load(vllm, beside(place, tmp_path / "b")), {"tok_embeddings.weight": torch.ones(5)})


def test_vllm_downloads_archives_from_the_hub(vllm, folder, tmp_path):
    place, whole = folder
    zipnn.vllm.register()
    vllm.hub = {"org/model": beside(place, tmp_path / "b"), "org/plain": place}
    same(load(vllm, "org/model"), whole)
    archives = ["*.safetensors.znn"]
    assert vllm.downloads == [
        ("org/model", archives, None), ("org/model", "model.safetensors.index.json", None)
    ]  # fmt: skip
    loader = vllm.registered["zipnn"](LoadConfig())
    loader.download_model(config_of("org/model"))
    with pytest.raises(RuntimeError, match="org/plain"):  # from here on it is vLLM's
        loader.download_model(config_of("org/plain"))


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"threads": True}, {"prefetch": -1}, {"base": 7}, {"thread": 1}])
def test_vllm_options_are_checked(vllm, wrong):
    zipnn.vllm.register()
    with pytest.raises(ValueError, match=next(iter(wrong))):
        vllm.registered["zipnn"](LoadConfig(model_loader_extra_config=wrong))


def test_vllm_refuses_torchao(vllm, folder, tmp_path):
    zipnn.vllm.register()
    with pytest.raises(ValueError, match="torchao"):
        load(vllm, beside(folder[0], tmp_path / "b"), LoadConfig(safetensors_load_strategy="torchao"))


def test_other_versions_of_vllm_are_told(vllm, caplog):
    loaders = vllm.modules["vllm.model_executor.model_loader"]
    inner = vllm.modules["vllm.model_executor.model_loader.default_loader"].DefaultModelLoader
    del inner._get_weights_iterator
    zipnn.vllm.register()
    with pytest.raises(RuntimeError, match=r"needs vLLM 0.10 .*0.32.0 lacks .*_get_weights_iterator.*zipnn run"):
        vllm.registered["zipnn"](LoadConfig())
    del loaders.register_model_loader
    zipnn.vllm.register()
    assert "needs vLLM 0.10" in caplog.text


def test_entry_point():
    from importlib.metadata import entry_points

    (found,) = [e for e in entry_points(group="vllm.general_plugins") if e.name == "zipnn"]
    assert found.load() is zipnn.vllm.register
