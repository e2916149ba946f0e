"""Values of tensors against the library that each file format belongs to: arrays, tensors, slices of rows and what the
command extracts, bit by bit."""

import io
import itertools
import json
import os
import pickle
import struct
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zipnn
from zipnn import dtypes

try:
    import torch
except ImportError:
    torch = None

RNG = np.random.default_rng(1)
NUMPY_TYPES = ["f2", "f4", "f8", "c8", "c16", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
SHAPES = [(), (0,), (1,), (7,), (3, 5), (4, 1, 6), (5, 0, 2), (2, 3, 4, 5)]


def fresh(dtype, shape):
    """An array of any bits that make sense for the type."""
    dtype = np.dtype(dtype)
    n = int(np.prod(shape))
    if dtype.kind == "b":
        return (RNG.integers(0, 2, n).astype(bool)).reshape(shape)
    if dtype.kind in "fc":
        parts = RNG.standard_normal(n * (2 if dtype.kind == "c" else 1))
        real = parts.astype(np.dtype(f"f{dtype.itemsize // (2 if dtype.kind == 'c' else 1)}"))
        return real.view(dtype.newbyteorder("=")).astype(dtype).reshape(shape)
    return RNG.integers(0, 256, n * dtype.itemsize, np.uint8).view(dtype).reshape(shape)


def command():
    """The program, if one has been built for this machine: $ZIPNN, or the newest of the native builds."""
    root = Path(__file__).resolve().parents[2] / "build"
    native = [p for p in (root / f / "zipnn" for f in ("dev", "clang", "install", ".")) if p.is_file()]
    native.sort(key=lambda p: p.stat().st_mtime, reverse=True)
    found = [Path(os.environ["ZIPNN"])] if "ZIPNN" in os.environ else native
    return next((str(path) for path in found if os.access(path, os.X_OK) and path.is_file()), None)


def bits(array):
    """Type, shape and bits; types that only have a name of their own count as their bits."""
    array = np.asarray(array)
    return (
        array.shape,
        array.dtype.itemsize,
        np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).tobytes(),
    )


def same(got, want, what):
    assert got.dtype == want.dtype, (what, got.dtype, want.dtype)
    assert bits(got) == bits(want), what


def pieces(n):
    """Some slices and entries of an axis."""
    return [slice(0, n), slice(n // 3, n - n // 4), slice(n, n), *([0, -1, n // 2] if n else [])]


def check_numpy(archive, expected):
    assert set(archive) == set(expected), set(archive) ^ set(expected)
    for name, want in expected.items():
        tensor = archive[name]
        assert tensor.shape == want.shape and tensor.nbytes == want.nbytes, name
        same(tensor.numpy(), want, name)
        if want.ndim:
            for index in pieces(want.shape[0]):
                same(tensor[index].numpy(), want[index, ...], (name, index))
        if want.ndim > 1 and want.shape[0] and want.shape[1]:
            same(
                tensor[want.shape[0] // 2][: want.shape[1] // 2 + 1].numpy(),
                want[want.shape[0] // 2][: want.shape[1] // 2 + 1],
                name,
            )
            same(tensor[-1][0].numpy(), want[-1, 0, ...], name)


def torch_bits(tensor):
    dense = torch.empty(tensor.numel(), dtype=tensor.dtype).copy_(tensor.resolve_conj().resolve_neg().flatten())
    return dense.view(torch.uint8).numpy().tobytes()


def same_torch(got, want, what):
    assert got.dtype == want.dtype and got.shape == want.shape, (what, got.dtype, got.shape, want.dtype, want.shape)
    if want.is_quantized:
        raise AssertionError(what)
    assert torch_bits(got) == torch_bits(want), what


def check_torch(archive, expected):
    # What no tensor has of a storage goes by the storage's name.
    rest = {name for name in set(archive) - set(expected) if not name.partition("#")[0].rpartition("/")[2].isdigit()}
    assert not rest and not set(expected) - set(archive), (rest, set(expected) - set(archive))
    for name, want in expected.items():
        tensor = archive[name]
        same_torch(tensor.torch(), want, name)
        if want.ndim:
            for index in pieces(want.shape[0]):
                same_torch(tensor[index].torch(), want[index], (name, index))
        if want.ndim > 1 and want.shape[0] and want.shape[1]:
            same_torch(tensor[0][want.shape[1] // 2 :].torch(), want[0][want.shape[1] // 2 :], name)


def check_extract(tmp_path, archive_path, expected):
    """What the command writes as .npy, whole and rows of it, as numpy reads it."""
    program = command()
    if program is None:
        return  # test_the_command_is_there says so
    out = tmp_path / "out.npy"
    for name, want in expected.items():
        runs = [([], want)]
        if want.ndim and want.shape[0] > 1:
            runs.append((["--rows", f"1:{want.shape[0]}"], want[1:]))
        for rows, part in runs:
            line = [program, "-q", "extract", str(archive_path), f"--tensor={name}", *rows, "-f", "-o", str(out)]
            done = subprocess.run(line, capture_output=True, text=True)
            assert done.returncode == 0, (name, done.stderr)
            got = np.load(out)
            assert got.dtype == part.dtype, (name, rows, got.dtype, part.dtype)
            assert bits(got) == bits(part), (name, rows)


def packed(tmp_path, name, data):
    """The file's archive, at a path."""
    path = tmp_path / f"{name}.znn"
    path.write_bytes(zipnn.compress(data))
    return path


def test_the_command_is_there():
    if command() is None:
        pytest.skip("no program is built in build/*/zipnn, and $ZIPNN names none: extract is not compared")


# ---- numpy

ORDERS = [("<", "C"), (">", "C"), ("<", "F"), (">", "F")]


def arrays():
    """Every type, byte order, order of dimensions and shape, by name."""
    found = {}
    for kind, (order, memory) in itertools.product(NUMPY_TYPES, ORDERS):
        shape = SHAPES[len(found) % len(SHAPES)]
        found[f"{kind}{order}{memory}".replace("?", "b")] = np.array(
            fresh(np.dtype(kind).newbyteorder(order), shape), order=memory
        )
    for i, shape in enumerate(SHAPES):
        found[f"shape{i}F>"] = np.array(fresh(">f4", shape), order="F")
        found[f"shape{i}"] = np.array(fresh("<i2", shape))
    found["ünïcode/naïve 名"] = fresh(">u2", (3, 4))
    return found


def test_npz(tmp_path):
    expected = arrays()
    data = io.BytesIO()
    np.savez(data, **expected)
    path = packed(tmp_path, "npz", data.getvalue())
    with np.load(io.BytesIO(data.getvalue())) as loaded, zipnn.Archive(path) as archive:
        want = {name: loaded[name] for name in loaded}
        check_numpy(archive, want)
        check_extract(tmp_path, path, want)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_npy(tmp_path, version):
    for i, array in enumerate(arrays().values()):
        if i % 3 != version[0] - 1:
            continue
        data = io.BytesIO()
        np.lib.format.write_array(data, array, version=version)
        want = np.load(io.BytesIO(data.getvalue()))
        with zipnn.Archive(zipnn.compress(data.getvalue())) as archive:
            check_numpy(archive, {"": want})
            assert archive[""].numpy().flags.c_contiguous or want.ndim > 1


def test_opaque_elements_of_npy():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for array in (
        np.arange(12, dtype=ml_dtypes.bfloat16).reshape(3, 4),
        np.arange(12, dtype=ml_dtypes.bfloat16).reshape(3, 4).T,
    ):
        data = io.BytesIO()
        np.save(data, array)
        with zipnn.Archive(zipnn.compress(data.getvalue())) as archive:
            got = archive[""].numpy()
            assert got.dtype == np.load(io.BytesIO(data.getvalue())).dtype
            assert (got.view(ml_dtypes.bfloat16) == array).all()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickled_arrays(tmp_path, protocol):
    base = fresh("<f4", (6, 8))
    expected = {
        **{name.replace("/", "-"): a for name, a in arrays().items()},
        "t": base.T,
        "step": base[::2],
        "back": base[::-1, ::-1],
        "f": np.asfortranarray(base),
        "deep": np.transpose(fresh(">i2", (2, 3, 4)), (2, 0, 1)),
        "readonly": np.frombuffer(base.tobytes(), "<f4").reshape(6, 8),
    }
    data = pickle.dumps(expected, protocol)
    path = packed(tmp_path, "pickle", data)
    with zipnn.Archive(path) as archive:
        if protocol == 2:  # keeps bytes as text, which is no run of values
            assert not set(archive)
            return
        want = pickle.loads(data)
        if protocol < 5:  # numpy turns the elements of these to its machine's order; here they stay as they are
            want = {n: a.astype(expected[n].dtype, copy=False) for n, a in want.items()}
        check_numpy(archive, want)
        check_extract(tmp_path, path, want)


def test_pickled_types_of_ml_dtypes():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    names = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]
    expected = {n: np.arange(1, 13).astype(getattr(ml_dtypes, n)).reshape(3, 4).T for n in names}
    with zipnn.Archive(zipnn.compress(pickle.dumps(expected, 4))) as archive:
        check_numpy(archive, expected)


def test_one_array_of_several_names():
    array = fresh("<f4", (4, 4))
    with zipnn.Archive(zipnn.compress(pickle.dumps({"a": array, "b": [array, array.T]}, 4))) as archive:
        assert set(archive) == {"a", "b.0", "b.1"}
        same(archive["b.0"].numpy(), array, "b.0")
        same(archive["b.1"].numpy(), array.T, "b.1")


def test_what_numpy_alone_can_read_is_not_listed():
    kinds = [
        np.zeros(3, [("a", "f4"), ("b", "i2")]),
        np.array([{}, 1], object),
        np.array(["ab"]),
        np.ma.masked_array([1.0, 2.0], [0, 1]),
    ]
    for array in kinds:
        with zipnn.Archive(zipnn.compress(pickle.dumps({"x": array}, 4))) as archive:
            assert "x" not in archive


# ---- PyTorch


def saved(value, **options):
    data = io.BytesIO()
    torch.save(value, data, **options)
    return data.getvalue()


def torch_types(form="zip"):
    names = [row.torch for row in dtypes.ALL.values() if row.torch and row.bits >= 8 and hasattr(torch, row.torch)]
    if form == "old":  # which has no place for newer types
        names = [n for n in names if not n.startswith(("float8", "uint")) and n != "complex32" or n == "uint8"]
    return [getattr(torch, name) for name in names]


def torch_tensor(dtype, shape):
    n = int(np.prod(shape)) * torch.empty(0, dtype=dtype).element_size()
    if n == 0:
        return torch.empty(shape, dtype=dtype)
    if dtype == torch.bool:
        return torch.randint(0, 2, shape).bool()
    return torch.from_numpy(RNG.integers(0, 120, n, np.uint8)).view(dtype).reshape(shape)


def states(form="zip"):
    """Tensors of every type; and of every way to look at memory."""
    found = {}
    for dtype in torch_types(form):
        name = str(dtype).removeprefix("torch.")
        found[name] = torch_tensor(dtype, (6, 4))
        found[f"{name}_t"] = torch_tensor(dtype, (6, 4)).t()
        found[f"{name}_step"] = torch_tensor(dtype, (8, 6))[1::2, ::3]
    base = torch.randn(10, 12)
    found |= {
        "base": base,
        "tied": base,
        "row": base[3],
        "column": base[:, 5],
        "block": base[2:5, 3:7],
        "scalar": base[4, 4],
        "expanded": torch.randn(3, 1).expand(3, 5),
        "expanded_all": torch.tensor(2.5).expand(4, 4),
        "diagonal": base.diagonal(),
        "windows": base.flatten().unfold(0, 6, 2),
        "empty": torch.empty(0, 3),
        "empty_view": base[4:4, :],
        "permuted": torch.randn(2, 3, 4).permute(2, 0, 1),
        "channels_last": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        "channels_last_3d": torch.randn(2, 3, 2, 4, 5).contiguous(memory_format=torch.channels_last_3d),
        "parameter": torch.nn.Parameter(torch.randn(3, 3)),
        "conj": torch.randn(4, 3, dtype=torch.complex64).conj(),
        "conj_t": torch.randn(4, 3, dtype=torch.complex128).t().conj(),
        "adjoint": torch.randn(4, 3, dtype=torch.complex64).mH,
        "neg": torch.randn(4, 3, dtype=torch.complex64).conj().imag,
        "real": torch.randn(4, 3, dtype=torch.complex64).real,
        "conj_neg": torch._neg_view(torch.randn(4, dtype=torch.complex64).conj()),
        "offset": torch.arange(100, dtype=torch.int16)[37:59],
        "as_other": torch.arange(12, dtype=torch.int32).view(torch.float32),
    }
    return found


needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed")


@needs_torch
@pytest.mark.parametrize("form", ["zip", "old"])
@pytest.mark.filterwarnings("ignore:ComplexHalf")
def test_torch(tmp_path, form):
    data = saved(states(form), _use_new_zipfile_serialization=form == "zip")
    want = {n: t.detach() for n, t in torch.load(io.BytesIO(data), weights_only=False).items()}
    path = packed(tmp_path, "torch", data)
    with zipnn.Archive(path) as archive:
        check_torch(archive, want)
        assert archive["tied"].layout >= {"shared"}
        numbers = {n: t.resolve_conj().resolve_neg().numpy() for n, t in want.items() if has_numpy(t)}
        for name, array in numbers.items():
            same(archive[name].numpy(), array, name)
        check_extract(tmp_path, path, numbers)


def has_numpy(tensor):
    try:
        tensor.resolve_conj().resolve_neg().numpy()
    except TypeError:
        return False
    return True


def with_order(data, order):
    """The checkpoint as a machine of the other byte order would have written it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        widths = storage_widths(data)
        for info in source.infolist():
            content = source.read(info)
            if info.filename.endswith("/byteorder"):
                content = order.encode()
            key = info.filename.rpartition("/data/")[2]
            if "/data/" in info.filename and order == "big":
                content = np.frombuffer(content, f"<u{widths[key]}").byteswap().tobytes()
            target.writestr(info.filename, content)
        if not any(i.filename.endswith("/byteorder") for i in source.infolist()):
            target.writestr("archive/byteorder", order)
    return out.getvalue()


def storage_widths(data):
    widths = {}

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, pid):
            _, kind, key, *_ = pid
            dtype = kind if isinstance(kind, torch.dtype) else torch.uint8
            size = torch.empty(0, dtype=dtype).element_size()
            widths[key] = size // 2 if dtype.is_complex else size
            return torch.UntypedStorage(0)

        def find_class(self, module, name):
            if module == "torch._utils":
                return lambda *args: None
            if module == "torch" and name.endswith("Storage"):
                return getattr(torch, name).dtype
            return super().find_class(module, name)

    with zipfile.ZipFile(io.BytesIO(data)) as source:
        name = next(n for n in source.namelist() if n.endswith("data.pkl"))
        Unpickler(io.BytesIO(source.read(name))).load()
    return widths


@needs_torch
@pytest.mark.filterwarnings("ignore:TypedStorage")
def test_torch_of_a_big_endian_machine(tmp_path):
    names = ["float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "uint8", "bool"]
    state = {n: torch_tensor(getattr(torch, n), (6, 4)) for n in names}
    state |= {f"{n}_t": t.t() for n, t in list(state.items())}
    data = with_order(saved(state), "big")
    want = torch.load(io.BytesIO(data))
    path = packed(tmp_path, "big", data)
    with zipnn.Archive(path) as archive:
        check_torch(archive, want)
        for name, tensor in want.items():
            if has_numpy(tensor):
                same(archive[name].numpy(), tensor.numpy(), name)


@needs_torch
def test_values_without_end_are_refused():
    data = saved({"bomb": torch.tensor([1.5]).expand(1 << 26, 1 << 26)})
    with zipnn.Archive(zipnn.compress(data)) as archive:
        assert archive["bomb"].shape == (1 << 26, 1 << 26) and archive["bomb"].nbytes == 4 << 52
        assert archive["bomb"].strides == (0, 0)
        with pytest.raises((MemoryError, ValueError)):
            archive["bomb"].numpy()
        with pytest.raises((MemoryError, RuntimeError)):
            archive["bomb"].torch()


@needs_torch
def test_strides_outside_the_storage_are_no_tensor():
    data = bytearray(saved({"w": torch.arange(6.0).reshape(2, 3).t()}))
    at = data.index(b"K\x01K\x03\x86")  # the strides
    data[at + 3] = 200
    with zipnn.Archive(zipnn.compress(data)) as archive:
        assert "w" not in archive


# ---- safetensors


def header_of(entries):
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


@needs_torch
def test_safetensors(tmp_path):
    from safetensors.torch import load_file, save

    tensors = {}
    for dtype in torch_types():
        if dtype in (torch.complex128, torch.complex32):
            continue
        name = str(dtype).removeprefix("torch.")
        tensors |= {f"{name}{i}": torch_tensor(dtype, shape) for i, shape in enumerate(SHAPES[:5])}
    data = save(tensors)
    path = packed(tmp_path, "safetensors", data)
    with zipnn.Archive(path) as archive:
        (tmp_path / "x.safetensors").write_bytes(data)
        check_torch(archive, load_file(tmp_path / "x.safetensors"))


@needs_torch
@pytest.mark.parametrize("shape", [(512,), (16, 32), (2, 4, 64)])
def test_four_bits(tmp_path, shape):
    from safetensors.torch import load_file

    raw = bytes(range(256))
    data = header_of({"w": {"dtype": "F4", "shape": shape, "data_offsets": [0, 256]}}) + raw
    (tmp_path / "f4.safetensors").write_bytes(data)
    want = load_file(tmp_path / "f4.safetensors")["w"]
    path = packed(tmp_path, "f4", data)
    with zipnn.Archive(path) as archive:
        got = archive["w"].torch()
        assert got.dtype == want.dtype == torch.float4_e2m1fn_x2 and got.shape == want.shape
        assert got.view(torch.uint8).equal(want.view(torch.uint8))
        assert archive["w"].numpy().shape == tuple(want.shape) and archive["w"].numpy().tobytes() == raw
        part = archive["w"][2:6]
        assert part.numpy().tobytes() == raw[2 * 256 // shape[0] : 6 * 256 // shape[0]]
        if len(shape) == 1:
            with pytest.raises(TypeError, match="whole byte"):
                archive["w"][1:6]
    whole = np.frombuffer(raw, np.uint8).reshape(tuple(want.shape))
    program = command()
    if program:
        two = ["--rows", f"{shape[0] // 2}:"]
        for rows, part in ([], whole), (two, whole[whole.shape[0] // 2 :]):
            out = tmp_path / "out.npy"
            subprocess.run([program, "-q", "extract", path, "--tensor=w", *rows, "-fo", out], check=True)
            same(np.load(out), part, rows)


@needs_torch
def test_four_bits_are_saved(tmp_path):
    import zipnn.safetensors.torch as twin
    from safetensors.torch import load_file

    state = {"w": torch.arange(64, dtype=torch.uint8).reshape(4, 16).view(torch.float4_e2m1fn_x2), "u": torch.ones(3)}
    twin.save_file(state, tmp_path / "x.znn")
    (tmp_path / "x.safetensors").write_bytes(zipnn.decompress((tmp_path / "x.znn").read_bytes()))
    for loaded in twin.load_file(tmp_path / "x.znn"), load_file(tmp_path / "x.safetensors"):
        assert set(loaded) == set(state)
        for name, want in state.items():
            assert loaded[name].dtype == want.dtype and loaded[name].shape == want.shape
            assert loaded[name].view(torch.uint8).equal(want.view(torch.uint8))


def test_six_bits():
    for dtype in ("F6_E2M3", "F6_E3M2"):
        raw = bytes(range(192))
        data = header_of({"w": {"dtype": dtype, "shape": [8, 32], "data_offsets": [0, 192]}}) + raw
        with zipnn.Archive(zipnn.compress(data)) as archive:
            assert archive["w"].numpy().shape == (8, 24) and archive["w"].numpy().tobytes() == raw
            assert archive["w"][2:4].numpy().tobytes() == raw[48:96]


# ---- HDF5


def test_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as f:
        for i, kind in enumerate(k for k in NUMPY_TYPES):
            for order in "<>":
                dtype = np.dtype(kind).newbyteorder(order)
                name = f"{kind}{order}".replace("?", "b")
                f.create_dataset(f"plain/{name}", data=fresh(dtype, SHAPES[i % len(SHAPES)]))
                f.create_dataset(f"chunks/{name}", data=fresh(dtype, (13, 9)), chunks=(4, 5))
        f.create_dataset("cube", data=fresh(">f4", (5, 7, 6)), chunks=(2, 3, 4))
        f.create_dataset("line", data=fresh("<f8", (1000,)), chunks=(64,))
        f.create_dataset("growing", data=fresh("<f4", (8, 8)), maxshape=(None, 8))
        f.create_dataset("never", shape=(3, 4), dtype=">f4", fillvalue=2.5)
        f.create_dataset("never_chunked", shape=(30, 4), dtype="<i4", chunks=(7, 3), fillvalue=-9)
        holes = f.create_dataset("holes", shape=(40, 40), dtype=">i2", chunks=(16, 16), fillvalue=77)
        holes[3:5, 20:30] = fresh(">i2", (2, 10))
        holes[39, 39] = 5
        f.create_dataset("many", data=fresh("<u2", (300, 70)), chunks=(3, 2))
        f.create_dataset("empty_chunks", shape=(0, 4), dtype="<f4", maxshape=(None, 4))
        f.create_dataset("scalar", data=np.float32(4))
        space = h5py.h5s.create_simple((5, 3))
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_layout(h5py.h5d.COMPACT)
        compact = h5py.h5d.create(f.id, b"compact", h5py.h5t.IEEE_F32BE, space, dcpl=layout)
        compact.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(fresh(">f4", (5, 3))), h5py.h5t.IEEE_F32BE)
        f.create_dataset("enum", data=np.array([0, 1, 1], "i2"), dtype=h5py.enum_dtype({"A": 0, "B": 1}, "i2"))
        f.create_dataset("null", data=h5py.Empty("f4"))
    expected = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            expected[name] = np.asarray(item[()], item.dtype)

    with h5py.File(path) as f:
        f.visititems(note)
    archive_path = packed(tmp_path, "hdf5", path.read_bytes())
    with zipnn.Archive(archive_path) as archive:
        check_numpy(archive, expected)
    check_extract(tmp_path, archive_path, expected)


def test_filtered_sets_are_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("z", data=fresh("<f4", (50, 50)), compression="gzip", shuffle=True)
        f.create_dataset("w", data=fresh("<f4", (5, 5)))
    with zipnn.Archive(zipnn.compress(path.read_bytes())) as archive:
        assert archive["z"].shape == (50, 50) and "filtered" in archive["z"].layout
        with pytest.raises(zipnn.UnsupportedError, match="restored file"):
            archive["z"].numpy()
        assert archive["w"].numpy().shape == (5, 5)


def test_hdf5_elsewhere_and_odd_floats(tmp_path):
    """Values in another file, and floats that are not those of IEEE, are left out and counted."""
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "x.h5"
    odd = []
    for base, fields, bias in [
        (h5py.h5t.IEEE_F32LE, (31, 23, 8, 0, 23), 126),
        (h5py.h5t.IEEE_F32LE, (31, 22, 9, 0, 22), 127),
        (h5py.h5t.IEEE_F16LE, (15, 10, 5, 0, 10), 16),
        (h5py.h5t.IEEE_F64LE, (63, 52, 11, 0, 52), 1022),
        (h5py.h5t.IEEE_F32LE, (0, 24, 8, 1, 23), 127),
    ]:
        kind = base.copy()
        kind.set_fields(*fields)
        kind.set_ebias(bias)
        odd.append(kind)
    for norm in (h5py.h5t.NORM_NONE, h5py.h5t.NORM_MSBSET):
        kind = h5py.h5t.IEEE_F32LE.copy()
        kind.set_norm(norm)
        odd.append(kind)
    want = {kind: fresh(kind, (5, 5)) for kind in ("<f2", "<f4", ">f4", "<f8", ">f8", "<c8")}
    with h5py.File(path, "w") as f:
        f.create_dataset("elsewhere", (4,), "f4", external=[(str(tmp_path / "w.bin"), 0, 16)])
        for i, kind in enumerate(odd):
            space = h5py.h5s.create_simple((4,))
            created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            created.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            h5py.h5d.create(f.id, f"odd{i}".encode(), kind, space, created)
        for name, array in want.items():
            f.create_dataset(name, data=array)
    with zipnn.Archive(zipnn.compress(path.read_bytes())) as archive:
        assert archive.info.n_left_out == 1 + len(odd)
        check_numpy(archive, want)


# ---- GGUF


@pytest.mark.parametrize("order", ["little", "big"])
def test_gguf(tmp_path, order):
    gguf = pytest.importorskip("gguf")
    path = tmp_path / "x.gguf"
    writer = gguf.GGUFWriter(path, "llama", endianess=getattr(gguf.GGUFEndian, order.upper()))
    for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8"):
        writer.add_tensor(kind, fresh(kind, (6, 32)))
        writer.add_tensor(f"{kind}.1", fresh(kind, (32,)))
        writer.add_tensor(f"{kind}.3", fresh(kind, (2, 3, 32)))
    for kind in gguf.GGMLQuantizationType:
        elements, size = gguf.GGML_QUANT_SIZES.get(kind, (1, 0))
        if elements == 1 or kind.name not in dtypes.ALL or kind.name == "Q8_1":  # no file has it; gguf-py: other length
            continue
        data = RNG.integers(0, 256, (6, 2 * size), np.uint8)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    expected = {t.name: np.array(t.data) for t in gguf.GGUFReader(path).tensors}
    archive_path = packed(tmp_path, "gguf", path.read_bytes())
    with zipnn.Archive(archive_path) as archive:
        assert set(archive) == set(expected)
        for name, want in expected.items():
            got = archive[name].numpy()
            same(
                got,
                want.astype(
                    want.dtype.newbyteorder(">" if order == "big" and want.dtype.itemsize > 1 else "<"), copy=False
                ),
                name,
            )
            same(
                archive[name][2:5].numpy() if want.ndim == 2 else got,
                (want[2:5] if want.ndim == 2 else want).astype(got.dtype),
                name,
            )
    check_extract(
        tmp_path,
        archive_path,
        {
            n: a.astype(a.dtype.newbyteorder(">" if order == "big" and a.dtype.itemsize > 1 else "<"))
            for n, a in expected.items()
        },
    )


# ---- ONNX


def test_onnx(tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    tensors = [
        numpy_helper.from_array(fresh(kind, SHAPES[i % len(SHAPES)]), f"{kind}{i}")
        for i, kind in enumerate(k for k in NUMPY_TYPES if k != "c8" and k != "c16")
    ]
    tensors += [
        helper.make_tensor("floats", onnx.TensorProto.FLOAT, (3, 4), fresh("f4", (12,)).tolist()),
        helper.make_tensor("doubles", onnx.TensorProto.DOUBLE, (3, 4), fresh("f8", (12,)).tolist()),
        numpy_helper.from_array(fresh("c8", (3, 2)), "c8"),
        numpy_helper.from_array(fresh("c16", (3, 2)), "c16"),
    ]
    model = helper.make_model(helper.make_graph([], "g", [], [], initializer=tensors))
    path = packed(tmp_path, "onnx", model.SerializeToString())
    expected = {t.name: numpy_helper.to_array(t) for t in tensors}
    with zipnn.Archive(path) as archive:
        check_numpy(archive, expected)
        check_extract(tmp_path, path, expected)


# ---- numpy


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_last_member_of_a_name_owns_it(method):
    parts = []
    for array in (fresh("<f4", (5, 3)), fresh("<f4", (2, 3))):
        part = io.BytesIO()
        np.save(part, array)
        parts.append((array, part.getvalue()))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z, pytest.warns(UserWarning, match="Duplicate"):
        z.writestr("a.npy", parts[0][1])
        z.writestr("a.npy", parts[1][1], method)
        z.writestr("b.npy", parts[1][1])
    with zipnn.Archive(zipnn.compress(file.getvalue())) as archive:
        stored = method == zipfile.ZIP_STORED
        assert archive.info.n_left_out == (0 if stored else 1)
        want = {"a#1": parts[0][0], "b": parts[1][0]}
        check_numpy(archive, {**want, "a": parts[1][0]} if stored else want)


def test_empty_array_of_opaque_elements_keeps_its_shape():
    from zipnn.tensors import shape_numpy

    array = shape_numpy(np.empty(0, np.uint8), "?", (0, 4))
    assert array.shape == (0, 4) and array.dtype == np.dtype("V1")


# ---- names of types


def test_one_list_of_types():
    """The library's list is Python's, and the command takes every name in it."""
    program = command()
    for name, row in dtypes.ALL.items():
        assert row.names and row.numpy and zipnn.dtypes.name_of(name) == name
        for alias in row.names:
            assert dtypes.name_of(alias) == dtypes.name_of(alias.upper()) == name
            assert len(zipnn.compress(bytes(4096), dtype=alias)) > 0
            if program:
                line = [program, "-c", "--dtype", alias, "-"]
                done = subprocess.run(line, input=bytes(64), capture_output=True)
                assert done.returncode == 0, (alias, done.stderr)
        if torch is not None and row.torch and hasattr(torch, row.torch):
            assert dtypes.name_of(getattr(torch, row.torch)) == name
        if row.is_exact and not dtypes.is_packed(name):
            assert np.dtype(row.numpy).itemsize * 8 == row.bits
    if torch is not None:  # whatever torch calls a type of floats or integers has a row
        plain = {str(t).removeprefix("torch.") for t in vars(torch).values() if isinstance(t, torch.dtype)}
        known = {row.torch for row in dtypes.ALL.values()}
        left = {t for t in plain - known if not t.startswith(("q", "uint", "int", "bits", "bcomplex"))}
        assert not left, left
