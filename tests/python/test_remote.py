"""Archives behind URLs: how many requests and bytes, and what is said when something is wrong there."""

import io
import math
import os
import pathlib
import pickle
import sys
import threading

import pytest
import zipnn
from zipnn import errors, pieces, web

np = pytest.importorskip("numpy")
plain = pytest.importorskip("safetensors.numpy")

sys.path.insert(0, os.fspath(pathlib.Path(__file__).parent.parent / "support"))
from range_server import RangeServer  # noqa: E402

SLACK = 128 << 10
BLOCK = 8 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """big: 50 MiB in 60 tensors, of which one has 30 MiB; small: an archive of a few KiB."""
    where = tmp_path_factory.mktemp("remote")
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 0.02, 15 << 18).astype("f4")
    tensors = {"large": np.concatenate([noise, noise[::-1]]).reshape(60, -1)}
    tensors |= {f"t{i:02}": rng.normal(0, 0.02, (64, 1200)).astype("f4") for i in range(58)}
    tensors["tiny"] = np.arange(3, dtype="f4")
    plain.save_file(tensors, where / "big.safetensors")
    plain.save_file({"a": np.ones((4, 4), "f4")}, where / "small.safetensors")
    later = {name: array + (1e-4 if name == "t03" else 0) for name, array in tensors.items()}
    plain.save_file({name: array.astype("f4") for name, array in later.items()}, where / "later.safetensors")
    for name in ("big", "small"):
        zipnn.compress_file(where / f"{name}.safetensors")
    zipnn.compress_file(where / "later.safetensors", base=where / "big.safetensors")
    return where, tensors


@pytest.fixture
def server(folder):
    with RangeServer(os.fspath(folder[0])) as running:
        yield running


BIG, SMALL, LATER = (f"{name}.safetensors.znn" for name in ("big", "small", "later"))


def span_of(archive, tensor):
    ranges = archive.ranges(tensor.offset, tensor.nbytes)
    return ranges[-1].offset + ranges[-1].length - ranges[0].offset


def test_pickled(folder, server):
    """As in the workers of a DataLoader: opened again."""
    _, tensors = folder
    with zipnn.open_url(server.url(f"plain/{BIG}"), workers=2) as a:
        again = pickle.loads(pickle.dumps(a["t03"][5:7]))
    assert (again.numpy() == tensors["t03"][5:7]).all()
    again.archive.close()


def test_requests_and_bytes(folder, server):
    where, tensors = folder
    with zipnn.open_url(server.url(f"plain/{BIG}")) as a:
        took = server.take()
        assert took["requests"] <= 2 and took["bytes"] <= SLACK
        assert set(a) == set(tensors)
        for name in ("large", "t05", "tiny", "t57"):
            span = span_of(a, a[name])
            np.testing.assert_array_equal(a[name].numpy(), tensors[name])
            took = server.take()
            assert took["requests"] <= math.ceil(span / BLOCK) + 1
            assert took["bytes"] <= 1.02 * span + SLACK
        np.testing.assert_array_equal(a["large"][7:9].numpy(), tensors["large"][7:9])
        took = server.take()
        assert took["requests"] <= 2 and took["bytes"] <= 4 << 20
    length = (where / BIG).stat().st_size
    with zipnn.open_url(server.url(f"plain/{BIG}")) as a:
        assert a.read_range(0, a.info.original) == (where / "big.safetensors").read_bytes()
    took = server.take()
    assert took["requests"] <= math.ceil(length / BLOCK) + 3 and took["bytes"] <= 1.02 * length + SLACK


def test_all_tensors_are_fetched_together(folder, server):
    where, tensors = folder
    length = (where / BIG).stat().st_size
    with zipnn.open_url(server.url(f"plain/{BIG}"), workers=2) as a:
        a.prefetch()
        for name, array in tensors.items():
            np.testing.assert_array_equal(a[name].numpy(), array)
    took = server.take()
    assert took["requests"] <= math.ceil(length / BLOCK) + 3 and took["bytes"] <= 1.02 * length + SLACK


def test_small(server):
    with zipnn.open_url(server.url(f"plain/{SMALL}")) as a:
        assert (a["a"].numpy() == 1).all()
    assert server.take()["requests"] == 1


def test_as_a_file(folder, server):
    where, _ = folder
    source = zipnn.remote.open_source(server.url(f"plain/{BIG}"))
    with zipnn.open(source) as f:
        while f.read(1 << 20):
            pass
        f.seek(0)
        assert f.read() == (where / "big.safetensors").read_bytes()
    assert server.take()["requests"] <= 40


def test_against_a_base(folder, server):
    """The base beside it is found by its name; another one is given."""
    where, _ = folder
    original = (where / "later.safetensors").read_bytes()
    with zipnn.open_url(server.url(f"plain/{LATER}")) as a:
        assert a.read_range(0, len(original)) == original
    with zipnn.open_url(server.url(f"plain/{LATER}"), base=server.url(f"slow/{BIG}")) as a:
        assert a.read_range(0, len(original)) == original
    with zipnn.open_url(server.url(f"plain/{LATER}"), base=where / "big.safetensors") as a:
        assert a.read_range(0, len(original)) == original


def test_a_base_of_the_same_name(folder, tmp_path):
    """Two checkpoints of one name lie in two folders. What lies beside the later one under that name is itself."""
    fsspec = pytest.importorskip("fsspec")
    where, _ = folder
    original = (where / "later.safetensors").read_bytes()
    base = tmp_path / "m.safetensors"
    base.write_bytes((where / "big.safetensors").read_bytes())
    zipnn.compress_file(where / "later.safetensors", tmp_path / "m.znn", base=base)
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/test_remote/new/m.safetensors.znn", (tmp_path / "m.znn").read_bytes())
    try:
        with zipnn.open_url("memory://test_remote/new/m.safetensors.znn") as a, pytest.raises(zipnn.BaseError):
            a.read_range(0, len(original))
        with zipnn.open_url("memory://test_remote/new/m.safetensors.znn", base=base) as a:
            assert a.read_range(0, len(original)) == original
    finally:
        memory.rm("/test_remote", recursive=True)


@pytest.mark.parametrize("mode", ["busy", "short", "noetag", "weak", "redirect", "signed", "slow"])
def test_what_is_overcome(folder, server, mode):
    _, tensors = folder
    with zipnn.open_url(server.url(f"{mode}/{BIG}")) as a:
        for name in ("large", "t07"):
            np.testing.assert_array_equal(a[name].numpy(), tensors[name])


@pytest.mark.parametrize(
    "mode, kind, words",
    [
        ("noranges", errors.FileError, "no ranges"),
        ("changed", errors.FileError, "changed since it was opened"),
        ("grown", errors.FileError, "changed since it was opened"),
        ("forbidden", errors.FileForbiddenError, "403"),
        ("expires", errors.FileForbiddenError, "signed"),
        ("login", errors.FileForbiddenError, "401"),
        ("gone", errors.FileMissingError, "404"),
        ("down", errors.FileError, "attempts failed, the last one: the server answers 503"),
        ("hangs", errors.FileError, "does not answer"),
        ("endless", errors.FileError, "does not answer"),
        ("drips", errors.FileError, "bytes came in"),
        ("shifted", errors.FileError, "asked for"),
        ("long", errors.FileError, "more than"),
        ("gzip", errors.FileError, "encoded"),
        ("loop", errors.FileError, "redirects"),
        ("lies", zipnn.ZipnnError, ""),
        ("huge", (zipnn.ZipnnError, EOFError), ""),
    ],
)
def test_what_is_said(server, mode, kind, words):
    options = {"timeout": 0.7, "retries": 1}
    url = server.url(f"{mode}/{BIG}").replace("//", "//user:hidden@") + "?token=hidden"
    with pytest.raises(kind) as raised:
        with zipnn.open_url(url, options) as a:
            a["large"].numpy()
    assert words in str(raised.value) and "hidden" not in str(raised.value) + repr(raised.value)


def test_an_url_that_expired_is_renewed(folder, server):
    fresh = []

    def renew():
        fresh.append(server.url(f"plain/{BIG}"))
        return fresh[-1]

    with zipnn.open_url(server.url(f"expires/{BIG}"), {"renew": renew}) as a:
        np.testing.assert_array_equal(a["large"].numpy(), folder[1]["large"])
    assert fresh


def test_logging_in(server, folder):
    with zipnn.open_url(server.url(f"login/{SMALL}").replace("//", "//me:pass%20word@")) as a:
        assert "a" in a
    with zipnn.open_url(server.url(f"secret/{SMALL}"), {"headers": {"X-Key": "key"}}) as a:
        assert "a" in a
    server.take()
    with RangeServer(os.fspath(folder[0])) as other:
        url = server.url(f"elsewhere/{other.server_port}/plain/{BIG}").replace("//", "//me:pass%20word@")
        with zipnn.open_url(url, {"headers": {"X-Key": "key", "Cookie": "c"}}) as a:
            np.testing.assert_array_equal(a["t01"].numpy(), folder[1]["t01"])
        seen = other.take()["headers"]
    assert not {"Authorization", "X-Key", "Cookie"} & set(seen)
    assert {"Authorization", "X-Key", "Cookie"} <= set(server.take()["headers"])


def test_urls_as_messages_show_them():
    for url, bare in (
        ("https://me:pw@example.org:1/a/b?X-Amz-Signature=1#f", "https://example.org:1/a/b"),
        ("http://example.org", "http://example.org"),
        ("s3://key:secret@bucket/k", "s3://bucket/k"),
    ):
        assert web.shown(url) == bare


def test_many_threads(folder, server):
    _, tensors = folder
    wrong = []
    with zipnn.open_url(server.url(f"slow/{BIG}"), workers=4) as a:

        def read(names):
            wrong.extend(name for name in names if not np.array_equal(a[name].numpy(), tensors[name]))

        names = list(tensors)
        threads = [threading.Thread(target=read, args=(names[i::3],)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
    with pytest.raises(ValueError):
        a["tiny"].numpy()


class Counting(io.RawIOBase):
    """A file object somewhere, of which each read costs."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.reads = self.got = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, *where):
        return self.file.seek(*where)

    def tell(self):
        return self.file.tell()

    def read(self, n=-1):
        self.reads += 1
        data = self.file.read(n)
        self.got += len(data)
        return data

    def close(self):
        self.file.close()
        super().close()


def test_file_objects_are_read_in_large_pieces(folder):
    where, tensors = folder
    f = Counting(where / BIG)
    with f, zipnn.Archive(f) as a:
        assert f.reads <= 2 and f.got <= SLACK
        f.reads = f.got = 0
        span = span_of(a, a["large"])
        np.testing.assert_array_equal(a["large"].numpy(), tensors["large"])
        assert f.reads <= math.ceil(span / BLOCK) + 1 and f.got <= 1.02 * span + SLACK


def test_memory_is_bounded():
    """Of a source of 400 MiB that is announced whole never more than a few pieces are held."""

    class Zeros:
        name = "zeros"
        parallel = True

        def open(self, n):
            return 400 << 20, bytes(n)

        def fetch(self, start, end):
            return bytes(end - start)

        def close(self):
            pass

    source = pieces.Source(Zeros(), workers=2)
    source.will_read([(0, source.length)])
    for at in range(0, source.length, 1 << 20):
        assert len(source.read_at(at, 1 << 20)) == 1 << 20
        assert sum(p.end - p.start for p in source._loaded) <= 6 * BLOCK
    source.close()


def test_runs_of_ranges():
    merged = list(pieces.merge([(10, 5), (0, 10), (5000, 10), (1 << 20, 1 << 20), ((1 << 21) + 9000, 1)]))
    assert merged == [(0, 15), (5000, 5010), (1 << 20, (1 << 21) + 9001)]


def test_fsspec(folder):
    fsspec = pytest.importorskip("fsspec")
    where, tensors = folder
    memory = fsspec.filesystem("memory")
    memory.pipe("/models/big.znn", (where / BIG).read_bytes())
    with zipnn.open_url("memory://models/big.znn") as a:
        np.testing.assert_array_equal(a["large"].numpy(), tensors["large"])
    with memory.open("/models/big.znn") as f, zipnn.Archive(f) as a:
        np.testing.assert_array_equal(a["t01"].numpy(), tensors["t01"])
    with pytest.raises(zipnn.FileMissingError):
        zipnn.open_url("memory://models/other.znn")


def test_as_a_file_system_of_fsspec(folder):
    fsspec = pytest.importorskip("fsspec")
    where, _ = folder
    original = (where / "big.safetensors").read_bytes()
    memory = fsspec.filesystem("memory")
    memory.pipe("/models/big.safetensors.znn", (where / BIG).read_bytes())
    with fsspec.open("znn::memory://models/big.safetensors.znn") as f:
        assert f.read() == original
    with fsspec.open(f"znn://big.safetensors::{where / BIG}") as f:
        f.seek(1000)
        assert f.read(50) == original[1000:1050]
    fs = fsspec.filesystem("znn", fo="memory://models/big.safetensors.znn")
    assert [(e["name"], e["size"]) for e in fs.ls("")] == [("big.safetensors", len(original))]
    assert fs.cat_file("big.safetensors", 5, 500) == original[5:500]
    assert fs.cat_ranges(["big.safetensors"] * 2, [0, 7], [3, 70000]) == [original[:3], original[7:70000]]
    with pytest.raises(FileNotFoundError):
        fs.open("other")
    with pytest.raises(ValueError):
        fs.open("big.safetensors", "wb")
    with (where / BIG).open("rb") as f:
        assert fsspec.filesystem("znn", fo=f).cat_file("big.safetensors") == original


def test_the_twin_of_safetensors(folder, server):
    import zipnn.safetensors as twin
    import zipnn.safetensors.numpy as ours

    where, tensors = folder
    loaded = ours.load_file(server.url(f"plain/{BIG}"))
    assert loaded.keys() == tensors.keys() and all(np.array_equal(loaded[k], v) for k, v in tensors.items())
    took = server.take()
    assert took["requests"] <= math.ceil((where / BIG).stat().st_size / BLOCK) + 3
    with twin.safe_open(server.url(f"plain/{BIG}"), "np") as f:
        np.testing.assert_array_equal(f.get_tensor("t09"), tensors["t09"])
        np.testing.assert_array_equal(f.get_slice("large")[3:5], tensors["large"][3:5])
    with pytest.raises(zipnn.FormatError):
        twin.safe_open(server.url("plain/big.safetensors"), "np")
