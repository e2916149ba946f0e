"""Every kind of index on a tensor, against numpy's; and what arrays are asked for."""

import random

import pytest
import zipnn

np = pytest.importorskip("numpy")
plain = pytest.importorskip("safetensors.numpy")


@pytest.fixture(scope="module")
def opened():
    rng = np.random.default_rng(2)
    arrays = {
        "cube": rng.normal(0, 1, (37, 5, 4)).astype("f4"),
        "table": rng.integers(-99, 99, (2000, 300)).astype("i2"),
        "line": np.arange(100),
        "scalar": np.array(2.5),
        "empty": np.zeros((0, 3), "f4"),
        "flags": rng.integers(0, 2, (9, 8)).astype(bool),
    }
    with zipnn.Archive(zipnn.compress(plain.save(arrays))) as archive:
        yield archive, arrays


def part(rng, n):
    """A part of an index for an axis of n, right or wrong."""
    ends = [None, *range(-n - 2, n + 3)]
    choices = [
        lambda: rng.randrange(-n - 1, n + 1),
        lambda: slice(rng.choice(ends), rng.choice(ends), rng.choice([None, 1, 2, 3, -1, -2])),
        lambda: slice(None),
        lambda: [rng.randrange(-n, n) for _ in range(rng.randrange(4))] if n else [],
        lambda: np.array([[rng.randrange(-n, n)] * 2] * 3) if n else None,
        lambda: np.array([rng.random() < 0.3 for _ in range(n)], bool),
        lambda: None,
        lambda: Ellipsis,
        lambda: np.int64(rng.randrange(-n - 1, n + 1)),
        lambda: range(0, n, 3),
    ]
    return rng.choice(choices)()


def test_against_numpy(opened):
    archive, arrays = opened
    rng = random.Random(7)
    right = 0
    for _ in range(3000):
        name = rng.choice(list(arrays))
        array = arrays[name]
        index = tuple(part(rng, array.shape[i] if i < array.ndim else 2) for i in range(rng.randrange(1, 4)))
        index = index[0] if len(index) == 1 else index
        try:
            wanted = array[index]
        except IndexError:
            with pytest.raises(IndexError):
                archive[name][index]
            continue
        got = archive[name][index]
        right += 1
        assert (got.shape, got.size, got.ndim, got.nbytes) == (wanted.shape, wanted.size, wanted.ndim, wanted.nbytes)
        assert np.array_equal(got.numpy(), wanted) and got.numpy().dtype == wanted.dtype, (name, index)
        assert got.bytes() == wanted.tobytes() == bytes(got)
    assert right > 1000


def test_masks_and_picks_of_picks(opened):
    archive, arrays = opened
    table, t = arrays["table"], archive["table"]
    mask = table > 90
    assert np.array_equal(t[mask].numpy(), table[mask])
    assert np.array_equal(t[mask[:, 0]].numpy(), table[mask[:, 0]])
    assert np.array_equal(t[::7][3:50][::-2, 5].numpy(), table[::7][3:50][::-2, 5])
    assert np.array_equal(t[100][::3].numpy(), table[100][::3])
    assert [row.tolist() for row in t[5:50:9]] == table[5:50:9].tolist()
    for bad in (mask[1:], np.zeros((3, 3), bool), [5000], "rows", 1.5, object(), (Ellipsis, Ellipsis), [[1.5]]):
        with pytest.raises(IndexError):
            t[bad]


def test_only_rows_that_are_touched(opened, monkeypatch):
    archive, arrays = opened
    read = []
    inner = zipnn.Archive.read_into
    monkeypatch.setattr(zipnn.Archive, "read_into", lambda a, at, b: read.append(len(b)) or inner(a, at, b))
    rows = arrays["table"][0].nbytes
    for index, n in ((np.array([3, 4, 1999]), 3), ((slice(0, 2000, 500), 7), 4), ((-1, [1, 2]), 1), ([], 0)):
        read.clear()
        assert np.array_equal(archive["table"][index].numpy(), arrays["table"][index])
        assert sum(read) == n * rows


def test_what_arrays_are_asked(opened):
    archive, arrays = opened
    assert float(archive["scalar"]) == 2.5 and int(archive["scalar"]) == 2 and archive["scalar"].item() == 2.5
    assert archive["line"].tolist() == arrays["line"].tolist() and archive["scalar"][()] is archive["scalar"]
    assert np.array_equal(np.from_dlpack(archive["cube"]), arrays["cube"])
    with pytest.raises(IndexError):
        archive["scalar"][0]
    assert archive["scalar"][None].shape == (1,)


def test_torch_takes_it():
    torch = pytest.importorskip("torch")
    as_file = pytest.importorskip("safetensors.torch")
    g = torch.Generator().manual_seed(1)
    tensors = {
        "bf16": torch.randn(200, 130, generator=g).bfloat16(),
        "fp8": torch.randn(9, 8, generator=g).to(torch.float8_e4m3fn),
        "f32": torch.randn(6, 4, generator=g),
        "c64": torch.randn(6, 4, dtype=torch.complex64),
        "none": torch.zeros(0, 3),
    }
    with zipnn.Archive(zipnn.compress(as_file.save(tensors))) as archive:
        for name, tensor in tensors.items():
            flat = [t.contiguous().view(-1).view(torch.uint8) for t in (torch.as_tensor(archive[name]), tensor)]
            assert torch.equal(*flat)
            assert torch.from_dlpack(archive[name]).dtype == tensor.dtype
            assert archive[name].__dlpack_device__() == (1, 0)
            index = torch.tensor([1, 0]) if len(tensor) else torch.zeros(0, dtype=torch.long)
            for what in (index, slice(0, 5, 2), (Ellipsis, 1), (slice(None), None)):
                got = archive[name][what].torch()
                assert got.dtype == tensor.dtype and got.shape == tensor[what].shape
                if got.numel():
                    wanted = tensor[what].contiguous().view(-1).view(torch.uint8)
                    assert torch.equal(got.contiguous().view(-1).view(torch.uint8), wanted)
        assert torch.equal(torch.tensor(archive["f32"]), tensors["f32"])
        assert torch.equal(archive["bf16"][::2].torch("cpu"), tensors["bf16"][::2])


def test_packed_rows():
    """Of types below a byte, whole rows; and of what lies otherwise in its file, its values."""
    header = b'{"q":{"dtype":"F4","shape":[6,4],"data_offsets":[0,12]}}'
    data = len(header).to_bytes(8, "little") + header + bytes(range(12))
    with zipnn.Archive(zipnn.compress(data)) as archive:
        q = archive["q"]
        assert q[::2].bytes() == bytes([0, 1, 4, 5, 8, 9]) and q[[5, 0]].shape == (2, 4)
        for wrong in ((0, 1), (slice(None), 0), (None, 0)):
            with pytest.raises(TypeError, match="whole rows"):
                q[wrong]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<f4", ">f4", ">i2"])
def test_other_orders(tmp_path, order, kind):
    array = np.arange(360).reshape(20, 6, 3).astype(kind, order=order)
    np.save(tmp_path / "a.npy", np.asarray(array, order=order))
    with zipnn.Archive(zipnn.compress((tmp_path / "a.npy").read_bytes())) as archive:
        (t,) = archive.values()
        for index in (slice(None, None, -3), ([3, 5], 1), (Ellipsis, 2), (4, slice(None, None, 2)), (slice(2, 9), 1)):
            got = t[index].numpy()
            assert got.dtype == array.dtype and np.array_equal(got, array[index]), index
        assert np.array_equal(t[3][::2, 1].numpy(), array[3][::2, 1])
        assert np.array_equal(t[3:9][1].numpy(), array[4])
