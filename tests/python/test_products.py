"""Models whose matrices stay packed or stored and are multiplied so: compressed(form="fast") and form="stored"."""

import copy
import io
import pickle
import threading

import pytest
import zipnn

torch = pytest.importorskip("torch")

import zipnn.safetensors.torch  # noqa: E402
import zipnn.torch  # noqa: E402
from torch import nn  # noqa: E402
from zipnn import Archive  # noqa: E402
from zipnn.torch import compressed, decompressed, held  # noqa: E402

WIDTH, WORDS = 192, 1000


class Layer(nn.Module):
    """A layer of a transformer."""

    def __init__(self):
        super().__init__()
        self.norm, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH, bias=False)
        self.up, self.down = nn.Linear(WIDTH, 5 * WIDTH), nn.Linear(5 * WIDTH, WIDTH)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (4, -1)).transpose(-2, -3) for part in self.qkv(self.norm(x)).chunk(3, -1))
        attended = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(-2, -3).flatten(-2))
        return x + self.down(nn.functional.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    """Three layers, and an embedding that is the head, too."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(WORDS, WIDTH)
        self.layers = nn.Sequential(Layer(), Layer(), Layer())
        self.head = nn.Linear(WIDTH, WORDS, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        return self.head(self.layers(self.embed(tokens)))


def made(dtype=torch.bfloat16):
    torch.manual_seed(3)
    return Transformer().to(dtype).eval()


def tokens(*shape):
    torch.manual_seed(4)
    return torch.randint(0, WORDS, shape)


def close(a, b):
    """Up to the order of addition, through a few layers of bf16."""
    return a.dtype == b.dtype and torch.allclose(a.float(), b.float(), rtol=0.1, atol=0.1)


def test_a_transformer_gives_the_same_up_to_the_order_of_addition():
    model = made()
    plain = copy.deepcopy(model)
    assert compressed(model, form="fast") is model
    plain_bytes, now = held(model)
    assert now < 0.85 * plain_bytes
    with torch.inference_mode():
        for shape in ((1, 1), (1, 5), (2, 4)):  # up to eight vectors are multiplied with packed rows
            assert close(model(tokens(*shape)), plain(tokens(*shape)))
        assert torch.equal(model(tokens(3, 5)), plain(tokens(3, 5)))  # more go torch's way


@pytest.mark.parametrize("bias", [True, False])
def test_a_vector_has_one_result_whatever_is_beside_it(bias):
    torch.manual_seed(5)
    layer = nn.Linear(500, 333, bias=bias).to(torch.bfloat16)
    x = torch.randn(8, 500).to(torch.bfloat16)
    exact = x.double() @ layer.weight.double().T + (layer.bias.double() if bias else 0)
    compressed(layer.requires_grad_(False), form="fast")
    together = layer(x)
    assert torch.allclose(together.double(), exact, rtol=0.01, atol=0.001)
    for n in (1, 2, 3, 5, 7):
        assert torch.equal(layer(x[:n]), together[:n])
    assert torch.equal(layer(x.view(2, 2, 2, 500)), together.view(2, 2, 2, 333))
    assert torch.equal(layer(x.T.contiguous().T), together)  # other strides
    assert torch.equal(layer(x[0]), together[0])
    before = torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        assert torch.equal(layer(x), together)
    torch.set_num_threads(before)


def test_the_state_is_plain_and_tied_weights_stay_tied():
    model = made()
    expected = copy.deepcopy(model.state_dict())
    compressed(model, form="fast")
    state = model.state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[key], expected[key]) for key in expected)
    assert state["embed.weight"].data_ptr() == state["head.weight"].data_ptr()
    again = decompressed(model)
    assert again.embed.weight is again.head.weight and "forward" not in vars(again.head)
    assert all(torch.equal(value, expected[key]) for key, value in again.state_dict().items())


def test_copies_pickles_and_files():
    model = compressed(made(), form="fast")
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), torch.load(file, weights_only=False)]
    with torch.inference_mode():
        expected = model(tokens(1, 3))
        for other in copies:
            assert torch.equal(other(tokens(1, 3)), expected) and held(other) == held(model)


def test_other_types_and_devices():
    model = compressed(made(), form="fast")
    wide = copy.deepcopy(model).float()
    with torch.inference_mode():
        assert torch.equal(wide(tokens(1, 2)), made().float()(tokens(1, 2)))
        assert close(wide.bfloat16()(tokens(1, 2)), model(tokens(1, 2)))
        given = torch.zeros(1, 2, WIDTH, dtype=torch.bfloat16, device="meta")
        assert model.to("meta").layers(given).device.type == "meta"
    floats = compressed(made(torch.float32), form="fast")  # which no matrix is made of
    with torch.inference_mode():
        assert torch.equal(floats(tokens(1, 2)), made(torch.float32)(tokens(1, 2)))


def test_training_raises():
    model = compressed(made(), form="fast")
    with pytest.raises(RuntimeError, match="decompressed"):
        model.train()
    with pytest.raises(RuntimeError, match="decompressed"):
        model(tokens(1, 1)).sum().backward()
    with pytest.raises(RuntimeError, match="is compressed"):
        model.load_state_dict(model.state_dict())
    with pytest.raises(ValueError, match="not 'whole', 'stored' or 'fast'"):
        compressed(made(), form="faster")


def test_from_an_archive(tmp_path):
    model = made()
    archive = tmp_path / "model.safetensors.znn"
    zipnn.safetensors.torch.save_model(model, archive)
    with torch.device("meta"):
        empty = Transformer().to(torch.bfloat16).eval()
    empty.head.weight = empty.embed.weight
    small = compressed(empty, archive=archive, form="fast")
    with torch.inference_mode():
        assert torch.equal(small(tokens(2, 2)), compressed(model, form="fast")(tokens(2, 2)))


def test_threads_share_a_model():
    model, given = compressed(made(), form="fast"), tokens(1, 4)
    with torch.inference_mode():
        expected = model(given)
    wrong = []

    def run():
        with torch.inference_mode():
            wrong.extend(1 for _ in range(10) if not torch.equal(model(given), expected))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_extension_checks_sizes():
    from zipnn import _zipnn

    matrix = _zipnn.Matrix(bytes(2 * 6 * 70), 6, 70, 1)
    assert matrix.info()[:2] == (6, 70)
    with pytest.raises(ValueError, match="fewer than the rows"):
        _zipnn.Matrix(bytes(2 * 6 * 70 - 1), 6, 70, 1)
    for values, result, n in ((140, 24, 2), (140, 23, 1), (139, 24, 1), (140, 24, 0), (9 * 140, 9 * 24, 9)):
        with pytest.raises(ValueError, match="size"):
            matrix.multiply(bytes(values), bytearray(result), n, False, 1, 0)
    for first, n, size in ((6, 1, 140), (0, 1, 139), (2**63, 2**63, 0)):
        with pytest.raises(ValueError, match="rows"):
            matrix.read(first, n, bytearray(size), 1)
    result = bytearray(24)
    matrix.multiply(bytes(140), result, 1, False, 2, 0)
    assert result == bytes(24)


# ---- stored ----------------------------------------------------------------------------------------------------------


def test_stored_matrices_give_the_bits_of_packed_ones(tmp_path):
    model = made()
    zipnn.safetensors.torch.save_file(_untied(model), tmp_path / "m.znn")
    stored, fast = compressed(copy.deepcopy(model), form="stored"), compressed(copy.deepcopy(model), form="fast")
    with Archive(tmp_path / "m.znn") as archive, torch.inference_mode():
        given = compressed(copy.deepcopy(model), archive=archive, form="stored")
        for shape in ((1, 1), (1, 5), (2, 4)):
            expected = fast(tokens(*shape))
            assert torch.equal(stored(tokens(*shape)), expected)
            assert torch.equal(given(tokens(*shape)), expected)
            assert close(expected, model(tokens(*shape)))
        assert torch.equal(stored(tokens(3, 5)), model(tokens(3, 5)))  # more vectors go torch's way
        assert torch.equal(given(tokens(3, 5)), model(tokens(3, 5)))
        before = torch.get_num_threads()
        for threads in (1, 3):
            torch.set_num_threads(threads)
            assert torch.equal(stored(tokens(1, 2)), fast(tokens(1, 2)))
        torch.set_num_threads(before)
    plain, now = held(stored)
    assert now < 0.8 * plain


def _untied(model):
    state = model.state_dict()
    return {name: value.clone() for name, value in state.items()}


def test_the_state_copies_and_changes_of_a_stored_model():
    model = made()
    expected = copy.deepcopy(model.state_dict())
    compressed(model, form="stored")
    state = model.state_dict()
    assert all(torch.equal(state[key], expected[key]) for key in expected)
    assert state["embed.weight"].data_ptr() == state["head.weight"].data_ptr()
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), torch.load(file, weights_only=False)]
    with torch.inference_mode():
        right = model(tokens(1, 3))
        assert all(torch.equal(other(tokens(1, 3)), right) for other in copies)
    with pytest.raises(RuntimeError, match="cannot be trained"):
        model.train()
    with pytest.raises(RuntimeError, match="cannot be changed"):
        model.load_state_dict(expected)
    assert model.to(torch.float32)(tokens(1, 2)).dtype == torch.float32
    assert all(torch.equal(value, expected[key].float()) for key, value in decompressed(model).state_dict().items())


def test_products_of_a_stored_matrix_refuse_what_does_not_fit(tmp_path):
    weights = {"w": torch.randn(300, 200).to(torch.bfloat16), "f": torch.randn(300, 200), "v": torch.ones(9)}
    zipnn.safetensors.torch.save_file(weights, tmp_path / "w.znn")
    with Archive(tmp_path / "w.znn") as archive:
        core, values, sums = archive._archive, bytearray(400), bytearray(1200)
        number = {name: tensor._rows[0] for name, tensor in archive.items()}
        core.multiply(number["w"], values, sums, 1, True, 2, 0)
        for x, y, n in ((values, sums, 0), (values, sums, 9), (values[1:], sums, 1), (values, sums[4:], 1)):
            with pytest.raises(ValueError):
                core.multiply(number["w"], x, y, n, True, 1, 0)
        for name in ("f", "v"):
            with pytest.raises(ValueError):
                core.multiply(number[name], values, sums, 1, True, 1, 0)
        with pytest.raises(zipnn.ZipnnError, match="no tensor 99"):
            core.multiply(99, values, sums, 1, True, 1, 0)
    with pytest.raises(ValueError, match="closed"):
        core.multiply(number["w"], values, sums, 1, True, 1, 0)


def test_damage_in_a_stored_matrix_is_an_error(tmp_path):
    torch.manual_seed(6)
    zipnn.safetensors.torch.save_file({"w": torch.randn(400, 256).to(torch.bfloat16)}, tmp_path / "w.znn")
    data = bytearray((tmp_path / "w.znn").read_bytes())
    data[len(data) // 2] ^= 1
    with Archive(bytes(data)) as archive, pytest.raises(zipnn.ZipnnError):
        archive._archive.multiply(0, bytearray(512), bytearray(1600), 1, True, 2, 0)


def test_threads_of_openmp_and_threads_of_ours_give_the_same_bits(monkeypatch):
    from zipnn.torch import matrices

    torch.manual_seed(7)
    layer = nn.Linear(1024, 1500).to(torch.bfloat16).requires_grad_(False)
    x = torch.randn(3, 1024).to(torch.bfloat16)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    for form in ("fast", "stored"):
        small = compressed(copy.deepcopy(layer), form=form)
        with torch.inference_mode():
            right = small(x)
            with monkeypatch.context() as patch:
                patch.setattr(matrices, "_parallel", lambda: 0)
                assert torch.equal(small(x), right)
    torch.set_num_threads(before)
