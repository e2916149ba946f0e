"""Bytes and files, there and back."""

import array
import errno
import os
import pickle
import subprocess
import sys
import threading

import pytest
import zipnn
from conftest import weights_f32


@pytest.mark.parametrize("n", [0, 1, 3, 4095, 1 << 20])
@pytest.mark.parametrize("level", [None, 1, 9])
def test_round_trip(n, level):
    data = weights_f32(n // 4 + 1)[:n]
    archive = zipnn.compress(data, level=level)
    assert zipnn.original_size(archive) == n
    assert zipnn.decompress(archive) == data
    buffer = bytearray(n + 7)
    assert zipnn.decompress_into(archive, buffer) == n
    assert buffer[:n] == data


@pytest.mark.parametrize("dtype", ["f32", "F32", "float32", "torch.float32", None])
def test_dtypes(weights, dtype):
    archive = zipnn.compress(weights, dtype=dtype)
    assert len(archive) < 0.95 * len(weights)
    assert zipnn.decompress(archive) == weights


def test_unknown_dtype():
    with pytest.raises(ValueError, match="no element type"):
        zipnn.compress(b"", dtype="f33")


def test_threads_do_not_change_bytes(weights):
    assert zipnn.compress(weights, threads=1) == zipnn.compress(weights, threads=4)


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, lambda b: array.array("f", b[: len(b) & ~3])])
def test_buffers(weights, make):
    data = make(weights)
    assert zipnn.decompress(zipnn.compress(data)) == bytes(data)


def test_bad_arguments(weights):
    for call in (
        lambda: zipnn.compress("text"),
        lambda: zipnn.compress(memoryview(weights)[::2]),
        lambda: zipnn.compress(b"", level=10),
        lambda: zipnn.compress(b"", threads=-1),
        lambda: zipnn.decompress_into(zipnn.compress(b"abc"), b"abc"),
    ):
        with pytest.raises((TypeError, ValueError, BufferError)):
            call()


def test_damage(weights):
    archive = zipnn.compress(weights)
    for at in range(0, len(archive), 40009):
        bad = bytearray(archive)
        bad[at] ^= 1
        with pytest.raises(zipnn.ZipnnError) as error:
            zipnn.decompress(bad)
        assert str(error.value)
    with pytest.raises(zipnn.TruncatedError):
        zipnn.decompress(archive[:-1])
    with pytest.raises(zipnn.FormatError):
        zipnn.decompress(b"not an archive at all" * 9)
    with pytest.raises(zipnn.SpaceError):
        zipnn.decompress_into(archive, bytearray(len(weights) - 1))


def test_errors_are_what_python_expects():
    assert issubclass(zipnn.FileError, OSError)
    assert issubclass(zipnn.OutOfMemoryError, MemoryError)
    assert issubclass(zipnn.NotFoundError, LookupError)
    error = zipnn.CorruptError(17, "the sentence", "file")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.offset, str(again)) == (zipnn.CorruptError, 17, "file: the sentence")
    assert str(zipnn.FileError(None, "x: gone", "x")) == "x: gone"


def test_files_that_cannot_be_opened(tmp_path, weights):
    """Each is what Python calls it, and a FileError."""
    missing, file = tmp_path / "missing", tmp_path / "w"
    file.write_bytes(weights)
    new = tmp_path / "new"
    cases = [
        (FileNotFoundError, errno.ENOENT, missing, lambda: zipnn.open(missing)),
        (FileNotFoundError, errno.ENOENT, missing, lambda: zipnn.Archive(missing)),
        (FileNotFoundError, errno.ENOENT, missing, lambda: zipnn.verify_file(missing)),
        (FileNotFoundError, errno.ENOENT, missing, lambda: zipnn.compress_file(missing)),
        (FileNotFoundError, errno.ENOENT, missing, lambda: zipnn.decompress_file(missing, new)),
        (FileNotFoundError, errno.ENOENT, missing / "new", lambda: zipnn.compress_file(file, missing / "new")),
        (NotADirectoryError, errno.ENOTDIR, file / "x", lambda: zipnn.Archive(file / "x")),
        (IsADirectoryError, errno.EISDIR, tmp_path, lambda: zipnn.Archive(tmp_path)),
        (IsADirectoryError, errno.EISDIR, tmp_path, lambda: zipnn.verify_file(tmp_path)),
        (FileExistsError, errno.EEXIST, file, lambda: zipnn.open(file, "xb")),
        (FileExistsError, errno.EEXIST, file, lambda: zipnn.compress_file(file, file.with_name("w.znn"))),
    ]
    file.with_name("w.znn").write_bytes(b"")
    cases[-1] = (FileExistsError, errno.EEXIST, file.with_name("w.znn"), cases[-1][3])
    long = tmp_path / ("n" * 200)
    cases.append((FileNotFoundError, errno.ENOENT, long, lambda: zipnn.Archive(long)))
    for kind, number, path, call in cases:
        with pytest.raises(kind) as error:
            call()
        e = error.value
        assert isinstance(e, zipnn.FileError) and e.errno == number and e.filename == str(path)
        assert e.strerror == os.strerror(number)
        again = pickle.loads(pickle.dumps(e))
        assert type(again) is type(e) and str(again) == str(e) and again.errno == number
    with pytest.raises(FileNotFoundError):
        with zipnn.open(missing / "new", "wb") as f:
            f.write(weights)


def test_clear_words(weights):
    with pytest.raises(TypeError, match="level=9"):
        zipnn.open("nothing", "wb", dtype=9)
    with pytest.raises(ValueError, match="access 'bogus': one of read, map, whole"):
        zipnn.Archive(zipnn.compress(weights), access="bogus")
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="zipnn.torch.save"):
        zipnn.compress(torch.zeros(3))


def test_memory_of_compress():
    """Input and result, and not the greatest result besides."""
    program = """
import os, resource, zipnn
data = os.urandom(96 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
archive = zipnn.compress(data, threads=1)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10, zipnn.decompress(archive) == data)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    grown, same = done.stdout.split()
    assert same == "True" and int(grown) < 96 + 16, done.stdout + done.stderr


def stop(done, total):
    raise zipnn.CancelledError(None, "enough")


def test_progress(weights):
    seen = []
    assert zipnn.compress(weights, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(weights), len(weights))
    archive = zipnn.compress(weights, threads=2)
    for call in (zipnn.compress, zipnn.decompress):
        for threads in (1, 3):
            data = weights if call is zipnn.compress else archive
            expected = call(data, threads=threads)
            me, where = threading.get_ident(), set()
            # The bars of tqdm answer true when they draw: only an exception stops.
            answer = call(data, threads=threads, progress=lambda *_: where.add(threading.get_ident()) or True)
            assert answer == expected and where == {me}
            with pytest.raises(ZeroDivisionError):
                call(data, threads=threads, progress=lambda done, total: 1 / 0)
            with pytest.raises(zipnn.CancelledError, match="enough"):
                call(data, threads=threads, progress=stop)


def test_files(tmp_path, weights):
    src, dst, back = tmp_path / "w", tmp_path / "w.znn", tmp_path / "back"
    src.write_bytes(weights)
    os.chmod(src, 0o640)
    stats = zipnn.compress_file(src, sha256=True)
    assert stats.original == len(weights) and stats.archive == dst.stat().st_size and len(stats.sha256) == 32
    assert dst.stat().st_mode & 0o777 == 0o640
    assert zipnn.verify_file(dst).xxh3 == stats.xxh3
    zipnn.decompress_file(dst, back)
    assert back.read_bytes() == weights
    with pytest.raises(FileExistsError):
        zipnn.decompress_file(dst)
    zipnn.decompress_file(dst, overwrite=True)
    with pytest.raises(FileExistsError):
        zipnn.compress_file(src)
    with pytest.raises(ValueError, match="same file"):
        zipnn.compress_file(src, src, overwrite=True)
    with pytest.raises(FileNotFoundError):
        zipnn.compress_file(tmp_path / "nothing")
    with pytest.raises(ValueError, match="does not end"):
        zipnn.decompress_file(src)


def test_failed_files_leave_nothing(tmp_path, weights):
    src, dst = tmp_path / "w", tmp_path / "w.znn"
    src.write_bytes(weights)
    with pytest.raises(zipnn.CancelledError):
        zipnn.compress_file(src, progress=stop)
    with pytest.raises(KeyError):
        zipnn.compress_file(src, progress=lambda done, total: {}[0])
    zipnn.compress_file(src)
    damaged = bytearray(dst.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    dst.write_bytes(damaged)
    with pytest.raises(zipnn.CorruptError, match="w.znn"):
        zipnn.decompress_file(dst, tmp_path / "back")
    assert sorted(os.listdir(tmp_path)) == ["w", "w.znn"]


def test_many_threads_at_once(weights):
    archive = zipnn.compress(weights)
    failures = []

    def work():
        for _ in range(5):
            if zipnn.decompress(archive) != weights or zipnn.compress(weights) != archive:
                failures.append(1)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_the_gil_is_free(weights):
    """Another thread runs Python while the library works."""
    data = weights * 8
    counted, stop = 0, threading.Event()

    def work():
        zipnn.compress(data, threads=1)
        stop.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not stop.is_set():
        counted += 1
    thread.join()
    assert counted > 1000


def test_interrupt():
    """Ctrl-C stops a call."""
    program = """
import _thread, signal, threading, zipnn
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may have it ignored
threading.Timer(0.3, _thread.interrupt_main).start()
data = bytes(range(256)) * (1 << 12)
try:
    zipnn._zipnn.pack((lambda view: view.__setitem__(slice(len(data)), data) or len(data) if len(view) >= len(data)
                       else view.__setitem__(slice(None), data[:len(view)]) or len(view), None, None),
                      lambda view: None, 0, None, 0, 1, True, False, None)
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "interrupted\n", done.stderr


def test_nothing_leaks(weights):
    resource = pytest.importorskip("resource")
    archive = zipnn.compress(weights)
    bad = archive[:-1]

    def round_of_calls():
        for _ in range(15):
            zipnn.decompress(zipnn.compress(weights, threads=2), threads=2)
            with pytest.raises(zipnn.TruncatedError):
                zipnn.decompress(bad)
            with pytest.raises(ZeroDivisionError):
                zipnn.compress(weights, progress=lambda done, total: 1 / 0)
            with zipnn.Archive(archive) as a:
                a.read_range(5, 1000)
            zipnn.Archive(archive)

    round_of_calls()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        round_of_calls()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 8 << 10  # KiB; one leaked result a call would be 180 MiB


def test_arrays_of_objects_are_refused():
    np = pytest.importorskip("numpy")
    for wrong in (np.array([object()]), np.zeros(2, [("a", "f4"), ("b", "O")])):
        with pytest.raises(TypeError, match="Python objects"):
            zipnn.compress(wrong)
