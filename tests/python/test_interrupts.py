"""Ctrl-C ends every call between two chunks, and leaves nothing behind."""

import array
import io
import os
import random
import signal
import threading
import time

import pytest
import zipnn


class Alarm(BaseException):
    pass


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """An archive that takes its time: how much, and where it lies."""
    folder = tmp_path_factory.mktemp("slow")
    path = folder / "w"
    rng = random.Random(4)
    path.write_bytes(array.array("f", (rng.gauss(0, 0.02) for _ in range(2 << 20))).tobytes())
    zipnn.compress_file(path, dtype="f32", level=9)
    return folder, path


@pytest.fixture
def alarm():
    def ring(*unused):
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def interrupted(call, after=0.1, may_end=False):
    """How long a call went on after the signal; 0 for one that may end before it, and did. On a machine that is busy
    with other things this process gets little of the time: what counts then is the processor time that it took, since
    it began, unless the call did not end for half a minute."""
    signal.setitimer(signal.ITIMER_REAL, after)
    start, cpu = time.monotonic(), time.process_time()
    try:
        call()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Alarm:
        passed, used = time.monotonic() - start - after, time.process_time() - cpu - after
        return min(passed, used) if passed < 30 else passed
    assert may_end, "the call ended before the signal"
    return 0


def calls(folder, path, threads):
    archive, size = path.with_name("w.znn"), path.stat().st_size
    data, original, buffer = archive.read_bytes(), path.read_bytes(), bytearray(size)
    yield lambda: zipnn.compress(original, level=9, threads=threads)
    yield lambda: zipnn.decompress(data, threads=threads)
    yield lambda: zipnn.decompress_into(data, buffer, threads=threads)
    yield lambda: zipnn.compress_file(path, folder / "new", level=9, threads=threads)
    yield lambda: zipnn.decompress_file(archive, folder / "new", threads=threads)
    yield lambda: zipnn.verify_file(archive, threads=threads)
    for source in (archive, data, io.BytesIO(data)):
        opened = zipnn.Archive(source, threads)
        yield lambda: opened.read_range(0, size)
    yield lambda: zipnn.open(archive, threads=threads).read()


@pytest.mark.parametrize("threads", [1, 3])
def test_every_call(slow, alarm, threads):
    folder, path = slow
    for call in calls(folder, path, threads):
        # A chunk takes less than 0.2 s; a machine that is busy with other things takes its time, too.
        assert interrupted(call) < 1.0
    assert sorted(os.listdir(folder)) == ["w", "w.znn"]


def more_calls(folder, path):
    archive, new = path.with_name("w.znn"), folder / "new"
    yield lambda: zipnn.verify(archive)
    yield lambda: zipnn.salvage(archive, new)
    yield lambda: zipnn.recompress(archive, new, level=9)
    yield lambda: zipnn.recompress(archive, level=9)  # in place


def test_calls_that_examine(slow, alarm):
    folder, path = slow
    before = path.with_name("w.znn").read_bytes()
    for call in more_calls(folder, path):
        assert interrupted(call) < 1.5
    assert sorted(os.listdir(folder)) == ["w", "w.znn"]
    assert path.with_name("w.znn").read_bytes() == before


def test_models_that_are_written(slow, alarm):
    np = pytest.importorskip("numpy")
    pytest.importorskip("safetensors")
    from zipnn.safetensors import Writer
    from zipnn.safetensors.numpy import save_file

    folder, path = slow
    array = np.frombuffer(path.read_bytes(), "f4")

    def write():
        with Writer(folder / "new", {"w": ("F32", array.shape)}, level=9) as w:
            w["w"] = array

    assert interrupted(lambda: save_file({"w": array}, folder / "new.znn", level=9)) < 1.5
    assert interrupted(write) < 1.5
    assert sorted(os.listdir(folder)) == ["w", "w.znn"]


def test_writers(slow, alarm):
    folder, path = slow
    data = path.read_bytes()

    def write():
        with zipnn.open(folder / "new", "wb", level=9) as f:
            f.write(data)

    def close():
        f = zipnn.open(folder / "new", "wb", level=9, threads=1)
        f.write(data[: (1 << 20) - 1])  # all of it is buffered: closing compresses
        f.close()

    assert interrupted(write) < 1.5
    assert sorted(os.listdir(folder)) == ["w", "w.znn"]
    assert interrupted(close, after=0.03, may_end=True) < 1.5
    if (folder / "new").exists():  # closed before the signal came: then it is whole
        assert zipnn.decompress((folder / "new").read_bytes()) == data[: (1 << 20) - 1]
        (folder / "new").unlink()
    assert sorted(os.listdir(folder)) == ["w", "w.znn"]
    assert not any(t.name == "zipnn.open" for t in threading.enumerate())


def test_waiting_for_others(slow, alarm):
    """For a prefetch, for its end, and for a read by another thread."""
    folder, path = slow
    size = path.stat().st_size
    a = zipnn.Archive(path.with_name("w.znn"), threads=1)
    a._prefetcher.order([(0, size)], 1 << 30)
    time.sleep(0.1)
    assert interrupted(lambda: a._bytes_of(0, size), may_end=True) < 0.5
    assert interrupted(lambda: a.read_range(5, 10), may_end=True) < 0.5  # the archive is in use
    start = time.monotonic()
    a.close()
    assert time.monotonic() - start < 1.0  # what is prefetched is given up
    assert not any(t.name == "zipnn.prefetch" for t in threading.enumerate())
    a = zipnn.Archive(path.with_name("w.znn"), threads=1)
    other = threading.Thread(target=a.read_range, args=(0, size))
    other.start()
    time.sleep(0.1)
    assert interrupted(a.close, may_end=True) < 0.5
    other.join()
    a.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
def test_fifos(tmp_path, alarm):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    calls = (
        lambda: zipnn.compress_file(fifo, tmp_path / "new"),
        lambda: zipnn.decompress_file(fifo, tmp_path / "new"),
        lambda: zipnn.verify_file(fifo),
        lambda: zipnn.Archive(fifo),
    )
    for call in calls:
        assert interrupted(call) < 0.5
    both = os.open(fifo, os.O_RDWR)
    for call in calls[:3]:
        assert interrupted(call) < 0.5
    (tmp_path / "w").write_bytes(os.urandom(1 << 20))
    assert interrupted(lambda: zipnn.compress_file(tmp_path / "w", fifo)) < 0.5
    os.close(both)
    assert sorted(os.listdir(tmp_path)) == ["fifo", "w"]


def test_fifos_work(tmp_path, weights):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    out = tmp_path / "out.znn"
    writer = threading.Thread(target=fifo.write_bytes, args=(weights,))
    writer.start()
    zipnn.compress_file(fifo, out)
    writer.join()
    assert zipnn.decompress(out.read_bytes()) == weights
    got = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    zipnn.decompress_file(out, fifo)
    reader.join()
    assert got == [weights]
