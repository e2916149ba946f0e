"""The face of zipnn 0.x, fsspec, and the examples."""

import importlib.machinery
import os
import pathlib
import pickle
import shutil
import subprocess
import sys

import pytest
import zipnn

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "python"
OLD = ROOT.parent / "shared" / "data" / "legacy"


def test_bytes(weights):
    z = zipnn.ZipNN(bytearray_dtype="float32", threads=2)
    assert z.decompress(z.compress(weights)) == weights


def test_numpy():
    np = pytest.importorskip("numpy")
    z = zipnn.ZipNN(input_format="numpy")
    for array in (np.arange(60, dtype="f4").reshape(3, 4, 5), np.arange(6).reshape(2, 3).T, np.array(1.5)):
        back = z.decompress(z.compress(array))
        assert back.dtype == array.dtype and back.shape == array.shape and (back == array).all()


def test_torch():
    torch = pytest.importorskip("torch")
    z = zipnn.ZipNN(input_format="torch")
    tensor = torch.arange(100).reshape(4, 25).to(torch.bfloat16)
    back = z.decompress(z.compress(tensor))
    assert back.dtype == tensor.dtype and torch.equal(back, tensor)


def test_parameters():
    with pytest.warns(DeprecationWarning, match="zstd_level") as caught:
        zipnn.ZipNN(zstd_level=9)
    assert caught[0].filename == __file__
    zipnn.ZipNN(method="auto", zstd_level=3, lossy_compressed_type=0)
    with pytest.raises(zipnn.UnsupportedError, match="lossy"):
        zipnn.ZipNN(lossy_compressed_type=1)
    with pytest.raises(TypeError, match="colour"):
        zipnn.ZipNN(colour=1)
    wrong = {"input_format": "file", "method": "bogus", "compression_chunk": 100000, "delta_compressed_type": "words"}
    for name, value in wrong.items():
        with pytest.raises(ValueError, match=name):
            zipnn.ZipNN(**{name: value})
    with pytest.warns(DeprecationWarning, match="input_file"):
        zipnn.ZipNN(input_file="x")
    tuned = (0.95, 10, 0, 0, 0, 0, 27, 1 << 18, False, 1 << 20, None, None, None, 3, 0)
    z = zipnn.ZipNN("HUFFMAN", "byte", "float32", 0, 2, *tuned)
    assert (z.method, z.input_format, z.threads, z.is_streaming, z.bytearray_dtype) == (1, 1, 2, False, "float32")
    from zipnn.zipnn import ZipNN

    assert ZipNN is zipnn.ZipNN


OLD_PARAMETERS = {
    "method": ("AUTO", "auto", "zstd", "huffman", "lz4", "LZ4", "snappy"),
    "bytearray_dtype": ("float32", "uint32", "uint16", "half", "float", "float64", "int32", "uint8", None),
    "is_monotonic": (1,),
    "threads": (4,),
    "compression_threshold": (0.8,),
    "check_th_after_percent": (20,),
    "byte_reorder": (10,),
    "reorder_signbit": (255,),
    "lossy_compressed_factor": (20,),
    "compression_chunk": (131072,),
    "is_streaming": (True,),
    "streaming_chunk": (65536,),
    "input_file": ("x",),
    "compressed_file": ("y",),
    "decompressed_file": ("z",),
    "zstd_level": (9,),
    "lz4_compression_level": (3,),
}


@pytest.mark.filterwarnings("ignore:ZipNN:DeprecationWarning")
def test_what_0x_took(weights):
    small = weights[:120001]
    for name, values in OLD_PARAMETERS.items():
        for value in values:
            z = pickle.loads(pickle.dumps(zipnn.ZipNN(**{name: value})))
            for data in (small, bytearray(small), memoryview(small), b"", b"x"):
                record = z.compress(data)
                assert type(record) is bytes
                back = z.decompress(record)
                assert type(back) is bytearray and back == data, (name, value)


def test_types_that_0x_took():
    np, torch = pytest.importorskip("numpy"), pytest.importorskip("torch")
    as_torch, as_numpy = zipnn.ZipNN(input_format="torch"), zipnn.ZipNN(input_format="numpy")
    values = torch.randn(30, 40) * 9
    names = "float32 bfloat16 float16 float64 float8_e4m3fn float8_e5m2 int64 int8 uint8 bool complex64"
    for dtype in (getattr(torch, name) for name in names.split()):
        tensor = values.to(dtype)
        parameter = torch.nn.Parameter(tensor, requires_grad=dtype.is_floating_point)
        for given in (tensor, tensor.t(), tensor[0, 0], tensor[::2], parameter):
            back = as_torch.decompress(as_torch.compress(given))
            assert back.dtype == dtype and back.shape == given.shape
            assert torch.equal(back.contiguous().view(-1).view(torch.uint8), flat(given.detach()))
            back.zero_()  # it is the caller's
    for dtype in (np.float32, np.float16, np.float64, np.int32, np.uint16, np.int8, np.bool_):
        array = (values.numpy() * 9).astype(dtype)
        back = as_numpy.decompress(as_numpy.compress(array))
        assert back.dtype == dtype and np.array_equal(back, array)


def flat(tensor):
    import torch

    return tensor.contiguous().view(-1).view(torch.uint8)


def test_records_say_what_they_hold(weights):
    """Whatever an object was made for, it gives what compress() was given."""
    np, torch = pytest.importorskip("numpy"), pytest.importorskip("torch")
    tensor = torch.arange(1000, dtype=torch.bfloat16).reshape(10, 100)
    records = {
        "torch": zipnn.ZipNN(input_format="torch").compress(tensor),
        "numpy": zipnn.ZipNN(input_format="numpy").compress(tensor.float().numpy()),
        "byte": zipnn.ZipNN().compress(weights, "cpu"),
    }
    for input_format in records:
        z = zipnn.ZipNN(input_format=input_format)
        back = z.decompress(records["torch"], decompress_cpu_gpu="cpu")
        assert isinstance(back, torch.Tensor) and torch.equal(back, tensor)
        back = z.decompress(records["numpy"], "cpu")
        assert isinstance(back, np.ndarray) and np.array_equal(back, tensor.float().numpy())
        assert z.decompress(records["byte"]) == weights
    # The bytes of a safetensors file that somebody else made are bytes.
    plain = pytest.importorskip("safetensors.torch").save({"data": tensor})
    assert zipnn.ZipNN().decompress(zipnn.ZipNN().compress(plain)) == plain


def test_archives_behind_each_other(weights):
    with pytest.warns(DeprecationWarning, match="is_streaming"):
        z = zipnn.ZipNN(is_streaming=True)
    parts = [weights[:100000], b"", weights[5000:], weights[:3]]
    stream = b"".join(z.compress(part) for part in parts)
    assert z.decompress(stream) == b"".join(parts)
    nested = z.compress(stream)
    assert z.decompress(nested) == stream
    half = len(stream) // 2
    for bad in (stream + b"x", stream[:-1], b"x" + stream, stream[:half] + b"x" + stream[half:]):
        with pytest.raises(zipnn.ZipnnError):
            z.decompress(bad)


def test_deltas(tmp_path, weights):
    base = bytearray(weights)
    base[5] ^= 3
    path = tmp_path / "base"
    path.write_bytes(base)
    for kind, second in (("byte", bytes(base)), ("file", str(path))):
        z = zipnn.ZipNN(delta_compressed_type=kind, bytearray_dtype="float32")
        record = z.compress(weights, delta_second_data=second)
        assert len(record) < len(weights) // 2
        assert z.decompress(record, delta_second_data=second) == weights
        with pytest.raises(ValueError, match="needs delta_second_data"):
            z.decompress(record)
        with pytest.raises(ValueError, match="as long as"):
            z.compress(weights[:-1], delta_second_data=second)
    with pytest.raises(zipnn.BaseError):
        zipnn.ZipNN().decompress(record)
    with pytest.raises(ValueError, match="delta_compressed_type"):
        zipnn.ZipNN().decompress(record, delta_second_data=base)
    assert zipnn.decompress(record, base=base) == zipnn.decompress(record, base=path) == weights
    with pytest.raises(zipnn.BaseError):
        zipnn.decompress(record, base=bytes(base)[:-1])
    with pytest.raises(TypeError):
        zipnn.decompress(record, base=(None, None, 5))


@pytest.mark.skipif(not OLD.is_dir(), reason="no records of zipnn 0.x here")
def test_old_records():
    seen = 0
    for path in sorted(OLD.glob("*.znn")):
        if "delta" in path.name:
            base = path.with_suffix(".base").read_bytes()
            with pytest.raises(zipnn.BaseError):
                zipnn.decompress(path.read_bytes())
            with pytest.raises(zipnn.BaseError):
                zipnn.decompress(path.read_bytes(), base=base + b"x")
            assert zipnn.decompress(path.read_bytes(), base=base) == path.with_suffix(".orig").read_bytes()
            z = zipnn.ZipNN(delta_compressed_type="byte")
            assert z.decompress(path.read_bytes(), delta_second_data=base) == path.with_suffix(".orig").read_bytes()
            continue
        record, original = path.read_bytes(), path.with_suffix(".orig").read_bytes()
        assert zipnn.decompress(record) == original
        with zipnn.open(path) as f:
            assert f.read(5) == original[:5] and f.read() == original[5:]
        if path.name.startswith("numpy"):
            array = zipnn.ZipNN(input_format="numpy").decompress(record)
            assert array.dtype == "f4" and array.tobytes() == original
            seen += 1
    assert seen


def test_a_tensor_of_bytes(weights):
    """A record may come as a tensor or an array of bytes."""
    torch = pytest.importorskip("torch")
    tensor = torch.arange(1000, dtype=torch.bfloat16).reshape(10, 100)
    record = zipnn.ZipNN(input_format="torch").compress(tensor)
    stored = torch.frombuffer(bytearray(record), dtype=torch.uint8)
    for given in (stored, stored.numpy(), bytearray(record), memoryview(record)):
        assert torch.equal(zipnn.ZipNN(input_format="torch").decompress(given), tensor)


def test_modules_of_0x():
    torch, np = pytest.importorskip("torch"), pytest.importorskip("numpy")
    from zipnn.util_header import EnumFormat, EnumLossy, EnumMethod
    from zipnn.util_torch import ZipNNDtypeEnum, zipnn_is_floating_point, zipnn_pack_shape, zipnn_unpack_shape

    assert EnumMethod("huffman") is EnumMethod.HUFFMAN and EnumMethod(2).name == "ZSTD"
    assert EnumFormat("Torch").value == 2 and EnumLossy(0) is EnumLossy.NONE
    with pytest.raises(ValueError):
        EnumMethod("bogus")
    assert ZipNNDtypeEnum.from_dtype(torch.bfloat16).code == 6 and ZipNNDtypeEnum.from_code(1).numpy_dtype is np.float32
    assert ZipNNDtypeEnum.from_dtype("INT32").torch_dtype is torch.int32
    assert ZipNNDtypeEnum.from_dtype("bogus") is ZipNNDtypeEnum.NONE
    assert zipnn_is_floating_point(2, torch.zeros(1), None) and not zipnn_is_floating_point(1, b"", "int8")
    for shape in ((), (5,), (0, 255, 256), (1 << 40, 70000)):
        packed = zipnn_pack_shape(shape)
        assert zipnn_unpack_shape(packed + b"rest") == (shape, len(packed))
    for name, advice in (("zipnn.util_patch", "zipnn_hf"), ("zipnn_core", "zipnn.compress")):
        with pytest.raises(ImportError, match=advice):
            __import__(name)


def test_files_of_records(tmp_path):
    """What the script of 0.x makes of a model: a safetensors file of records, listed in the metadata."""
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    from zipnn import util_safetensors as util
    from zipnn.safetensors import safe_open
    from zipnn.safetensors.torch import load_file

    g = torch.Generator().manual_seed(3)
    tensors = {"w": torch.randn(300, 40, generator=g).bfloat16(), "b": torch.ones(7), "n": torch.arange(5)}
    z = zipnn.ZipNN(input_format="torch", bytearray_dtype=util.COMPRESSED_DTYPE, method=util.COMPRESSION_METHOD)
    stored, infos = {"n": tensors["n"]}, {}
    for name in ("w", "b"):
        infos[name] = util.build_compressed_tensor_info(tensors[name])
        stored[name] = torch.frombuffer(bytearray(z.compress(tensors[name])), dtype=util.COMPRESSED_DTYPE)
    metadata = {"format": "pt"}
    util.set_compressed_tensors_metadata(infos, metadata)
    assert util.get_compressed_tensors_metadata(metadata) == infos and util.get_compressed_tensors_metadata(None) == {}
    path = tmp_path / "model.znn.safetensors"
    safetensors.save_file(stored, path, metadata)

    def check(got):
        assert all(torch.equal(got[name], tensors[name]) and got[name].dtype == tensors[name].dtype for name in tensors)

    with safe_open(path, "pt") as f:
        check({name: f.get_tensor(name) for name in f.keys()})
        assert torch.equal(f.get_slice("w")[3:5, 1], tensors["w"][3:5, 1])
        assert f.get_slice("w").get_shape() == [300, 40] and f.get_slice("w").get_dtype() == "BF16"
    with zipnn.zipnn_safetensors():
        check(safetensors.load_file(path))
        check(load_file(path))


def test_fsspec(tmp_path, weights):
    fsspec = pytest.importorskip("fsspec")
    import zipnn.fsspec

    zipnn.fsspec.register()
    zipnn.fsspec.register()
    path = tmp_path / "w.bin.znn"
    with fsspec.open(path, "wb", compression="infer") as f:
        f.write(weights)
    assert zipnn.decompress(path.read_bytes()) == weights
    for name in ("znn", "zipnn"):
        with fsspec.open(path, "rb", compression=name) as f:
            assert f.read() == weights


def run(name, *arguments):
    command = [sys.executable, "-W", "error", EXAMPLES / name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_examples(model):
    tensors, path = model
    assert "->" in run("compress_files.py", path)
    listing = run("archive_tensors.py", f"{path}.znn")
    assert all(name in listing for name in tensors)
    assert run("archive_tensors.py", f"{path}.znn", "scalar").strip() == "3.5"


def test_the_other_distribution_is_noticed(tmp_path):
    """PyPI's zipnn beside libzipnn, whichever was installed last."""
    site = os.path.dirname(os.path.dirname(zipnn.__file__))
    for name in ("zipnn", "zipnn_core"):
        shutil.copytree(os.path.join(site, name), tmp_path / name)

    def ran(*options):
        code = "import sys; sys.path.insert(0, sys.argv[1]); import zipnn"
        return subprocess.run(
            [sys.executable, *options, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=tmp_path
        )

    assert ran("-W", "error").returncode == 0
    (tmp_path / "zipnn-0.5.4.dist-info").mkdir()
    advice = "libzipnn and zipnn 0.5.4 are both installed"
    done = ran()
    assert done.returncode == 0 and done.stderr.count(advice) == 1, done.stderr
    # Theirs took our files, and its compiled module lies there too.
    (tmp_path / "zipnn" / "__init__.py").write_text("from .zipnn import ZipNN\n")
    (tmp_path / "zipnn" / "zipnn.py").write_text("import zipnn_core\nZipNN = 1\n")
    (tmp_path / f"zipnn_core{importlib.machinery.EXTENSION_SUFFIXES[0]}").write_bytes(b"")
    done = ran()
    assert done.returncode == 1 and advice in done.stderr and "pip uninstall zipnn libzipnn" in done.stderr
