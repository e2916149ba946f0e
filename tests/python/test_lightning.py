"""The CheckpointIO for Lightning, on a fake of the class that it derives from. Lightning itself runs in
tests/integration/python_libraries.py."""

import abc
import importlib
import os
import sys
import types

import pytest
import zipnn

torch = pytest.importorskip("torch")


class CheckpointIO(abc.ABC):
    """As lightning.fabric 2.6 has it."""

    @abc.abstractmethod
    def save_checkpoint(self, checkpoint, path, storage_options=None):
        """Writes a checkpoint."""

    @abc.abstractmethod
    def load_checkpoint(self, path, map_location=None, weights_only=None):
        """Returns a checkpoint."""

    @abc.abstractmethod
    def remove_checkpoint(self, path):
        """Removes a checkpoint."""


@pytest.fixture(params=["lightning.fabric", "lightning_fabric"])
def io(request, monkeypatch):
    for name in ("lightning", "lightning.fabric", "lightning_fabric"):
        monkeypatch.setitem(sys.modules, name, None)
    parts = f"{request.param}.plugins.io.checkpoint_io".split(".")
    for n in range(1, len(parts) + 1):
        module = types.ModuleType(".".join(parts[:n]))
        module.__path__ = []
        module.CheckpointIO = CheckpointIO
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.delitem(sys.modules, "zipnn.lightning", raising=False)
    yield importlib.import_module("zipnn.lightning").ZipnnCheckpointIO(level=1)
    sys.modules.pop("zipnn.lightning", None)
    vars(zipnn).pop("lightning", None)


def state():
    return {"state_dict": {"w": torch.randn(200, 300, generator=torch.Generator().manual_seed(1))}, "epoch": 4}


def same(found):
    assert found["epoch"] == 4 and torch.equal(found["state_dict"]["w"], state()["state_dict"]["w"])


def test_a_checkpoint_keeps_its_name(io, tmp_path):
    path = tmp_path / "new folder" / "epoch=4.ckpt"
    io.save_checkpoint(state(), path)
    assert os.listdir(path.parent) == ["epoch=4.ckpt"] and zipnn.safetensors.is_archive(path)
    for weights_only in (None, True, False):
        same(io.load_checkpoint(path, map_location="cpu", weights_only=weights_only))
    torch.save(state(), path)  # of an earlier run
    same(io.load_checkpoint(os.fspath(path)))
    io.remove_checkpoint(path)
    io.remove_checkpoint(path)
    assert not path.exists()
    path.mkdir()
    (path / "shard").write_bytes(b"x")
    io.remove_checkpoint(path)
    assert not path.exists()


def test_a_save_that_fails_leaves_the_last_one(io, tmp_path):
    path = tmp_path / "last.ckpt"
    io.save_checkpoint(state(), path)
    with pytest.raises(Exception, match="pickle"):
        io.save_checkpoint({"f": lambda: 0}, path)
    same(io.load_checkpoint(path))
    assert os.listdir(tmp_path) == ["last.ckpt"]


def test_object_stores(io):
    fsspec = pytest.importorskip("fsspec")
    url = "memory://test_lightning/run/last.ckpt"
    io.save_checkpoint(state(), url, storage_options={})
    same(io.load_checkpoint(url))
    assert fsspec.open(url).open().read(3) == b"\x8fZN"
    io.remove_checkpoint(url)
    with pytest.raises(Exception, match="pickle"):
        io.save_checkpoint({"f": lambda: 0}, url)
    assert not fsspec.filesystem("memory").exists("/test_lightning/run/last.ckpt")


def test_without_lightning(monkeypatch):
    for name in ("lightning", "lightning.fabric", "lightning_fabric"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "zipnn.lightning", raising=False)
    with pytest.raises(ImportError, match="needs the package lightning"):
        importlib.import_module("zipnn.lightning")
