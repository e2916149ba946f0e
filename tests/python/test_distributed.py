"""torch.distributed.checkpoint: one process, several, other numbers of them; the stream extension."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import zipnn

torch = pytest.importorskip("torch")

from torch.distributed import checkpoint  # noqa: E402
from zipnn.torch.distributed import StorageReader, StorageWriter, Stream  # noqa: E402

# What torch itself warns of: that this is one process, and of its own deprecated parts.
pytestmark = pytest.mark.filterwarnings("ignore")


def state(seed):
    g = torch.Generator().manual_seed(seed)
    return {
        "model": {
            "w": torch.randn(257, 130, generator=g).to(torch.bfloat16),
            "scale": torch.randn(5, generator=g),
            "fp8": torch.randn(64, generator=g).to(torch.float8_e4m3fn),
            "empty": torch.zeros(0, 3),
            "scalar": torch.tensor(2.5, dtype=torch.float64),
        },
        "step": 1000 + seed,
        "name": "run",
    }


def same(left, right):
    assert left["step"] == right["step"] and left["name"] == right["name"]
    for name, tensor in left["model"].items():
        other = right["model"][name]
        assert tensor.dtype == other.dtype and tensor.shape == other.shape, name
        if tensor.numel():
            assert torch.equal(tensor.reshape(-1).view(torch.uint8), other.reshape(-1).view(torch.uint8)), name


@pytest.mark.parametrize("threads", [1, 3])
def test_one_process(tmp_path, threads):
    checkpoint.save(state(1), storage_writer=StorageWriter(tmp_path, thread_count=threads, level=1), no_dist=True)
    assert len(list(tmp_path.glob("*.safetensors.znn"))) >= 1
    for file in tmp_path.glob("*.safetensors.znn"):
        zipnn.verify_file(file)
    loaded = state(2)
    checkpoint.load(loaded, storage_reader=StorageReader(tmp_path), no_dist=True)
    same(loaded, state(1))


def test_async(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        checkpoint.async_save(state(3), storage_writer=StorageWriter(tmp_path / "a")).result()
    finally:
        torch.distributed.destroy_process_group()
    loaded = state(4)
    checkpoint.load(loaded, storage_reader=StorageReader(tmp_path / "a"), no_dist=True)
    same(loaded, state(3))


def test_interrupted_save_is_done_again(tmp_path, monkeypatch):
    with monkeypatch.context() as m:
        m.setattr(StorageWriter, "finish", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(BaseException):
            checkpoint.save(state(1), storage_writer=StorageWriter(tmp_path), no_dist=True)
    with pytest.raises(BaseException):
        checkpoint.load(state(2), storage_reader=StorageReader(tmp_path), no_dist=True)
    checkpoint.save(state(5), storage_writer=StorageWriter(tmp_path), no_dist=True)
    loaded = state(2)
    checkpoint.load(loaded, storage_reader=StorageReader(tmp_path), no_dist=True)
    same(loaded, state(5))


def test_damage_is_an_error(tmp_path):
    checkpoint.save(state(1), storage_writer=StorageWriter(tmp_path), no_dist=True)
    file = next(tmp_path.glob("*.safetensors.znn"))
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 4
    file.write_bytes(data)
    with pytest.raises(BaseException, match="corrupt|damaged|check|frame"):
        checkpoint.load(state(2), storage_reader=StorageReader(tmp_path), no_dist=True)


def test_other_writers_checkpoint_is_refused(tmp_path):
    checkpoint.save(state(1), storage_writer=checkpoint.FileSystemWriter(tmp_path), no_dist=True)
    with pytest.raises(BaseException, match="another writer"):
        checkpoint.load(state(2), storage_reader=StorageReader(tmp_path), no_dist=True)


def test_stream_extension(tmp_path):
    writer = checkpoint.FileSystemWriter(tmp_path, _extensions=[Stream(level=1)])
    checkpoint.save(state(1), storage_writer=writer, no_dist=True)
    with open(tmp_path / ".metadata", "rb") as f:
        places = pickle.load(f).storage_data.values()
    assert all(place.transform_descriptors == ["stream.zipnn/1"] for place in places)
    loaded = state(2)
    reader = checkpoint.FileSystemReader(tmp_path, _extension_registry=Stream.registry())
    checkpoint.load(loaded, storage_reader=reader, no_dist=True)
    same(loaded, state(1))


def _rank(*args):
    """A rank's process. It ends without the interpreter's own end, in which torch aborts now and then: a thread of its
    ProcessGroupGloo lets go of a broadcast's tensors and wants the interpreter's lock when that is no longer given."""
    _sharded(*args)
    os._exit(0)


def _sharded(rank, world, folder, meet, save):
    import warnings

    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor

    warnings.simplefilter("ignore")
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    torch.distributed.init_process_group("gloo", init_method=f"file://{meet}", rank=rank, world_size=world)
    mesh = init_device_mesh("cpu", (world,))
    full = state(7)["model"]["w"]
    rows = distribute_tensor(full.clone() if save else torch.zeros_like(full), mesh, [Shard(0)])
    columns = distribute_tensor(full.clone() if save else torch.zeros_like(full), mesh, [Shard(1)])
    tensors = {"rows": rows, "columns": columns}
    if save:
        checkpoint.save(tensors, storage_writer=StorageWriter(folder))
    else:
        checkpoint.load(tensors, storage_reader=StorageReader(folder))
        assert torch.equal(rows.full_tensor(), full) and torch.equal(columns.full_tensor(), full)
    torch.distributed.destroy_process_group()


def test_several_processes(tmp_path):
    spawn = torch.multiprocessing.spawn
    spawn(_rank, (2, str(tmp_path / "c"), str(tmp_path / "meet2"), True), nprocs=2)
    assert len(list((tmp_path / "c").glob("*.safetensors.znn"))) == 2
    spawn(_rank, (3, str(tmp_path / "c"), str(tmp_path / "meet3"), False), nprocs=3)


def test_example(tmp_path):
    program = Path(__file__).resolve().parents[2] / "examples" / "python" / "checkpoint.py"
    done = subprocess.run([sys.executable, program, tmp_path / "c"], capture_output=True, text=True)
    assert done.returncode == 0 and "the same weights" in done.stdout, done.stderr
