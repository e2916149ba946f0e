"""Loaded tensors as the package safetensors gives them: memory of their own, its arguments, its errors."""

import copy
import io
import pickle
import subprocess
import sys
import types

import pytest
import zipnn

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")

import safetensors.torch as plain  # noqa: E402
import zipnn.safetensors as twin  # noqa: E402
import zipnn.safetensors.numpy as arrays  # noqa: E402
import zipnn.safetensors.torch as ours  # noqa: E402
import zipnn.torch  # noqa: E402
from zipnn.safetensors.exceptions import ClosedError, FormatError, MissingError  # noqa: E402


@pytest.fixture
def state():
    g = torch.Generator().manual_seed(9)
    made = {f"layer.{i}": torch.randn(500 + i, 40, generator=g) for i in range(20)}
    return {
        **made,
        "large": torch.randn(2200, 1000, generator=g),
        "bias": torch.randn(64, generator=g),
        "none": torch.zeros(0, 3),
    }


@pytest.fixture
def path(tmp_path, state):
    path = tmp_path / "model.safetensors.znn"
    ours.save_file(state, path, {"format": "pt"}, level=1)
    return path


def size_of(save, tensor):
    file = io.BytesIO()
    save(tensor, file)
    return len(file.getvalue())


def test_each_tensor_has_its_storage(path, state):
    with twin.safe_open(path, "pt") as f:
        ways = [ours.load_file(path), ours.load(path.read_bytes()), zipnn.torch.load(path), f.get_tensors()]
    for loaded in ways:
        assert list(loaded) == sorted(loaded, key=lambda name: name.encode())  # one type: the order of the file
        for name, tensor in loaded.items():
            assert torch.equal(tensor, state[name])
            assert tensor.untyped_storage().nbytes() == tensor.nbytes and tensor.storage_offset() == 0
            assert tensor.is_contiguous() and tensor.data_ptr() % tensor.element_size() == 0
        assert len({t.untyped_storage().data_ptr() for t in loaded.values() if t.numel()}) == len(state) - 1
        bias = loaded["bias"]
        assert size_of(torch.save, bias) < 3000 and len(pickle.dumps(bias)) < 2000
        assert copy.deepcopy(bias).untyped_storage().nbytes() == 256
        assert size_of(torch.save, loaded["layer.0"]) < 85000
        loaded["layer.1"].add_(1)  # writable, and nobody else's
        assert all(torch.equal(loaded[name], state[name]) for name in state if name != "layer.1")
        bias.share_memory_()
        assert bias.is_shared() and bias.untyped_storage().nbytes() == 256 and not loaded["large"].is_shared()


def test_arrays_have_their_memory(path, state):
    loaded = arrays.load_file(path)
    for name, array in loaded.items():
        np.testing.assert_array_equal(array, state[name].numpy())
        assert array.flags.writeable and array.flags.aligned and array.flags.c_contiguous
        owner = array
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        assert owner.nbytes == array.nbytes
    loaded["layer.1"][:] = 0
    np.testing.assert_array_equal(loaded["layer.2"], state["layer.2"].numpy())


def test_next_steps(path, state, tmp_path):
    """What programs do with a state dict, as after safetensors' load_file."""
    plain.save_file(state, tmp_path / "plain.safetensors")
    for loaded in (ours.load_file(path), plain.load_file(tmp_path / "plain.safetensors")):
        plain.save_file(loaded, tmp_path / "again.safetensors")
        assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "plain.safetensors").read_bytes()
        layer = torch.nn.Linear(40, 500)
        layer.load_state_dict({"weight": loaded["layer.0"], "bias": torch.zeros(500)}, assign=True)
        plain.save_model(layer, tmp_path / "layer.safetensors")
        hub = pytest.importorskip("huggingface_hub")
        (tmp_path / "hub").mkdir(exist_ok=True)
        hub.save_torch_state_dict(loaded, tmp_path / "hub", max_shard_size="1MB")
        assert len(list((tmp_path / "hub").glob("*.safetensors"))) >= 3


@pytest.mark.parametrize("misalign", [0, 1, 2, 4])
def test_tensors_that_are_not_aligned(misalign):
    """Another writer may put them at any byte."""
    import json
    import struct

    rows = np.arange(9, dtype="f8")
    header = {"pad": {"dtype": "U8", "shape": [misalign], "data_offsets": [0, misalign]}}
    header["w"] = {"dtype": "F64", "shape": [9], "data_offsets": [misalign, misalign + 72]}
    text = json.dumps(header).encode()
    archive = zipnn.compress(struct.pack("<Q", len(text)) + text + bytes(misalign) + rows.tobytes())
    assert ours.load(archive)["w"].tolist() == rows.tolist() and ours.load(archive)["w"].data_ptr() % 8 == 0
    assert arrays.load(archive)["w"].tolist() == rows.tolist() and arrays.load(archive)["w"].flags.aligned


def test_chunks_are_decoded_once(path, state, monkeypatch):
    """Reads go from front to back, each where the last one ended."""
    reads = []
    with twin.Model(path) as model:
        read_into = model.archive._archive.read_into

        class Watched:
            def read_into(self, offset, buffer):
                reads.append((offset, len(buffer)))
                read_into(offset, buffer)

        model.archive._archive, kept = Watched(), model.archive._archive
        loaded = model.load(twin.framework_of("pt", "cpu"))
        model.archive._archive = kept
        start = min(t.offset for t in model.tensors.values())
        assert [offset for offset, _ in reads] == [start + sum(n for _, n in reads[:i]) for i in range(len(reads))]
        assert start + sum(n for _, n in reads) == model.archive.info.original and len(reads) <= 3
    assert all(torch.equal(loaded[name], state[name]) for name in state)


# ---- arguments and errors -------------------------------------------------------------------------------------------


def test_errors_are_those_of_both(path):
    with twin.safe_open(path, "pt") as f:
        for call in (lambda: f.get_tensor("nothing"), lambda: f.get_slice("nothing"), lambda: f.get_tensor(3)):
            with pytest.raises(MissingError, match="nothing|3") as caught:
                call()
            assert isinstance(caught.value, (KeyError, LookupError)) and isinstance(caught.value, zipnn.NotFoundError)
            assert isinstance(caught.value, safetensors.SafetensorError)
        part = f.get_slice("bias")
    for call in (f.keys, f.offset_keys, f.metadata, f.get_tensors, lambda: f.get_tensor("bias"), lambda: part[:3]):
        with pytest.raises(ClosedError, match="closed") as caught:
            call()
        assert isinstance(caught.value, (ValueError, safetensors.SafetensorError))
    for arguments in (("pt", "cpu", None, "bogus"), ("bogus",), (None,), ("np", "cuda"), ([],)):
        with pytest.raises(safetensors.SafetensorError) as caught:
            twin.open_archive(path, *arguments)
        assert isinstance(caught.value, zipnn.ArgumentError)
    with pytest.raises(FileNotFoundError):
        ours.load_file(path.with_name("nothing.znn"))
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    for call in (lambda: ours.load(damaged), lambda: twin.safe_open(damaged, "pt").get_tensors()):
        with pytest.raises(zipnn.CorruptError) as caught:
            call()
        assert isinstance(caught.value, safetensors.SafetensorError)
        again = pickle.loads(pickle.dumps(caught.value))
        assert type(again) is type(caught.value) and str(again) == str(caught.value)


def test_errors_without_safetensors():
    program = (
        "import sys; sys.modules['safetensors'] = None; import zipnn, numpy, zipnn.safetensors as t\n"
        "import zipnn.safetensors.numpy as n; from zipnn.safetensors.exceptions import MissingError\n"
        "data = n.save({'w': numpy.ones(3)}); assert n.load(data)['w'].sum() == 3\n"
        "try: t.safe_open(data, 'np').get_tensor('x')\n"
        "except KeyError as e: print(*(c.__name__ for c in type(e).__mro__ if 'afetensor' in c.__name__), 'fine')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "fine", done.stderr


@pytest.mark.parametrize("backend", ["mmap", "pread"])
def test_backends(path, state, tmp_path, backend):
    plain.save_file(state, tmp_path / "m.safetensors")
    for file in (path, tmp_path / "m.safetensors"):
        assert torch.equal(ours.load_file(file, backend=backend)["bias"], state["bias"])
        assert arrays.load_file(file, backend=backend)["bias"].tolist() == state["bias"].tolist()
        with twin.safe_open(file, "pt", backend=backend) as f:
            assert torch.equal(f.get_tensor("bias"), state["bias"])


def test_files_and_bytes(path, state, tmp_path):
    plain.save_file(state, tmp_path / "m.safetensors")
    for file in (path, tmp_path / "m.safetensors"):
        data = file.read_bytes()
        with open(file, "rb") as opened:
            for source in (data, bytearray(data), memoryview(data), io.BytesIO(data), opened):
                for load in (ours.load, ours.load_file, arrays.load, arrays.load_file, zipnn.torch.load):
                    found = load(source)
                    assert set(found) == set(state) and found["bias"].tolist() == state["bias"].tolist()
    with open(path, "rb") as opened, twin.safe_open(opened, "pt") as f:
        assert torch.equal(f.get_slice("layer.3")[7:9], state["layer.3"][7:9])
    for save, load in ((ours.save_file, ours.load), (zipnn.torch.save, zipnn.torch.load)):
        file = io.BytesIO()
        save(state, file)
        assert torch.equal(load(file.getvalue())["large"], state["large"])
    file = io.BytesIO()
    arrays.save_file({"w": np.ones(3)}, file)
    assert arrays.load(file.getvalue())["w"].tolist() == [1, 1, 1]


def fake_module(monkeypatch, name, **functions):
    parts = name.split(".")
    for i in range(1, len(parts) + 1):
        monkeypatch.setitem(sys.modules, ".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
    for key, function in functions.items():
        setattr(sys.modules[name], key, function)


@pytest.mark.parametrize(
    "names, module, function",
    [
        (("flax", "jax"), "jax.numpy", "array"),
        (("tf", "tensorflow"), "tensorflow", "convert_to_tensor"),
        (("mlx",), "mlx.core", "array"),
    ],
)
def test_other_frameworks(path, state, monkeypatch, names, module, function):
    for name in names:
        with monkeypatch.context() as m:
            m.setitem(sys.modules, module.partition(".")[0], None)
            with pytest.raises(ImportError, match=module.partition(".")[0]) as caught:
                twin.safe_open(path, name)
            assert isinstance(caught.value, zipnn.ArgumentError)
        with monkeypatch.context() as m:
            fake_module(m, module, **{function: lambda array, **_: ("made", array.tolist())})
            with twin.safe_open(path, name) as f:
                assert f.get_tensor("bias") == ("made", state["bias"].tolist())
                assert f.get_slice("layer.0")[3:5, 1] == ("made", state["layer.0"][3:5, 1].tolist())
                assert f.get_tensors()["layer.7"] == ("made", state["layer.7"].tolist())


class FakePaddle:
    """What of paddle is used, over an array."""

    def __init__(self, array, **_):
        self.array = array

    def view(self, target):
        return FakePaddle(self.array.view(target.removeprefix("paddle.")))

    def reshape(self, shape):
        return FakePaddle(self.array.reshape(shape))


def test_paddle(path, state, monkeypatch):
    fake_module(monkeypatch, "paddle", to_tensor=FakePaddle, float32="paddle.float32", uint16="paddle.bfloat16")
    sys.modules["paddle"].empty = lambda shape, target: FakePaddle(np.empty(shape, target.removeprefix("paddle.")))
    with twin.safe_open(path, "paddle") as f:
        for name, tensor in state.items():
            array = f.get_tensor(name).array
            assert array.dtype == np.float32 and array.tolist() == tensor.tolist() and array.shape == tensor.shape
        assert f.get_slice("bias")[3:5].array.tolist() == state["bias"][3:5].tolist()
    with pytest.raises(zipnn.UnsupportedError, match="no uint16"):  # it would become bfloat16
        twin.safe_open(ours.save({"w": torch.zeros(3, dtype=torch.uint16)}), "paddle").get_tensor("w")


def test_names_of_old_archives(tmp_path, state):
    """Not every file named .znn.safetensors is one of zipnn 0.x: "znn" may be a variant."""
    file = tmp_path / "model.znn.safetensors"
    for write in (lambda: plain.save_file(state, file), lambda: file.write_bytes(ours.save(state))):
        write()
        assert torch.equal(ours.load_file(file)["bias"], state["bias"])
        with zipnn.zipnn_safetensors():
            assert torch.equal(plain.load_file(file)["bias"], state["bias"])


def test_two_elements_in_a_byte(tmp_path):
    if not hasattr(torch, "float4_e2m1fn_x2"):
        pytest.skip("this torch has no float4_e2m1fn_x2")
    bits = torch.randint(0, 255, (6, 8), dtype=torch.uint8)
    tensors = {"w": bits.view(torch.float4_e2m1fn_x2), "v": bits[0].clone().view(torch.float4_e2m1fn_x2)}
    plain.save_file(tensors, tmp_path / "plain")
    ours.save_file(tensors, tmp_path / "m.znn")
    zipnn.torch.save({**tensors, "tied": tensors["w"]}, tmp_path / "t.znn")
    assert zipnn.decompress((tmp_path / "m.znn").read_bytes()) == (tmp_path / "plain").read_bytes()
    with twin.safe_open(tmp_path / "m.znn", "pt") as f, safetensors.safe_open(tmp_path / "plain", "pt") as g:
        ways = [f.get_tensors(), ours.load_file(tmp_path / "m.znn"), zipnn.torch.load(tmp_path / "t.znn")]
        ways.append({name: f.get_tensor(name) for name in f.keys()})
        for name in f.keys():
            assert f.get_slice(name).get_shape() == g.get_slice(name).get_shape()
            assert f.get_slice(name).get_dtype() == g.get_slice(name).get_dtype() == "F4"
            for found in (*ways, {name: g.get_tensor(name)}):
                assert found[name].dtype == torch.float4_e2m1fn_x2 and found[name].shape == tensors[name].shape
                assert torch.equal(found[name].view(torch.uint8), tensors[name].view(torch.uint8))
        assert torch.equal(f.get_slice("w")[2:4].view(torch.uint8), bits[2:4])
        assert torch.equal(f.get_slice("w")[-1].view(torch.uint8), bits[-1])
        for name, index in (
            ("w", (0, 3)),
            ("w", (slice(None), slice(2))),
            ("v", slice(0, 4)),
            ("v", 1),
            ("w", (..., 1)),
        ):
            with pytest.raises(zipnn.UnsupportedError):  # safetensors itself fails on each index
                f.get_slice(name)[index]
            with pytest.raises(RuntimeError):
                g.get_slice(name)[index]
    with pytest.raises(zipnn.UnsupportedError, match="numpy lacks"):
        arrays.load_file(tmp_path / "m.znn")
    with pytest.raises(ValueError, match="'w' of F4"):
        ours.save({"w": bits[0, 0].view(torch.float4_e2m1fn_x2)})


# ---- models ---------------------------------------------------------------------------------------------------------


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Linear(4, 6)
        self.head = torch.nn.Linear(4, 6)
        self.norm = torch.nn.BatchNorm1d(6)
        self.head.weight = self.embed.weight


def test_models(tmp_path):
    model = Tied()
    files = [(ours, tmp_path / "m.znn"), (ours, tmp_path / "m.safetensors"), (plain, tmp_path / "p.safetensors")]
    for module, file in files:
        module.save_model(model, file, {"who": "me"})
    ours.save_model(model, tmp_path / "q.znn")
    assert ours.load_file(files[0][1]).keys() == plain.load_file(files[2][1]).keys()
    with twin.safe_open(files[0][1], "pt") as f, safetensors.safe_open(files[2][1], "pt") as g:
        assert f.metadata() == g.metadata() == {"who": "me", "head.weight": "embed.weight"}
    for _, file in (*files, (ours, tmp_path / "q.znn")):
        other = Tied()
        missing, unexpected = ours.load_model(other, file)
        assert not missing and not unexpected and other.head.weight is other.embed.weight
        assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values()))
    other = Tied()
    other.more = torch.nn.Linear(1, 1)
    with pytest.raises(RuntimeError, match="missing key.*more.bias"):
        ours.load_model(other, files[0][1])
    assert ours.load_model(other, files[0][1], strict=False) == ({"more.weight", "more.bias"}, [])
    assert plain.load_model(other, files[1][1], strict=False) == ({"more.weight", "more.bias"}, [])
    del other.norm, other.more
    with pytest.raises(RuntimeError, match="unexpected key.*norm.bias"):
        ours.load_model(other, files[0][1])


def test_models_that_share_parts(tmp_path):
    model = torch.nn.Module()
    whole = torch.randn(6, 4)
    model.a = torch.nn.Parameter(whole[:3])
    model.b = torch.nn.Parameter(whole[3:])
    ours.save_model(model, tmp_path / "m.znn")  # neighbours do not overlap
    assert set(ours.load_file(tmp_path / "m.znn")) == {"a", "b"}
    model.b = torch.nn.Parameter(whole[2:])
    with pytest.raises(RuntimeError, match="'a', 'b' share memory"):
        ours.save_model(model, tmp_path / "m.znn")
    model.all = torch.nn.Parameter(whole)
    model.turned = torch.nn.Parameter(whole.T)
    ours.save_model(model, tmp_path / "m.znn")
    assert set(ours.load_file(tmp_path / "m.znn")) == {"all"}
    model.bad = torch.nn.Parameter(torch.empty(3, device="meta"))
    with pytest.raises(ValueError, match="'bad' is on the device meta"):
        ours.save_model(model, tmp_path / "m.znn")


# ---- zipnn.torch ----------------------------------------------------------------------------------------------------


def test_files_of_torch_save(tmp_path):
    checkpoint = {"model": {"w": torch.ones(3)}, "optimizer": {"state": {}}, "step": 7}
    for bad in (torch.nn.Linear(2, 2), {"model": torch.nn.Linear(2, 2)}, [checkpoint, object()]):
        with pytest.raises(TypeError, match="trees are of.*zipnn.open"):
            zipnn.torch.save(bad, tmp_path / "x.znn")
    assert not (tmp_path / "x.znn").exists()
    path = tmp_path / "x.pt.znn"
    with zipnn.open(path, "wb") as f:
        torch.save(checkpoint, f)
    with zipnn.open(path) as f:
        assert torch.load(f)["step"] == 7
    for load in (zipnn.torch.load, ours.load_file, arrays.load_file):
        with pytest.raises(FormatError, match=r"torch.load\(zipnn.open\("):
            load(path)
    torch.save(checkpoint, tmp_path / "x.pt")
    torch.save(checkpoint, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for file in (tmp_path / "x.pt", tmp_path / "old.pt"):
        for source in (file, file.read_bytes(), io.BytesIO(file.read_bytes())):
            with pytest.raises(FormatError, match=r"torch.load\(\)"):
                zipnn.torch.load(source)


def test_ties(tmp_path):
    w = torch.randn(3, 4)
    path = tmp_path / "m.safetensors.znn"
    zipnn.torch.save({"a": w, "b": w, "c": w.T}, path)
    zipnn.decompress_file(path)
    for source in (path, tmp_path / "m.safetensors", path.read_bytes(), (tmp_path / "m.safetensors").read_bytes()):
        found = zipnn.torch.load(source)
        assert found["a"] is found["b"] and torch.equal(found["b"], w) and torch.equal(found["c"], w.T)
    with pytest.raises(FormatError, match="'x' is tied to 'y', which is not there"):
        zipnn.torch.load(ours.save({"w": w}, {"zipnn.tied:x": "y"}))
