"""The face of zipnn 0.x, fsspec, and the examples."""

import pathlib
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
    with pytest.raises(TypeError, match="no parameter"):
        zipnn.ZipNN(colour=1)
    with pytest.raises(ValueError, match="input_format"):
        zipnn.ZipNN(input_format="file")


@pytest.mark.skipif(not OLD.is_dir(), reason="no records of zipnn 0.x here")
def test_old_records():
    seen = 0
    for path in sorted(OLD.glob("*.znn")):
        if "delta" in path.name:
            with pytest.raises(zipnn.ArgumentError):
                zipnn.decompress(path.read_bytes())
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


def test_fsspec(tmp_path, weights):
    fsspec = pytest.importorskip("fsspec")
    import zipnn.fsspec

    zipnn.fsspec.register()
    zipnn.fsspec.register()
    path = tmp_path / "w.bin.znn"
    with fsspec.open(path, "wb", compression="infer") as f:
        f.write(weights)
    assert zipnn.decompress(path.read_bytes()) == weights
    with fsspec.open(path, "rb", compression="znn") as f:
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
