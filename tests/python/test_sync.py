"""Weight sync: tensors of numpy and torch go from one state to the next, as they lie, through bytes and pipes."""

import os
import pathlib
import subprocess
import sys
import threading

import pytest
import zipnn

np = pytest.importorskip("numpy")


def _bf16(array):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    return array.astype(ml_dtypes.bfloat16)


def _model(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "embed": _bf16(rng.normal(0, 0.02, (400, 300))),
        "turned": _bf16(rng.normal(0, 0.02, (200, 250))).T,
        "backwards": rng.normal(0, 1, 500).astype("f4")[::-2],
        "half": rng.normal(0, 1, (33, 5)).astype("f2"),
        "double": rng.normal(0, 1, (7, 3)),
        "ints": rng.integers(-9, 9, (5, 6), dtype="i8"),
        "flags": rng.integers(0, 2, 13).astype(bool),
        "scalar": np.array(3.5, "f4"),
        "empty": np.zeros((0, 4), "f4"),
        "späť": np.arange(10, dtype="u2"),
    }


def _same(a, b):
    return all(a[k].shape == b[k].shape and a[k].tobytes() == b[k].tobytes() for k in a)


def _step(model, seed):
    """The model after a step, in memory of its own, with the strides that it had."""
    rng = np.random.default_rng(seed)
    new = _model()
    for name, array in model.items():
        new[name][...] = array
        if new[name].size and array.dtype.kind != "b":
            places = [np.unravel_index(at, array.shape) for at in rng.integers(0, array.size, array.size // 50 + 1)]
            for place in places:
                new[name][place] = rng.integers(1, 9)
    return new


def test_steps_with_weights():
    model, engine = _model(), _model()
    sent = zipnn.Weights(model, copy=True, version=3)
    told = []
    with zipnn.Weights(dict(reversed(engine.items())), version=3) as mine:
        for i in range(3):
            model = _step(model, i)
            delta = sent.pack(model, note=b"step %d" % i)
            stats = mine.apply(delta, done=told.append)
            assert stats.exact and stats.bytes == len(delta) and 0 < stats.n_sent <= stats.n_chunks
            assert _same(model, engine)
            assert mine.version == sent.version == 4 + i
            assert mine.digest == sent.digest and not mine.torn
        assert set(told) >= {"embed", "turned"}
        assert mine.nbytes == sum(a.nbytes for a in model.values())
        info = zipnn.update_info(delta)
        assert (info.form, info.from_version, info.to_version, info.note) == ("difference", 5, 6, b"step 2")
        assert {n: s for n, _, s in info.tensors} == {n: a.shape for n, a in model.items()}
        with pytest.raises(zipnn.BaseError, match="version"):
            mine.apply(delta)
    with pytest.raises(ValueError, match="closed"):
        mine.apply(delta)


@pytest.mark.parametrize("form", ["difference", "values", "whole"])
def test_delta_and_apply(form):
    old, engine = _model(), _model()
    new = _step(old, 1)
    delta = zipnn.delta(new, old, form=form, versions=(8, 9))
    assert _same(old, _model())
    stats = zipnn.apply(delta, {"not in the update": None, **engine})
    assert isinstance(stats, zipnn.UpdateStats) and stats.exact
    assert _same(engine, new)
    if form == "difference":
        with pytest.raises(zipnn.BaseError):
            zipnn.apply(delta, engine)
    else:
        zipnn.apply(delta, engine)
    assert _same(engine, new)
    with pytest.raises(zipnn.ArgumentError, match="turned"):
        zipnn.apply(delta, {k: v for k, v in engine.items() if k != "turned"})


def test_nothing_changes_and_whole_without_base():
    model = _model()
    assert len(zipnn.delta(model, model)) < 600
    engine = {k: np.zeros_like(v) for k, v in model.items()}
    zipnn.apply(zipnn.delta(model, None), engine)
    assert _same(engine, model)


@pytest.mark.parametrize("form", ["difference", "values", "whole"])
def test_changes(form):
    old = _model()
    new = _step(old, 2)
    delta = zipnn.delta(new, old, form=form)
    patched = {k: v.copy(order="C") for k, v in old.items()}
    for change in zipnn.changes(delta, old if form == "difference" else None):
        indices, values = change.numpy()
        assert change.n == len(indices) == len(values) > 0
        assert (np.diff(indices) > 0).all()
        assert (change.shape, values.dtype) == (new[change.name].shape, new[change.name].dtype)
        patched[change.name].reshape(-1)[indices] = values
    assert _same(patched, new)
    if form == "difference":
        with pytest.raises(zipnn.BaseError):
            list(zipnn.changes(delta))
        with zipnn.Weights(old) as weights:
            assert {c.name for c in weights.changes(delta)} == {c.name for c in zipnn.changes(delta, old)}


def test_merge():
    steps = [_model()]
    for i in range(3):
        steps.append(_step(steps[-1], i))
    for form in "difference", "values":
        deltas = [zipnn.delta(b, a, form=form, versions=(i, i + 1)) for i, (a, b) in enumerate(zip(steps, steps[1:]))]
        both = zipnn.merge(*deltas)
        assert len(both) < sum(map(len, deltas))
        engine = _model()
        assert zipnn.apply(both, engine).exact
        assert _same(engine, steps[-1])
        with pytest.raises(zipnn.BaseError):
            zipnn.merge(deltas[1], deltas[0])


def test_pipe():
    model, engine = _model(), _model()
    sent = zipnn.Weights(model, copy=True)
    mine = zipnn.Weights(engine)
    r, w = os.pipe()
    models = [_step(model, 1), _step(model, 2)]

    def send():
        with open(w, "wb", buffering=0) as to:
            for i, m in enumerate(models):
                sent.pack_to(to, m, form="difference" if i == 0 else "values")

    thread = threading.Thread(target=send)
    thread.start()
    with open(r, "rb", buffering=0) as source:
        for m in models:
            mine.apply(source)
            assert _same(engine, m)
        with pytest.raises(zipnn.TruncatedError):
            mine.apply(source)
    thread.join()
    assert mine.digest == sent.digest and not mine.torn


def test_broken_stream_is_torn_and_mended():
    model, engine = _model(), _model()
    new = _step(model, 1)
    delta = zipnn.delta(new, model)
    with zipnn.Weights(engine) as mine:
        with pytest.raises(zipnn.TruncatedError):
            mine.apply(delta[:-30])
        assert mine.torn
        stats = mine.apply(delta)
        assert stats.n_already > 0 and not mine.torn
    assert _same(engine, new)


def test_failing_callbacks():
    model, engine = _model(), _model()
    new = _step(model, 1)
    sent = zipnn.Weights(model, copy=True)

    class Closed:
        def write(self, data):
            raise OSError("nobody reads")

    with pytest.raises(OSError, match="nobody reads"):
        sent.pack_to(Closed(), new)
    assert sent.version == 0
    delta = sent.pack(new)

    def done(name):
        raise KeyError(name)

    with zipnn.Weights(engine) as mine:
        with pytest.raises(KeyError):
            mine.apply(delta, done=done)
        mine.apply(delta)
    assert _same(engine, new)


def test_what_cannot_be_changed():
    array = np.zeros(5, "f4")
    array.flags.writeable = False
    with pytest.raises(zipnn.ArgumentError, match="read-only"):
        zipnn.Weights({"a": array})
    with pytest.raises(ValueError, match="big-endian"):
        zipnn.Weights({"a": np.zeros(5, ">f4")})
    assert zipnn.Weights({"a": np.arange(5, dtype=">f4")}, copy=True).digest == zipnn.Weights(
        {"a": np.arange(5, dtype="<f4")}, copy=True
    ).digest
    with pytest.raises(ValueError, match="objects"):
        zipnn.Weights({"a": np.array([None])}, copy=True)
    with pytest.raises(ValueError, match="form"):
        zipnn.delta({}, {}, form="sparse")
    with pytest.raises(zipnn.FormatError):
        zipnn.update_info(b"x" * 100)
    with pytest.raises(TypeError, match="done"):
        zipnn.apply(b"", bytearray(5), done=print)


def test_torch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    linear = torch.nn.Linear(300, 200, dtype=torch.bfloat16)
    engine = {k: v.detach().clone() for k, v in linear.state_dict().items()}
    turned = engine["weight"].t().contiguous().t()  # other strides
    engine["weight"] = turned
    sent = zipnn.Weights(linear.state_dict(), copy=True)
    mine = zipnn.Weights(engine)
    with torch.no_grad():
        linear.weight[::7, ::11] += 0.01
        linear.bias[3] = 1
    delta = sent.pack(linear.state_dict())
    copy = {k: v.clone() for k, v in engine.items()}
    for change in zipnn.changes(delta, engine):
        indices, values = change.torch()
        flat = copy[change.name].contiguous().view(-1)
        flat[indices] = values
        copy[change.name] = flat.view(copy[change.name].shape)
    mine.apply(delta)
    for name, value in linear.state_dict().items():
        assert torch.equal(engine[name], value) and torch.equal(copy[name], value)
    assert not turned.is_contiguous() and engine["weight"] is turned
    with pytest.raises(ValueError, match="meta"):
        zipnn.Weights({"a": torch.empty(3, device="meta")})


def test_trainer_and_engine():
    """The example trains, syncs and serves. Its figures are for `make bench-sync`."""
    pytest.importorskip("torch")
    program = pathlib.Path(__file__).resolve().parents[2] / "bench" / "bench_sync.py"
    small = ["--steps", "2", "--warm", "2", "--width", "64", "--layers", "1"]
    done = subprocess.run([sys.executable, "-B", program, *small], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "zipnn: pack, pipe, apply" in done.stdout
