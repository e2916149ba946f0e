"""What is collected, kept, forked or called back at a bad moment: no crash, no deadlock, nothing left behind."""

import gc
import io
import os
import subprocess
import sys
import threading
import time
import weakref

import pytest
import zipnn
from conftest import weights_f32
from zipnn import _zipnn


@pytest.fixture(scope="module")
def archive(weights):
    return zipnn.compress(weights, dtype="f32")


def run(program, *arguments, code=0):
    """The program in an interpreter of its own, since what it tests may end it."""
    command = [sys.executable, "-X", "faulthandler", "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout


# ---- collected ----


def test_collected_with_its_buffer(tmp_path, archive):
    """A collection that takes a memoryview apart before the archive over it."""
    path = tmp_path / "a.znn"
    path.write_bytes(archive)
    program = """
import gc, sys, zipnn
class B(bytes):
    def __getattr__(self, name):  # a young collection between the archive's object and its memoryview
        gc.collect(0)
        raise AttributeError(name)
for wrap in (lambda b: b, memoryview, bytearray, lambda b: memoryview(memoryview(b)).cast("B")):
    archive = zipnn.Archive(wrap(B(open(sys.argv[1], "rb").read())))
    tensor = next(iter(archive.values()), None)
    del archive, tensor
    gc.collect()
print("alive")
"""
    assert run(program, path) == "alive\n"


class Loop(io.BytesIO):
    """A file object that leads back to what reads it."""


def test_collected_in_cycles(archive):
    sources = [Loop(archive) for _ in range(5)]
    kept = [weakref.ref(s) for s in sources]
    for source in sources:
        source.archive = zipnn.Archive(source)
    del sources, source
    gc.collect()
    assert not any(ref() for ref in kept)


def test_found_half_made(archive):
    """The collector knows an archive before it is open."""
    found = []

    class Source:
        def seek(self, *unused):
            return len(archive)

        def read(self, n):
            for o in gc.get_objects():
                if type(o) is _zipnn.Archive and o not in found:
                    found.append(o)
                    into = bytearray(5)
                    for call in (o.info, o.tensors, o.close, lambda o=o: o.chunk(0), lambda o=o: o.read_into(0, into)):
                        with pytest.raises((ValueError, RuntimeError)):
                            call()
            raise OSError("enough")

    gc.collect()
    others = [o for o in gc.get_objects() if type(o) is _zipnn.Archive]
    found.extend(others)
    with pytest.raises(OSError, match="enough"):
        zipnn.Archive(Source())
    assert len(found) == len(others) + 1
    with pytest.raises(ValueError, match="closed"):
        found[-1].info()


def fds():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def test_prefetching_and_let_go(model):
    tensors, path = model
    zipnn.compress_file(path)
    gc.collect()
    before = threading.active_count(), fds()
    for limit in (1, 1 << 16, 1 << 28):
        for _ in range(5):
            archive = zipnn.Archive(f"{path}.znn")
            archive.prefetch(limit=limit)
            archive[next(iter(archive))].numpy()
            del archive
    gc.collect()
    assert (threading.active_count(), fds()) == before


def test_a_prefetching_thread_ends_when_all_is_done(model):
    _, path = model
    zipnn.compress_file(path)
    with zipnn.Archive(f"{path}.znn") as a:
        a.prefetch()
        end = time.monotonic() + 20
        while any(t.name == "zipnn.prefetch" for t in threading.enumerate()) and time.monotonic() < end:
            time.sleep(0.01)
        assert not any(t.name == "zipnn.prefetch" for t in threading.enumerate())
        assert a["big"].numpy().shape == (1200, 700)
        a.prefetch(["big"])
        assert a["big"].numpy().shape == (1200, 700)


def test_prefetch_of_a_file_object_that_ends_the_thread(archive):
    class Bad(io.BytesIO):
        bad = False

        def read(self, n=-1):
            if self.bad:
                raise SystemExit
            return super().read(n)

    np = pytest.importorskip("numpy")
    st = pytest.importorskip("safetensors.numpy")
    source = Bad(zipnn.compress(st.save({"a": np.arange(100000), "b": np.arange(10)})))
    with zipnn.Archive(source) as a:
        source.bad = True
        a.prefetch()
        with pytest.raises(SystemExit):
            a["a"].numpy()
        source.bad = False
        assert a["a"].numpy()[-1] == 99999 and a["b"].numpy()[-1] == 9


@pytest.mark.parametrize("what", ["writer", "writer in a cycle", "prefetch", "reader", "thread"])
def test_end_of_the_interpreter(tmp_path, weights, what):
    """Forgotten objects and threads that work: the process ends by itself, quickly, and leaves no temporary file."""
    src = tmp_path / "w"
    src.write_bytes(weights * 4)
    zipnn.compress_file(src, dtype="f32", level=9)
    program = """
import sys, threading, time, warnings, zipnn
warnings.simplefilter("ignore")
src, what = sys.argv[1:]
data = open(src, "rb").read()
if what.startswith("writer"):
    f = zipnn.open(src + ".new", "wb", level=9)
    f.write(data)
    if what != "writer":
        f.itself = f
        del f
elif what == "prefetch":
    a = zipnn.Archive(src + ".znn")
    a.prefetch([next(iter(a))] if len(a) else None)
    a._prefetcher.order([(0, a.info.original)], 1 << 30)
elif what == "reader":
    f = zipnn.open(src + ".znn")
    f.read(10)
else:
    threading.Thread(target=lambda: [zipnn.decompress(zipnn.compress(data)) for _ in range(99)], daemon=True).start()
    time.sleep(0.1)
print("end")
"""
    assert run(program, src, what) == "end\n"
    assert sorted(os.listdir(tmp_path)) == ["w", "w.znn"]


# ---- kept ----


def test_what_is_kept_of_a_write(weights):
    np = pytest.importorskip("numpy")
    kept, whole = [], io.BytesIO()

    class Sink:
        def write(self, data):
            view = memoryview(data)
            kept.append((view[:10], np.frombuffer(data, np.uint8), data, bytes(data)))
            return whole.write(data)

    with zipnn.open(Sink(), "wb") as f:
        f.write(weights)
    for _ in range(3):
        zipnn.compress(weights * 3)
    for part, array, data, copy in kept:
        assert bytes(part) == copy[:10] and array.tobytes() == copy == bytes(data)
    assert zipnn.decompress(whole.getvalue()) == weights


def test_what_is_kept_of_a_read(weights):
    """Views of memory that the source fills are nobody else's memory."""
    views, pieces = [], io.BytesIO(weights)

    def read(view):
        views.append(view[: len(view) // 2])
        return pieces.readinto(view)

    out = io.BytesIO()
    _zipnn.pack((read, None, None), out.write, 0, None, 0, 2, True, False, None)
    for view in views:
        view[:] = bytes(len(view))  # wherever that is
    assert zipnn.decompress(out.getvalue()) == weights
    for answer in (None, "1", 1.5, True, -1, 1 << 40, 1 << 70):
        with pytest.raises((TypeError, ValueError, OverflowError)):
            _zipnn.pack((lambda view: answer, None, None), out.write, 0, None, 0, 1, True, False, None)


def test_file_objects_that_write_less(weights):
    class Raw(io.RawIOBase):
        def __init__(self):
            self.data = bytearray()

        def writable(self):
            return True

        def write(self, data):
            self.data += data[:70001]
            return min(len(data), 70001)

    raw = Raw()
    with zipnn.open(raw, "wb") as f:
        f.write(weights)
    assert zipnn.decompress(bytes(raw.data)) == weights
    raw.write = lambda data: None
    with pytest.raises(BlockingIOError):
        with zipnn.open(raw, "wb") as f:
            f.write(weights)


@pytest.mark.parametrize("answer", [b"", b"x", None, "text", 5, b"x" * 100])
def test_file_objects_that_read_otherwise(archive, answer):
    class Source:
        def seek(self, *unused):
            return len(archive)

        def read(self, n):
            return answer if answer != b"x" * 100 else bytes(n + 1)

    with pytest.raises((EOFError, TypeError, OSError, ValueError)):
        zipnn.Archive(Source())


# ---- called back ----


class Greedy(io.BytesIO):
    """Uses the archive that it is read by."""

    use = None
    seen = None

    def read(self, n=-1):
        if self.use:
            use, self.use = self.use, None
            try:
                use()
            except BaseException as error:
                self.seen = error
                raise
        return super().read(n)


@pytest.mark.parametrize("threads", [1, 3])
def test_re_entrance_of_reads(weights, archive, threads):
    source = Greedy(archive)
    with zipnn.Archive(source, threads=threads) as a:
        uses = {
            "read": lambda: a.read_range(0, len(weights)),
            "close": a.close,
            "prefetch": a.prefetch,
            "info": a._archive.info,
        }
        for name, use in uses.items():
            source.use = use
            with pytest.raises(RuntimeError, match="cannot use it"):
                a.read_range(0, len(weights))
            assert a.read_range(0, len(weights)) == weights, name
    source = Greedy(archive)
    with zipnn.open(source, threads=threads) as f:
        source.use = lambda: f.raw.read(10)
        with pytest.raises(RuntimeError, match="cannot use it"):
            f.read()


@pytest.mark.parametrize("use", ["write", "flush", "close", "discard"])
def test_re_entrance_of_writes(weights, use):
    class Sink:
        def write(self, data):
            if use == "write":
                f.write(weights)
            elif use == "discard":
                f.raw.write(b"more")
            else:
                getattr(f, use)()

    f = zipnn.open(Sink(), "wb")
    with pytest.raises(RuntimeError, match="cannot use the file"), f:
        f.write(weights)
    assert not any(t.name == "zipnn.open" for t in threading.enumerate())


def test_callbacks_run_where_the_call_was_made(weights, archive):
    """No worker of the library runs Python."""
    where = set()

    class Source(io.BytesIO):
        def read(self, n=-1):
            where.add(threading.get_ident())
            return super().read(n)

    with zipnn.Archive(Source(archive), threads=4) as a:
        assert a.read_range(0, len(weights)) == weights
    assert where == {threading.get_ident()}


def test_exceptions_of_file_objects(weights, archive):
    class Bad(io.BytesIO):
        left = 3

        def read(self, n=-1):
            self.left -= 1
            if self.left == 0:
                raise KeyError("bad")
            return super().read(n)

    for threads in (1, 4):
        for left in range(1, 12):
            source = Bad(archive)
            source.left = left
            try:
                with zipnn.Archive(source, threads=threads) as a:
                    assert a.read_range(0, len(weights)) == weights
            except KeyError:
                continue


def test_buffers_that_raise(archive):
    if sys.version_info < (3, 12):
        pytest.skip("__buffer__ came with Python 3.12")

    class B:
        def __buffer__(self, flags):
            raise ZeroDivisionError

    for call in (zipnn.compress, zipnn.decompress, zipnn.Archive, lambda b: zipnn.decompress_into(archive, b)):
        with pytest.raises((ZeroDivisionError, TypeError)):
            call(B())


# ---- changed meanwhile ----


def test_memory_that_changes_is_never_old_memory(tmp_path):
    program = """
import threading, zipnn
A, B = zipnn.compress(bytes(100000)), zipnn.compress(bytes(60000))
assert len(A) == len(B)
data, end = bytearray(A), threading.Event()
def flip():
    while not end.is_set():
        data[:] = B
        data[:] = A
thread = threading.Thread(target=flip)
thread.start()
sizes = set()
for i in range(1500):
    junk = [b"SECRET--" * 12500 for _ in range(4)]
    del junk
    try:
        got = zipnn.decompress(data)
        assert got == bytes(len(got)), got[-24:]
        sizes.add(len(got))
        with zipnn.Archive(data) as a:
            got = a.read_range(0, a.info.original)
            assert got == bytes(len(got)), got[-24:]
    except (zipnn.ZipnnError, ValueError):
        pass
end.set()
thread.join()
print(sizes <= {100000, 60000})
"""
    assert run(program) == "True\n"


def test_memory_that_changes_is_named_as_the_cause(weights):
    """compress() that finds other bytes than it has read says so."""
    data, end = bytearray(weights), threading.Event()

    def change():
        other = bytes(reversed(weights[: 1 << 20]))
        while not end.is_set():
            data[: 1 << 20] = other
            data[: 1 << 20] = weights[: 1 << 20]

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(60):
            try:
                archive = zipnn.compress(data, dtype="f32", level=1)
                assert zipnn.original_size(archive) == len(data)
            except zipnn.CorruptError as error:
                assert "input changed" in str(error)
                break
    finally:
        end.set()
        thread.join()


def test_mappings_cannot_be_closed_meanwhile(tmp_path, archive):
    import mmap

    path = tmp_path / "a.znn"
    path.write_bytes(archive)
    with open(path, "rb") as f:
        mapping = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        with zipnn.Archive(mapping) as a:
            with pytest.raises(BufferError):
                mapping.close()
            assert a.info.archive == len(archive)
        mapping.close()


# ---- numbers ----


def test_numbers_are_numbers(tmp_path, archive):
    for fake in (True, False):
        with pytest.raises(TypeError, match="bool"):
            _zipnn.Archive(fake)
        with pytest.raises(TypeError, match="bool"):
            _zipnn.unpack(archive, fake, 0, 1, None)
        with pytest.raises(TypeError):
            _zipnn.Archive((None, lambda offset, n: b"", fake))
    a = _zipnn.Archive(archive)
    assert a.chunk(0)[0] == 0
    for number in (-1, 2**64, 2**64 + 1, 10**30):
        with pytest.raises(OverflowError):
            a.chunk(number)
        with pytest.raises(OverflowError):
            a.read_into(number, bytearray(1))
        with pytest.raises(OverflowError):
            _zipnn.Archive(number)
        with pytest.raises(OverflowError):
            _zipnn.unpack(archive, lambda data: None, number << 40, 1, None)
    for number in (True, 1.0, "1", None):
        with pytest.raises(TypeError):
            a.chunk(number)
        with pytest.raises(TypeError):
            a.read_into(number, bytearray(1))
    with pytest.raises(zipnn.NotFoundError):
        a.chunk(2**64 - 1)
    with pytest.raises(TypeError, match="keyword"):
        _zipnn.Archive(archive, threads=2)


# ---- forked ----


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_while_others_work(tmp_path, weights, archive):
    """Children of a process whose threads read, prefetch and write."""
    path = tmp_path / "a.znn"
    path.write_bytes(archive)
    end = threading.Event()
    with zipnn.Archive(path) as a, zipnn.open(tmp_path / "new.znn", "wb") as f:

        def read():
            while not end.is_set():
                a.read_range(0, len(weights))

        threads = [threading.Thread(target=read) for _ in range(2)]
        for t in threads:
            t.start()
        f.write(weights[:100])
        a._prefetcher.order([(0, len(weights))], 1 << 30)
        for _ in range(5):
            child = os.fork()
            if child == 0:
                try:
                    assert a.read_range(0, len(weights)) == weights
                    a._prefetcher.order([(5, 1000)], 1 << 20)
                    assert a._prefetcher.take(5, 1000) in (weights[5:1005], None)
                    try:
                        f.write(b"child")
                        os._exit(2)
                    except RuntimeError:
                        pass
                    f.discard()
                    a.close()
                    assert zipnn.decompress(archive) == weights
                    gc.collect()
                    os._exit(0)
                except BaseException:
                    os._exit(1)
            end_of_wait = time.monotonic() + 60
            while (status := os.waitpid(child, os.WNOHANG))[0] == 0:
                assert time.monotonic() < end_of_wait, "the child hangs"
                time.sleep(0.01)
            assert os.waitstatus_to_exitcode(status[1]) == 0
        end.set()
        for t in threads:
            t.join()
    assert zipnn.decompress((tmp_path / "new.znn").read_bytes()) == weights[:100]


def test_many_threads_on_one_archive(weights, archive):
    data, failures = weights_f32(1000), []
    with zipnn.Archive(archive, threads=2) as a:

        def work(seed):
            for i in range(40):
                at = (seed * 7919 + i * 104729) % (len(weights) - 4000)
                if a.read_range(at, 4000) != weights[at : at + 4000] or zipnn.compress(data) is None:
                    failures.append(at)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert not failures
