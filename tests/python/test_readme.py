"""The programs of python/README.md run: each block of it, in order, in a folder that holds the files which it names."""

import os
import pathlib
import re
import sys

import pytest
import zipnn

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
pytest.importorskip("fsspec")
transformers = pytest.importorskip("transformers")

import safetensors.torch  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, os.fspath(ROOT / "tests" / "support"))
from range_server import RangeServer  # noqa: E402

BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "python" / "README.md").read_text(), re.M | re.S)


def runs(block):
    """Whether a block needs a process group of torch.distributed, which tests/python/test_distributed.py has."""
    return "StorageWriter" not in block


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the blocks find there."""
    torch.manual_seed(1)
    names = {"lm_head.weight": torch.randn(300, 70), "model.norm.weight": torch.ones(70)}
    safetensors.torch.save_file(names, tmp_path / "model.safetensors")
    for step in (1, 2):
        changed = names | {"model.norm.weight": torch.full((70,), float(step))}
        safetensors.torch.save_file(changed, tmp_path / f"step{step}.safetensors")
    (tmp_path / "folder of the run").mkdir()
    (tmp_path / "folder of the run" / "step1.safetensors").write_bytes((tmp_path / "step1.safetensors").read_bytes())
    config = transformers.LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, vocab_size=99
    )
    model = transformers.AutoModelForCausalLM.from_config(config)
    model.save_pretrained(tmp_path / "folder with model*.safetensors.znn")
    weights = tmp_path / "folder with model*.safetensors.znn" / "model.safetensors"
    zipnn.compress_file(weights)
    weights.unlink()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names_of(folder):
    """What the blocks take as given."""
    import fsspec
    import zipnn.fsspec
    import zipnn.torch
    from zipnn.safetensors import Writer
    from zipnn.safetensors.torch import load_file

    model = torch.nn.Linear(70, 300)
    step1 = (folder / "step1.safetensors").read_bytes()
    return {
        "zipnn": zipnn, "torch": torch, "fsspec": fsspec, "Writer": Writer, "AutoModelForCausalLM":
        transformers.AutoModelForCausalLM, "weights": np.arange(5000, dtype="u2"), "model": model,
        "optimizer": torch.optim.AdamW(model.parameters()), "tensor": torch.zeros(4096, 4096, dtype=torch.bfloat16),
        "array": np.zeros(10, "f4"), "tokens": torch.zeros(2, 70), "memory": bytearray(step1),
        "checkpoint": {"step": 3, "w": torch.ones(9)}, "load_file": load_file,
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_every_block(folder):
    import fsspec
    from zipnn import patches

    assert len(BLOCKS) >= 10 and sum(map(runs, BLOCKS)) >= len(BLOCKS) - 1
    names = names_of(folder)
    with RangeServer(os.fspath(folder)) as server:
        for block in filter(runs, BLOCKS):
            block = block.replace("https://example.org/", server.url("plain/")).replace("s3://bucket", "memory://bucket")
            for made in filter(pathlib.Path.is_file, folder.glob("*.safetensors.znn")):
                made.unlink()
            if "compress_file" not in block:
                zipnn.compress_file(folder / "model.safetensors")
            if "memory://" in block:
                fsspec.filesystem("memory").pipe_file(
                    "/bucket/model.safetensors.znn", (folder / "model.safetensors.znn").read_bytes()
                )
            block = block.replace('device="cuda"', 'device="cpu"')
            given = dict(names)
            try:
                exec(compile(block, "python/README.md", "exec"), given)
            except Exception as error:
                raise AssertionError(f"this block fails:\n{block}") from error
            finally:
                for kind in (patches._transformers, patches._safetensors, patches._saving):
                    while kind.wanted:
                        kind.release()
            if "decompress(archive)" in block:
                assert bytes(given["weights"]) == names["weights"].tobytes()
                assert given["head"] == (folder / "model.safetensors").read_bytes()[:100]
            if "zipnn.apply" in block:
                assert given["memory"] == (folder / "step2.safetensors").read_bytes()
