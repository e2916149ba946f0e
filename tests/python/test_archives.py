"""Random access to tensors, and the twins of safetensors with numpy."""

import copy
import gc
import io
import os
import pickle
import threading

import pytest
import zipnn

np = pytest.importorskip("numpy")
safetensors = pytest.importorskip("safetensors")

import safetensors.numpy as plain  # noqa: E402
import zipnn.safetensors as twin  # noqa: E402
import zipnn.safetensors.numpy as ours  # noqa: E402


@pytest.fixture
def archive(model):
    zipnn.compress_file(model[1])
    return os.fspath(model[1]) + ".znn"


def test_mapping(model, archive):
    tensors, path = model
    with zipnn.Archive(archive) as a:
        assert set(a) == set(tensors) and len(a) == len(tensors) and "big" in a and "nothing" not in a
        assert a.info.container == "safetensors" and a.info.original == path.stat().st_size
        for name, array in tensors.items():
            t = a[name]
            assert t.shape == array.shape and t.nbytes == array.nbytes
            got = t.numpy()
            assert got.dtype == array.dtype and got.shape == array.shape
            np.testing.assert_array_equal(got, array)
            assert t.bytes() == array.tobytes()
        with pytest.raises(KeyError):
            a["nothing"]
        big = a["big"]
        np.testing.assert_array_equal(np.asarray(big[10:20]), tensors["big"][10:20])
        np.testing.assert_array_equal(big[-1].numpy(), tensors["big"][-1])
        np.testing.assert_array_equal(big[5:500][7:9][1].numpy(), tensors["big"][13])
        assert big[20:10].numpy().shape == (0, 700)
        assert a["empty"][0:3].numpy().shape == (0, 4)
        for bad, error in ((1200, IndexError), ((0, 700), IndexError), ("x", IndexError), ((0, 1, 2), IndexError)):
            with pytest.raises(error):
                big[bad]
        raw = path.read_bytes()
        for at, n in ((0, 8), (100, 0), (len(raw) - 3, 3), (5, len(raw) - 5)):
            assert a.read_range(at, n) == raw[at : at + n]
        with pytest.raises(ValueError):
            a.read_range(len(raw), 1)
    with pytest.raises(ValueError, match="closed"):
        big.numpy()


@pytest.mark.parametrize("access", ["read", "map", "whole"])
def test_cut_short_while_open(archive, access):
    with zipnn.Archive(archive, access=access) as a:
        os.truncate(archive, 5000)
        with pytest.raises(zipnn.FileError, match="became shorter"):
            a["big"].numpy()


def test_names_that_are_not_utf8(tmp_path):
    path = tmp_path / "arrays.npz"
    np.savez(path, abcd=np.arange(1000, dtype=np.float32))
    data = path.read_bytes().replace(b"abcd", b"\xe9\xff\x80d")
    with zipnn.Archive(zipnn.compress(data)) as a:
        (name,) = a
        assert name.startswith("\\xe9\\xff\\x80d")
        assert a[name].numpy().tolist() == list(range(1000))


def test_sources(model, archive):
    with open(archive, "rb") as f:
        data = f.read()
        for source in (data, bytearray(data), io.BytesIO(data), f):
            with zipnn.Archive(source) as a:
                np.testing.assert_array_equal(a["half"].numpy(), model[0]["half"])


def test_file_objects_that_fail(archive):
    class Bad(io.BytesIO):
        fail = False

        def read(self, n=-1):
            return 1 / 0 if self.fail else super().read(n)

    with open(archive, "rb") as f:
        source = Bad(f.read())
    with zipnn.Archive(source) as a:
        source.fail = True
        with pytest.raises(ZeroDivisionError):
            a["big"].numpy()
        source.fail = False
        a["big"].numpy()


def test_damage_never_gives_a_tensor(model, archive):
    with open(archive, "rb") as f:
        data = f.read()
    for at in range(100, len(data) - 2000, len(data) // 23):
        bad = bytearray(data)
        bad[at] ^= 16
        try:
            loaded = ours.load(bad)
        except zipnn.ZipnnError:
            continue
        raise AssertionError(f"byte {at} changed, and {len(loaded)} tensors came back")


def test_threads_share_an_archive(model, archive):
    failures = []
    with zipnn.Archive(archive) as a:

        def work():
            for name, array in model[0].items():
                if a[name].bytes() != array.tobytes():
                    failures.append(name)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert not failures


def test_threads_read_at_the_same_time(archive):
    """Each of two threads waits inside of its read until the other is inside of its own."""
    meeting = threading.Barrier(2, timeout=30)
    failures = []
    with zipnn.Archive(archive, threads=1) as a:
        whole = a.read_range(0, a.info.original)

        def work():
            met = []

            def progress(done, total):
                if not met:
                    met.append(meeting.wait())

            data = bytearray(len(whole))
            try:
                a._archive.read_into(0, data, progress)
            except Exception as error:
                failures.append(error)
            if data != whole:
                failures.append("other bytes")

        threads = [threading.Thread(target=work) for _ in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert not failures


def test_bytes_that_the_caller_fetches(archive):
    """An asynchronous loader has its own reads: the archive says which, and decodes what came."""
    with open(archive, "rb") as f:
        stored = f.read()
    with zipnn.Archive(archive) as a:
        whole = a.read_range(0, a.info.original)
        for offset, length in ((0, len(whole)), (5, 1000), (len(whole) // 2, len(whole) // 3), (7, 0)):
            buffer, pieces = bytearray(length), []
            ranges = a.ranges(offset, length)
            assert a.decode(offset, buffer, pieces) == ranges
            pieces = [(r.source, r.offset, stored[r.offset : r.offset + r.length]) for r in reversed(ranges)]
            assert a.decode(offset, buffer, pieces) == []
            assert buffer == whole[offset : offset + length]
        first = a.ranges(0, 1)[0]
        damaged = bytearray(stored[first.offset : first.offset + first.length])
        damaged[-1] ^= 1
        with pytest.raises(zipnn.CorruptError):
            a.decode(0, bytearray(1), [(0, first.offset, damaged)])
        for bad, error in ([[(0, -1, b"")], OverflowError], [[(0, 1)], TypeError], [["no"], TypeError]):
            with pytest.raises(error):
                a._archive.decode(0, bytearray(1), bad)
        with pytest.raises(zipnn.NotFoundError):
            a.ranges(len(whole), 1)
    with pytest.raises(ValueError, match="closed"):
        a.ranges(0, 1)


def test_closed_while_others_read(archive):
    """close() waits for reads of other threads; those that come after it find the archive closed."""
    a = zipnn.Archive(archive)
    whole = a.read_range(0, a.info.original)
    wrong, inside = [], threading.Event()

    def work():
        try:
            for _ in range(200):
                if a.read_range(0, len(whole)) != whole:
                    wrong.append("other bytes")
                inside.set()
        except ValueError as error:
            if "closed" not in str(error):
                wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for t in threads:
        t.start()
    inside.wait(30)
    a.close()
    for t in threads:
        t.join()
    assert not wrong
    with pytest.raises(ValueError, match="closed"):
        a.read_range(0, 1)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fork(model, archive):
    a = zipnn.Archive(archive, threads=4)
    expected = a["big"].bytes()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if a["big"][1:].bytes() == expected[2800:] and zipnn.decompress(zipnn.compress(b"x" * 9)) else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert a["big"].bytes() == expected


def test_cycles_are_collected(archive):
    with open(archive, "rb") as f:
        source = io.BytesIO(f.read())
    a = zipnn.Archive(source)
    source.__dict__["archive"] = a
    import weakref

    seen = weakref.ref(source)
    del a, source
    gc.collect()
    assert seen() is None


# ---- twins


def same(left, right):
    assert set(left) == set(right)
    for name in left:
        assert left[name].dtype == right[name].dtype and left[name].shape == right[name].shape
        np.testing.assert_array_equal(left[name], right[name])


def test_load_and_save(model, archive, tmp_path):
    tensors, path = model
    same(ours.load_file(archive), tensors)
    same(ours.load_file(path), tensors)
    with open(archive, "rb") as f:
        same(ours.load(f.read()), tensors)
    same(ours.load(path.read_bytes()), tensors)
    saved = tmp_path / "saved.safetensors.znn"
    ours.save_file(tensors, saved, {"format": "np"})
    assert zipnn.decompress(saved.read_bytes()) == path.read_bytes()  # byte for byte what safetensors writes
    assert zipnn.decompress(ours.save(tensors, {"format": "np"})) == path.read_bytes()
    ours.save_file(tensors, tmp_path / "again.safetensors", {"format": "np"})
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()
    assert zipnn.decompress(ours.save({})) == plain.save({})
    with pytest.raises(ValueError, match="contiguous"):
        ours.save({"x": tensors["big"].T})
    with pytest.raises(TypeError, match="metadata"):
        ours.save({}, {"x": 1})
    swapped = {"x": np.arange(9, dtype=">f4")}
    np.testing.assert_array_equal(ours.load(ours.save(swapped))["x"], swapped["x"])


def test_safe_open(model, archive):
    with twin.safe_open(archive, "np") as f, safetensors.safe_open(model[1], "np") as g:
        assert isinstance(twin.safe_open(model[1], "np").keys(), list)
        assert list(f.keys()) == list(g.keys()) and f.metadata() == g.metadata()
        assert f.offset_keys() == g.offset_keys()
        for name in g.keys():
            same({name: f.get_tensor(name)}, {name: g.get_tensor(name)})
            assert f.get_slice(name).get_shape() == g.get_slice(name).get_shape()
            assert f.get_slice(name).get_dtype() == g.get_slice(name).get_dtype()
        s, big = f.get_slice("big"), model[0]["big"]
        for index in (slice(3, 9), 7, (slice(2, 5), slice(1, 3)), (-1, 4), (Ellipsis, 2), slice(None, None, 2)):
            np.testing.assert_array_equal(s[index], big[index])
        with pytest.raises(KeyError):
            f.get_tensor("nothing")
    with pytest.raises(ValueError, match="framework"):
        twin.safe_open(archive, "tf")


def test_not_a_model(tmp_path):
    path = tmp_path / "x.znn"
    path.write_bytes(zipnn.compress(b"only bytes"))
    with pytest.raises(zipnn.FormatError, match="x.znn"):
        twin.safe_open(path, "np")


def test_ml_dtypes(tmp_path):
    ml = pytest.importorskip("ml_dtypes")
    tensors = {
        "bf16": np.arange(1000).astype(ml.bfloat16).reshape(10, 100),
        "fp8": np.arange(64).astype(ml.float8_e4m3fn),
    }
    data = ours.save(tensors)
    with zipnn.Archive(data) as a:
        assert a["bf16"].dtype == "BF16" and a["fp8"].dtype == "F8_E4M3"
    same(ours.load(data), tensors)


def test_pickled(model):
    """An archive, a tensor and what an index takes of it are opened again."""
    tensors, path = model
    zipnn.compress_file(path)
    archive = f"{path}.znn"
    with zipnn.Archive(archive, 2, "read") as a, open(archive, "rb") as f:
        again = pickle.loads(pickle.dumps(a))
        assert again.path == archive and list(again) == list(a) and again is not a
        for part in (a["big"], a["big"][5:9], a["big"][::7, 3], a["big"][3:9][2]):
            assert (pickle.loads(pickle.dumps(part)).numpy() == part.numpy()).all()
            assert (copy.deepcopy(part).numpy() == part.numpy()).all()
        of_bytes = pickle.loads(pickle.dumps(zipnn.Archive(memoryview(f.read()))))
        assert (of_bytes["half"].numpy() == tensors["half"]).all()
        with pytest.raises(TypeError, match="by its path"):
            pickle.dumps(zipnn.Archive(f))
    with pytest.raises(ValueError, match="closed"):
        pickle.dumps(a)


def test_pickled_with_a_base(model, tmp_path):
    _, path = model
    changed = bytearray(path.read_bytes())
    changed[-3] ^= 1
    (tmp_path / "later").write_bytes(changed)
    zipnn.compress_file(tmp_path / "later", base=path)
    with zipnn.Archive(tmp_path / "later.znn", base=path) as a:
        again = pickle.loads(pickle.dumps(a))
        assert again.read_range(0, len(changed)) == changed


class Rows:
    """A data set of rows of an archive."""

    def __init__(self, path):
        self.archive = zipnn.Archive(path)

    def __len__(self):
        return 12

    def __getitem__(self, i):
        return self.archive["big"][i].torch()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_data_loader(model, method):
    torch = pytest.importorskip("torch")
    from torch.utils.data import DataLoader

    tensors, path = model
    zipnn.compress_file(path)
    loader = DataLoader(Rows(f"{path}.znn"), batch_size=4, num_workers=1, multiprocessing_context=method)
    rows = torch.cat(list(loader))
    assert (rows.numpy() == tensors["big"][:12]).all()


def test_what_is_no_archive():
    for wrong in (3, None, 2.5, object()):
        with pytest.raises(TypeError, match="path, bytes or a seekable"):
            zipnn.Archive(wrong)
        with pytest.raises(TypeError, match="path, bytes or a seekable"):
            zipnn.inspect(wrong)
