"""What the twins, zipnn.torch and the checkpoint writer save: loaded back it is equal. All else is an error that names
it, and never the end of the process."""

import io
import os

import pytest
import zipnn

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")

import safetensors.torch as plain  # noqa: E402
import zipnn.safetensors.numpy as arrays  # noqa: E402
import zipnn.safetensors.torch as ours  # noqa: E402
import zipnn.torch  # noqa: E402
from torch.distributed import checkpoint  # noqa: E402
from zipnn.safetensors import layout  # noqa: E402
from zipnn.torch.distributed import StorageReader, StorageWriter  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's own: nested, sparse and quantized tensors are in flux


class Wrapper(torch.Tensor):
    """As torchao, quanto and Transformer Engine have their weights: a tensor that holds others, and no memory."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        found = func(*(a.inner if isinstance(a, cls) else a for a in args), **(kwargs or {}))
        return cls(found) if isinstance(found, torch.Tensor) else found


class Flat(Wrapper):
    """The same, in the form that torch itself can take apart."""

    def __tensor_flatten__(self):
        return ["inner"], None

    @staticmethod
    def __tensor_unflatten__(parts, context, size, stride):
        return Flat(parts["inner"])


class Refusing(torch.Tensor):
    """Has memory, but every operation on it fails."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_subclass(cls, inner)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError(f"no {func} here")


class Named(torch.Tensor):
    """A subclass that changes functions, not memory."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return super().__torch_function__(func, types, args, kwargs or {})


def resized(nbytes, tensor=None):
    tensor = torch.randn(64, 64) if tensor is None else tensor
    tensor.untyped_storage().resize_(nbytes)
    return tensor


def transposed_short():
    tensor = torch.randn(64, 64).T
    tensor.untyped_storage().resize_(64)
    return tensor


def view_of_short():
    tensor = torch.randn(99)
    view = tensor[50:60]
    tensor.untyped_storage().resize_(100)
    return view


def fake():
    from torch._subclasses import FakeTensorMode

    with FakeTensorMode():
        return torch.randn(3, 3)


def dtensor():
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor

    return distribute_tensor(torch.randn(4, 4), init_device_mesh("cpu", (1,)), [Shard(0)])


@pytest.fixture
def group(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


# Name -> what makes the tensor, what the message says.
REFUSED = {
    "wrapper": (lambda: Wrapper(torch.randn(4, 4)), "Wrapper, which has no memory"),
    "empty wrapper": (lambda: Wrapper(torch.randn(0)), "Wrapper, which has no memory"),
    "parameter of a wrapper": (lambda: torch.nn.Parameter(Wrapper(torch.randn(4))), "has no memory"),
    "freed": (lambda: resized(0), "memory was given back"),
    "freed parameter": (lambda: torch.nn.Parameter(resized(0)), "memory was given back"),
    "short": (lambda: resized(64), "needs 16384 bytes of its storage, which has 64"),
    "transposed short": (transposed_short, "which has 64"),
    "freed conj": (lambda: resized(0, torch.randn(9, dtype=torch.complex64)).conj(), "memory was given back"),
    "view of what is short": (view_of_short, "which has 100"),
    "fake": (fake, "no memory of its own"),
    "zeros of no memory": (lambda: torch._efficientzerotensor(4, 4), "clone"),
    "functional": (lambda: torch._to_functional_tensor(torch.randn(3)), "clone"),
    "meta": (lambda: torch.empty(3, device="meta"), "meta"),
    "not initialized": (lambda: torch.nn.parameter.UninitializedParameter(), "not initialized"),
    "coo": (lambda: torch.eye(4).to_sparse(), "to_dense"),
    "csr": (lambda: torch.eye(4).to_sparse_csr(), "to_dense"),
    "csc": (lambda: torch.eye(4).to_sparse_csc(), "to_dense"),
    "bsr": (lambda: torch.eye(4).to_sparse_bsr((2, 2)), "to_dense"),
    "bsc": (lambda: torch.eye(4).to_sparse_bsc((2, 2)), "to_dense"),
    "mkldnn": (lambda: torch.eye(4).to_mkldnn(), "to_dense"),
    "nested": (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "nested"),
    "jagged": (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged), "nested"),
}
# Refused because safetensors has no type for them; checkpoints take them.
WITHOUT_A_TYPE = {
    "quantized": (lambda: torch.quantize_per_tensor(torch.randn(9), 0.1, 0, torch.qint8), "int_repr"),
    "by channel": (
        lambda: torch.quantize_per_channel(
            torch.randn(3, 4), torch.ones(3).double(), torch.zeros(3).long(), 0, torch.qint8
        ),
        "int_repr",
    ),
    "complex128": (lambda: torch.randn(5, dtype=torch.complex128), "view_as_real"),
    "complex32": (lambda: torch.randn(5).to(torch.complex32), "view_as_real"),
}
TAKEN = {
    "parameter": lambda: torch.nn.Parameter(torch.randn(4, 4)),
    "buffer": lambda: torch.nn.Buffer(torch.randn(4, 4)),
    "graph": lambda: torch.randn(4, requires_grad=True) * 2,
    "inference": lambda: torch.inference_mode()(lambda: torch.randn(4))(),
    "negative": lambda: torch._neg_view(torch.randn(4, 4)),
    "conj": lambda: torch.randn(5, dtype=torch.complex64).conj(),
    "scalar": lambda: torch.tensor(3.5),
    "empty": lambda: torch.zeros(0, 3),
    "empty and freed": lambda: resized(0, torch.zeros(0, 3)),
    "view": lambda: torch.randn(99)[50:60],
    "subclass": lambda: torch.randn(4).as_subclass(Named),
    "subclass with memory": lambda: Refusing(torch.randn(4, 4)),
    "numpy's": lambda: torch.from_numpy(np.arange(5.0)),
    "shared": lambda: torch.randn(5).share_memory_(),
}


def plain_copy(tensor):
    """What should come back."""
    with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
        if isinstance(tensor, Refusing):
            return torch.frombuffer(bytearray(bytes(tensor.untyped_storage())), dtype=tensor.dtype).reshape(
                tensor.shape
            )
        return tensor.detach().resolve_conj().resolve_neg().contiguous().clone().as_subclass(torch.Tensor)


def equal(left, right):
    assert left.dtype == right.dtype and left.shape == right.shape
    return not left.numel() or torch.equal(left.reshape(-1).view(torch.uint8), right.reshape(-1).view(torch.uint8))


def save_checkpoint(tensors, folder, writer=StorageWriter):
    checkpoint.save(tensors, storage_writer=writer(folder), no_dist=True)


@pytest.mark.parametrize("kind", [*REFUSED, *WITHOUT_A_TYPE])
def test_refused_tensors(tmp_path, kind):
    make, message = (REFUSED | WITHOUT_A_TYPE)[kind]
    tensors = {"fine": torch.ones(3), "the layer's": make()}
    path = tmp_path / "x.safetensors.znn"
    path.write_bytes(b"before")
    calls = [lambda: ours.save(tensors), lambda: ours.save_file(tensors, path), lambda: zipnn.torch.save(tensors, path)]
    for call in calls:
        with pytest.raises(ValueError, match=message) as caught:
            call()
        assert "the layer's" in str(caught.value)
    assert path.read_bytes() == b"before" and os.listdir(tmp_path) == [path.name]


# torch's planner, which comes before any writer, ends the process on memory that is gone when it has the bit "conj".
@pytest.mark.parametrize("kind", [kind for kind in REFUSED if kind not in ("not initialized", "freed conj")])
def test_refused_by_checkpoints(tmp_path, kind):
    tensors = {"fine": torch.ones(3), "the layer's": REFUSED[kind][0]()}
    refused_by_torch = kind in ("nested", "jagged", "mkldnn")  # its planner asks for sizes and storages
    with pytest.raises(checkpoint.CheckpointException, match="planner" if refused_by_torch else "the layer's"):
        save_checkpoint(tensors, tmp_path)
    assert not list(tmp_path.glob("*.znn")) and not (tmp_path / ".metadata").exists()


def test_dtensor(tmp_path, group):
    tensors = {"w": dtensor()}
    for call in (lambda: ours.save(tensors), lambda: zipnn.torch.save(tensors, tmp_path / "x.znn")):
        with pytest.raises(ValueError, match=r"'w' is a DTensor.*full_tensor\(\).*zipnn.torch.distributed"):
            call()
    checkpoint.save(tensors, storage_writer=StorageWriter(tmp_path / "c"))
    with pytest.raises(ValueError, match="DTensor"):
        ours.save({"w": torch.nn.Parameter(tensors["w"])})
    assert equal(ours.load(ours.save({"w": tensors["w"].full_tensor()}))["w"], tensors["w"].full_tensor())


def test_inside_transforms():
    seen = []

    def save(tensor):
        with pytest.raises(ValueError, match="'w' is inside a transform of torch.func"):
            ours.save({"w": tensor})
        seen.append(tensor)
        return tensor.sum()

    torch.func.vmap(save)(torch.randn(3, 4))
    torch.func.grad(save)(torch.randn(3, 4))
    torch.func.functionalize(save)(torch.randn(3, 4))
    assert len(seen) == 3


def test_under_modes(tmp_path):
    from torch._subclasses import FakeTensorMode

    real = torch.randn(3, dtype=torch.complex64).conj()
    data = ours.save({"w": real})
    with FakeTensorMode(allow_non_fake_inputs=True):  # what is computed here has no memory
        with pytest.raises(Exception, match="w"):
            ours.save({"w": real})
        with pytest.raises(Exception):
            ours.load(data)
    with torch.device("meta"):
        assert ours.load(data)["w"].device.type == "cpu" and equal(ours.load(data)["w"], plain_copy(real))
        with zipnn.Archive(data) as archive:
            assert equal(archive["w"].torch(), plain_copy(real))


@pytest.mark.parametrize("kind", TAKEN)
def test_taken_tensors(tmp_path, kind):
    tensor = TAKEN[kind]()
    expected = plain_copy(tensor)
    assert equal(ours.load(ours.save({"w": tensor}))["w"], expected)
    path = tmp_path / "x.znn"
    zipnn.torch.save({"w": tensor}, path)
    assert equal(zipnn.torch.load(path)["w"], expected)
    if kind != "subclass with memory":  # torch's planner works on it
        save_checkpoint({"w": tensor}, tmp_path / "c")
        target = {"w": torch.zeros_like(expected)}
        checkpoint.load(target, storage_reader=StorageReader(tmp_path / "c"), no_dist=True)
        assert equal(target["w"], expected)


def test_the_class_of_old():
    for make, message in REFUSED.values():
        with pytest.raises(ValueError, match=message):
            zipnn.ZipNN(input_format="torch").compress(make())
    with pytest.raises(ValueError, match="masked"):
        zipnn.ZipNN(input_format="numpy").compress(np.ma.array([1.0, 2.0], mask=[0, 1]))
    assert (
        zipnn.ZipNN(input_format="numpy").decompress(zipnn.ZipNN(input_format="numpy").compress(np.eye(3).T)).sum() == 3
    )


def test_memory_that_goes_while_saving():
    tensor = torch.randn(1 << 18)

    class Freeing(io.BytesIO):
        def write(self, data):
            if tensor.untyped_storage().nbytes():
                tensor.untyped_storage().resize_(0)
            return super().write(data)

    first = {f"a{i}": torch.randn(1 << 20) for i in range(8)}
    with pytest.raises(ValueError, match="'z' needs .* memory was given back"):
        zipnn.torch.save({**first, "z": tensor}, Freeing())


# ---- numpy ----------------------------------------------------------------------------------------------------------


def resized_owner():
    owner = np.ones(1 << 16)
    view = owner[100:200]
    owner.resize(1, refcheck=False)
    return view


REFUSED_ARRAYS = {
    "beyond its owner": (lambda: np.lib.stride_tricks.as_strided(np.ones(1), (1 << 30,), (8,)), "outside"),
    "owner resized": (resized_owner, "outside"),
    "masked": (lambda: np.ma.array([1.0, 2.0], mask=[0, 1]), "masked array"),
    "objects": (lambda: np.array([object()]), "Python objects"),
    "text": (lambda: np.array(["a"]), "type"),
    "bytes": (lambda: np.array([b"a"]), "type"),
    "structured": (lambda: np.zeros(2, [("a", "f4"), ("b", "i2")]), "type"),
    "structured with objects": (lambda: np.zeros(2, [("a", "O")]), "Python objects"),
    "record": (lambda: np.rec.array([(1.0, 2)], dtype=[("a", "f4"), ("b", "i2")]), "type"),
    "dates": (lambda: np.zeros(2, "M8[s]"), "type"),
    "spans": (lambda: np.zeros(2, "m8[s]"), "type"),
    "complex128": (lambda: np.zeros(2, "c16"), "type"),
    "long double": (lambda: np.zeros(2, "g"), "type"),
    "Fortran": (lambda: np.zeros((2, 3), order="F"), "contiguous"),
    "strided": (lambda: np.zeros(6)[::2], "contiguous"),
    "reversed": (lambda: np.zeros(6)[::-1], "contiguous"),
    "list": (lambda: [1.0], "not a numpy array"),
    "number": (lambda: 1.0, "not a numpy array"),
    "None": (lambda: None, "not a numpy array"),
    "tensor": (lambda: torch.ones(2), "not a numpy array"),
}
TAKEN_ARRAYS = {
    "row of a view": lambda: np.arange(60.0).reshape(3, 4, 5)[1:][0][2:],
    "view of bytes": lambda: np.frombuffer(bytearray(80), "f8")[3:7],
    "windows of one": lambda: np.lib.stride_tricks.as_strided(np.ones(8), (4,), (8,)),
    "swapped": lambda: np.arange(5, dtype=">f4"),
    "swapped complex": lambda: np.arange(5, dtype=">c8"),
    "scalar": lambda: np.array(2.5),
    "numpy's scalar": lambda: np.float32(2.5),
    "empty": lambda: np.zeros((0, 4)),
    "matrix": lambda: np.matrix([[1.0, 2.0], [3.0, 4.0]]),
    "read only": lambda: np.frombuffer(b"12345678", "f4"),
    "broadcast": lambda: np.broadcast_to(np.float32(1), (1, 1)),
    "bool": lambda: np.array([True, False]),
}


@pytest.mark.parametrize("kind", REFUSED_ARRAYS)
def test_refused_arrays(kind):
    make, message = REFUSED_ARRAYS[kind]
    with pytest.raises(ValueError, match=message) as caught:
        arrays.save({"fine": np.ones(2), "the layer's": make()})
    assert "the layer's" in str(caught.value)


@pytest.mark.parametrize("kind", TAKEN_ARRAYS)
def test_taken_arrays(kind):
    array = TAKEN_ARRAYS[kind]()
    back = arrays.load(arrays.save({"w": array}))["w"]
    assert type(back) is np.ndarray and back.shape == array.shape and back.dtype == array.dtype.newbyteorder("<")
    np.testing.assert_array_equal(back, array)


def test_ml_dtypes():
    ml = pytest.importorskip("ml_dtypes")
    for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu"):
        array = np.arange(9).astype(getattr(ml, name))
        back = arrays.load(arrays.save({"w": array}))["w"]
        assert back.dtype == array.dtype and back.tobytes() == array.tobytes()
    for name in ("int4", "uint4", "float4_e2m1fn", "float6_e2m3fn", "float8_e3m4", "float8_e4m3"):
        if hasattr(ml, name):  # one element a byte, or no type of safetensors
            with pytest.raises(ValueError, match="w"):
                arrays.save({"w": np.zeros(8, getattr(ml, name))})


# ---- names and metadata ---------------------------------------------------------------------------------------------

NAMES = [
    "a\0b",
    "\0",
    "",
    " ",
    "é",
    "\U0001f600",
    '"\\/\b\f\n\r\t',
    "\x7f\x1f",
    "n" * 70000,
    "[" * 70000,
    "../x",
    "__METADATA__",
]


def test_any_name_comes_back(tmp_path):
    tensors = {name: torch.full((2,), float(i)) for i, name in enumerate(NAMES)}
    assert zipnn.decompress(ours.save(tensors)) == plain.save(tensors)
    path = tmp_path / "x.znn"
    zipnn.torch.save({**tensors, "tied\0": tensors["a\0b"]}, path)
    for found in (ours.load(ours.save(tensors)), ours.load_file(path), zipnn.torch.load(path)):
        assert set(found) >= set(tensors) and all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert zipnn.torch.load(path)["tied\0"] is not None
    found = arrays.load(arrays.save({name: t.numpy() for name, t in tensors.items()}))
    assert {name: a.tolist() for name, a in found.items()} == {name: t.tolist() for name, t in tensors.items()}


def test_names_that_do_not_come_back(tmp_path):
    path = tmp_path / "x.znn"
    for name, error, message in (
        ("__metadata__", ValueError, "__metadata__"),
        ("a\ud800", ValueError, "Unicode"),
        (1, TypeError, "must be str"),
        (None, TypeError, "must be str"),
        (b"w", TypeError, "must be str"),
    ):
        for call in (
            lambda: ours.save({name: torch.ones(2)}),
            lambda: ours.save_file({name: torch.ones(2)}, path),
            lambda: arrays.save({name: np.ones(2)}),
            lambda: arrays.save_file({name: np.ones(2)}, path),
        ):
            with pytest.raises(error, match=message):
                call()
    for bad in ([torch.ones(2)], torch.ones(2), None):
        with pytest.raises((ValueError, TypeError), match="dict"):
            ours.save(bad)
    for name in ("__metadata__", "a\ud800"):
        with pytest.raises(ValueError):
            zipnn.torch.save({name: torch.ones(2)}, path)
    assert not path.exists()


def test_metadata(tmp_path, monkeypatch):
    w = {"w": torch.ones(2)}
    notes = {"a\0b": "c\0d", "é": "\U0001f600", "": "", "__metadata__": "x", "long": "x" * 70000}
    archive = ours.save(w, notes)
    assert zipnn.safetensors.safe_open(archive, "pt").metadata() == notes
    for bad in ({"a": 1}, {1: "a"}, {"a": None}, {"a": b"b"}, ["a"], "a", {"a": {"b": "c"}}):
        with pytest.raises(TypeError, match="metadata"):
            ours.save(w, bad)
    with pytest.raises(ValueError, match="Unicode"):
        ours.save(w, {"a": "\udc00"})
    with pytest.raises(ValueError, match="zipnn.tied:x"):
        zipnn.torch.save(w, tmp_path / "x.znn", {"zipnn.tied:x": "w"})
    monkeypatch.setattr(layout, "_LONGEST", 4096)
    with pytest.raises(ValueError, match="header of .* bytes, safetensors allows 4096"):
        ours.save(w, {"a": "b" * 5000})
    fits = 4096 - len(b'{"__metadata__":{"a":""},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}')
    assert torch.equal(ours.load(ours.save(w, {"a": "b" * fits}))["w"], w["w"])
    with pytest.raises(ValueError, match="header"):
        ours.save(w, {"a": "b" * (fits + 1)})


# ---- checkpoints ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WITHOUT_A_TYPE)
def test_checkpoints_of_other_types(tmp_path, kind):
    """As torch's own writer and reader."""
    tensor = WITHOUT_A_TYPE[kind][0]()
    found = []
    for writer, reader in ((checkpoint.FileSystemWriter, checkpoint.FileSystemReader), (StorageWriter, StorageReader)):
        folder = tmp_path / writer.__name__
        save_checkpoint({"w": tensor, "x": torch.ones(3)}, folder, writer)
        target = {"w": tensor.clone().fill_(0), "x": torch.zeros(3)}
        checkpoint.load(target, storage_reader=reader(folder), no_dist=True)
        assert torch.equal(target["x"], torch.ones(3)) and target["w"].dtype == tensor.dtype
        found.append(bytes(target["w"].untyped_storage()))
    assert found[0] == found[1] == bytes(tensor.untyped_storage())


def test_checkpoints_of_wrappers(tmp_path):
    tensors = {"w": Flat(torch.randn(4, 4))}
    with pytest.raises(BaseException, match="'w' is a Flat that torch cannot load again"):
        save_checkpoint(tensors, tmp_path / "a")
    freed = torch.randn(4, 4)
    freed.untyped_storage().resize_(0)
    with torch.serialization.safe_globals([Flat]):
        with pytest.raises(BaseException, match="w.inner"):
            save_checkpoint({"w": Flat(freed)}, tmp_path / "b")
        save_checkpoint(tensors, tmp_path / "c")
        target = {"w": Flat(torch.zeros(4, 4))}
        checkpoint.load(target, storage_reader=StorageReader(tmp_path / "c"), no_dist=True)
    assert torch.equal(target["w"].inner, tensors["w"].inner)


def test_any_name_in_checkpoints(tmp_path):
    names = [*NAMES, "__metadata__", "w\ud800", "w\\ud800", "w[0]", "w"]
    state = {name: torch.full((2,), float(i)) for i, name in enumerate(names)}
    objects = {f"object {name}": i for i, name in enumerate(names)} | {"w[0]'": "x"}
    save_checkpoint({"tensors": state, "objects": objects, "__metadata__": 7}, tmp_path)
    target = {"tensors": {name: torch.zeros(2) for name in state}, "objects": dict.fromkeys(objects), "__metadata__": 0}
    checkpoint.load(target, storage_reader=StorageReader(tmp_path), no_dist=True)
    assert target["objects"] == objects and target["__metadata__"] == 7
    assert all(torch.equal(target["tensors"][name], state[name]) for name in state)
