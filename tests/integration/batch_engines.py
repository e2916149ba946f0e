#!/usr/bin/env python3
"""zipnn.batch on Ray, Spark and Dask: the archives of the command, though workers and drivers die; and files in S3.

  batch_engines.py ray|spark|dask...      (tools/test_integration.sh ray spark dask)
"""

import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import zipnn
from zipnn import batch

ROOT = pathlib.Path(__file__).parent.parent.parent
sys.path.insert(0, os.fspath(ROOT / "examples/python"))


def write_models(folder: pathlib.Path) -> list[str]:
    """Three families of four, a copy of each, and files of other kinds. Returns the paths."""
    r = random.Random(1)
    for kin, rows in (("a", 300), ("b", 500), ("c", 700)):
        root = [0x3C00 + r.getrandbits(9) for _ in range(64 * rows)]
        for i in range(4):
            words = [w ^ (i > 0 and not r.getrandbits(7)) for w in root]
            head = json.dumps({"w": {"dtype": "BF16", "shape": [rows, 64], "data_offsets": [0, 128 * rows]}}).encode()
            path = folder / f"{kin}/step-{i}/model.safetensors"
            path.parent.mkdir(parents=True)
            path.write_bytes(struct.pack("<Q", len(head)) + head + struct.pack(f"<{len(words)}H", *words))
        shutil.copy(path, path.with_name("copy.safetensors"))
    (folder / "note").write_text("text")
    (folder / "empty").touch()
    return sorted(str(path) for path in folder.rglob("*") if path.is_file())


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def statuses(manifest: pathlib.Path) -> list[tuple[str, str]]:
    last = {}
    for line in manifest.read_bytes().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        last[record["path"]] = record["status"]
    return sorted(last.items())


class Scene:
    """Models, and what the command makes of them."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder, self.source = folder, folder / "models"
        self.files = write_models(self.source)
        listed = folder / "list"
        listed.write_text("".join(f"{name}\n" for name in self.files))
        self.given: dict[str, Any] = {"root": str(self.source), "families": True}
        subprocess.run(
            [sys.executable, "-m", "zipnn", "batch", "-q", "--root", self.source, "--filelist", listed, "--families"]
            + ["--output-dir", folder / "one", "--manifest", folder / "one.jsonl"],
            check=True,
        )
        self.archives = contents(folder / "one")
        self.statuses = statuses(folder / "one.jsonl")

    def holds(self, name: str) -> None:
        assert contents(self.folder / name) == self.archives, "other archives than those of the command"
        assert statuses(self.folder / f"{name}.jsonl") == self.statuses
        audit = [sys.executable, "-m", "zipnn", "audit", "-q", "--output-dir", self.folder / name]
        subprocess.run([*audit, self.folder / f"{name}.jsonl"], check=True)

    def run(self, name: str, engine: Any, resume: bool = False) -> batch.Summary:
        return batch.run(
            self.files, self.folder / name, self.folder / f"{name}.jsonl", engine=engine, resume=resume, **self.given
        )

    def try_engine(self, name: str, engine: Any) -> None:
        """A whole run, one whose workers die, and one whose results stop coming."""
        self.run(name, engine)
        self.holds(name)
        marks = self.folder / f"{name}.marks"
        marks.mkdir()
        done = self.run(f"{name}.deadly", lambda function, jobs: engine(deadly(function, str(marks)), jobs))
        assert len(list(marks.iterdir())) == 2 and done.failed == 0, "two workers die"
        self.holds(f"{name}.deadly")


def deadly(function: Callable[[Any], Any], marks: str) -> Callable[[Any], Any]:
    """Returns a function that kills the process it runs in, once for each of two files."""

    def do(job: Any) -> Any:
        import os
        import pathlib

        rel = getattr(job, "rel", "") if hasattr(job, "target") else ""
        mark = pathlib.Path(marks, rel.replace("/", "-"))
        if rel in ("b/step-0/model.safetensors", "c/step-2/model.safetensors") and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), 9)
        return function(job)

    return do


# ---- Ray -------------------------------------------------------------------------------------------------------------

DRIVER = """
import os, sys, ray
from zipnn import batch
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
engine, left = batch.ray_engine(), int(sys.argv[1])
def dying(function, jobs):
    global left
    for result in engine(function, jobs):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)
        yield result
root, output, manifest, *files = sys.argv[2:]
batch.run(files, output, manifest, root=root, families=True, resume=True, engine=dying)
"""


def ray(scene: Scene) -> None:
    import ray

    os.environ["RAY_AUTH_MODE"] = "disabled"
    names = [str(scene.folder / name) for name in ("models", "killed", "killed.jsonl")]
    for left in (20, 24):
        run = subprocess.run([sys.executable, "-c", DRIVER, str(left), *names, *scene.files], capture_output=True)
        assert run.returncode == -9, run.stderr.decode()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    done = scene.run("killed", batch.ray_engine(), resume=True)
    assert done.skipped > 0
    scene.holds("killed")
    batch.run_ray(scene.files, scene.folder / "run", scene.folder / "run.jsonl", **scene.given)
    scene.holds("run")
    scene.try_engine("ray", batch.ray_engine())
    gave_up = scene.run("lost", lambda function, jobs: batch.ray_engine(retries=0)(always_deadly(function), jobs))
    assert gave_up.failed == gave_up.later == 1
    assert scene.run("lost", batch.ray_engine(), resume=True).failed == 0
    in_s3(scene)
    ray.shutdown()


def always_deadly(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def do(job: Any) -> Any:
        import os

        if getattr(job, "rel", "") == "note" and hasattr(job, "target"):
            os.kill(os.getpid(), 9)
        return function(job)

    return do


def in_s3(scene: Scene) -> None:
    """Sources and archives in S3, that is moto's server on this machine."""
    import fsspec
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {"key": "k", "secret": "s", "client_kwargs": {"endpoint_url": "http" + f"://{host}:{port}"}}
    try:
        system = fsspec.filesystem("s3", **options)
        system.mkdir("models")
        system.put(f"{scene.source}/", "models/in/", recursive=True)
        files = [f"s3://{name}" for name in system.find("models/in")]
        given: dict[str, Any] = {"root": "s3://models/in", "families": True, "storage_options": options}
        manifest = scene.folder / "s3.jsonl"
        done = batch.run_ray(files, "s3://models/out", manifest, **given)
        assert (done.failed, done.done) == (0, len(scene.files)), done
        got = {name.removeprefix("models/out/"): system.cat_file(name) for name in system.find("models/out")}
        assert got.keys() == scene.archives.keys() and statuses(manifest) == scene.statuses
        for record in map(json.loads, manifest.read_text().splitlines()):
            with zipnn.open_url(f"s3://models/out/{record['output']}", options) as archive:
                original = (scene.source / record["path"]).read_bytes()
                assert archive.read_range(0, len(original)) == original, record["path"]
        again = batch.run_ray(files, "s3://models/out", manifest, resume=True, **given)
        assert (again.done, again.skipped) == (0, len(files))
    finally:
        server.stop()


# ---- Spark and Dask --------------------------------------------------------------------------------------------------


def spark(scene: Scene) -> None:
    """Spark's Python workers are processes of their own: they are killed."""
    from batch_spark import spark_engine
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false")
    session = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    scene.try_engine("spark", spark_engine(session))
    session.stop()


def dask(scene: Scene) -> None:
    from batch_dask import dask_engine
    from dask.distributed import Client

    with Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
        scene.try_engine("dask", dask_engine(client))


PARTS = {part.__name__: part for part in (ray, spark, dask)}

if __name__ == "__main__":
    for part in sys.argv[1:]:
        with tempfile.TemporaryDirectory(prefix="zb") as made:
            PARTS[part](Scene(pathlib.Path(made)))
        print(f"{part}: the archives of the command, also after deaths")
