"""What the tests share."""

import random
import struct

import pytest


def weights_f32(n, seed=0):
    """n float32 numbers as trained weights have them."""
    rng = random.Random(seed)
    row = [rng.gauss(0, 0.02) for _ in range(min(n, 1 << 14))]
    data = struct.pack(f"<{len(row)}f", *row)
    return (data * (n // len(row) + 1))[: 4 * n] if row else b""


@pytest.fixture(scope="session")
def weights():
    """3 MiB: several chunks, the last one short."""
    return weights_f32((3 << 18) - 5)


@pytest.fixture
def model(tmp_path):
    """Tensors of many types, and the plain safetensors file of them."""
    np = pytest.importorskip("numpy")
    st = pytest.importorskip("safetensors.numpy")
    rng = np.random.default_rng(1)
    tensors = {
        "big": rng.normal(0, 0.02, (1200, 700)).astype("f4"),
        "half": rng.normal(0, 0.02, (700, 400)).astype("f2"),
        "double": rng.normal(0, 1, (17, 3)),
        "ints": rng.integers(-9, 9, (5, 6, 7), dtype="i8"),
        "bytes": rng.integers(0, 255, 1001, dtype="u1"),
        "flags": rng.integers(0, 2, 13).astype(bool),
        "scalar": np.array(3.5, "f4"),
        "empty": np.zeros((0, 4), "f4"),
        "späť": np.arange(10, dtype="u2"),
    }
    path = tmp_path / "model.safetensors"
    st.save_file(tensors, path, {"format": "np"})
    return tensors, path
