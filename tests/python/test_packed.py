"""Models whose weights stay compressed in memory: the same outputs, bit by bit, and the memory that they take."""

import copy
import ctypes
import gc
import io
import multiprocessing
import os
import pathlib
import pickle
import subprocess
import sys
import threading

import pytest
import zipnn

torch = pytest.importorskip("torch")

import zipnn.torch  # noqa: E402
from torch import nn  # noqa: E402
from zipnn.torch import compressed, decompressed, held, packed  # noqa: E402


class Tied(nn.Module):
    """An embedding that is the head, too, and one layer that runs three times."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(3000, 128)
        self.layer = nn.Linear(128, 128)
        self.head = nn.Linear(128, 3000, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x):
        h = self.embed(x)
        for _ in range(3):
            h = torch.relu(self.layer(h))
        return self.head(h)


class Convolutions(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 64, 5), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(64, 400),
        )  # fmt: skip


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(64, 128, 2, batch_first=True)
        self.out = nn.Linear(128, 300)

    def forward(self, x):
        return self.out(self.rnn(x)[0])


def floats(*shape):
    return lambda: (torch.randn(*shape),)


def numbers(*shape):
    return lambda: (torch.randint(0, 3000, shape),)


MODELS = {
    "linear": (lambda: nn.Linear(256, 300), floats(4, 256)),
    "mlp": (lambda: nn.Sequential(nn.Linear(128, 512), nn.GELU(), nn.Linear(512, 128)), floats(7, 128)),
    "tied": (Tied, numbers(2, 9)),
    "convolutions": (Convolutions, floats(2, 3, 20, 20)),
    "attention": (lambda: nn.TransformerEncoderLayer(128, 4, 256, 0.0, batch_first=True), floats(2, 5, 128)),
    "recurrent": (Recurrent, floats(2, 5, 64)),
    "embedding": (lambda: nn.Embedding(90000, 64), numbers(3)),
    "normed": (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(200, 200)), floats(3, 200)),
}


def made(name, dtype=torch.bfloat16):
    torch.manual_seed(7)
    model, inputs = MODELS[name]
    if name in ("convolutions", "recurrent") and dtype == torch.bfloat16:
        dtype = torch.float32
    model = model().to(dtype).eval()
    given = [x.to(dtype) if x.is_floating_point() else x for x in inputs()]
    return model, given


def same(a, b):
    return torch.equal(a, b) and a.dtype == b.dtype


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", MODELS)
def test_the_same_bits(name, dtype):
    model, given = made(name, dtype)
    plain = copy.deepcopy(model)
    small = compressed(model)
    assert small is model
    before, now = held(small)
    assert now < (0.75 if next(plain.parameters()).dtype == torch.bfloat16 else 0.99) * before
    for guard in (torch.no_grad, torch.inference_mode, torch.enable_grad):
        with guard():
            expected = plain(*given)
            for _ in range(3):  # the order of weights is known the second time
                result = small(*given)
                assert same(result, expected) and result.requires_grad == expected.requires_grad


@pytest.mark.parametrize("name", MODELS)
def test_state_is_plain(name):
    model, _ = made(name)
    plain = copy.deepcopy(model)
    small = compressed(model)
    expected, state = plain.state_dict(), small.state_dict()
    assert list(state) == list(expected)
    for key, tensor in state.items():
        assert same(tensor, expected[key]) and not tensor.is_inference()
        assert tensor.untyped_storage().nbytes() == expected[key].untyped_storage().nbytes()
    for (key, tensor), (other, value) in zip(small.named_parameters(), plain.named_parameters()):
        assert key == other and same(tensor.detach(), value.detach())
    plain.load_state_dict(state)
    file = io.BytesIO()
    zipnn.torch.save(state, file)
    assert zipnn.torch.load(file.getvalue()).keys() == state.keys()


def test_tied_weights_stay_tied():
    model, _ = made("tied")
    small = compressed(model)
    assert len(list(small.parameters())) == 3
    state = small.state_dict()
    assert state["embed.weight"].data_ptr() == state["head.weight"].data_ptr()
    assert held(small).plain == (3000 * 128 + 128 * 128 + 128) * 2
    again = decompressed(small)
    assert again.embed.weight is again.head.weight


def test_training_raises():
    model, given = made("mlp")
    trainable = [p.requires_grad for p in model.parameters()]
    small = compressed(model)
    assert small.eval() is small
    with pytest.raises(RuntimeError, match="decompressed"):
        small.train()
    with pytest.raises(RuntimeError, match="decompressed"):
        small(*given).sum().backward()
    with pytest.raises(RuntimeError):
        small[0].weight.add_(1)
    with pytest.raises(RuntimeError, match="'0.weight' is compressed"):
        small.load_state_dict(small.state_dict())
    plain = decompressed(small)
    assert plain is small and [p.requires_grad for p in plain.parameters()] == trainable
    plain.train()(given[0].detach()).sum().backward()
    assert plain[0].weight.grad is not None and plain[1:] is not None
    plain.load_state_dict(plain.state_dict())
    assert held(plain).held == held(plain).plain


def test_adapters_are_trained():
    """Over weights that are frozen: gradients go through them."""
    model, given = made("mlp")
    adapter = nn.Linear(128, 128, bias=False, dtype=torch.bfloat16)
    both = [nn.Sequential(adapter, m.requires_grad_(False)) for m in (copy.deepcopy(model), model)]
    compressed(both[1][1])
    gradients = []
    for m in both:
        adapter.zero_grad()
        m.train()(given[0]).sum().backward()
        gradients.append(adapter.weight.grad.clone())
    assert same(*gradients) and gradients[0].any()


@pytest.mark.parametrize("name", ["mlp", "tied", "attention", "embedding"])
def test_copies(name, tmp_path):
    model, given = made(name)
    with torch.no_grad():
        expected = model(*given)
        small = compressed(model)
        assert same(small(*given), expected)
        torch.save(small, tmp_path / "model.pt")
        copies = [
            copy.deepcopy(small),
            pickle.loads(pickle.dumps(small)),
            torch.load(tmp_path / "model.pt", weights_only=False),
        ]
        assert (tmp_path / "model.pt").stat().st_size < held(small).held + 50000
        kept = held(small)
        del small, model
        gc.collect()
        for other in copies:
            assert same(other(*given), expected) and held(other) == kept
            assert all(_bound(module) is module for module in other.modules())
            with pytest.raises(RuntimeError):
                other.train()


def _bound(module):
    """Which module the functions of a compressed one work on."""
    taken = vars(module).get("_apply")
    return module if taken is None else taken.args[0]


@pytest.mark.parametrize("name", ["mlp", "tied", "convolutions"])
def test_conversions(name):
    model, given = made(name, torch.float32)
    plain = copy.deepcopy(model)
    small = compressed(model)
    before = held(small)
    assert small.to("cpu") is small and held(small) == before
    for convert in (lambda m: m.half(), lambda m: m.to(torch.bfloat16), lambda m: m.double()):
        convert(plain), convert(small)
        given = [x.to(next(plain.parameters()).dtype) if x.is_floating_point() else x for x in given]
        with torch.no_grad():
            assert same(small(*given), plain(*given))
        assert held(small).plain == held(plain).plain > held(small).held
        assert all(same(a, b) for a, b in zip(small.state_dict().values(), plain.state_dict().values()))
    if name == "tied":
        assert small.state_dict()["embed.weight"].data_ptr() == small.state_dict()["head.weight"].data_ptr()
    assert compressed(made("mlp")[0], device="meta")(torch.zeros(1, 128, device="meta")).device.type == "meta"


def test_weights_that_are_kept():
    """A weight that somebody holds is not written over."""
    model, given = made("mlp")
    plain = copy.deepcopy(model)
    small = compressed(model)
    kept = [small[0].weight, small[2].weight[3:], small[0].weight.view(-1)]
    with torch.no_grad():
        for _ in range(4):
            small(*given)
            kept.append(small[2].weight)
    assert torch.equal(kept[0], plain[0].weight) and torch.equal(kept[1], plain[2].weight[3:])
    assert torch.equal(kept[2], plain[0].weight.view(-1))
    assert all(torch.equal(weight, plain[2].weight) for weight in kept[3:])
    small[0].weight = nn.Parameter(torch.zeros(512, 128, dtype=torch.bfloat16))  # a plain one again
    assert not small[0].weight.any()


def test_many_threads():
    model, _ = made("tied")
    torch.manual_seed(1)
    given = [torch.randint(0, 3000, (1, 5)) for _ in range(4)]
    with torch.no_grad():
        expected = [model(x) for x in given]
    small = compressed(model)
    wrong = []

    def run(i):
        with torch.no_grad():
            for _ in range(15):
                if not same(small(given[i]), expected[i]):
                    wrong.append(i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def _child(model, given, expected):
    with torch.no_grad():
        ok = all(same(model(*given), expected) for _ in range(3))
    os._exit(0 if ok else 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked():
    model, given = made("mlp")
    small = compressed(model)
    torch.set_num_threads(1)  # torch's own threads do not live in a child
    with torch.no_grad():
        expected = small(*given)
        small(*given)
    child = multiprocessing.get_context("fork").Process(target=_child, args=(small, given, expected))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    with torch.no_grad():
        assert same(small(*given), expected)


def test_nothing_is_left():
    """The thread ends, and the memory is given back, with the model; two scratch buffers are all that there is."""
    model, given = made("attention")
    small = compressed(model)
    decoder = next(small.linear1._parameters.packed()).decoder
    with torch.no_grad():
        for _ in range(5):
            small(*given)
    assert len(decoder._scratch) <= 2
    assert any(t.name.startswith("zipnn.compressed") for t in threading.enumerate())
    del small, model, decoder
    gc.collect()
    for t in threading.enumerate():
        if t.name.startswith("zipnn.compressed"):
            t.join(10)
            assert not t.is_alive()


def test_what_comes_next_is_decoded_ahead(monkeypatch):
    model, given = made("mlp")
    small = compressed(model)
    where = []
    read = packed._Packed.read
    monkeypatch.setattr(
        packed._Packed, "read", lambda self: (where.append(threading.current_thread().name), read(self))[1]
    )
    with torch.no_grad():
        for _ in range(6):
            small(*given)
    assert any(name.startswith("zipnn.compressed") for name in where)
    assert len(where) <= 13  # each weight once in a run, and one that is decoded ahead of the next


def test_rows_of_an_embedding(monkeypatch):
    model, given = made("embedding")
    plain = copy.deepcopy(model)
    small = compressed(model)

    def whole(self):
        raise AssertionError("all of the table was decoded")

    with torch.no_grad():
        monkeypatch.setattr(packed._Packed, "read", whole)
        assert same(small(given[0]), plain(given[0]))
        monkeypatch.undo()
        many = torch.arange(9000).view(90, 100)
        assert same(small(many), plain(many))
        for wrong in (torch.tensor([90000]), torch.tensor([-1])):
            with pytest.raises(IndexError):
                small(wrong)


def test_of_an_archive(tmp_path):
    """Weights that are compressed already: on the device meta the model has none of its own."""
    model, given = made("tied")
    with torch.no_grad():
        expected = model(*given)
    path = tmp_path / "model.safetensors.znn"
    zipnn.safetensors.torch.save_model(model, path)
    with torch.device("meta"):
        empty = Tied().to(torch.bfloat16).eval()
    for source in (path, path.read_bytes(), zipnn.Archive(path)):
        small = compressed(copy.deepcopy(empty), archive=source)
        with torch.no_grad():
            assert same(small(*given), expected) and same(small(*given), expected)
            assert same(pickle.loads(pickle.dumps(small))(*given), expected)
        assert held(small).held < 0.75 * held(small).plain
        assert small.embed.weight is not None and len(list(small.parameters())) == 3
    with torch.device("meta"):
        other = nn.Sequential(nn.Linear(128, 128), nn.Linear(3, 3))
    with pytest.raises(ValueError, match="'0.weight' and 3 more have no values"):
        compressed(other, archive=path)
    wrong = Tied()  # fp32
    with pytest.raises(ValueError, match="BF16"):
        compressed(wrong, archive=path)


def test_mistakes():
    with pytest.raises(TypeError, match="module of torch"):
        compressed({"a": torch.zeros(3)})
    assert held(nn.Linear(3, 3)) == (48, 48)
    assert decompressed(nn.Linear(3, 3)).weight.requires_grad
    noise = nn.Linear(512, 512, bias=False)
    with torch.no_grad():
        noise.weight.view(torch.int32).random_(-(1 << 31), (1 << 31) - 1)
    assert held(compressed(noise)).held == noise.weight.nbytes  # nothing is gained: it stays as it is
    twice = compressed(compressed(made("mlp")[0]))
    assert held(twice).held < held(twice).plain


# ---- models of transformers -----------------------------------------------------------------------------------------


def of_transformers(kind):
    transformers = pytest.importorskip("transformers")
    sizes = {
        "llama": lambda: transformers.LlamaConfig(
            hidden_size=256, intermediate_size=512, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
            vocab_size=4000, max_position_embeddings=128,
        ),
        "gpt2": lambda: transformers.GPT2Config(n_embd=192, n_layer=2, n_head=4, vocab_size=4000, n_positions=128),
    }  # fmt: skip
    torch.manual_seed(3)
    return transformers.AutoModelForCausalLM.from_config(sizes[kind]()).to(torch.bfloat16).eval()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_transformers(kind, tmp_path):
    model = of_transformers(kind)
    prompt = torch.tensor([[5, 77, 1023, 9, 3999]])
    with torch.no_grad():
        expected = model(prompt).logits
        tokens = model.generate(prompt, max_new_tokens=8, do_sample=False)
        state = {key: value.clone() for key, value in model.state_dict().items()}
        small = compressed(model)
        assert held(small).held < 0.72 * held(small).plain
        for _ in range(2):
            assert same(small(prompt).logits, expected)
            assert torch.equal(small.generate(prompt, max_new_tokens=8, do_sample=False), tokens)
        assert same(copy.deepcopy(small)(prompt).logits, expected)
    assert all(same(value, state[key]) for key, value in small.state_dict().items())
    small.save_pretrained(tmp_path)
    again = type(small).from_pretrained(tmp_path, dtype=torch.bfloat16).state_dict()
    assert all(same(again[key], value) for key, value in state.items())


def test_example():
    program = pathlib.Path(__file__).resolve().parents[2] / "examples" / "python" / "compressed_model.py"
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "outputs are identical" in done.stdout


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors by /proc")
def test_nothing_leaks(tmp_path):
    """Threads, descriptors and memory after many rounds of what keeps something in the background."""

    def rounds(n):
        for _ in range(n):
            model, given = made("mlp")
            small = compressed(model)
            with torch.no_grad():
                small(*given), small(*given)
            copy.deepcopy(small).state_dict()
            zipnn.torch.async_save({"m": small.state_dict(), "step": 1}, tmp_path / "c.znn").result()
            zipnn.torch.load(tmp_path / "c.znn")
            pickle.loads(pickle.dumps(zipnn.Archive(tmp_path / "c.znn")))
        del small, model
        gc.collect()
        if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
            libc.malloc_trim(0)  # what is free is no leak, and varies by tens of MB
        with open("/proc/self/statm") as f:
            resident = int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return len(os.listdir("/proc/self/fd")), resident

    fds, resident = rounds(10)
    more, later = rounds(40)
    assert more <= fds and later < resident + (16 << 20)
    for t in threading.enumerate():
        if t.name.startswith("zipnn"):
            t.join(10)
            assert not t.is_alive()
