#!/usr/bin/env python3
"""Views of real folders by the real FUSE: what they show, and that damage and change never give wrong bytes.

  test_view.py [CASE...]    ZIPNN and ZIPNN_MOUNT are the programs, which stand in one folder
"""

import contextlib
import errno
import json
import mmap
import os
import pathlib
import random
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time

import view_scene as vs
from view_scene import expect_fault

MIB = 1 << 20
OLD, NEW = vs.numbers(MIB, 1), vs.numbers(MIB, 2)


def case_bytes(s: vs.Scene) -> None:
    """Reads of all kinds give the original; folders, plain files and what is no archive are as they are."""
    data = s.write("deep/er/w.bin", vs.numbers(3 * MIB, 3))
    empty = s.write("empty", b"")
    (s.source / "plain.txt").write_text("as it is")
    (s.source / "junk.znn").write_bytes(b"no archive" * 50)
    with s.view("-T3") as point:
        path = point / "deep/er/w.bin"
        assert path.read_bytes() == data and (point / "empty").read_bytes() == empty
        assert (point / "plain.txt").read_text() == "as it is"
        assert sorted(os.listdir(point)) == ["deep", "empty", "junk.znn", "plain.txt"]
        assert os.listdir(point / "deep/er") == ["w.bin"]
        assert (point / "junk.znn").read_bytes() == b"no archive" * 50
        source = random.Random(1)
        with open(path, "rb", buffering=0) as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
            for _ in range(200):
                off, n = source.randrange(len(data)), source.randrange(1, 300000)
                assert vs.read_at(f.fileno(), n, off) == data[off : off + n]
                assert m[off : off + 4096] == data[off : off + 4096]
        expect_fault(errno.EROFS, lambda: open(path, "wb"))
        expect_fault(errno.ENOENT, lambda: os.stat(point / "deep/er/w.bin.znn"))


def case_attributes(s: vs.Scene) -> None:
    """Size, blocks, times, modes, attributes, and numbers that last."""
    data = s.write("w.bin", OLD, "-6", "--sha256")
    archive = s.source / "w.bin.znn"
    os.chmod(archive, 0o640)
    os.utime(archive, ns=(10**18, 10**18 + 5))
    numbers = set()
    for _ in range(2):
        with s.view() as point:
            st, below = os.stat(point / "w.bin"), os.stat(archive)
            assert st.st_size == len(data) and st.st_blocks == below.st_blocks
            assert st.st_mtime_ns == below.st_mtime_ns and stat.S_IMODE(st.st_mode) == 0o440
            numbers.add(st.st_ino)
            entry = next(os.scandir(point))
            assert (entry.name, entry.inode()) == ("w.bin", st.st_ino)
            names = os.listxattr(point / "w.bin")
            assert os.getxattr(point / "w.bin", "user.zipnn.level") == b"6"
            shown = vs.run(vs.ZIPNN, "-lv", str(archive)).stdout
            for name in names:
                value = os.getxattr(point / "w.bin", name).decode()
                assert name == "user.zipnn.level" or value in shown, (name, value)
            assert "user.zipnn.sha256" in names
    assert len(numbers) == 1


def case_names(s: vs.Scene) -> None:
    """X beside X.znn: both; an archive under a plain name: its original; one archive alone."""
    s.write("both", OLD)
    (s.source / "both").write_bytes(b"plain")
    s.write("in_place", NEW)
    os.rename(s.source / "in_place.znn", s.source / "in_place")
    with s.view() as point:
        assert sorted(os.listdir(point)) == ["both", "both.znn", "in_place"]
        assert (point / "both").read_bytes() == b"plain" and (point / "in_place").read_bytes() == NEW
        assert (point / "both.znn").read_bytes() == (s.source / "both.znn").read_bytes()
    s.mount(source=s.source / "both.znn")
    assert os.listdir(s.point) == ["both"] and (s.point / "both").read_bytes() == OLD
    s.unmount()


def case_over_itself(s: vs.Scene) -> None:
    """A view may be mounted over its own source."""
    s.write("sub/w.bin", OLD)
    s.mount(point=s.source)
    assert (s.source / "sub/w.bin").read_bytes() == OLD
    s.unmount(s.source)
    assert (s.source / "sub/w.bin.znn").exists()


def case_links(s: vs.Scene) -> None:
    """The layout of a hub's cache: links inside work, also absolute ones and those to archives, none outside."""
    s.write("blobs/123", OLD)
    snapshot = s.source / "snapshots/1"
    snapshot.mkdir(parents=True)
    os.symlink("../../blobs/123", snapshot / "model.safetensors")
    os.symlink("../../blobs/123.znn", snapshot / "second.safetensors.znn")
    os.symlink(s.source / "blobs/123", snapshot / "absolute")
    for i, target in enumerate(("/etc/passwd", "../../../log", "../../../..", "missing/../../../../x")):
        os.symlink(target, snapshot / f"outside{i}")
    with s.view() as point:
        shown = point / "snapshots/1"
        for name in ("model.safetensors", "second.safetensors", "absolute"):
            assert os.path.islink(shown / name) and (shown / name).read_bytes() == OLD, name
            assert os.path.realpath(shown / name) == str(point / "blobs/123"), name
        assert "second.safetensors.znn" not in os.listdir(shown)
        for i in range(4):
            expect_fault(errno.EACCES, lambda i=i: os.stat(shown / f"outside{i}"))  # type: ignore[misc]


def model(data: bytes) -> bytes:
    """A safetensors file of one tensor: only tensors are compared with those of bases."""
    head = json.dumps({"w": {"dtype": "BF16", "shape": [len(data) // 2], "data_offsets": [0, len(data)]}})
    head += " " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head.encode() + data


def case_bases(s: vs.Scene) -> None:
    """A delta finds its base in its folder, in the tree, in --base-dir; without it, it is shown as it is."""
    changed = model(NEW[:1000] + OLD[1000:])
    base = s.source.parent / "base.bin"
    base.write_bytes(model(OLD))
    s.write("fine/tuned.bin", changed, "--base", str(base))
    with s.view() as point:
        assert os.listdir(point / "fine") == ["tuned.bin.znn"]
        assert (point / "fine/tuned.bin.znn").read_bytes() == (s.source / "fine/tuned.bin.znn").read_bytes()
        shutil.copy(base, s.source / "base.bin")
        time.sleep(2.1)
        assert (point / "fine/tuned.bin").read_bytes() == changed
        with open(s.source / "base.bin", "r+b") as f:
            f.write(model(NEW))
    os.unlink(s.source / "base.bin")
    (s.source.parent / "bases").mkdir()
    os.rename(base, s.source.parent / "bases/another.name")
    with s.view("--base-dir", str(s.source.parent / "bases")) as point:
        assert (point / "fine/tuned.bin").read_bytes() == changed
    vs.compress(s.source.parent / "bases/another.name")
    with s.view("--base-dir", str(s.source.parent / "bases")) as point:
        assert (point / "fine/tuned.bin").read_bytes() == changed


def case_ways(s: vs.Scene) -> None:
    """What --dedup made tells the way to its base: inside of the tree it is followed, whatever --base-dir says."""
    whole, part = model(OLD), model(NEW[:1000] + OLD[1000:])
    for name, data in (("original/whole.safetensors", whole + b"0" * 100), ("parts/1.safetensors", part)):
        path = s.source / "model" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    vs.run(vs.ZIPNN, "-q", "-r", "--dedup", "--rm", str(s.source / "model"))
    assert (s.source / "model/parts/1.safetensors.znn").stat().st_size < len(part) // 10
    empty = s.source.parent / "nothing"
    empty.mkdir()
    with s.view("--base-dir", str(empty)) as point:
        assert (point / "model/parts/1.safetensors").read_bytes() == part
    for part_of_it in ("model", "model/parts"):
        s.mount("--base-dir", str(empty), source=s.source / part_of_it)
        shown = "parts/1.safetensors" if part_of_it == "model" else "1.safetensors.znn"
        assert (s.point / shown).exists(), os.listdir(s.point)
        s.unmount()


def case_base_changes(s: vs.Scene) -> None:
    """A base that changes under an open delta: an error, no other bytes."""
    changed = model(NEW[:1000] + OLD[1000:])
    (s.source / "base.bin").write_bytes(model(OLD))
    s.write("tuned.bin", changed, "--base", str(s.source / "base.bin"))
    with s.view() as point, open(point / "tuned.bin", "rb", buffering=0) as f:
        with open(s.source / "base.bin", "r+b") as b:
            b.write(model(NEW))
        expect_fault(errno.EIO, lambda: vs.read_at(f.fileno(), 4096, 0))


def case_damage(s: vs.Scene) -> None:
    """A flipped bit: EIO for that chunk and one line; SIGBUS in a mapping; the rest is read. Cut: shown as it is."""
    data = s.write("w.bin", vs.numbers(2 * MIB, 5))
    s.write("cut.bin", OLD)
    archive = bytearray((s.source / "w.bin.znn").read_bytes())
    archive[len(archive) // 2] ^= 1
    (s.source / "w.bin.znn").write_bytes(archive)
    os.truncate(s.source / "cut.bin.znn", 100000)
    s.write("index.bin", OLD)
    sound = (s.source / "index.bin.znn").read_bytes()
    wrong = bytearray(sound)
    wrong[-40] ^= 1
    (s.source / "index.bin.znn").write_bytes(wrong)
    (s.source / "two.bin.znn").write_bytes(sound + sound)
    as_they_are = ["cut.bin.znn", "index.bin.znn", "two.bin.znn"]
    with s.view() as point:
        assert sorted(os.listdir(point)) == [*as_they_are, "w.bin"]
        for name in as_they_are:
            assert (point / name).read_bytes() == (s.source / name).read_bytes()
        assert os.stat(point / "w.bin").st_size == len(data)
        bad = 0
        with open(point / "w.bin", "rb", buffering=0) as f:
            for off in range(0, len(data), 4096):
                try:
                    assert vs.read_at(f.fileno(), 4096, off) == data[off : off + 4096]
                except OSError as fault:
                    assert fault.errno == errno.EIO
                    bad += 1
        assert 0 < bad <= 1024
        touch = "import mmap,sys; f=open(sys.argv[1],'rb'); m=mmap.mmap(f.fileno(),0,prot=1); sum(m[::4096])"
        vs.run(sys.executable, "-c", touch, str(point / "w.bin"), code=-signal.SIGBUS)
    assert len([line for line in s.said() if "w.bin" in line]) == 1, s.said()


def case_verify(s: vs.Scene) -> None:
    """--verify: no byte of a damaged archive is handed out, also none of a sound chunk; it is said once."""
    data = s.write("good.bin", vs.numbers(2 * MIB, 5))
    shutil.copy(s.source / "good.bin.znn", s.source / "bad.bin.znn")
    with open(s.source / "bad.bin.znn", "r+b") as f:
        f.seek(-200000, os.SEEK_END)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 1]))
    (s.source / "base.bin").write_bytes(model(OLD))
    tuned = s.write("tuned.bin", model(NEW[:1000] + OLD[1000:]), "--base", str(s.source / "base.bin"))
    with s.view("--verify") as point:
        for _ in range(3):
            expect_fault(errno.EIO, lambda: open(point / "bad.bin", "rb"))
            assert (point / "good.bin").read_bytes() == data and (point / "tuned.bin").read_bytes() == tuned
    assert len([line for line in s.said() if "bad.bin" in line]) == 1 == len(s.said()), s.said()
    with s.view() as point, open(point / "bad.bin", "rb", buffering=0) as f:
        assert vs.read_at(f.fileno(), 1000, 0) == data[:1000]


def case_readahead(s: vs.Scene) -> None:
    """--readahead is what the kernel does; where it cannot be set, the log says so."""
    s.write("w.bin", OLD)
    with s.view("--readahead", "512K") as point:
        device = os.stat(point).st_dev
        setting = pathlib.Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb")
        for _ in range(100):
            if s.said() or setting.read_text() == "512\n":
                break
            time.sleep(0.02)
        assert setting.read_text() == "512\n" or "--readahead" in s.said()[0]
        assert (point / "w.bin").read_bytes() == OLD


def replace_by_rename(s: vs.Scene) -> None:
    other = s.source / "other"
    other.write_bytes(NEW)
    os.rename(vs.compress(other), s.source / "w.bin.znn")


def rewrite(s: vs.Scene) -> None:
    other = s.source.parent / "other"
    other.write_bytes(NEW)
    (s.source / "w.bin.znn").write_bytes(vs.compress(other).read_bytes())


def case_changes(s: vs.Scene) -> None:
    """Files that change under the mount: old bytes or an error for who has it open, new bytes for who opens it anew."""
    for change in (replace_by_rename, rewrite):
        s.write("w.bin", OLD)
        with s.view() as point, open(point / "w.bin", "rb", buffering=0) as f:
            assert vs.read_at(f.fileno(), 300000, 0) == OLD[:300000]
            change(s)
            for off in range(0, len(OLD), 65536):
                try:
                    got = vs.read_at(f.fileno(), 65536, off)
                except OSError as fault:
                    assert fault.errno == errno.EIO and change is rewrite
                    continue
                assert got == OLD[off : off + 65536], (change.__name__, off)
            assert (point / "w.bin").read_bytes() == NEW, change.__name__
            os.unlink(s.source / "w.bin.znn")
            time.sleep(1.1)
            expect_fault(errno.ENOENT, lambda p=point: open(p / "w.bin"))  # type: ignore[misc]


def case_cut_while_read(s: vs.Scene) -> None:
    """An archive that is cut again and again while it is read: right bytes or an error, and the view lives on."""
    data = s.write("w.bin", vs.numbers(4 * MIB, 6))
    path = s.source / "w.bin.znn"
    whole = path.read_bytes()
    with s.view("-T2") as point:
        ends = time.monotonic() + 1.0
        n = 0
        while time.monotonic() < ends:
            path.write_bytes(whole)
            cutter = threading.Timer(random.uniform(0, 0.003), os.truncate, (path, 4096 * random.randrange(500)))
            try:
                with open(point / "w.bin", "rb", buffering=0) as f:
                    cutter.start()
                    for off in range(0, len(data), 65536):
                        assert vs.read_at(f.fileno(), 65536, off) == data[off : off + 65536]
                        n += 1
            except OSError as fault:
                assert fault.errno in (errno.EIO, errno.ENOENT, errno.ESTALE), fault
            if cutter.ident:
                cutter.join()
        path.write_bytes(whole)
        assert n > 0 and (point / "w.bin").read_bytes() == data


def case_cut_and_set_back(s: vs.Scene) -> None:
    """The same, and each time the archive gets its bytes and its times back: what was read meanwhile is never kept."""
    data = s.write("w.bin", vs.numbers(MIB, 8))
    path = s.source / "w.bin.znn"
    whole, st = path.read_bytes(), path.stat()
    ends = threading.Event()

    def cut() -> None:
        with open(path, "r+b", buffering=0) as f:
            while not ends.is_set():
                at = 4096 * random.randrange(len(whole) // 4096)
                os.truncate(path, at)
                os.pwrite(f.fileno(), whole[at:], at)
                os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))

    with s.view("-T2") as point:
        cutter = threading.Thread(target=cut)
        cutter.start()
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), open(point / "w.bin", "rb", buffering=0) as f:
                    os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                    for off in range(0, len(data), 65536):
                        assert vs.read_at(f.fileno(), 65536, off) == data[off : off + 65536]
        finally:
            ends.set()
            cutter.join()
        time.sleep(1.1)
        assert (point / "w.bin").read_bytes() == data


def case_plain_changes(s: vs.Scene) -> None:
    (s.source / "log.txt").write_text("one")
    with s.view() as point:
        assert (point / "log.txt").read_text() == "one"
        (s.source / "log.txt").write_text("two, longer")
        time.sleep(1.1)
        assert (point / "log.txt").read_text() == "two, longer"


def case_many_readers(s: vs.Scene) -> None:
    """Eight readers at once, of two files, in a cache that is too small."""
    files = {name: s.write(name, vs.numbers(MIB, seed)) for name, seed in (("a", 11), ("b", 12))}
    faults: list[object] = []

    def read(seed: int) -> None:
        source = random.Random(seed)
        for _ in range(int(os.environ.get("ZIPNN_READS", "60"))):
            name = source.choice("ab")
            off, n = source.randrange(2 * MIB), source.randrange(1, 400000)
            fd = os.open(s.point / name, os.O_RDONLY)
            if vs.read_at(fd, n, off) != files[name][off : off + n]:
                faults.append((name, off, n))
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)

    with s.view("-T4", "--cache", "1M"):
        readers = [threading.Thread(target=read, args=(i,)) for i in range(8)]
        for r in readers:
            r.start()
        for r in readers:
            r.join()
    assert not faults, faults[:3]


def case_busy_and_killed(s: vs.Scene) -> None:
    """umount while a file is open is refused and says so; a view whose process was killed is unmounted."""
    data = s.write("w.bin", OLD)
    s.mount()
    with open(s.point / "w.bin", "rb") as f:
        assert "still uses" in vs.run(vs.ZIPNN, "umount", str(s.point), code=1).stderr
        assert f.read() == data
    s.unmount()
    assert "no view" in vs.run(vs.ZIPNN, "umount", str(s.point), code=1).stderr
    s.mount()
    os.kill(s.server(), signal.SIGKILL)
    time.sleep(0.3)
    expect_fault(errno.ENOTCONN, lambda: os.listdir(s.point))
    s.unmount()
    s.mount()
    os.kill(s.server(), signal.SIGTERM)
    for _ in range(100):
        if not os.path.ismount(s.point):
            return
        time.sleep(0.05)
    raise AssertionError("SIGTERM leaves the view")


def case_run(s: vs.Scene) -> None:
    """The view of `run` is the command's alone; status and signals are the command's."""
    s.write("w.bin", OLD)
    script = "import os,sys; sys.exit(3 if open(sys.argv[1],'rb').read() == open(sys.argv[2],'rb').read() else 1)"
    want = s.source.parent / "want"
    want.write_bytes(OLD)
    vs.run(vs.ZIPNN, "run", "--", sys.executable, "-c", script, "w.bin", str(want), code=3, cwd=s.source)
    view = f"{s.source}:{s.point}"
    vs.run(vs.ZIPNN, "run", "--mount", view, sys.executable, "-c", script, str(s.point / "w.bin"), str(want), code=3)
    assert os.listdir(s.point) == [] and os.listdir(s.source) == ["w.bin.znn"]
    vs.run(vs.ZIPNN, "run", "--mount", view, "--", "sh", "-c", "kill -KILL $$", code=-signal.SIGKILL)
    vs.run(vs.ZIPNN, "run", "--mount", view, "--", "no-such-program", code=127)
    run = subprocess.Popen([vs.ZIPNN, "run", "--mount", view, "--", "sleep", "50"])
    time.sleep(0.5)
    run.send_signal(signal.SIGTERM)
    assert run.wait(10) == -signal.SIGTERM


def case_nobody(s: vs.Scene) -> None:
    """`run` without rights, in a user namespace, with a device that all may open; without one it says so."""
    if shutil.which("setpriv") is None:
        print("  not as another user: there is no setpriv")
        return
    s.write("w.bin", OLD)
    for path in (s.source.parent, s.source):
        os.chmod(path, 0o755)
    node = s.source.parent / "fuse"
    os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(10, 229))
    os.chmod(node, 0o666)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    command = [*nobody, vs.MOUNT, "run", "--mount", f"{s.source}:{s.point}", "--", "cat", str(s.point / "w.bin")]
    if subprocess.run([*nobody, "unshare", "-Urm", "true"], capture_output=True).returncode != 0:
        print("  not as another user: no user namespaces")
        return
    script = 'mount --bind "$1" /dev/fuse; shift; exec "$@"'
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", str(node), *command], capture_output=True)
    assert done.returncode == 0 and done.stdout == OLD, done.stderr
    os.chmod(node, 0o600)
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", str(node), *command], capture_output=True)
    assert done.returncode == 1 and b"/dev/fuse cannot be opened" in done.stderr, done


def case_memory(s: vs.Scene) -> None:
    """The process stays small: 64 MiB and 8 for each thread."""
    if os.environ.get("ZIPNN_SANITIZED"):
        return
    for i in range(20):
        s.write(f"{i}.bin", vs.numbers(MIB, i))
    with s.view("-T2") as point:
        for _ in range(2):
            for i in range(20):
                assert len((point / f"{i}.bin").read_bytes()) == 2 * MIB
        status = pathlib.Path(f"/proc/{s.server()}/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0])
        assert peak <= (64 + 2 * 8) * 1024, peak


def case_listing(s: vs.Scene) -> None:
    """Folders with many names are listed whole and once."""
    for i in range(3000):
        (s.source / f"{i:04}.txt").touch()
    archive = s.source / "w.bin.znn"
    s.write("w.bin", OLD)
    for i in range(1500):
        os.link(archive, s.source / f"w{i}.znn")
    with s.view() as point:
        names = os.listdir(point)
        assert len(names) == len(set(names)) == 4501
        assert all(f"w{i}" in set(names) for i in range(0, 1500, 50))


if __name__ == "__main__":
    sys.exit(vs.main({name[5:]: act for name, act in globals().items() if name.startswith("case_")}))
