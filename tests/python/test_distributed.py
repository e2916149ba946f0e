"""torch.distributed.checkpoint: one process, several, other numbers of them; the stream extension."""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import zipnn

torch = pytest.importorskip("torch")

from torch.distributed import checkpoint  # noqa: E402
from zipnn.torch import distributed  # noqa: E402
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


# ---- a folder that holds a checkpoint -------------------------------------------------------------------------------


def load(folder, loaded=None, **options):
    loaded = loaded or state(2)
    checkpoint.load(loaded, storage_reader=StorageReader(folder, **options), no_dist=True)
    return loaded


def save(values, folder, **options):
    checkpoint.save(values, storage_writer=StorageWriter(folder, **options), no_dist=True)


def test_a_save_that_dies_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    save(state(1), tmp_path)
    first = set(os.listdir(tmp_path))
    fails = {
        "write": (StorageWriter, "_write_file"), "finish": (StorageWriter, "finish"), "rename": (os, "rename"),
        "replace": (distributed._Kept, "rm_file"),
    }  # fmt: skip
    for place, name in fails.values():
        with monkeypatch.context() as m:
            m.setattr(place, name, lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt()))
            with pytest.raises(BaseException):
                save(state(5), tmp_path)
        same(load(tmp_path), state(1))
    with monkeypatch.context() as m:  # from here on it is the new one
        m.setattr(distributed, "_sync_folder", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(BaseException):
            save(state(5), tmp_path)
    same(load(tmp_path), state(5))
    for seed in (6, 7):
        save(state(seed), tmp_path)
        same(load(tmp_path), state(seed))
        assert len(os.listdir(tmp_path)) == len(first)  # nothing is left of what came before
    with pytest.raises(BaseException, match="already exists"):
        save(state(8), tmp_path, overwrite=False)
    same(load(tmp_path), state(7))


# ---- differences ----------------------------------------------------------------------------------------------------


def trained(step):
    """A state of which a little changes from step to step."""
    values = state(1)
    values["step"] = 1000 + step
    values["model"]["w"] = torch.randn(700, 400, generator=torch.Generator().manual_seed(1)).to(torch.bfloat16)
    for i in range(step):
        values["model"]["w"][i::97] += 0.25
    return values


def load_run(folder, **options):
    return load(folder, trained(9), **options)


def stored(folder):
    return sum(file.stat().st_size for file in folder.glob("*.safetensors.znn"))


def run_of(folder, threads):
    save(trained(0), folder / "0", thread_count=threads)
    for step in (1, 2, 3):
        save(trained(step), folder / str(step), base=folder / str(step - 1), thread_count=threads)
        assert stored(folder / str(step)) < 0.3 * stored(folder / "0")


@pytest.mark.parametrize("threads", [1, 2])
def test_differences_from_step_to_step(tmp_path, threads):
    folder = tmp_path / "run"
    run_of(folder, threads)
    shutil.move(folder, tmp_path / "moved")
    folder = tmp_path / "moved"
    for step in (3, 0, 2, 1):
        same(load_run(folder / str(step)), trained(step))
    shutil.move(folder / "1", tmp_path / "elsewhere")
    with pytest.raises(BaseException, match=r"was made against the checkpoints in \.\./1, \.\./0, which must be there"):
        load_run(folder / "2")
    same(load_run(folder / "2", base=[tmp_path / "elsewhere", folder / "0"]), trained(2))
    save(trained(3), tmp_path / "other" / "3", base=folder / "0")  # not beside it: by its whole path
    same(load_run(tmp_path / "other" / "3"), trained(3))


def test_what_is_no_base(tmp_path):
    save(state(1), tmp_path / "a")
    with pytest.raises(BaseException, match="its own base"):
        save(state(2), tmp_path / "a", base=tmp_path / "a")
    with pytest.raises(BaseException, match="metadata"):
        save(state(2), tmp_path / "b", base=tmp_path / "none")
    assert not list(tmp_path.glob("b/*"))
    same(load(tmp_path / "a"), state(1))
    checkpoint.save(state(1), storage_writer=checkpoint.FileSystemWriter(tmp_path / "t"), no_dist=True)
    save(state(3), tmp_path / "c", base=tmp_path / "t")  # torch's own has nothing to compare with
    same(load(tmp_path / "c"), state(3))


def test_targets_of_fsspec(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    run = "memory://test_distributed/run"
    try:
        save(trained(0), f"{run}/0")
        save(trained(1), f"{run}/1", base=f"{run}/0")
        save(trained(2), f"{run}/2/", base=f"{run}/1/")
        for step in (2, 1, 0):
            same(load_run(f"{run}/{step}"), trained(step))
        memory = fsspec.filesystem("memory")
        sizes = [sum(memory.sizes(memory.glob(f"{run}/{step}/*.znn"))) for step in range(3)]
        assert max(sizes[1:]) < 0.3 * sizes[0]
        before = memory.ls(f"{run}/2", detail=False)
        save(trained(3), f"{run}/2")
        same(load_run(f"{run}/2"), trained(3))
        assert len(memory.ls(f"{run}/2", detail=False)) == len(before)
        local = (tmp_path / "l").as_uri()
        save(state(1), local, storage_options={"auto_mkdir": True})
        same(load(local), state(1))
        same(load(tmp_path / "l"), state(1))
    finally:
        fsspec.filesystem("memory").rm("test_distributed", recursive=True)


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
        checkpoint.save(tensors, storage_writer=StorageWriter(folder + "-next", base=folder))
    else:
        checkpoint.load(tensors, storage_reader=StorageReader(folder))
        assert torch.equal(rows.full_tensor(), full) and torch.equal(columns.full_tensor(), full)
    torch.distributed.destroy_process_group()


def test_several_processes(tmp_path):
    spawn = torch.multiprocessing.spawn
    spawn(_rank, (2, str(tmp_path / "c"), str(tmp_path / "meet2"), True), nprocs=2)
    assert len(list((tmp_path / "c").glob("*.safetensors.znn"))) == 2
    assert stored(tmp_path / "c-next") < 0.2 * stored(tmp_path / "c")
    spawn(_rank, (3, str(tmp_path / "c-next"), str(tmp_path / "meet3"), False), nprocs=3)


def test_example(tmp_path):
    program = Path(__file__).resolve().parents[2] / "examples" / "python" / "checkpoint.py"
    done = subprocess.run([sys.executable, program, tmp_path / "c"], capture_output=True, text=True)
    assert done.returncode == 0 and "the same weights" in done.stdout, done.stderr
