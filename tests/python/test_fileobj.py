"""zipnn.open."""

import gc
import io
import os
import random
import shutil

import pytest
import zipnn


@pytest.fixture
def archive(tmp_path, weights):
    path = tmp_path / "a.znn"
    path.write_bytes(zipnn.compress(weights))
    return path


def test_read_and_seek(archive, weights):
    rng = random.Random(2)
    with zipnn.open(archive) as f:
        assert f.readable() and f.seekable() and not f.writable()
        for _ in range(200):
            at = rng.randrange(len(weights) + 10)
            n = rng.choice([0, 1, 100, 9000, 700000])
            assert f.seek(at) == at
            assert f.read(n) == weights[at : at + n]
        assert f.seek(-5, os.SEEK_END) == len(weights) - 5
        assert f.read() == weights[-5:]
        assert f.read() == b""
        f.seek(0)
        buffer = bytearray(1 << 20)
        assert f.readinto(buffer) == len(buffer) and buffer == weights[: 1 << 20]
    with pytest.raises(ValueError):
        f.read(1)


def test_read_file_objects(archive, weights):
    for source in (io.BytesIO(archive.read_bytes()), open(archive, "rb")):
        with source, zipnn.open(source) as f:
            assert f.read() == weights


def test_write(tmp_path, archive, weights):
    path = tmp_path / "b.znn"
    with zipnn.open(path, "xb") as f:
        for at in range(0, len(weights), 99991):
            f.write(weights[at : at + 99991])
        assert not path.exists()
    assert path.read_bytes() == archive.read_bytes()
    with pytest.raises(FileExistsError):
        zipnn.open(path, "xb")
    with zipnn.open(path, "wb") as f:
        shutil.copyfileobj(io.BytesIO(weights[:10]), f)
    assert zipnn.decompress(path.read_bytes()) == weights[:10]
    sink = io.BytesIO()
    with zipnn.open(sink, "wb"):
        pass
    assert zipnn.decompress(sink.getvalue()) == b""


def test_tell(tmp_path, weights):
    with zipnn.open(tmp_path / "t.znn", "wb") as f:
        assert f.tell() == 0
        f.write(weights)
        f.write(b"abc")
        assert f.tell() == len(weights) + 3
    with zipnn.open(tmp_path / "t.znn") as f:
        assert f.name == os.fspath(tmp_path / "t.znn")
        with pytest.raises(ValueError, match="whence"):
            f.raw.seek(0, 7)
    import tarfile

    with zipnn.open(tmp_path / "t.tar.znn", "wb") as f, tarfile.open(fileobj=f, mode="w") as tar:
        tar.add(tmp_path / "t.znn", "inside")
    with zipnn.open(tmp_path / "t.tar.znn") as f, tarfile.open(fileobj=f) as tar:
        assert tar.extractfile("inside").read() == (tmp_path / "t.znn").read_bytes()


def test_write_failures(tmp_path, weights):
    path = tmp_path / "c.znn"
    with pytest.raises(KeyError):
        with zipnn.open(path, "wb") as f:
            f.write(weights)
            raise KeyError
    with pytest.raises(zipnn.FileError):
        with zipnn.open(tmp_path / "no" / "folder", "wb") as f:
            f.write(weights)
    with pytest.raises(ZeroDivisionError):

        class Bad:
            def write(self, view):
                return 1 / 0

        with zipnn.open(Bad(), "wb") as f:
            f.write(weights)
    f = zipnn.open(path, "wb")
    f.write(b"forgotten")
    with pytest.warns(ResourceWarning):
        del f
        gc.collect()
    assert os.listdir(tmp_path) == []


def test_damage_while_reading(archive):
    damaged = bytearray(archive.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    archive.write_bytes(damaged)
    with zipnn.open(archive) as f, pytest.raises(zipnn.CorruptError, match="a.znn"):
        f.read()


def test_modes(archive):
    for mode in ("ab", "", "rb+"):
        with pytest.raises(ValueError, match="mode"):
            zipnn.open(archive, mode)


def test_text(tmp_path):
    path = tmp_path / "t.znn"
    text = "first\nzweite Zeile, größer\n" * 1000
    with zipnn.open(path, "wt") as f:
        f.write(text)
    with zipnn.open(path, "rt") as f:
        assert f.read() == text
        f.seek(0)
        assert f.readline() == "first\n"
    with pytest.raises(FileExistsError):
        zipnn.open(path, "xt")
    with pytest.raises(KeyError):
        with zipnn.open(tmp_path / "no", "wt") as f:
            f.write(text)
            raise KeyError
    with pytest.warns(ResourceWarning, match="not closed"):
        f = zipnn.open(tmp_path / "no", "wt")
        f.write(text)
        del f
    assert not (tmp_path / "no").exists()
    for mode, what in (("ab", "added to"), ("r+", "one of"), ("w+b", "one of"), ("", "one of"), ("rtt", "one of")):
        with pytest.raises(ValueError, match=what):
            zipnn.open(path, mode)
