"""The frameworks of safetensors besides numpy and torch: the same arrays as the package safetensors gives, there and
back. Each where its package is installed; those that ZIPNN_FRAMEWORKS names (with commas between) must be."""

import importlib
import io
import os

import pytest
import zipnn
from zipnn.safetensors import safe_open

np = pytest.importorskip("numpy")
ml_dtypes = pytest.importorskip("ml_dtypes")
plain = pytest.importorskip("safetensors.numpy")

# The name for safe_open, the module, the package that has to be there, and what the package has no type for.
FRAMEWORKS = {
    "flax": ("flax", "jax.numpy", ["F64", "I64", "U64", "C64"]),  # 64 bits become 32 unless jax is told otherwise
    "tf": ("tensorflow", "tensorflow", []),
    "mlx": ("mlx", "mlx.core", ["F64", "F8_E4M3", "F8_E5M2"]),
    "paddle": ("paddle", "paddle", ["U16", "U32", "U64"]),
}
TYPES = {
    "F64": "f8", "F32": "f4", "F16": "f2", "BF16": ml_dtypes.bfloat16, "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2, "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1", "U64": "u8", "U32": "u4",
    "U16": "u2", "U8": "u1", "BOOL": "?", "C64": "c8",
}  # fmt: skip
WANTED = [name for name in os.environ.get("ZIPNN_FRAMEWORKS", "").split(",") if name]


@pytest.fixture(params=FRAMEWORKS)
def framework(request):
    """The name, the twin, its original, and the types that are left out."""
    module, package, lacks = FRAMEWORKS[request.param]
    if request.param in WANTED:
        importlib.import_module(package)
    else:
        try:
            importlib.import_module(package)
        except ImportError:
            pytest.skip(f"{package} is not installed")
    importlib.import_module(f"safetensors.{module}")
    return request.param, importlib.import_module(f"zipnn.safetensors.{module}"), lacks


def arrays(lacks):
    rng = np.random.default_rng(3)
    made = {name: rng.normal(0, 9, (7, 5)).astype("i1").astype(t) for name, t in TYPES.items() if name not in lacks}
    made["large"] = rng.normal(0, 0.02, (300, 500)).astype("f4")
    made["scalar"] = np.array(2.5, "f4")
    made["empty"] = np.zeros((0, 3), "f4")
    return made


def bits(tensor):
    """Bytes and shape of a tensor of any framework."""
    if hasattr(tensor, "numpy"):
        tensor = tensor.numpy()
    elif str(getattr(tensor, "dtype", "")) == "mlx.core.bfloat16":
        tensor = tensor.view(importlib.import_module("mlx.core").uint16)
    array = np.array(tensor)
    return array.tobytes(), array.shape


@pytest.mark.filterwarnings("ignore")
def test_there_and_back(tmp_path, framework):
    name, twin, lacks = framework
    made = arrays(lacks)
    path = tmp_path / "model.safetensors"
    plain.save_file(made, path)
    zipnn.compress_file(path)
    archive = f"{path}.znn"
    loaded = twin.load_file(archive)
    assert loaded.keys() == made.keys()
    for key, tensor in loaded.items():
        assert bits(tensor) == (made[key].tobytes(), made[key].shape), key

    with safe_open(archive, name) as f:
        for key in made:
            assert bits(f.get_tensor(key)) == bits(loaded[key]), key
            if made[key].ndim == 2:
                assert bits(f.get_slice(key)[2:5]) == (made[key][2:5].tobytes(), made[key][2:5].shape), key
        assert type(f.get_tensor("large")) is type(loaded["large"])

    for again in (twin.load(twin.save(loaded)), _by_file(twin, loaded, tmp_path / "again.znn")):
        for key, tensor in again.items():
            assert bits(tensor) == bits(loaded[key]) and tensor.dtype == loaded[key].dtype, key
    file = io.BytesIO()
    twin.save_file(loaded, file, {"a": "b"})
    with zipnn.Archive(file.getvalue()) as archive:
        assert archive.metadata == {"a": "b"}
        for key in made:
            assert archive[key].bytes() == made[key].tobytes() and archive[key].shape == made[key].shape, key
            assert archive[key].dtype == (key if key in TYPES else "F32"), key


def _by_file(twin, tensors, path):
    twin.save_file(tensors, path, level=1)
    assert zipnn.Archive(path).info.level == 1
    return twin.load_file(path, backend="pread")


@pytest.mark.filterwarnings("ignore")
def test_plain_files(tmp_path, framework):
    _, twin, _ = framework
    made = {"w": np.arange(12, dtype="f4").reshape(3, 4)}
    path = tmp_path / "plain.safetensors"
    twin.save_file(twin.load(zipnn.compress(plain.save(made))), path)
    assert plain.load_file(path)["w"].tobytes() == made["w"].tobytes()
    assert bits(twin.load_file(path)["w"]) == bits(twin.load(path.read_bytes())["w"]) == (made["w"].tobytes(), (3, 4))


@pytest.mark.filterwarnings("ignore")
def test_mistakes(tmp_path, framework):
    _, twin, _ = framework
    with pytest.raises(ValueError, match="'w'"):
        twin.save_file({"w": object()}, tmp_path / "x.znn")
    with pytest.raises(ValueError, match="dict"):
        twin.save([1])
    assert not (tmp_path / "x.znn").exists()
