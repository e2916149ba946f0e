"""torch tensors: native bf16 and fp8, the twins of safetensors.torch, state dicts."""

import pytest
import zipnn

torch = pytest.importorskip("torch")
plain = pytest.importorskip("safetensors.torch")

import zipnn.safetensors as twin  # noqa: E402
import zipnn.safetensors.torch as ours  # noqa: E402
import zipnn.torch  # noqa: E402


@pytest.fixture
def tensors():
    g = torch.Generator().manual_seed(3)
    weights = torch.randn(900, 500, generator=g) * 0.02
    return {
        "bf16": weights.to(torch.bfloat16),
        "f32": weights[:50].clone(),
        "f16": weights[:33].to(torch.float16),
        "e4m3": weights[:9].to(torch.float8_e4m3fn),
        "e5m2": weights[:9].to(torch.float8_e5m2),
        "i64": torch.arange(100),
        "flags": torch.arange(7) > 3,
        "scalar": torch.tensor(1.5),
        "empty": torch.zeros(0, 3),
    }


def same(left, right):
    assert set(left) == set(right)
    for name in left:
        assert left[name].dtype == right[name].dtype and left[name].shape == right[name].shape
        a, b = (t[name].reshape(-1).view(torch.uint8) if t[name].numel() else t[name] for t in (left, right))
        assert torch.equal(a, b)


def test_files(tmp_path, tensors):
    znn, st = tmp_path / "m.safetensors.znn", tmp_path / "m.safetensors"
    ours.save_file(tensors, znn, {"format": "pt"})
    plain.save_file(tensors, st, {"format": "pt"})
    assert zipnn.decompress(znn.read_bytes()) == st.read_bytes()
    same(ours.load_file(znn), tensors)
    same(ours.load_file(st), tensors)
    same(ours.load(znn.read_bytes()), tensors)
    same(ours.load(st.read_bytes()), tensors)
    with twin.safe_open(znn, "pt") as f, plain.safe_open(st, "pt") as g:
        assert list(f.keys()) == list(g.keys()) and f.metadata() == g.metadata()
        for name in f.keys():
            same({name: f.get_tensor(name)}, {name: g.get_tensor(name)})
        for index in (slice(3, 9), 7, (slice(2, 5), slice(1, 3))):
            assert torch.equal(f.get_slice("bf16")[index], tensors["bf16"][index])
    with zipnn.Archive(znn) as a:
        assert torch.equal(a["bf16"][100:200].torch(), tensors["bf16"][100:200])


def test_loaded_tensors_are_writable(tensors):
    loaded = ours.load(ours.save(tensors))
    loaded["bf16"].add_(1)
    assert torch.equal(loaded["f32"], tensors["f32"])


def test_refusals(tensors):
    with pytest.raises(ValueError, match="contiguous"):
        ours.save({"x": tensors["f32"].T})
    with pytest.raises(RuntimeError, match="share"):
        ours.save({"x": tensors["f32"], "y": tensors["f32"][1:]})
    with pytest.raises(ValueError, match="not a tensor"):
        ours.save({"x": [1]})


def test_state_dicts(tmp_path, tensors):
    path = tmp_path / "state.znn"
    state = dict(tensors, tied=tensors["bf16"], turned=tensors["f32"].T)
    zipnn.torch.save(state, path)
    loaded = zipnn.torch.load(path)
    same(loaded, dict(state, turned=state["turned"].contiguous()))
    assert loaded["tied"].data_ptr() == loaded["bf16"].data_ptr()
    rows = {"all": tensors["f32"], "some": tensors["f32"][3:5]}
    zipnn.torch.save(rows, path)
    same(zipnn.torch.load(path), rows)
    wave = torch.randn(5, dtype=torch.complex64)
    zipnn.torch.save({"a": wave, "b": wave.conj(), "c": wave.imag.clone(), "d": wave.conj().imag}, path)
    back = zipnn.torch.load(path)
    assert torch.equal(back["b"], wave.conj()) and torch.equal(back["d"], -wave.imag)
    with pytest.raises(TypeError, match="step.*object"):
        zipnn.torch.save({"step": object()}, path)
    layer = torch.nn.Linear(3, 4)
    zipnn.torch.save(layer.state_dict(), path)
    torch.nn.Linear(3, 4).load_state_dict(zipnn.torch.load(path))
