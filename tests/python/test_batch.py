"""zipnn.batch: the archives and the manifest of the command, whatever engine does the work and whoever dies."""

import concurrent.futures
import json
import os
import random
import shutil
import struct
import subprocess
import sys

import pytest
import zipnn
from zipnn import batch
from zipnn.batch import driver, jobs


def write_model(path, shape, words):
    head = json.dumps({"w": {"dtype": "BF16", "shape": shape, "data_offsets": [0, 2 * len(words)]}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(head)) + head + struct.pack(f"<{len(words)}H", *words))


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Two families of three, two copies, an odd model, a text, an empty file; the current folder is above it."""
    r = random.Random(5)
    folder = tmp_path / "src"
    for kin, shape in (("a", [60, 64]), ("b", [64, 50])):
        root = [0x3C00 + r.getrandbits(9) for _ in range(shape[0] * shape[1])]
        for i, below in enumerate(("", "x/y/", "z/")):
            words = [w ^ (i > 0 and not r.getrandbits(6)) for w in root]
            write_model(folder / f"{below}{kin}{i}", shape, words)
    write_model(folder / "other", [77], list(range(77)))
    shutil.copy(folder / "x/y/a1", folder / "a1.copy")
    shutil.copy(folder / "b0", folder / "z/b0.copy")
    (folder / "note").write_text("text")
    (folder / "empty").touch()
    monkeypatch.chdir(tmp_path)
    return folder


def names(folder):
    return sorted(str(p.relative_to(folder.parent)) for p in folder.rglob("*") if p.is_file())


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def lines(manifest):
    """The last line of each path, without what differs from run to run."""
    last = {}
    for line in manifest.read_bytes().decode(errors="replace").splitlines():
        try:
            record = json.loads(line)
            record["path"]
        except (ValueError, TypeError):
            continue
        last[record["path"]] = {k: v for k, v in record.items() if k != "seconds"}
    return last


def command(*words, code=0):
    done = subprocess.run([sys.executable, "-m", "zipnn", *words], capture_output=True, text=True, timeout=600)
    assert done.returncode == code, (words, done.returncode, done.stderr)
    return done


@pytest.fixture
def one(source):
    """What the command makes of it: the archives and the lines."""
    listed = source.parent / "list"
    listed.write_text("".join(f"{name}\n" for name in names(source)))
    command(
        *("batch", "--root", "src", "--filelist", "list", "--output-dir", "one"),
        *("--manifest", "one.jsonl", "--families"),
    )
    return contents(source.parent / "one"), lines(source.parent / "one.jsonl")


def test_does_what_the_command_does(source, one, tmp_path):
    archives, records = one
    done = batch.run(reversed(names(source)), "two", "two.jsonl", root="src", families=True)
    assert done[:5] == (11, 2, 0, 0, 0) and done.stored < done.original // 2
    assert contents(tmp_path / "two") == archives
    assert lines(tmp_path / "two.jsonl") == records
    command("audit", "--output-dir", "two", "two.jsonl")
    again = batch.run(names(source), "two", "two.jsonl", root="src", families=True, resume=True)
    assert (again.done, again.skipped) == (0, 11)

    # Each goes on with what the other began.
    command(
        *("batch", "--root", "src", "--filelist", "list", "--output-dir", "two"),
        *("--manifest", "two.jsonl", "--families", "--resume"),
    )
    assert len((tmp_path / "two.jsonl").read_text().splitlines()) == 11
    again = batch.run(names(source), "one", "one.jsonl", root="src", families=True, resume=True)
    assert (again.done, again.skipped) == (0, 11)
    with pytest.raises(zipnn.FileError, match="resume=True"):
        batch.run(names(source), "two", "two.jsonl", root="src")


def test_any_engine_any_form_of_names(source, one, tmp_path):
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        batch.run([source / "x/y/a1"], tmp_path / "p", tmp_path / "p.jsonl", root=source, engine=pool.map, sha256=True)
        below = [os.path.relpath(name, "src") for name in names(source)]
        batch.run(below, "three", "three.jsonl", root="src/", families=True, engine=pool.map)
    assert contents(tmp_path / "three") == one[0]
    assert list(contents(tmp_path / "p")) == ["x/y/a1.znn"]
    assert len(lines(tmp_path / "p.jsonl")["x/y/a1"]["sha256"]) == 64
    batch.run(["src/a0", "./src/other"], "four", "four.jsonl")
    assert sorted(contents(tmp_path / "four")) == ["src/a0.znn", "src/other.znn"]


def test_from_and_to_a_file_system_of_fsspec(source, one, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    try:
        memory.put(str(source), "/test_batch/src", recursive=True)
        urls = [f"memory://test_batch/{name}" for name in names(source)]
        given = {"root": "memory://test_batch/src", "families": True}
        done = batch.run(urls, "memory://test_batch/out", "far.jsonl", **given)
        assert done[:5] == (11, 2, 0, 0, 0)
        got = {p.removeprefix("/test_batch/out/"): memory.cat_file(p) for p in memory.find("/test_batch/out")}
        assert got.keys() == one[0].keys()
        original = (source / "x/y/b1").read_bytes()
        with zipnn.open_url("memory://test_batch/out/x/y/b1.znn") as a:  # finds its base by the way that it tells
            assert a.info.n_bases == 1
            assert a.read_range(0, len(original)) == original
        assert batch.run(urls, "memory://test_batch/out", "far.jsonl", resume=True, **given).skipped == 11
        memory.rm("/test_batch/out/other.znn")
        memory.pipe_file("/test_batch/src/note", b"longer text")
        again = batch.run(urls, "memory://test_batch/out", "far.jsonl", resume=True, **given)
        assert (again.done, again.skipped) == (2, 9)
    finally:
        memory.rm("/test_batch", recursive=True)


def test_what_fails_is_said(source, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/a0.znn").write_text("precious")
    bad = ["src/a0", "src/missing", "src/x", "elsewhere/../b0", "/etc/hostname"]
    done = batch.run([*bad, "src/b0"], "taken", "bad.jsonl", root="src")
    assert (done.done, done.failed, done.later) == (1, 5, 0)
    kinds = {path: record.get("error") for path, record in lines(tmp_path / "bad.jsonl").items()}
    assert kinds["missing"] == "missing" and kinds["a0"] == kinds["x"] == "argument" and kinds["b0"] is None
    assert batch.run(["src/a0"], "taken", "bad.jsonl", root="src", resume=True).failed == 1
    assert (tmp_path / "taken/a0.znn").read_text() == "precious"
    if os.geteuid():
        os.chmod(tmp_path / "taken", 0o555)
        done = batch.run(["src/other"], "taken/below", "closed.jsonl", root="src")
        os.chmod(tmp_path / "taken", 0o755)
        assert (done.failed, done.later) == (1, 1)


def test_torn_manifests_and_lost_archives(source, one, tmp_path):
    batch.run(names(source), "out", "out.jsonl", root="src", families=True)
    whole = (tmp_path / "out.jsonl").read_bytes()
    for at in (10, 400, 1500):
        foreign = b'[]\n{"path":"../x","status":"done"}\n\xff\0\n{"path":"a0","st'
        (tmp_path / "out.jsonl").write_bytes(whole[:at] + foreign)
        batch.run(names(source), "out", "out.jsonl", root="src", families=True, resume=True)
        assert contents(tmp_path / "out") == one[0] and lines(tmp_path / "out.jsonl").items() >= one[1].items()
    os.unlink(tmp_path / "out/x/y/b1.znn")
    done = batch.run(names(source), "out", "out.jsonl", root="src", families=True, resume=True)
    assert done.done == 1 and contents(tmp_path / "out") == one[0]


def test_a_changed_root_is_kept_for_its_family(source, one, tmp_path):
    batch.run(names(source), "out", "out.jsonl", root="src", families=True)
    root = one[1]["x/y/a1"].get("base") or one[1]["z/a2"]["base"]
    original = (source / root).read_bytes()
    member = (source / "z/a2").read_bytes()
    (source / root).write_bytes(original[:-1] + b"X")
    done = batch.run(names(source), "out", "out.jsonl", root="src", families=True, resume=True)
    assert done.failed == done.later == 1
    assert "the next run makes this one" in lines(tmp_path / "out.jsonl")[root]["message"]
    with zipnn.Archive("out/z/a2.znn") as a:
        assert a.read_range(0, len(member)) == member
    assert batch.run(names(source), "out", "out.jsonl", root="src", families=True, resume=True).failed == 0
    command("audit", "--output-dir", "out", "out.jsonl")
    with zipnn.open(tmp_path / f"out/{root}.znn") as f:
        assert f.read() == original[:-1] + b"X"

    # The same bytes at another time; what a file needs that is not listed any more.
    batch.run(names(source), "new", "new.jsonl", root="src", families=True)
    os.utime(source / root, (1, 1))
    assert batch.run(names(source), "new", "new.jsonl", root="src", families=True, resume=True).failed == 0
    command("audit", "--output-dir", "new", "new.jsonl")
    (source / root).write_bytes(original)
    done = batch.run([f"src/{root}"], "new", "new.jsonl", root="src", families=True, resume=True)
    assert (done.failed, done.later) == (1, 0)
    with zipnn.Archive("new/z/a2.znn") as a:
        assert a.read_range(0, len(member)) == member


DRIVER = """
import os, sys
from zipnn import batch
left = int(sys.argv[1])
def engine(function, jobs):
    global left
    for job in jobs:
        result = function(job)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)  # before the line is written
        yield result
batch.run(sys.argv[2:], "out", "out.jsonl", root="src", families=True, resume=True, engine=engine)
"""


def test_a_driver_that_dies(source, one, tmp_path):
    deaths = 0
    for left in (1, 3, 9, 4, 5, 6, 12, 0):
        run = subprocess.run([sys.executable, "-c", DRIVER, str(left), *names(source)], timeout=600)
        deaths += run.returncode == -9
        assert run.returncode in (0, -9)
    assert deaths >= 3 and run.returncode == 0
    assert contents(tmp_path / "out") == one[0] and lines(tmp_path / "out.jsonl") == one[1]


def test_workers_that_die(source, one, tmp_path):
    """An engine gives up a job whose workers died: its file may pass later, and does."""

    def engine(function, given):
        for job in given:
            lost = isinstance(job, jobs.Job) and job.rel in ("a0", "other")
            yield driver._lost(job, OSError("killed")) if lost else function(job)

    done = batch.run(names(source), "out", "out.jsonl", root="src", families=True, engine=engine)
    assert done.failed == done.later == 2
    assert "the worker died: killed" in lines(tmp_path / "out.jsonl")["other"]["message"]
    done = batch.run(names(source), "out", "out.jsonl", root="src", families=True, resume=True)
    assert done.failed == 0
    command("audit", "--output-dir", "out", "out.jsonl")
    for path in names(source):
        rel = os.path.relpath(path, "src")
        record = lines(tmp_path / "out.jsonl")[rel]
        with zipnn.open(tmp_path / "out" / record["output"]) as f:
            assert f.read() == (source / rel).read_bytes()


def test_ways():
    for here, there, expected in (("a", "b", "./b"), ("x/a", "b", "./../b"), ("a", "x/b", "./x/b")):
        assert jobs.way(here, there) == expected
    assert jobs.way("x/y/a", "x/z/b") == "./../z/b" and jobs.way("x/y/a", "x/y/b") == "./b"
