"""Whole checkpoints without pickle, in the background, and models written tensor by tensor."""

import io
import math
from collections import OrderedDict

import pytest
import zipnn

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

import zipnn.torch  # noqa: E402
from zipnn.safetensors import Writer, layout, safe_open  # noqa: E402
from zipnn.safetensors import torch as twin  # noqa: E402


def same(a, b):
    assert type(a) is type(b), (a, b)
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            same(x, y)
    else:
        assert a == b or (a != a and b != b)


def test_checkpoints(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(40, 30), torch.nn.Linear(30, 2))
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    model(torch.randn(5, 40)).sum().backward()
    optimizer.step()
    w = torch.arange(6.0)
    tree = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "lr": schedule.state_dict()["_last_lr"],
        "step": 1 << 70,
        "text": "a\ud800\0\"é",
        "none": [None, True, 1.5, -0.0, math.inf, math.nan, 3 + 4j, b"bytes", bytearray(b"x")],
        "kinds": (torch.float16, torch.device("cpu"), torch.Size([1, 2]), OrderedDict(a=1), {}, [], ()),
        7: {None: w, (1, "a"): w, "__metadata__": torch.zeros(0, 3)},
        "a.b": w.clone(),
        "a": {"b": w.clone()},
    }
    del tree["model"]._metadata
    for path in (tmp_path / "c.znn", io.BytesIO()):
        zipnn.torch.save(tree, path)
        back = zipnn.torch.load(path)
        same(back, tree)
        assert back[7][None] is back[7][(1, "a")]
    optimizer.load_state_dict(back["optimizer"])
    one = torch.ones(1)
    for lone in (5, None, "text", [], torch.ones(3), [one], {"n": 1}, {1: one}, {"": one}, (one, one)):
        zipnn.torch.save(lone, tmp_path / "l.znn")
        same(zipnn.torch.load(tmp_path / "l.znn"), lone)


def test_what_trees_refuse(tmp_path):
    path = tmp_path / "x.znn"
    loop = []
    loop.append(loop)
    deep = []
    for _ in range(100000):
        deep = [deep]
    refused = [loop, deep, object(), {"f": len}, [np.ones(3)], {"a": {1, 2}}, [torch.ones(2, dtype=torch.complex128)]]
    for wrong in refused:
        for save in (zipnn.torch.save, zipnn.torch.async_save):
            with pytest.raises((TypeError, ValueError)):
                save(wrong, path)
    with pytest.raises(ValueError, match="zipnn.tree"):
        zipnn.torch.save({}, path, {"zipnn.tree": "x"})
    assert not path.exists()
    hostile = ["", "{", "[" * 100000, '{"a":1,"b":2}', '{"tensor":"no"}', '{"dtype":"load"}', '{"list":5}']
    hostile += ['{"dict":[[1]]}', '{"dict":[[{"list":[]},1]]}', '{"device":"rm"}', "[1]", '{"bytes":"?"}']
    hostile += ['{"size":["a"]}']
    for text in hostile:
        data = twin.save({"w": torch.ones(2)}, {"zipnn.tree": text})
        with pytest.raises((zipnn.FormatError, RuntimeError)):
            zipnn.torch.load(data)


def test_in_the_background(tmp_path):
    w = torch.zeros(200000)
    future = zipnn.torch.async_save({"w": w, "tied": w, "step": 3}, tmp_path / "a.znn")
    w.fill_(1)
    assert future.result(60) is None
    back = zipnn.torch.load(tmp_path / "a.znn")
    assert back["step"] == 3 and not back["w"].any() and back["w"] is back["tied"]
    with pytest.raises(FileNotFoundError):
        zipnn.torch.async_save({"w": w}, tmp_path / "no" / "a.znn").result(60)


@pytest.mark.parametrize("spooled", [False, True])
def test_writer(tmp_path, spooled):
    tensors = {"b": torch.randn(300, 20).bfloat16(), "a": np.arange(50, dtype="i4"), "t": torch.ones(4, 6).T}
    tensors["e"] = np.zeros((0, 2))
    shapes = {n: (t.dtype, tuple(t.shape)) for n, t in tensors.items()}

    def writer(path):
        return Writer(path, None if spooled else shapes, {"k": "v"})

    path = tmp_path / "m.safetensors.znn"
    for target in (path, io.BytesIO()):
        with writer(target) as w:
            for name, tensor in tensors.items():
                w[name] = tensor
            assert not path.exists() or target is not path
        with safe_open(target, "pt") as f:
            assert f.metadata() == {"k": "v"} and set(f.keys()) == set(tensors)
            assert all(torch.equal(f.get_tensor(n), torch.as_tensor(t)) for n, t in tensors.items())
    with pytest.raises(ValueError, match="closed"):
        w["b"] = tensors["b"]
    other = tmp_path / "other.znn"
    with pytest.raises(KeyError):
        with writer(other) as w:
            w["b"] = tensors["b"]
            raise KeyError
    w = writer(other)
    with pytest.raises(ValueError, match="written already"):
        w["b"] = tensors["b"]
        w["b"] = tensors["b"]
    w.discard()
    if not spooled:
        w = writer(other)
        with pytest.raises(ValueError, match="comes where"):
            w["a"] = tensors["a"]
        w.discard()
        with pytest.raises(ValueError, match="missing"):
            with writer(other) as w:
                w["b"] = tensors["b"]
        w = writer(other)
        with pytest.raises(ValueError, match="the header has BF16"):
            w["b"] = tensors["b"].float()
        w.discard()
    w = writer(other)
    w["b"] = tensors["b"]
    del w
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors.znn"]
    for wrong in ({"__metadata__": ("F32", (1,))}, {"a": ("Q4_0", (32,))}, {"a": ("F4", (3,))}):
        with pytest.raises(ValueError):
            Writer(other, wrong)
    assert layout.bytes_of("F4", (3, 4)) == 6


def test_table_for_notebooks(tmp_path):
    twin.save_file({"<b>": torch.ones(3, 4), "w": torch.ones(2)}, tmp_path / "t.znn")
    with zipnn.Archive(tmp_path / "t.znn") as archive:
        page = archive._repr_html_()
    assert "&lt;b&gt;" in page and "<b>" not in page and page.count("<meter") == 2
