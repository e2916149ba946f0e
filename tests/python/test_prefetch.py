"""Archive.prefetch: the same tensors, whatever is asked for and when."""

import os

import pytest
import zipnn

np = pytest.importorskip("numpy")


@pytest.fixture
def archive(model):
    tensors, path = model
    zipnn.compress_file(path)
    with zipnn.Archive(f"{path}.znn") as a:
        yield tensors, a


def equal(tensors, a, names):
    for name in names:
        got = a[name].numpy()
        assert got.dtype == tensors[name].dtype and np.array_equal(got, tensors[name]), name


def test_in_order_and_not(archive):
    tensors, a = archive
    a.prefetch()
    equal(tensors, a, list(a))
    a.prefetch(["half", "big"], limit=1)  # no room for two: the second waits for the first to be taken
    equal(tensors, a, ["big", "half", "big"])
    a.prefetch(["ints"])
    assert bytes(a["ints"].bytes()) == tensors["ints"].tobytes()
    got = a["ints"].numpy()
    got += 1  # arrays are the caller's own
    equal(tensors, a, ["ints"])


def test_closed_with_tensors_not_taken(archive):
    _, a = archive
    a.prefetch(limit=100)
    a.close()
    with pytest.raises(ValueError):
        a["big"].numpy()


def test_stopped_by_halves(archive):
    """An interrupt in the middle of stop(): whoever waits for a tensor that is being decoded is not left alone."""
    tensors, a = archive
    queue, seen = a._prefetcher._queue, []
    finish = queue.finish

    def finish_late(key, data):
        queue.thread = None  # as far as stop() came
        seen.append(key)
        finish(key, data)

    queue.finish = finish_late
    a.prefetch()
    equal(tensors, a, list(a))
    assert seen


def test_unknown_name(archive):
    with pytest.raises(KeyError):
        archive[1].prefetch(["nobody"])


def test_damage_is_an_error_when_asked_for(model):
    _, path = model
    zipnn.compress_file(path)
    data = bytearray(path.with_name(path.name + ".znn").read_bytes())
    with zipnn.Archive(bytes(data)) as a:
        place = a._archive.chunk(a.info.n_chunks - 1)
    data[place[2] + 40] ^= 1
    with zipnn.Archive(bytes(data)) as a:
        a.prefetch()
        last = max(a.values(), key=lambda t: (t.offset, t.nbytes))
        with pytest.raises(zipnn.CorruptError):
            last.numpy()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_after_fork(archive):
    tensors, a = archive
    a.prefetch()
    child = os.fork()
    if child == 0:
        try:
            equal(tensors, a, list(a))
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    equal(tensors, a, list(a))
