"""device="cuda": without CUDA it is one clear error; with the driver that is none (tests/gpu/fake_driver.c), whose
kernels run under emulation, all ways lead to the same tensors, in memory of the device."""

import ctypes
import weakref
from pathlib import Path

import pytest
import zipnn
import zipnn.gpu as gpu
from zipnn import _zipnn

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

import zipnn.torch  # noqa: E402
from zipnn.model_folder import weights as weights_of  # noqa: E402
from zipnn.safetensors import safe_open  # noqa: E402
from zipnn.safetensors.torch import load_file, save_file  # noqa: E402

DRIVER = Path(__file__).parents[2] / "build/python/cmake/driver/libcuda.so.1"
CODE = b"kernels under emulation"
OPENED = {}  # of all tests that open it as it is: samples are tried once
no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")


# ---- without CUDA ---------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    """An archive of tensors of many types and sizes, as a safetensors file, and the tensors."""
    make = torch.Generator().manual_seed(3)
    normal = torch.randn(300, 400, generator=make) * 0.02
    tensors = {
        "bf16": normal.to(torch.bfloat16),
        "f16": normal.to(torch.float16),
        "f32": normal,
        "f64": normal[:50].double(),
        "fp8": normal.to(torch.float8_e4m3fn),
        "i8": (normal * 1000).to(torch.int8),
        "i64": torch.arange(5000).reshape(50, 100),
        "bools": normal > 0,
        "one": torch.tensor(3.5),
        "none": torch.empty(0, 7),
        "zeros": torch.zeros(100, 1000),
    }
    path = tmp_path / "model.safetensors.znn"
    save_file(tensors, path, {"made by": "a test"})
    return path, tensors


@no_cuda
@pytest.mark.parametrize("device", ["cuda", "cuda:1", torch.device("cuda")])
def test_without_cuda_there_is_one_clear_error(saved, device):
    path, _ = saved
    what = r"device 'cuda(:1)?': there is no CUDA here: torch \S+ (was built without it|finds no GPU)"
    with safe_open(path, "pt", device=device) as f:  # as the package safetensors: what needs no device works
        assert f.metadata() == {"made by": "a test"} and len(f.keys()) == 11
        for way in (lambda: f.get_tensor("f32"), lambda: f.get_slice("f32")[:2], f.get_tensors):
            with pytest.raises(RuntimeError, match=what):
                way()
    archive = zipnn.Archive(path)
    for way in (
        lambda: load_file(path, device=device),
        lambda: zipnn.torch.load(path, device=device),
        lambda: archive["f32"].torch(device),
        lambda: archive["f32"][3:7].torch(device),
        lambda: list(weights_of(path.parent, device=device)),
        lambda: gpu.why_not(device),
        lambda: zipnn.torch.compressed(torch.nn.Linear(100, 100), device=device),
    ):
        with pytest.raises(RuntimeError, match=what):
            way()


def test_other_devices_are_no_business_of_a_gpu(saved):
    path, tensors = saved
    assert gpu.of("cpu") is None and gpu.why_not("cpu") == "cpu is no device of CUDA"
    assert torch.equal(load_file(path, device="cpu")["f32"], tensors["f32"])
    assert zipnn.Archive(path)["f32"].torch("meta").device.type == "meta"


@no_cuda
def test_the_extension_says_what_is_missing(tmp_path):
    with pytest.raises(zipnn.UnsupportedError, match="no driver of NVIDIA|kernels"):
        _zipnn.Gpu(0, b"no kernels", 0)
    for wrong in ((), (0, "text", 0), (0, None, -1), ("0", None, 0)):
        with pytest.raises((TypeError, ValueError)):
            _zipnn.Gpu(*wrong)
    with pytest.raises(TypeError):
        _zipnn.Kept(None, None, [])


# ---- on a driver that is none ---------------------------------------------------------------------------------------


class FakeCuda(gpu.Cuda):
    """Memory of the driver, seen by torch as the CPU's."""

    def __init__(self, driver):
        super().__init__()
        self.driver = driver
        self.n_ahead = 0
        self.blocks = []  # of the device, (address, bytes)

    def number(self, device):
        return torch.device(device).index or 0

    def is_there(self):
        return True

    def is_of_nvidia(self):
        return True

    def empty(self, number, nbytes):
        if nbytes == 0:
            return torch.empty(0, dtype=torch.uint8)
        at = ctypes.c_uint64()
        assert self.driver.cuMemAlloc_v2(ctypes.byref(at), ctypes.c_size_t(nbytes)) == 0
        block = (ctypes.c_ubyte * nbytes).from_address(at.value)
        weakref.finalize(block, self.driver.cuMemFree_v2, ctypes.c_uint64(at.value))
        self.blocks.append((at.value, nbytes))
        return torch.frombuffer(block, dtype=torch.uint8)

    def settle(self, number):
        pass

    def stream(self, number):
        return 0

    def ahead(self, number, memory, work):
        self.n_ahead += 1
        work(0)

    def join(self, number, event, memory):
        self.wait()

    def wait(self):
        assert self.driver.cuStreamSynchronize(None) == 0

    def has(self, tensor):
        return any(at <= tensor.data_ptr() < at + nbytes for at, nbytes in self.blocks)


@pytest.fixture
def device(monkeypatch, tmp_path):
    """A device of CUDA as far as zipnn sees."""
    if not DRIVER.exists():
        pytest.skip("tools/test_python.sh builds the driver that is none where ucontext.h is")
    if torch.cuda.is_available():
        pytest.skip("there is a real driver here")
    driver = ctypes.CDLL(str(DRIVER))  # by its soname the library finds this one from now on
    fake = FakeCuda(driver)
    (tmp_path / "code").write_bytes(CODE)
    monkeypatch.setattr(gpu, "cuda", fake)
    monkeypatch.setattr(gpu, "_opened", OPENED)
    monkeypatch.setenv("ZIPNN_GPU", str(tmp_path / "code"))
    return fake


def bits(tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(bits(a), bits(b))


def test_every_way_gives_the_same_tensors(saved, device):
    path, tensors = saved
    assert gpu.why_not("cuda") is None
    loaded = load_file(path, device="cuda")
    assert list(loaded) == list(load_file(path))
    used = gpu.of("cuda")
    assert used.last[0] > 0 and sum(used.last[:2]) == sum(t.nbytes for t in tensors.values())
    archive = zipnn.Archive(path)
    one_by_one = dict(weights_of(path.parent, device="cuda"))
    by_torch = zipnn.torch.load(path, device="cuda")
    with safe_open(path, "pt", device="cuda") as f:
        together = f.get_tensors()
        for name, tensor in tensors.items():
            ways = {
                "load_file": loaded[name],
                "load": by_torch[name],
                "get_tensor": f.get_tensor(name),
                "get_tensors": together[name],
                "Archive": archive[name].torch("cuda"),
                "weights": one_by_one[name],
            }
            for way, got in ways.items():
                assert same(got, tensor), (way, name)
                if way in ("get_tensor", "Archive", "weights") and got.numel():
                    assert device.has(got), (way, name)
        assert same(f.get_slice("bf16")[7:90, 1:3], tensors["bf16"][7:90, 1:3])
        assert same(archive["f32"][5:9].torch("cuda"), tensors["f32"][5:9])


def test_memory_is_each_tensors_own(saved, device):
    path, _ = saved
    loaded = load_file(path, device="cuda")
    loaded["bf16"].zero_()
    assert same(loaded["f16"], load_file(path)["f16"])
    assert all(t.untyped_storage().nbytes() == t.nbytes for t in loaded.values())


def test_large_tensors_and_tied_chunks(tmp_path, device):
    make = torch.Generator().manual_seed(4)
    tensors = {f"layer.{i}": (torch.randn(999, 701, generator=make) * 0.02).to(torch.bfloat16) for i in range(3)}
    tensors["large"] = (torch.randn(2100, 2003, generator=make) * 0.02).to(torch.bfloat16)  # over 8 MB
    tensors["again"] = tensors["layer.1"].clone()  # a reference to other chunks
    path = tmp_path / "m.safetensors.znn"
    save_file(tensors, path)
    loaded = load_file(path, device="cuda")
    assert all(same(loaded[name], tensor) for name, tensor in tensors.items())
    by_gpu, by_host, _ = gpu.of("cuda").last
    assert by_gpu > by_host


def test_archives_against_a_base(tmp_path, device):
    old = {"w": (torch.randn(700, 600) * 0.02).to(torch.bfloat16)}
    new = {"w": torch.where(torch.rand(700, 600) < 0.1, old["w"] * 1.5, old["w"])}
    save_file(old, tmp_path / "old.safetensors.znn")
    save_file(new, tmp_path / "plain.znn")
    data = zipnn.decompress((tmp_path / "plain.znn").read_bytes())
    base = str(tmp_path / "old.safetensors.znn")
    (tmp_path / "new.safetensors.znn").write_bytes(zipnn.compress(data, base=base))
    (tmp_path / "old.safetensors.znn").rename(tmp_path / "gone.znn")
    with pytest.raises(zipnn.BaseError):
        load_file(tmp_path / "new.safetensors.znn", device="cuda")
    loaded = load_file(tmp_path / "new.safetensors.znn", device="cuda", base=str(tmp_path / "gone.znn"))
    assert same(loaded["w"], new["w"])


@pytest.fixture
def moved(monkeypatch):
    """How tensors of torch are moved to a device, which is not done."""
    found, real = [], torch.Tensor.to

    def to(self, *target, **others):
        if not gpu.is_cuda(target[0]):
            return real(self, *target, **others)
        found.append(target)
        return self

    monkeypatch.setattr(torch.Tensor, "to", to)
    return found


def test_what_python_reads_is_decoded_by_the_processor(saved, device, moved):
    path, tensors = saved
    with open(path, "rb") as f:
        assert same(load_file(f, device="cuda")["f16"], tensors["f16"])
    assert ("cuda",) in moved


def test_damage_is_the_same_error(saved, device):
    path, _ = saved
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0x55
    path.write_bytes(data)
    with pytest.raises(zipnn.CorruptError) as plain:
        load_file(path)
    with pytest.raises(zipnn.CorruptError) as here:
        load_file(path, device="cuda")
    assert str(here.value) == str(plain.value)


def test_where_kernels_lack_the_processor_decodes(saved, device, moved, monkeypatch, tmp_path):
    path, tensors = saved
    old = tmp_path / "old"
    old.write_bytes(b"kernels of another version")
    reasons = {"0": "ZIPNN_GPU is 0", str(old): "of another version of zipnn"}
    for wish, reason in reasons.items():
        monkeypatch.setenv("ZIPNN_GPU", wish)
        monkeypatch.setattr(gpu, "_opened", {})
        assert reason in gpu.why_not("cuda")
        del moved[:]
        assert same(load_file(path, device="cuda")["bf16"], tensors["bf16"])
        assert moved.count(("cuda",)) == len(tensors)
    monkeypatch.setattr(gpu, "_opened", {})
    assert "compute capability 7.0" in gpu.why_not("cuda:7")
    monkeypatch.setenv("ZIPNN_GPU", str(tmp_path / "missing"))
    monkeypatch.setattr(gpu, "_opened", {})
    with pytest.raises(FileNotFoundError):
        gpu.of("cuda")


def test_kernels_that_restore_other_bytes_are_not_used(device, monkeypatch):
    real = gpu.Gpu.load

    def faulty(self, archive, parts):
        real(self, archive, parts)
        parts[0][2][-1] ^= 1

    monkeypatch.setattr(gpu, "_opened", {})
    monkeypatch.setattr(gpu.Gpu, "load", faulty)
    assert "restore other bytes than the processor, of a sample of BF16" in gpu.why_not("cuda")
    assert gpu.of("cuda") is None


def test_parts_are_kept_and_decoded_again(saved, device):
    path, tensors = saved
    used = gpu.of("cuda")
    with zipnn.Archive(path) as archive:
        f32, bf16 = archive["f32"], archive["bf16"]
        parts = [(bf16.offset, bf16.nbytes, f32.nbytes + 64), (f32.offset, f32.nbytes, 0)]
        kept = used.keep(archive, parts)
    assert kept.stored < f32.nbytes + bf16.nbytes and kept.by_gpu > 0
    for _ in range(2):
        memory = used.empty(f32.nbytes + 64 + bf16.nbytes)
        kept.decode(memory)
        device.wait()
        assert torch.equal(memory[: f32.nbytes], bits(tensors["f32"]))
        assert torch.equal(memory[f32.nbytes + 64 :], bits(tensors["bf16"]))


def test_nothing_is_written_past_a_tensor(saved, device):
    path, _ = saved
    used = gpu.of("cuda")
    archive = zipnn.Archive(path)
    with pytest.raises(ValueError, match="no 100 bytes in a run"):
        used.load(archive, [(0, 100, used.empty(99))])
    with pytest.raises(zipnn.ZipnnError):
        used.load(archive, [(archive.info.original, 1, used.empty(8))])
    for wrong in ([1], [(1, 2)], [(0, -1, 3)], None):
        with pytest.raises((TypeError, ValueError, OverflowError)):
            used._gpu.load(archive._archive, wrong)
    with pytest.raises(TypeError):
        used._gpu.load(archive, [])


def test_a_driver_that_fails_is_an_error(saved, device):
    path, tensors = saved
    assert gpu.of("cuda") is not None
    for call in range(1, 8):
        device.driver.fake_fail_at(call)
        try:
            load_file(path, device="cuda")
        except (OSError, MemoryError, zipnn.ZipnnError, AssertionError):
            pass
        device.driver.fake_fail_at(0)
        device.wait()
    assert same(load_file(path, device="cuda")["f32"], tensors["f32"])


# ---- models that stay compressed on a device ------------------------------------------------------------------------


class Layered(torch.nn.Module):
    """An embedding that is the head, too, and layers of matrices that are large enough for a GPU's streams."""

    def __init__(self, dtype=torch.bfloat16):
        super().__init__()
        torch.manual_seed(5)
        self.embed = torch.nn.Embedding(400, 128)
        self.layers = torch.nn.ModuleList(
            torch.nn.ModuleDict({"up": torch.nn.Linear(128, 320), "down": torch.nn.Linear(320, 128, bias=False)})
            for _ in range(3)
        )
        self.head = torch.nn.Linear(128, 400, bias=False)
        self.head.weight = self.embed.weight
        for param in self.parameters():
            torch.nn.init.normal_(param, 0, 0.02)
        self.to(dtype)

    def forward(self, numbers):
        h = self.embed(numbers)
        for layer in self.layers:
            h = h + layer["down"](torch.relu(layer["up"](h)))
        return self.head(h)


NUMBERS = torch.arange(0, 400, 7).reshape(1, -1)


@pytest.mark.parametrize("grad", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_a_model_runs_with_weights_kept_on_a_device(device, moved, grad):
    plain, model = Layered(), zipnn.torch.compressed(Layered(), device="cuda")
    kept = zipnn.torch.held(model)
    assert kept.held < 0.85 * kept.plain
    with grad():
        for _ in range(3):
            assert same(model(NUMBERS).detach(), plain(NUMBERS).detach())
    before = device.n_ahead
    with grad():
        model(NUMBERS)
    assert device.n_ahead - before <= 5  # a block for each layer and one for the tied matrix, which stands twice


def test_layers_are_decoded_together(device, moved):
    model = zipnn.torch.compressed(Layered(), device="cuda")
    layer = model.layers[1]
    up, down = (dict.__getitem__(layer[name]._parameters, "weight") for name in ("up", "down"))
    assert up.block is down.block and up.block is not dict.__getitem__(model.embed._parameters, "weight").block
    assert dict.__getitem__(model.embed._parameters, "weight") is dict.__getitem__(model.head._parameters, "weight")


def test_what_leaves_the_device_is_plain_or_compressed_for_the_processor(device, moved):
    import copy
    import pickle

    plain, model = Layered(), zipnn.torch.compressed(Layered(), device="cuda")
    for name, tensor in plain.state_dict().items():
        assert same(model.state_dict()[name], tensor), name
    with torch.inference_mode():
        right = plain(NUMBERS)
        twin = copy.deepcopy(model)
        assert same(twin(NUMBERS), right)
        assert twin.layers[0]["up"]._parameters is not model.layers[0]["up"]._parameters
        assert same(pickle.loads(pickle.dumps(model))(NUMBERS), right)
        assert same(zipnn.torch.decompressed(twin)(NUMBERS), right)
        assert same(model.half()(NUMBERS), Layered().half()(NUMBERS))
        assert same(model(NUMBERS), model(NUMBERS))


def test_a_model_is_taken_from_an_archive(device, moved, tmp_path):
    plain = Layered()
    path = tmp_path / "model.safetensors.znn"
    zipnn.safetensors.torch.save_model(plain, path)
    with torch.device("meta"):
        empty = Layered()
    empty.head.weight = empty.embed.weight
    model = zipnn.torch.compressed(empty, device="cuda", archive=str(path))
    with torch.inference_mode():
        assert same(model(NUMBERS), plain(NUMBERS))


def test_what_gains_nothing_stays_as_it_is(device, moved):
    model = torch.nn.ModuleDict({"noise": torch.nn.Linear(100, 100), "odd": torch.nn.Linear(100, 100)})
    with torch.no_grad():
        model["noise"].weight.copy_(torch.randint(0, 256, (100, 400), dtype=torch.uint8).view(torch.float32))
    model["odd"].weight = torch.nn.Parameter(model["odd"].weight.to(torch.complex64))
    zipnn.torch.compressed(model, device="cuda")
    for name in ("noise", "odd"):
        assert type(dict.get(model[name]._parameters, "weight")) is torch.nn.Parameter
