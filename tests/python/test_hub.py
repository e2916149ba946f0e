"""The cache of the hub, packed where it lies: everything stays as huggingface_hub and its users know it."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import zipnn
import zipnn.hub
from conftest import weights_f32
from hub_server import Hub, commit_of
from zipnn.hub.command import main, size

fcntl = pytest.importorskip("fcntl")


INTEGRATION = Path(__file__).resolve().parents[2] / "integrations" / "hf-zipnn"


def model(seed, n=40000):
    """The bytes of a safetensors file."""
    data = weights_f32(n, seed)
    header = json.dumps({"w": {"dtype": "F32", "shape": [n], "data_offsets": [0, 4 * n]}}).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data


NOISE = random.Random(3).randbytes(100_000)
TREE = {
    "main": {
        "model-1.safetensors": model(1),
        "model-2.safetensors": model(2),
        "onnx/noise.bin": NOISE,
        "small.bin": model(3, 100),
        "config.json": b'{"a": 1}' * 20000,
    },
    "v2": {"model-1.safetensors": model(1), "model-2.safetensors": model(4), "config.json": b"{}"},
}
TINY = {"main": {"model-1.safetensors": model(1), "model-2.safetensors": model(2)}}
PACKED = {"model-1.safetensors", "model-2.safetensors"}


def make_repo(cache, name="org/tiny", tree=TREE):
    """A repository as huggingface_hub leaves it: the first file is one blob of two snapshots."""
    folder = cache / f"models--{name.replace('/', '--')}"
    for revision, files in tree.items():
        for path, content in files.items():
            digest = hashlib.sha256(content).hexdigest()
            if path == "config.json":
                digest = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            blob = folder / "blobs" / digest
            blob.parent.mkdir(parents=True, exist_ok=True)
            blob.write_bytes(content)
            link = folder / "snapshots" / commit_of(revision) / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(blob, link.parent))
        ref = folder / "refs" / revision
        ref.parent.mkdir(exist_ok=True)
        ref.write_text(commit_of(revision))
    return folder


@pytest.fixture
def cache(tmp_path):
    made = tmp_path / "hub"
    made.mkdir()
    make_repo(made)
    return made


def links(cache):
    return {p: os.readlink(p) for p in cache.rglob("*") if p.is_symlink()}


def content(cache, tree=TREE, name="org/tiny"):
    """Holds every name of every snapshot against what it was; returns how many blobs are archives."""
    folder = cache / f"models--{name.replace('/', '--')}"
    archives = set()
    for revision, files in tree.items():
        for path, expected in files.items():
            file = folder / "snapshots" / commit_of(revision) / path
            found = file.read_bytes()
            if zipnn.safetensors.is_archive(file):
                found = zipnn.decompress(found)
                archives.add(file.resolve())
            assert found == expected, path
    return len(archives)


def disk(cache):
    return sum(p.lstat().st_blocks * 512 for p in cache.rglob("*"))


def run(*words):
    return main([str(word) for word in words])


def test_pack_and_unpack(cache, capsys):
    before, names = disk(cache), links(cache)
    assert run("pack", "--cache", cache) == 0
    said = capsys.readouterr().out
    gained = before - disk(cache)
    assert gained > 0.1 * sum(len(c) for files in TREE.values() for p, c in files.items() if p in PACKED)
    assert content(cache) == 3 and links(cache) == names  # of four names of weights, two lead to one blob
    assert said.count(" -> ") == 3 and "3 files packed, 2 left as they are" in said
    assert size(gained) in said or abs(gained) < 200_000  # .locks take room, too
    made = sorted(p for p in cache.rglob("*") if ".locks" not in p.parts)
    assert run("pack", "--cache", cache) == 0
    assert "0 files packed" in capsys.readouterr().out
    assert sorted(p for p in cache.rglob("*") if ".locks" not in p.parts) == made
    assert run("unpack", "--cache", cache) == 0
    assert "3 files unpacked" in capsys.readouterr().out
    assert content(cache) == 0 and links(cache) == names
    assert run("unpack", "--cache", cache) == 0
    assert "0 files unpacked" in capsys.readouterr().out


def test_attributes_stay(cache):
    blob = next(p.resolve() for p in cache.rglob("model-1.safetensors"))
    os.chmod(blob, 0o440)
    os.utime(blob, ns=(10**18, 10**18 + 123456789))
    assert run("pack", "--cache", cache, "--level", 1, "-T", 1, "--only", "model-1*") == 0
    assert content(cache) == 1
    assert blob.stat().st_mode & 0o777 == 0o440 and blob.stat().st_mtime_ns == 10**18 + 123456789


def test_ls_and_json(cache, capsys):
    make_repo(cache, "other", {"main": {"pytorch_model.bin": model(7)}})
    (cache / "version.txt").write_text("1")
    assert run("ls", "--cache", cache) == 0
    said = capsys.readouterr().out
    assert "org/tiny (main, v2): " in said and "0 of 5 files of weights packed" in said
    assert "other (main): " in said and "2 repositories take " in said and "packing would give back" in said
    assert run("pack", "--cache", cache, "--json", "org/tiny") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["status"] for line in lines[:-1]].count("packed") == lines[-1]["packed"] == 3
    assert lines[-1]["before"] > lines[-1]["after"] > 0
    assert run("ls", "--cache", cache, "--json", "models--org--tiny") == 0
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["archives"], line["weights"], line["repo"]) == (3, 5, "org/tiny")
    assert line["original"] == sum(len(c) for files in TREE.values() for c in files.values()) - len(model(1))


def test_where_the_cache_is(cache, monkeypatch, tmp_path, capsys):
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    assert zipnn.hub.cache_folder() == os.fspath(tmp_path / ".cache/huggingface/hub")
    assert run("ls") == 1 and "there is no cache of the hub here" in capsys.readouterr().err
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "x"))
    assert zipnn.hub.cache_folder() == os.fspath(tmp_path / "x/huggingface/hub")
    monkeypatch.setenv("HF_HOME", os.fspath(tmp_path))
    assert run("ls") == 0 and "org/tiny" in capsys.readouterr().out
    monkeypatch.setenv("HF_HUB_CACHE", "~/hub/")
    assert zipnn.hub.cache_folder() == os.fspath(cache)
    assert run("pack", "org/none") == 1 and "no repository org/none" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        run("pack", "--level", "12")
    assert ended.value.code == 2


def test_a_blob_that_is_not_what_it_is_called(cache, capsys):
    blobs = {p.name: p.resolve() for p in cache.rglob("model-2.safetensors")}
    blob = blobs["model-2.safetensors"]
    data = bytearray(blob.read_bytes())
    data[5000] ^= 1
    blob.write_bytes(data)
    assert run("pack", "--cache", cache) == 3
    said = capsys.readouterr()
    assert "download it again" in said.err and "1 failed" in said.out
    assert blob.read_bytes() == data and not list(cache.rglob(".zipnn-*"))


def test_damaged_archives_and_published_ones_are_left(cache, capsys):
    assert run("pack", "--cache", cache) == 0
    blob = next(p.resolve() for p in cache.rglob("model-1.safetensors"))
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)
    published = zipnn.compress(model(9))
    other = zipnn.compress(model(10))
    make_repo(cache, "org/znn", {"main": {"model.safetensors": published, "other.safetensors.znn": other}})
    assert run("unpack", "--cache", cache) == 3
    said = capsys.readouterr()
    assert "published as an archive" in said.err and "2 files unpacked" in said.out and "2 failed" in said.out
    assert blob.read_bytes() == data
    assert next(cache.rglob("other.safetensors.znn")).read_bytes() == other


def test_a_git_digest_is_checked(cache):
    (config,) = [p.resolve() for p in cache.rglob("config.json") if p.stat().st_size > 100]
    assert run("pack", "--cache", cache, "--only", "config.json") == 0
    assert zipnn.safetensors.is_archive(config)
    assert run("unpack", "--cache", cache, "--only", "config.json") == 0
    assert config.read_bytes() == TREE["main"]["config.json"]


def test_odd_caches(cache, capsys, monkeypatch):
    folder = cache / "models--org--tiny"
    link = folder / "snapshots" / commit_of("main")
    (link / "nowhere.safetensors").symlink_to("../../blobs/none")
    (link / "out.safetensors").symlink_to("/etc/passwd")
    copied = folder / "snapshots" / "copied"  # a system without links
    copied.mkdir()
    (copied / "model.safetensors").write_bytes(model(5))
    hard = folder / "snapshots" / "hard"
    hard.mkdir()
    (hard / "one.safetensors").write_bytes(model(6))
    os.link(hard / "one.safetensors", hard / "two.safetensors")
    (cache / "models--broken").mkdir()
    (cache / "models--broken" / "snapshots").mkdir()
    assert run("ls", "--cache", cache) == 0
    assert "org/tiny: 2 links lead nowhere" in capsys.readouterr().err
    assert run("pack", "--cache", cache, "--json") == 0
    kept = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "hard links" in line]
    assert len(kept) == 2
    assert zipnn.decompress((copied / "model.safetensors").read_bytes()) == model(5)
    assert (hard / "one.safetensors").read_bytes() == model(6)


def test_a_store_that_repositories_share(cache):
    """huggingface_hub can keep blobs once for all repositories: those of a repository are then links, too."""
    store = cache / "blobs" / "ab"
    store.mkdir(parents=True)
    (cache / "blobs" / ".huggingface-shared-blobs").write_text("1\n")
    digest = hashlib.sha256(model(8)).hexdigest()
    shared = store / ("ab" + digest[2:])
    shared.write_bytes(model(8))
    shared.chmod(0o444)
    for name in ("models--a", "models--b"):
        (cache / name / "snapshots" / "1").mkdir(parents=True)
        (cache / name / "blobs").mkdir()
        (cache / name / "blobs" / digest).symlink_to(os.path.relpath(shared, cache / name / "blobs"))
        (cache / name / "snapshots" / "1" / "m.safetensors").symlink_to(f"../../blobs/{digest}")
    outcomes = list(zipnn.hub.pack(zipnn.hub.scan(cache, ["a", "b"])))
    assert [o.status for o in outcomes] == ["packed"] and shared.stat().st_mode & 0o777 == 0o444
    assert all(zipnn.decompress(p.read_bytes()) == model(8) for p in cache.rglob("m.safetensors"))
    assert list(store.iterdir()) == [shared] or {p.suffix for p in store.iterdir()} == {"", ".lock"}


def test_it_waits_for_the_lock_of_a_download(cache):
    blob = next(p.resolve() for p in cache.rglob("model-1.safetensors"))
    lock = cache / ".locks" / "models--org--tiny" / f"{blob.name}.lock"
    lock.parent.mkdir(parents=True)
    outcomes = []

    def work():
        outcomes.extend(zipnn.hub.pack(zipnn.hub.scan(cache), only=["model-1*"]))

    with open(lock, "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive() and not zipnn.safetensors.is_archive(blob)
    thread.join()
    assert [o.status for o in outcomes] == ["packed"] and zipnn.safetensors.is_archive(blob)


# A program that is killed at its n-th step: before and after each call that changes a file. For each n a fork of it
# works on a copy of the cache; the last one comes to the end.
KILLED = """
import os, shutil, signal, sys
import zipnn.hub, zipnn.hub.blobs as blobs
origin, to, verb = sys.argv[1:]
step = last = 0
def counted(function):
    def called(*arguments, **named):
        global step
        for turn in (0, 1):
            step += 1
            if step == last:
                os.kill(os.getpid(), signal.SIGKILL)
            if turn == 0:
                result = function(*arguments, **named)
        return result
    return called
status = signal.SIGKILL
while status == signal.SIGKILL:
    last += 1
    cache = os.path.join(to, str(last))
    shutil.copytree(origin, cache, symlinks=True)
    child = os.fork()
    if child == 0:
        for name in ("compress_file", "decompress_file", "verify_file", "make_alike", "_sync", "_exchange"):
            setattr(blobs, name, counted(getattr(blobs, name)))
        os.mkdir, os.replace, shutil.rmtree = counted(os.mkdir), counted(os.replace), counted(shutil.rmtree)
        (done,) = getattr(zipnn.hub, verb)(zipnn.hub.scan(cache), only=["model-1.*"], threads=1)
        os._exit(0 if done.status == verb + "ed" else 1)
    status = os.waitpid(child, 0)[1]
print(status)
"""


@pytest.mark.parametrize("verb", ["pack", "unpack"])
def test_killed_at_every_step(tmp_path, verb):
    origin, copies = tmp_path / "origin", tmp_path / "copies"
    origin.mkdir()
    copies.mkdir()
    make_repo(origin, tree=TINY)
    if verb == "unpack":
        assert run("pack", "--cache", origin) == 0
    words = [sys.executable, "-c", KILLED, origin, copies, verb]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.stdout == "0\n", done.stderr
    caches = sorted(copies.iterdir())
    assert len(caches) >= 15
    for cache in caches:
        content(cache, TINY)
        assert run(verb, "--cache", cache) == 0
        assert content(cache, TINY) == (2 if verb == "pack" else 0)
        assert not list(cache.rglob(".zipnn-*"))


def program(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


def test_mount_says_what_to_set(cache, tmp_path):
    program(tmp_path / "bin" / "zipnn-mount", 'echo "$@"; exit "${CODE:-0}"')
    words = [sys.executable, "-m", "zipnn", "hub", "mount", "--cache", cache]
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    view = f"{cache}-view"
    assert done.stdout.splitlines() == [f"mount {cache} {view}", f"export HF_HUB_CACHE={view} HF_HUB_OFFLINE=1"]
    done = subprocess.run([*words, "--write", tmp_path / "a b"], capture_output=True, text=True, env=environment)
    where = f"{tmp_path}/a b"
    assert done.stdout.splitlines() == [f"mount --write {cache} {where}", f"export HF_HUB_CACHE='{where}'"]
    environment["CODE"] = "5"
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 5 and "export" not in done.stdout


# ---- with huggingface_hub -------------------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub of our own, and a process that knows no other."""
    pytest.importorskip("huggingface_hub")
    root = tmp_path / "root"
    for revision, files in TREE.items():
        for path, data in files.items():
            file = root / "org/tiny" / revision / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    served = Hub(root)
    home = tmp_path / "home"
    home.mkdir()
    for name, value in {
        "HF_ENDPOINT": served.url, "HF_HOME": os.fspath(home), "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_COLOR": "1", "NO_PROXY": "127.0.0.1",
        "HF_TOKEN": "", "HOME": os.fspath(home),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    yield served
    served.close()


def python(program, *words, **environment):
    """huggingface_hub reads its environment when it is imported."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(os.fspath, words)], capture_output=True, text=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_pull_and_the_tools_of_huggingface_hub(hub, tmp_path):
    cache = tmp_path / "home" / "hub"
    words = [sys.executable, "-m", "zipnn", "hub", "pull", "org/tiny", "--json"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    packed = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["name"] for line in packed[:-1]] == ["model-1.safetensors", "model-2.safetensors"]
    main_only = {"main": TREE["main"]}
    assert content(cache, main_only) == 2
    assert sorted(hub.downloads()) == sorted(TREE["main"])

    # Nothing is downloaded again, online or offline, and the cache is listed with what it takes.
    hub.requests.clear()
    again = """
import os, sys, huggingface_hub as h
print(h.snapshot_download("org/tiny"))
print(h.hf_hub_download("org/tiny", "model-1.safetensors"))
print(h.try_to_load_from_cache("org/tiny", "model-2.safetensors"))
found = h.scan_cache_dir()
print(len(found.warnings), found.size_on_disk, *[r.repo_id for r in found.repos])
"""
    snapshot = os.fspath(cache / "models--org--tiny/snapshots" / commit_of("main"))
    for offline in ("0", "1"):
        said = python(again, HF_HUB_OFFLINE=offline)
        assert said[:3] == [snapshot, f"{snapshot}/model-1.safetensors", f"{snapshot}/model-2.safetensors"]
        blobs = [p for p in (cache / "models--org--tiny/blobs").iterdir() if p.is_file()]
        assert said[3] == f"0 {sum(p.stat().st_size for p in blobs)} org/tiny"
    assert hub.downloads() == []

    # Another revision fetches what is new alone, and what both have stays packed.
    done = subprocess.run([*words, "--revision", "v2"], capture_output=True, text=True)
    assert done.returncode == 0 and sorted(hub.downloads()) == ["config.json", "model-2.safetensors"], done.stderr
    assert content(cache) == 3
    hub.requests.clear()
    assert subprocess.run(words, capture_output=True).returncode == 0
    assert hub.downloads() == []
    assert main(["unpack", "--cache", os.fspath(cache)]) == 0 and content(cache) == 0
    assert python(again)[0] == snapshot and hub.downloads() == []

    # And what is deleted is gone with its blobs.
    python("import huggingface_hub as h; f = h.scan_cache_dir(); r = next(iter(f.repos)); "
           "f.delete_revisions(*[v.commit_hash for v in r.revisions]).execute()")  # fmt: skip
    assert not (cache / "models--org--tiny").exists()


def test_pull_of_some_files_and_of_none(hub, tmp_path, capfd):
    words = [sys.executable, "-m", "zipnn", "hub", "pull"]
    done = subprocess.run([*words, "org/tiny", "--include", "model-1*"], capture_output=True, text=True)
    assert done.returncode == 0 and hub.downloads() == ["model-1.safetensors"], done.stderr
    assert "1 files packed" in done.stdout and done.stdout.rstrip().endswith(commit_of("main"))
    done = subprocess.run([*words, "org/none"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("zipnn hub: "), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.filterwarnings("ignore")
def test_models_load_from_a_packed_cache(cache, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, vocab_size=500
    )
    plain = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
    plain.save_pretrained(tmp_path / "new", max_shard_size="100KB")
    (tmp_path / "old").mkdir()
    torch.save(plain.state_dict(), tmp_path / "old" / "pytorch_model.bin")
    shutil.copy(tmp_path / "new" / "config.json", tmp_path / "old")
    for name in ("new", "old"):
        make_repo(cache, f"org/{name}", {"main": {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()}})
    assert run("pack", "--cache", cache, "org/new", "org/old") == 0
    assert zipnn.safetensors.is_archive(next(cache.rglob("pytorch_model.bin")))
    for name in ("org/new", "org/old"):
        options = {"cache_dir": cache, "local_files_only": True, "dtype": torch.bfloat16}
        with zipnn.zipnn_hf():
            found = transformers.LlamaForCausalLM.from_pretrained(name, **options).state_dict()
        assert all(torch.equal(found[key], tensor) for key, tensor in plain.state_dict().items()), name


def test_the_extension_of_hf(cache, tmp_path):
    hf = Path(sys.executable).with_name("hf")
    if not hf.exists():
        pytest.skip("the command of huggingface_hub is not here")
    place = tmp_path / ".local/share/hf/extensions/hf-zipnn"
    readme = (INTEGRATION / "README.md").read_text()
    commands = readme.partition("```sh\n")[2].partition("```")[0]
    environment = {
        **os.environ, "HOME": os.fspath(tmp_path), "HF_HUB_DISABLE_UPDATE_CHECK": "1", "NO_COLOR": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }  # fmt: skip
    subprocess.run(["sh", "-ec", commands], cwd=INTEGRATION, env=environment, check=True)
    assert os.access(place / "hf-zipnn", os.X_OK)
    done = subprocess.run([hf, "zipnn", "pack", "--cache", cache], capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and "3 files packed" in done.stdout, done.stdout + done.stderr
    assert content(cache) == 3
