"""Unchanged programs over archives: safetensors and transformers, patched and put back."""

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zipnn

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")

import safetensors.torch  # noqa: E402, F811
from zipnn import patched_transformers  # noqa: E402

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"


@pytest.fixture
def weights():
    g = torch.Generator().manual_seed(5)
    return {"w": torch.randn(300, 200, generator=g).to(torch.bfloat16), "b": torch.zeros(200)}


def compress_away(path):
    """The archive beside a file that is then gone."""
    zipnn.compress_file(path)
    os.unlink(path)


def test_safetensors(tmp_path, weights):
    original = safetensors.safe_open
    plain, gone = tmp_path / "plain.safetensors", tmp_path / "gone.safetensors"
    safetensors.torch.save_file(weights, plain)
    safetensors.torch.save_file(weights, gone)
    compress_away(gone)
    with zipnn.zipnn_safetensors():
        for path in (plain, gone, str(gone) + ".znn"):
            loaded = safetensors.torch.load_file(path)
            assert all(torch.equal(loaded[name], weights[name]) for name in weights)
            with safetensors.safe_open(path, framework="pt", device="cpu") as f:
                assert torch.equal(f.get_slice("w")[3:5], weights["w"][3:5])
        with pytest.raises(FileNotFoundError):
            safetensors.torch.load_file(tmp_path / "nothing.safetensors")
    assert safetensors.safe_open is original and safetensors.torch.safe_open is original
    with pytest.raises(FileNotFoundError):
        safetensors.torch.load_file(gone)


def test_the_patched_class_is_one(tmp_path, weights):
    path = tmp_path / "m.safetensors"
    safetensors.torch.save_file(weights, path)
    archive = tmp_path / "a.safetensors"
    safetensors.torch.save_file(weights, archive)
    compress_away(archive)
    original = safetensors.safe_open
    with zipnn.zipnn_safetensors():
        for name in (path, archive):
            with safetensors.safe_open(name, framework="pt") as f:
                assert isinstance(f, safetensors.safe_open)
            with safetensors.safe_open(filename=str(name), framework="pt") as f:
                assert sorted(f.keys()) == sorted(weights)
        assert not isinstance(5, safetensors.safe_open)
        assert safetensors.safe_open | None and isinstance(safetensors.safe_open, type)
        assert safetensors.safe_open.__name__ == original.__name__

        class Mine(safetensors.safe_open):
            def first(self):
                return sorted(self.keys())[0]

        for name in (path, archive):
            with Mine(name, framework="pt") as f:
                assert f.first() == "b" and isinstance(f, safetensors.safe_open)
                assert torch.equal(f.get_tensor("w"), weights["w"])
        assert not isinstance(safetensors.safe_open(path, "pt"), Mine)
    assert isinstance(original(path, "pt"), original)


def pack(path):
    """What the command does with --in-place: the file becomes the archive."""
    zipnn.compress_file(path, str(path) + ".new")
    os.replace(str(path) + ".new", path)


def test_files_packed_in_place(tmp_path, weights):
    path = tmp_path / "m.safetensors"
    safetensors.torch.save_file(weights, path, metadata={"format": "pt"})
    pack(path)
    link = tmp_path / "link.safetensors"
    link.symlink_to("m.safetensors")
    with pytest.raises(safetensors.SafetensorError):
        safetensors.torch.load_file(path)
    for name in (path, str(path), link):
        loaded = zipnn.safetensors.torch.load_file(name)
        assert all(torch.equal(loaded[name], weights[name]) for name in weights)
        with zipnn.zipnn_safetensors():
            loaded = safetensors.torch.load_file(name)
            assert all(torch.equal(loaded[name], weights[name]) for name in weights)
            with safetensors.safe_open(name, framework="np" if name is link else "pt") as f:
                assert f.metadata() == {"format": "pt"} and sorted(f.keys()) == sorted(weights)
        with zipnn.Archive(name) as archive:
            assert torch.equal(archive["w"].torch(), weights["w"])


def test_two_truths_are_told(tmp_path, weights, caplog):
    path = tmp_path / "m.safetensors"
    safetensors.torch.save_file(weights, path)
    compress_away(path)
    with zipnn.zipnn_safetensors():
        safetensors.torch.load_file(path)
        assert not caplog.records
        newer = {**weights, "b": weights["b"] + 1}
        safetensors.torch.save_file(newer, path)
        assert "m.safetensors.znn beside it" in caplog.text
        caplog.clear()
        assert torch.equal(safetensors.torch.load_file(path)["b"], newer["b"])
        assert "is read" in caplog.text


def test_patches_count(tmp_path):
    original = safetensors.safe_open
    first, second = zipnn.zipnn_safetensors(), zipnn.zipnn_safetensors()
    first.undo()
    first.undo()
    assert safetensors.safe_open is not original
    second.undo()
    assert safetensors.safe_open is original
    assert "ZIPNN_PATCHES" not in os.environ


def _load_in_child(path, queue):
    import safetensors.torch

    queue.put(float(safetensors.torch.load_file(path)["b"].sum()))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_child_processes(tmp_path, weights, method):
    path = tmp_path / "m.safetensors"
    safetensors.torch.save_file(weights, path)
    compress_away(path)
    with zipnn.zipnn_safetensors():
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        child = context.Process(target=_load_in_child, args=(str(path), queue))
        child.start()
        assert queue.get(timeout=120) == 0.0
        child.join()
        program = "import safetensors.torch, sys; print(len(safetensors.torch.load_file(sys.argv[1])))"
        done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "2"


# ---- transformers ----


def models():
    transformers = pytest.importorskip("transformers")
    small = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 500}
    yield transformers.AutoModelForCausalLM, transformers.LlamaConfig(
        **small, intermediate_size=128, num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=False
    )
    yield transformers.AutoModelForCausalLM, transformers.GPT2Config(n_embd=64, n_layer=2, n_head=4, vocab_size=500)
    yield transformers.AutoModel, transformers.BertConfig(**small, intermediate_size=128, max_position_embeddings=64)
    yield transformers.AutoModelForSeq2SeqLM, transformers.T5Config(
        d_model=64, d_ff=128, num_layers=2, num_heads=4, d_kv=16, vocab_size=500
    )


@pytest.mark.filterwarnings("ignore")
def test_transformers(tmp_path):
    for number, (auto, config) in enumerate(models()):
        torch.manual_seed(number)
        model = auto.from_config(config).to(torch.bfloat16)
        for shards, size in (("one", "5GB"), ("many", "100KB")):
            folder = tmp_path / f"{number}-{shards}"
            model.save_pretrained(folder, max_shard_size=size)
            files = list(folder.glob("*.safetensors"))
            assert (len(files) > 1) == (shards == "many")
            for file in files:
                compress_away(file)
            with pytest.raises(OSError):
                auto.from_pretrained(folder)
            with zipnn.zipnn_hf():
                again = auto.from_pretrained(folder, dtype=torch.bfloat16)
            wanted, got = model.state_dict(), again.state_dict()
            assert set(wanted) == set(got)
            for name in wanted:
                assert wanted[name].dtype == got[name].dtype and torch.equal(wanted[name], got[name]), name


@pytest.mark.filterwarnings("ignore")
def test_a_cache_packed_in_place(tmp_path, monkeypatch):
    """A blob is packed where it lies; every snapshot's link goes on leading to it."""
    transformers = pytest.importorskip("transformers")
    auto, config = next(models())
    model = auto.from_config(config).to(torch.bfloat16)
    repository = tmp_path / "models--someone--something"
    blobs = repository / "blobs"
    blobs.mkdir(parents=True)
    model.save_pretrained(tmp_path / "saved", max_shard_size="100KB")
    for revision in ("one", "two"):
        snapshot = repository / "snapshots" / (revision[0] * 40)
        snapshot.mkdir(parents=True)
        for number, file in enumerate(sorted((tmp_path / "saved").iterdir())):
            blob = blobs / f"{number:064x}"
            if not blob.exists():
                blob.write_bytes(file.read_bytes())
                if file.suffix == ".safetensors":
                    pack(blob)
            (snapshot / file.name).symlink_to(f"../../blobs/{blob.name}")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("o" * 40)
    arguments = {"cache_dir": tmp_path, "local_files_only": True, "dtype": torch.bfloat16}
    for revision in ("main", "t" * 40):
        with zipnn.zipnn_hf():
            again = transformers.AutoModelForCausalLM.from_pretrained(
                "someone/something", revision=revision, **arguments
            )
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))


@pytest.mark.filterwarnings("ignore")
def test_example(tmp_path):
    auto, config = next(models())
    auto.from_config(config).save_pretrained(tmp_path)
    compress_away(tmp_path / "model.safetensors")
    command = [sys.executable, EXAMPLES / "transformers_model.py", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "LlamaModel" in done.stdout, done.stderr


@pytest.mark.filterwarnings("ignore")
def test_transformers_leaves_plain_models_alone(tmp_path):
    auto, config = next(models())
    model = auto.from_config(config)
    model.save_pretrained(tmp_path / "plain")
    with zipnn.zipnn_hf():
        again = auto.from_pretrained(tmp_path / "plain")
        with pytest.raises(OSError):
            auto.from_pretrained(tmp_path / "nothing-here")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))


@pytest.mark.filterwarnings("ignore")
def test_index_that_names_archives(tmp_path):
    """As the scripts of zipnn 0.x made it."""
    auto, config = next(models())
    model = auto.from_config(config)
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    for file in tmp_path.glob("*.safetensors"):
        compress_away(file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(index.read_text().replace(".safetensors", ".safetensors.znn"))
    with zipnn.zipnn_hf():
        again = auto.from_pretrained(tmp_path)
        with pytest.raises(OSError):
            auto.from_pretrained(tmp_path, use_safetensors=False)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))
    with pytest.warns(DeprecationWarning, match="replace_local_file"):
        zipnn.zipnn_hf(replace_local_file=True).undo()


def test_index_that_names_missing_parts(tmp_path):
    pytest.importorskip("transformers")
    index = {"metadata": {}, "weight_map": {"w": "model-00001-of-00001.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert patched_transformers._find_checkpoint(tmp_path, {}) is None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("names_archives", [False, True])
def test_pickles(tmp_path, names_archives):
    """pytorch_model.bin.znn, whole and in parts, as zipnn 0.x loaded it."""
    auto, config = next(models())
    model = auto.from_config(config)
    state = model.state_dict()
    for folder in ("whole", "parts"):
        model.config.save_pretrained(tmp_path / folder)
    torch.save(state, tmp_path / "whole" / "pytorch_model.bin")
    names = sorted(state)
    where = {name: f"pytorch_model-0000{i % 2 + 1}-of-00002.bin" for i, name in enumerate(names)}
    for part in set(where.values()):
        torch.save({name: state[name] for name in names if where[name] == part}, tmp_path / "parts" / part)
    if names_archives:
        where = {name: part + ".znn" for name, part in where.items()}
    index = {"metadata": {"total_size": 0}, "weight_map": where}
    (tmp_path / "parts" / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    for file in tmp_path.glob("*/*.bin"):
        compress_away(file)
    with zipnn.zipnn_hf():
        for folder in ("whole", "parts"):
            again = auto.from_pretrained(tmp_path / folder)
            assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))
            with pytest.raises(OSError):
                auto.from_pretrained(tmp_path / folder, use_safetensors=True)


@pytest.mark.filterwarnings("ignore")
def test_saving(tmp_path, weights):
    auto, config = next(models())
    torch.manual_seed(1)
    model = auto.from_config(config)

    def files():
        return sorted(path.name for path in tmp_path.iterdir() if ".safetensors" in path.name)

    def again():
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1)
        return model

    model.save_pretrained(tmp_path)
    with zipnn.zipnn_hf(save=True):
        for size, n in (("5GB", 1), ("100KB", None), ("300KB", None), ("5GB", 1)):
            again().save_pretrained(tmp_path, max_shard_size=size)
            found = [name for name in files() if not name.endswith(".json")]
            assert all(name.endswith(".safetensors.znn") for name in found)
            parts = {name[-len("00001.safetensors.znn") :][:5] for name in found}
            assert len(found) == (n or int(next(iter(parts)))) and len(parts) == 1
            loaded = auto.from_pretrained(tmp_path)
            assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters()))
        safetensors.torch.save_file(weights, tmp_path / "other.safetensors", {"k": "v"})
        assert (tmp_path / "other.safetensors.znn").exists() and not (tmp_path / "other.safetensors").exists()
        with safetensors.safe_open(tmp_path / "other.safetensors", "pt") as f:
            assert f.metadata() == {"k": "v"}
        program = "import safetensors.torch as s, torch, sys; s.save_file({'a': torch.ones(9)}, sys.argv[1])"
        subprocess.run([sys.executable, "-c", program, tmp_path / "child.safetensors"], check=True)
        assert "child.safetensors.znn" in files() and "child.safetensors" not in files()
        with pytest.raises(RuntimeError):
            safetensors.torch.save_file({"a": weights["b"], "b": weights["b"]}, tmp_path / "other.safetensors")
        assert (tmp_path / "other.safetensors.znn").exists()
    safetensors.torch.save_file(weights, tmp_path / "plain.safetensors")
    assert "plain.safetensors" in files()
    assert "ZIPNN_PATCHES" not in os.environ
