"""Differences: every form of `base=`, chains, and what is told of a base that is missing."""

import io
import os
import pathlib
import subprocess
import sys
import threading

import pytest
import zipnn
from zipnn import bases, remote

np = pytest.importorskip("numpy")
plain = pytest.importorskip("safetensors.numpy")

import zipnn.safetensors as twin  # noqa: E402
import zipnn.safetensors.numpy as ours  # noqa: E402


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Three states of a model: the folder, the files as they are (elsewhere), and the tensors of the last."""
    folder, elsewhere = tmp_path_factory.mktemp("chain"), tmp_path_factory.mktemp("plain")
    rng = np.random.default_rng(5)
    tensors = {"a": rng.normal(0, 0.02, (600, 500)).astype("f4"), "b": rng.normal(0, 1, 3000).astype("f2")}
    originals = []
    for i in range(3):
        tensors["a"][10 * i : 10 * i + 5] += 0.5
        tensors["b"][i] = i
        path = elsewhere / f"step{i}.safetensors"
        plain.save_file(tensors, path, {"step": str(i)})
        originals.append(path)
        base = originals[i - 1] if i else None
        stats = zipnn.compress_file(path, folder / f"step{i}.safetensors.znn", base=base)
        assert i == 0 or stats.archive < stats.original // 10
    return folder, originals, tensors


def forms(chain):
    """Every way to give the bases of the last state."""
    folder, originals, _ = chain
    archives = [folder / f"step{i}.safetensors.znn" for i in range(2)]
    whole = originals[1].read_bytes()

    def asked(info):
        assert info.size == originals[0].stat().st_size and len(info.xxh3) == 16 and not info.at_hand
        return folder / (info.name + ".znn")

    class Text(str):
        pass

    yield "path", originals[1]
    yield "str", Text(originals[1])
    yield "bytes", whole
    yield "strided view of bytes", memoryview(bytearray(whole))
    yield "archives", archives
    yield "archive and file", (archives[1].read_bytes(), originals[0])
    yield "folder", folder
    yield "folder of files", originals[0].parent
    yield "function", asked
    yield "functions", [lambda info: None, asked]
    yield "some given", [archives[1], asked]
    yield "Archive", zipnn.Archive(archives[1], base=originals[0])
    yield "Archive of memory", zipnn.Archive(archives[1].read_bytes(), base=zipnn.Archive(archives[0]))
    files = [io.BytesIO(path.read_bytes()) for path in archives]
    yield "file objects", zipnn.Archive(files[1], base=zipnn.Archive(files[0]))


def test_every_form(chain, tmp_path):
    folder, originals, tensors = chain
    path, original = folder / "step2.safetensors.znn", originals[2].read_bytes()
    for name, base in forms(chain):
        assert zipnn.decompress(path.read_bytes(), base=base) == original, name
        zipnn.decompress_file(path, tmp_path / "o", base=base, overwrite=True)
        assert (tmp_path / "o").read_bytes() == original
        room = bytearray(len(original))
        assert zipnn.decompress_into(path.read_bytes(), room, base=base) == len(room) and room == original
        for source in (path, path.read_bytes(), io.BytesIO(path.read_bytes())):
            with zipnn.Archive(source, base=base) as a:
                assert np.array_equal(a["a"].numpy(), tensors["a"])
                assert a.bases == [a.base] and a.base.at_hand and a.base.name == "step1.safetensors"
        with zipnn.open(path, base=base) as f:
            f.seek(-100, os.SEEK_END)
            assert f.read() == original[-100:]
        assert np.array_equal(ours.load_file(path, base=base)["b"], tensors["b"])
        with twin.safe_open(path, "np", base=base) as f:
            assert np.array_equal(f.get_slice("a")[3:7], tensors["a"][3:7])
        assert zipnn.verify(path, base=base).ok
        assert zipnn.verify_file(path, base=base).original == len(original)
        report = zipnn.salvage(path, tmp_path / "saved", base=base, overwrite=True)
        assert report.ok and (tmp_path / "saved").read_bytes() == original
        if isinstance(base, zipnn.Archive):
            base.close()
            with pytest.raises(ValueError, match="closed"):
                zipnn.decompress(path.read_bytes(), base=base)


def test_compressing_against(chain):
    folder, originals, _ = chain
    new = originals[2].read_bytes()
    alone = len(zipnn.compress(new))
    old = zipnn.Archive(folder / "step1.safetensors.znn", base=folder)
    for base in (originals[1], originals[1].read_bytes(), [originals[0], originals[1]], old):
        archive = zipnn.compress(new, base=base)
        assert len(archive) < alone // 10
        assert zipnn.decompress(archive, base=[base, originals[0]]) == new
    old.close()
    assert zipnn.estimate(originals[2], base=originals[1]).archive < alone // 10
    for base, what in ((folder, "a folder"), (lambda info: None, "a function")):
        with pytest.raises(ValueError, match=what):
            zipnn.compress(new, base=base)
    with pytest.raises(ValueError, match="compress_file"):
        zipnn.open(io.BytesIO(), "wb", base=originals[1])
    with pytest.raises(zipnn.BaseError, match="original"):
        zipnn.compress(new, base=originals[2])


def test_what_is_missing(chain, tmp_path):
    folder, originals, _ = chain
    path = folder / "step2.safetensors.znn"
    for call in (
        lambda: zipnn.decompress(path.read_bytes()),
        lambda: zipnn.decompress(path.read_bytes(), base=originals[0]),
        lambda: zipnn.decompress(path.read_bytes(), base=lambda info: None),
        lambda: zipnn.decompress_file(path, tmp_path / "o"),
        lambda: zipnn.Archive(path)["a"].numpy(),
        lambda: zipnn.open(path).read(),
        lambda: zipnn.salvage(path, tmp_path / "o"),
        lambda: ours.load_file(path),
    ):
        with pytest.raises(zipnn.BaseError, match="step1") as caught:
            call()
        error = caught.value
        assert [info.name for info in error.wanted] == ["step1.safetensors"]
        assert not (tmp_path / "o").exists()
    report = zipnn.verify(path)
    assert not report.ok and not report.damage and report.unchecked > 0
    for wrong in (5, 1.5, object(), [5], {"a": 1}):
        with pytest.raises(TypeError, match="a base is"):
            zipnn.decompress(path.read_bytes(), base=wrong)
    with pytest.raises(FileNotFoundError):
        zipnn.decompress(path.read_bytes(), base=tmp_path / "nothing")
    with pytest.raises(KeyError, match="from the function"):
        zipnn.decompress(path.read_bytes(), base=lambda info: {}["from the function"])


def test_names_are_not_followed(chain, tmp_path):
    """An archive may call its base anything: a folder is looked at for the last part alone, and by digest."""
    folder, originals, _ = chain
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "base").write_bytes(originals[1].read_bytes())
    info = bases.BaseInfo("../base", originals[1].stat().st_size, b"\0" * 16)
    look = bases.Folder(os.fspath(inside))
    assert look(info) is None
    (inside / "renamed.znn").write_bytes((folder / "step0.safetensors.znn").read_bytes())
    (inside / "broken.znn").write_bytes(b"\x8fZNN")
    digest = zipnn.inspect(inside / "renamed.znn").info.xxh3
    found = bases.Folder(os.fspath(inside))(bases.BaseInfo("../../other", 5, digest))
    assert found and pathlib.Path(found).name == "renamed.znn"


def test_many_threads(chain):
    folder, _, tensors = chain
    wrong = []
    with zipnn.Archive(folder / "step2.safetensors.znn", base=folder) as a:

        def read(row):
            for _ in range(5):
                if not np.array_equal(a["a"][row : row + 50].numpy(), tensors["a"][row : row + 50]):
                    wrong.append(row)

        threads = [threading.Thread(target=read, args=(60 * i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_apply(chain):
    torch = pytest.importorskip("torch")
    folder, originals, _ = chain
    states = [path.read_bytes() for path in originals]
    steps = [folder / f"step{i}.safetensors.znn" for i in range(3)]
    memory = bytearray(states[0])
    for i in (1, 2):
        zipnn.apply(steps[i], memory)
        assert memory == states[i]
        zipnn.apply(steps[i].read_bytes(), memory)  # again: nothing is left to do
        assert memory == states[i]
    with pytest.raises(zipnn.BaseError):
        zipnn.apply(steps[1], memory)
    tensor = torch.frombuffer(bytearray(states[0]), dtype=torch.uint8)
    zipnn.apply(steps[1], tensor)
    assert tensor.numpy().tobytes() == states[1]
    for wrong in (states[0], "memory", None):
        with pytest.raises((TypeError, BufferError)):
            zipnn.apply(steps[1], wrong)
    with pytest.raises(ValueError, match="contiguous"):
        zipnn.apply(steps[1], tensor[::2])


@pytest.fixture
def shipped(tmp_path):
    """A folder as hubs ship it, by `zipnn --dedup`: a whole model in a folder below, and a shard of it."""
    rng = np.random.default_rng(6)
    tensors = {f"t{i}": rng.normal(0, 0.02, (70 + i, 300)).astype("f4") for i in range(4)}
    folder = tmp_path / "shipped"
    (folder / "original").mkdir(parents=True)
    plain.save_file(tensors, folder / "original/whole.safetensors")
    plain.save_file({"t2": tensors["t2"]}, folder / "shard.safetensors")
    original = (folder / "shard.safetensors").read_bytes()
    subprocess.run([sys.executable, "-m", "zipnn", "-q", "-r", "--dedup", "--rm", folder], check=True)
    (name,) = (base.name for base in zipnn.inspect(folder / "shard.safetensors.znn").bases)
    assert name == "./original/whole.safetensors.znn"
    return folder, tensors, original


def test_the_way_to_a_base_is_followed(shipped, tmp_path, monkeypatch):
    folder, tensors, original = shipped
    shard, whole = folder / "shard.safetensors.znn", folder / "original/whole.safetensors.znn"

    def comes_back():
        with zipnn.Archive(shard) as a:
            assert np.array_equal(a["t2"].numpy(), tensors["t2"]) and a.base.at_hand
        assert np.array_equal(ours.load_file(shard)["t2"], tensors["t2"])
        zipnn.decompress_file(shard, tmp_path / "back", overwrite=True)
        assert (tmp_path / "back").read_bytes() == original
        assert zipnn.verify(shard).ok and zipnn.verify(shard).unchecked == 0
        with zipnn.open(shard) as f:
            assert f.read() == original

    comes_back()
    monkeypatch.chdir(folder)
    assert zipnn.Archive("shard.safetensors.znn").base.at_hand
    with zipnn.Archive(shard, base=lambda info: None) as a:  # what is asked first knows nothing
        assert a.base.at_hand
    zipnn.decompress_file(whole)  # the file itself, and no archive of it
    whole.unlink()
    comes_back()
    plain.save_file({"other": tensors["t1"]}, folder / "original/whole.safetensors")
    with zipnn.Archive(shard) as a, pytest.raises(zipnn.BaseError):
        a["t2"].numpy()


def test_the_way_to_a_base_behind_a_url(shipped):
    fsspec = pytest.importorskip("fsspec")
    folder, tensors, _ = shipped
    memory = fsspec.filesystem("memory")
    try:
        for name in ("shard.safetensors.znn", "original/whole.safetensors.znn"):
            memory.pipe_file(f"/test_ways/{name}", (folder / name).read_bytes())
        with zipnn.open_url("memory://test_ways/shard.safetensors.znn") as a:
            assert np.array_equal(a["t2"].numpy(), tensors["t2"])
    finally:
        memory.rm("/test_ways", recursive=True)


def test_ways_of_strangers():
    for name in ("x", "/x", ".//x", "./", "./..", "../x", "./a/../x", "./a//x", "./../a/../x", "./x/", "./x\0"):
        assert bases.way_from("here", name) is None, name
    assert bases.way_from("here", "./../../a/b") == "here/../../a/b"
    for url in ("https://example.org/a.znn", "https://example.org/a/b.znn?signed=1"):
        places = remote.Beside._places(url, "./../../../x")
        assert places == [url.partition("?")[0].rpartition("/")[0] + "/x.znn"]
    assert remote.Beside._places("https://example.org/a/b/c.znn", "./../x y.znn") == [
        f"https://example.org/a/{end}" for end in ("x%20y", "x%20y.znn.znn", "x%20y.znn")
    ]


def test_ways_lead_on(tmp_path):
    """Steps of a chain that are folders: each archive tells the way to that of the step before."""
    fsspec = pytest.importorskip("fsspec")
    rng = np.random.default_rng(8)
    array = rng.normal(0, 0.02, (60, 300)).astype("f4")
    for step in range(4):
        array[step] += 0.5
        (tmp_path / f"step-{step}").mkdir()
        plain.save_file({"w": array}, tmp_path / f"step-{step}/model.safetensors")
        words = ["-m", "zipnn", "-q", "chain", tmp_path / "ck", "add", tmp_path / f"step-{step}"]
        subprocess.run([sys.executable, *words], check=True)
    last = "00000004.step-3/model.safetensors.znn"
    with zipnn.Archive(tmp_path / "ck" / last) as a:
        assert a.base.name == "./../00000003.step-2/model.safetensors.znn"
        assert np.array_equal(a["w"].numpy(), array)
    memory = fsspec.filesystem("memory")
    try:
        memory.put(str(tmp_path / "ck"), "/test_ways_on", recursive=True)
        with zipnn.open_url(f"memory://test_ways_on/{last}") as a:
            assert np.array_equal(a["w"].numpy(), array)
    finally:
        memory.rm("/test_ways_on", recursive=True)
