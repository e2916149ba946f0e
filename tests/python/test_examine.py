"""inspect, estimate, verify, salvage, recompress, and progress=True."""

import io
import os
import subprocess
import sys

import pytest
import zipnn
from conftest import weights_f32


@pytest.fixture
def archive(model):
    zipnn.compress_file(model[1], sha256=True)
    return os.fspath(model[1]) + ".znn"


def test_inspect(model, archive):
    tensors, path = model
    with open(archive, "rb") as f:
        data = f.read()
    found = zipnn.inspect(archive)
    assert found == zipnn.inspect(data) == zipnn.inspect(io.BytesIO(data))
    assert found.metadata == {"format": "np"} and found.bases == []
    assert {t.name: t.shape for t in found.tensors} == {name: array.shape for name, array in tensors.items()}
    assert found.info.original == path.stat().st_size and not found.info.unverified
    end = 0
    for chunk in found.chunks:
        assert chunk.offset == end and chunk.stored > 0 and chunk.layout != "?"
        end += chunk.length
    assert end == found.info.original
    assert sum(p.original for p in found.chunks[1].planes) == found.chunks[1].length
    with zipnn.Archive(archive) as a:
        assert a.chunks[-1] == found.chunks[-1] and a.chunks[1:3] == found.chunks[1:3]
        assert a.base is None
        for wrong, error in ((len(a.chunks), IndexError), ("x", TypeError)):
            with pytest.raises(error):
                a.chunks[wrong]
        a.metadata["changed"] = "by the caller"
        assert a.metadata == {"format": "np"}
    with pytest.raises(ValueError, match="closed"):
        a.chunks[0]
    assert zipnn.inspect(zipnn.compress(b"abc" * 1000)).metadata is None
    with pytest.raises(zipnn.FormatError):
        zipnn.inspect(path)


def test_estimate(model):
    _, path = model
    found = zipnn.estimate(path, level=6)
    assert found.original == path.stat().st_size and found.margin == 0 and found.sampled == found.original
    assert abs(found.archive - len(zipnn.compress(path.read_bytes(), 6))) < 2000
    assert zipnn.estimate(path.read_bytes()).archive == zipnn.estimate(path).archive
    assert zipnn.estimate(b"").original == 0
    with pytest.raises(ValueError, match="element type"):
        zipnn.estimate(path, dtype="bf17")


def test_verify_and_salvage(tmp_path):
    original = weights_f32(1 << 20)
    data = bytearray(zipnn.compress(original, "f32"))
    assert zipnn.verify(data).ok
    data[len(data) // 2] ^= 1
    report = zipnn.verify(data)
    assert not report.ok and report.fault is None and len(report.damage) == 1
    (damage,) = report.damage
    assert report.intact == len(original) - damage.length and damage.archive_offset is not None
    assert "checksum" in damage.message
    target = tmp_path / "saved"
    assert zipnn.salvage(data, target) == report
    begin, end = damage.offset, damage.offset + damage.length
    saved = target.read_bytes()
    assert saved[:begin] == original[:begin] and saved[end:] == original[end:] and not any(saved[begin:end])
    with pytest.raises(FileExistsError):
        zipnn.salvage(data, target)
    # Without the index: found by a search.
    cut = zipnn.salvage(bytes(data[: len(data) // 4]), target, overwrite=True)
    assert cut.fault and cut.intact and target.read_bytes()[: cut.intact] == original[: cut.intact]
    other = tmp_path / "other"
    with pytest.raises(zipnn.ZipnnError):
        zipnn.salvage(os.urandom(5000), other)
    with pytest.raises(zipnn.ZipnnError):
        zipnn.verify(b"not an archive" * 100)
    assert not other.exists()
    (tmp_path / "a.znn").write_bytes(data)
    with pytest.raises(ValueError, match="same file"):
        zipnn.salvage(tmp_path / "a.znn", tmp_path / "a.znn", overwrite=True)


def test_damage_names_tensors(model):
    tensors, path = model
    with zipnn.Archive(data := bytearray(zipnn.compress(path.read_bytes()))) as a:
        at = max(a.chunks, key=lambda chunk: chunk.stored)
    data[at.archive_offset + at.stored // 2] ^= 1
    names = {name for damage in zipnn.verify(data).damage for name in damage.tensors}
    assert names and names <= set(tensors)


def test_recompress(tmp_path, model):
    _, path = model
    archive = tmp_path / "m.znn"
    zipnn.compress_file(path, archive, level=1)
    before = archive.stat().st_size
    other = tmp_path / "other.znn"
    stats = zipnn.recompress(archive, other, level=9)
    assert stats.archive == other.stat().st_size and stats.archive < before
    with pytest.raises(FileExistsError):
        zipnn.recompress(archive, other)
    link = tmp_path / "link.znn"
    link.symlink_to(archive)
    os.chmod(archive, 0o640)
    os.utime(archive, ns=(10**18, 10**18))
    assert zipnn.recompress(link, level=9).archive == stats.archive
    there = os.stat(archive)
    assert (there.st_mode & 0o777, there.st_mtime_ns) == (0o640, 10**18)
    assert link.is_symlink() and archive.read_bytes() == other.read_bytes()
    assert zipnn.decompress(archive.read_bytes()) == path.read_bytes()
    broken = bytearray(archive.read_bytes())
    broken[len(broken) // 2] ^= 1
    archive.write_bytes(broken)
    with pytest.raises(zipnn.CorruptError):
        zipnn.recompress(archive)
    assert archive.read_bytes() == broken
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"m.znn", "other.znn", "link.znn", path.name}


def test_progress(monkeypatch, capsys, tmp_path, weights):
    tqdm = pytest.importorskip("tqdm")
    archive = zipnn.compress(weights, progress=True)
    assert zipnn.decompress(archive, progress=True) == weights
    path = tmp_path / "w"
    path.write_bytes(weights)
    zipnn.compress_file(path, progress=True)
    shown = capsys.readouterr().err
    assert "compressing" in shown and "restoring" in shown and "w:" in shown and "100%" in shown
    assert not tqdm.tqdm._instances
    calls = []
    assert zipnn.decompress(archive, progress=lambda *call: calls.append(call) or True) == weights
    assert calls[-1] == (len(weights), len(weights))
    zipnn.compress(weights, progress=False)
    with pytest.raises(TypeError, match="progress"):
        zipnn.compress(weights, progress=5)
    monkeypatch.setitem(__import__("sys").modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match="tqdm"):
        zipnn.compress(weights, progress=True)


def test_a_level_in_the_second_place(weights):
    for level in (1, 3, 9):
        with zipnn.Archive(zipnn.compress(weights, level)) as a:
            assert a.info.level == level
    with pytest.raises(TypeError, match="twice"):
        zipnn.compress(weights, 9, 3)
    with pytest.raises(TypeError, match="True is no element type"):
        zipnn.compress(weights, True)
    with pytest.raises(zipnn.ArgumentError, match="level"):
        zipnn.compress(weights, 10)


def test_the_program_is_in_the_package(tmp_path, weights):
    path = tmp_path / "w"
    path.write_bytes(weights)
    for command in ([sys.executable, "-m", "zipnn"], [os.path.join(os.path.dirname(sys.executable), "zipnn")]):
        done = subprocess.run([*command, "-f", path], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert zipnn.decompress((tmp_path / "w.znn").read_bytes()) == weights
        done = subprocess.run([*command, "-t", tmp_path / "nothing"], capture_output=True, text=True)
        assert done.returncode != 0 and "nothing" in done.stderr
    shown = subprocess.run([sys.executable, "-m", "zipnn", "--version"], capture_output=True, text=True).stdout
    assert zipnn.__version__ in shown
