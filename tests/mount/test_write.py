#!/usr/bin/env python3
"""Views that are written to, by the real FUSE: what programs save is stored whole or not at all, whatever happens.

  test_write.py [CASE...]    ZIPNN and ZIPNN_MOUNT are the programs, which stand in one folder
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

KIB, MIB = 1 << 10, 1 << 20
OLD, NEW = vs.numbers(MIB // 2, 1), vs.numbers(MIB // 2, 2)
NOISE = random.Random(3).randbytes(MIB // 2)


def stored(path: pathlib.Path) -> bytes:
    """The original of an archive of the folder."""
    return subprocess.run([vs.ZIPNN, "-dc", str(path)], stdout=subprocess.PIPE, check=True).stdout


def names(folder: pathlib.Path) -> list[str]:
    return sorted(os.listdir(folder))


def case_stored(s: vs.Scene) -> None:
    """What is closed is an archive; short files, noise and what would be shown as something else are not."""
    archive = vs.compress_bytes(OLD)
    with s.view("--write", "--level", "6") as point:
        (point / "w.bin").write_bytes(OLD)
        (point / "config.json").write_bytes(b"{}")
        (point / "noise").write_bytes(NOISE)
        (point / "disguised").write_bytes(archive)
        (point / "short").write_bytes(archive[:30])
        (point / "empty").touch()
        assert os.getxattr(point / "w.bin", "user.zipnn.level") == b"6"
        want = {"w.bin": OLD, "config.json": b"{}", "noise": NOISE, "disguised": archive, "short": archive[:30]}
        for _ in range(2):
            assert names(point) == sorted([*want, "empty"])
            for name, data in want.items():
                assert (point / name).read_bytes() == data, name
                assert os.stat(point / name).st_size == len(data), name
            subprocess.run(["sh", "-c", "echo 3 >/proc/sys/vm/drop_caches"], stderr=subprocess.DEVNULL)
    assert names(s.source) == ["config.json", "disguised.znn", "empty", "noise", "short.znn", "w.bin.znn"]
    assert stored(s.source / "w.bin.znn") == OLD and stored(s.source / "disguised.znn") == archive
    assert (s.source / "w.bin.znn").stat().st_size < 0.7 * len(OLD)
    with s.view() as point:
        assert (point / "disguised").read_bytes() == archive
        expect_fault(errno.EROFS, lambda: open(point / "w.bin", "r+b"))


def case_bytes(s: vs.Scene) -> None:
    """Random reads, writes, cuts and mappings, against a plain file."""
    plain = s.source.parent / "plain"
    source = random.Random(7)
    with s.view("--write") as point:
        path = point / "w.bin"
        path.write_bytes(OLD)
        plain.write_bytes(OLD)
        for _ in range(12):
            with open(path, "r+b", buffering=0) as f, open(plain, "r+b", buffering=0) as g:
                for _ in range(25):
                    change(source, f.fileno(), g.fileno())
                size = os.fstat(f.fileno()).st_size
                assert size == os.fstat(g.fileno()).st_size
                assert os.pread(f.fileno(), size, 0) == os.pread(g.fileno(), size, 0)
            assert path.read_bytes() == plain.read_bytes()
            with open(path, "ab") as f, open(plain, "ab") as g:
                f.write(b"more")
                g.write(b"more")
    assert stored(s.source / "w.bin.znn") == plain.read_bytes()


def change(source: random.Random, a: int, b: int) -> None:
    """Does the same thing to two files."""
    off, n = source.randrange(MIB), source.randrange(1, 100000)
    act = source.randrange(10)
    for fd in (a, b):
        if act < 5:
            os.pwrite(fd, NEW[:n], off)
        elif act == 5:
            os.ftruncate(fd, off)
        elif act == 6:
            os.posix_fallocate(fd, off, n)
        elif act == 7:
            os.ftruncate(fd, off + mmap.PAGESIZE)
            with mmap.mmap(fd, off + mmap.PAGESIZE) as m:
                m[off : off + 1000] = OLD[:1000]
        else:
            os.pread(fd, n, off)


def case_until_close(s: vs.Scene) -> None:
    """The folder has the old file until the new one is closed or synced; readers of the view see what is written."""
    s.write("w.bin", OLD)
    archive = s.source / "w.bin.znn"
    with s.view("--write") as point:
        before = archive.read_bytes()
        reader = open(point / "w.bin", "rb", buffering=0)
        with open(point / "w.bin", "wb", buffering=0) as f:
            assert os.stat(point / "w.bin").st_size == 0
            f.write(NEW[:300000])
            assert (point / "w.bin").read_bytes() == NEW[:300000] == os.pread(reader.fileno(), MIB, 0)
            assert archive.read_bytes() == before and names(point) == ["w.bin"]
            os.fsync(f.fileno())
            assert stored(archive) == NEW[:300000]
            f.write(NEW[300000:])
            assert stored(archive) == NEW[:300000]
        assert stored(archive) == NEW == os.pread(reader.fileno(), 2 * MIB, 0)
        reader.close()
        # A new file is not there until it is whole; a mapping is stored after its file was closed.
        with open(point / "new", "wb", buffering=0) as f:
            f.write(NEW)
            assert names(s.source) == ["w.bin.znn"] and names(point) == ["new", "w.bin"]
        with open(point / "new", "r+b") as f:
            m = mmap.mmap(f.fileno(), 0)
        m[:4] = b"abcd"
        m.close()
    assert stored(s.source / "new.znn") == b"abcd" + NEW[4:]


def case_replace(s: vs.Scene) -> None:
    """A rename over a file: of archives and short files over each other, while both are open, before the close."""
    short = b"short"
    with s.view("--write") as point:
        for first in (OLD, short):
            for second in (NEW, b"other"):
                (point / "to").write_bytes(first)
                (point / "from").write_bytes(second)
                with open(point / "to", "rb", buffering=0) as f:
                    assert os.pread(f.fileno(), 10, 0) == first[:10]
                    os.replace(point / "from", point / "to")
                    assert os.pread(f.fileno(), MIB, 0) == first
                assert (point / "to").read_bytes() == second and names(point) == ["to"], (len(first), len(second))
                assert len(os.listdir(s.source)) == 1
        for data in (OLD, short):
            with open(point / "from", "wb") as f:
                f.write(data)
                f.flush()
                os.replace(point / "from", point / "to")
                assert names(point) == ["to"] and (point / "to").read_bytes() == data
            assert (point / "to").read_bytes() == data and names(point) == ["to"]
        os.mkdir(point / "d")
        expect_fault(errno.EISDIR, lambda: os.rename(point / "to", point / "d"))
        os.rename(point / "to", point / "d/to")
        with open(point / "d/late", "wb") as f:
            f.write(NEW)
            os.rename(point / "d", point / "e")
            assert names(point / "e") == ["late", "to"]
        assert (point / "e/late").read_bytes() == NEW
    assert names(s.source / "e") == ["late.znn", "to.znn"]


def case_removed_while_open(s: vs.Scene) -> None:
    s.write("w.bin", OLD)
    with s.view("--write") as point:
        with open(point / "w.bin", "r+b", buffering=0) as f:
            os.unlink(point / "w.bin")
            assert os.pread(f.fileno(), MIB, 0) == OLD
            os.pwrite(f.fileno(), b"changed", 0)
            assert os.pread(f.fileno(), 7, 0) == b"changed" and os.fstat(f.fileno()).st_nlink == 0
            expect_fault(errno.ENOENT, lambda: os.stat(point / "w.bin"))
            (point / "w.bin").write_bytes(NEW)
        assert (point / "w.bin").read_bytes() == NEW
        with open(point / "gone", "wb") as f:
            f.write(OLD)
            os.unlink(point / "gone")
        os.mkdir(point / "d")
        with open(point / "d/x", "wb"):
            expect_fault(errno.ENOTEMPTY, lambda: os.rmdir(point / "d"))
        os.unlink(point / "d/x")
        os.rmdir(point / "d")
    assert names(s.source) == ["w.bin.znn"]


def case_names(s: vs.Scene) -> None:
    """Names of archives and temporary files are refused; names in the way; long names."""
    (s.source / "junk.znn").write_bytes(b"no archive")
    (s.source / "both").write_bytes(b"plain")
    shutil.copy(s.source / "junk.znn", s.source / "both.znn")
    long = "n" * 253
    with s.view("--write") as point:
        for name in ("a.znn", ".zipnn-abcdefghijklm", "junk.znn"):
            expect_fault(errno.EPERM, lambda n=name: open(point / n, "wb"))  # type: ignore[misc]
        (point / "junk").write_bytes(OLD)
        (point / "both").write_bytes(OLD)
        (point / long).write_bytes(NEW)
        for name in ("junk", "both"):
            expect_fault(errno.EPERM, lambda n=name: os.rename(point / n, point / "b.znn"))  # type: ignore[misc]
            expect_fault(errno.EPERM, lambda n=name: os.link(point / n, point / "b.znn"))  # type: ignore[misc]
            expect_fault(errno.EPERM, lambda n=name: os.symlink(n, point / "b.znn"))  # type: ignore[misc]
            assert (point / name).read_bytes() == OLD and (point / f"{name}.znn").read_bytes() == b"no archive"
        assert (point / long).read_bytes() == NEW
        expect_fault(errno.EEXIST, lambda: os.close(os.open(point / "both", os.O_CREAT | os.O_EXCL | os.O_WRONLY)))
        os.rename(point / "both", point / "moved")
        assert (point / "moved").read_bytes() == OLD
    assert names(s.source) == ["both.znn", "junk", "junk.znn", "moved", long]


def case_attributes(s: vs.Scene) -> None:
    """Times, permissions, owners and attributes, before and after the close."""
    with s.view("--write") as point:
        for name, data in (("w.bin", OLD), ("short", b"short")):
            path = point / name
            old = os.umask(0o027)
            with open(path, "wb") as f:
                f.write(data)
                f.flush()
                os.setxattr(path, "user.note", b"before")
                os.utime(path, ns=(10**18, 10**18 + 5))
            os.umask(old)
            st = os.stat(path)
            assert (stat.S_IMODE(st.st_mode), st.st_mtime_ns) == (0o640, 10**18 + 5), (name, st)
            os.chmod(path, 0o604)
            os.utime(path, ns=(10**18, 10**18 + 9))
            os.chown(path, 12, 34)
            os.setxattr(path, "user.more", b"after")
            assert os.getxattr(path, "user.note") == b"before"
            time.sleep(1.1)
            st = os.stat(path)
            assert (stat.S_IMODE(st.st_mode), st.st_mtime_ns, st.st_uid, st.st_gid) == (0o604, 10**18 + 9, 12, 34)
            with open(path, "r+b") as f:
                f.write(b"X")
            st = os.stat(path)
            assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (0o604, 12, 34) and st.st_mtime_ns > 10**18 + 9
            assert {"user.note", "user.more"} <= set(os.listxattr(path))
            os.removexattr(path, "user.more")
            assert "user.more" not in os.listxattr(path) and path.read_bytes() == b"X" + data[1:]
        os.mkdir(point / "d", 0o750)
        os.utime(point / "d", ns=(10**18, 10**18 + 7))
        os.symlink("w.bin", point / "link")
        os.utime(point / "link", ns=(10**18, 10**18 + 8), follow_symlinks=False)
        assert os.stat(point / "d").st_mtime_ns == 10**18 + 7 and os.stat(point / "d").st_mode & 0o777 == 0o750
        assert os.lstat(point / "link").st_mtime_ns == 10**18 + 8
        assert os.statvfs(point).f_blocks == os.statvfs(s.source).f_blocks


def case_links(s: vs.Scene) -> None:
    """Symbolic links inside the view; hard links, of which the written name alone changes."""
    with s.view("--write") as point:
        (point / "blobs").mkdir()
        (point / "blobs/1").write_bytes(OLD)
        os.symlink("blobs/1", point / "relative")
        os.symlink(point / "blobs/1", point / "blobs/absolute")
        for target in ("/etc/passwd", "../x", "blobs/../../x"):
            expect_fault(errno.EPERM, lambda t=target: os.symlink(t, point / "out"))  # type: ignore[misc]
        for name in ("relative", "blobs/absolute"):
            assert (point / name).read_bytes() == OLD
        (point / "relative").write_bytes(NEW)
        assert (point / "blobs/1").read_bytes() == NEW
        os.link(point / "blobs/1", point / "second")
        assert (point / "second").read_bytes() == NEW
        with open(point / "second", "r+b") as f:
            f.write(b"X")
        time.sleep(1.1)
        assert (point / "second").read_bytes() == b"X" + NEW[1:] and (point / "blobs/1").read_bytes() == NEW
        os.unlink(point / "blobs/1")
    assert names(s.source) == ["blobs", "relative", "second.znn"]


def case_writers(s: vs.Scene) -> None:
    """Eight writers at once, of files of their own and of one file, beside readers."""
    rounds = int(os.environ.get("ZIPNN_ROUNDS", "6"))
    faults: list[object] = []
    part = 96 * KIB

    def write(seed: int) -> None:
        try:
            source = random.Random(seed)
            for i in range(rounds):
                data = NEW[source.randrange(KIB) * 2 :][: 300 * KIB] if i % 2 else OLD[: source.randrange(200 * KIB)]
                (s.point / f"{seed}.tmp").write_bytes(data)
                os.replace(s.point / f"{seed}.tmp", s.point / f"{seed}.bin")
                if (s.point / f"{seed}.bin").read_bytes() != data:
                    faults.append(("own", seed, i))
                with open(s.point / "shared", "r+b", buffering=0) as f:
                    os.pwrite(f.fileno(), bytes([seed]) * part, seed * part)
                    if os.pread(f.fileno(), part, seed * part) != bytes([seed]) * part:
                        faults.append(("shared", seed, i))
        except OSError as fault:
            faults.append((seed, fault))

    with s.view("--write", "-T4") as point:
        (point / "shared").write_bytes(OLD)
        writers = [threading.Thread(target=write, args=(i,)) for i in range(8)]
        for w in writers:
            w.start()
        for w in writers:
            w.join()
        want = b"".join(bytes([i]) * part for i in range(8)) + OLD[8 * part :]
        assert not faults, faults[:3]
        assert (point / "shared").read_bytes() == want
    assert stored(s.source / "shared.znn") == want


def case_opened_again(s: vs.Scene) -> None:
    """A file that is opened with O_TRUNC right after its close: what is empty for the moment is not stored."""
    with s.view("--write", "-T2") as point:
        for i in range(150):
            (point / "w.bin").write_bytes(OLD if i % 2 else NEW)
            with open(point / "w.bin", "wb", buffering=0) as f:
                time.sleep(0.002 * (i % 3))
                assert os.stat(s.source / "w.bin.znn").st_size > 100000, i
                f.write(NEW)


def case_full(s: vs.Scene) -> None:
    """No room: write, close or fsync fails with ENOSPC, and the folder has the old file."""
    vs.run("mount", "-t", "tmpfs", "-o", "size=4M", "none", str(s.source))
    big = vs.numbers(2 * MIB, 5)
    spool = s.source.parent / "spool"
    spool.mkdir()
    with s.view("--write") as point:
        (point / "w.bin").write_bytes(OLD)
        expect_fault(errno.ENOSPC, lambda: (point / "w.bin").write_bytes(big))
    assert stored(s.source / "w.bin.znn") == OLD
    (s.source / "filler").write_bytes(b"x" * (os.statvfs(s.source).f_bavail * 4096 - 400 * KIB))
    with s.view("--write", "--spool", str(spool)) as point:
        for sync in (False, True):
            fd = os.open(point / "w.bin", os.O_WRONLY | os.O_TRUNC)
            os.write(fd, big)
            if sync:
                expect_fault(errno.ENOSPC, lambda fd=fd: os.fsync(fd))  # type: ignore[misc]
            expect_fault(errno.ENOSPC, lambda fd=fd: os.close(fd))  # type: ignore[misc]
            time.sleep(1.1)
            assert (point / "w.bin").read_bytes() == OLD
        os.unlink(point / "filler")
        (point / "w.bin").write_bytes(big)
        assert (point / "w.bin").read_bytes() == big and names(spool) == []
    assert stored(s.source / "w.bin.znn") == big and any("cannot be stored" in line for line in s.said())
    vs.run("umount", "-l", str(s.source))


def case_others(s: vs.Scene) -> None:
    """Other users may do what permissions let them, and own what they make."""
    if shutil.which("setpriv") is None:
        print("  not as another user: there is no setpriv")
        return
    for path in (s.source.parent, s.source):
        os.chmod(path, 0o755)
    (s.source / "theirs").mkdir()
    os.chown(s.source / "theirs", 65534, 65534)
    shared = s.source / "shared"
    shared.mkdir()
    os.chown(shared, 0, 1234)
    os.chmod(shared, 0o2777)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c"]
    with s.view("--write", "--allow-other") as point:
        (point / "mine").write_bytes(OLD)
        os.chmod(point / "mine", 0o644)
        vs.run(*nobody, f"cat {point}/mine > {point}/theirs/copy && mkdir {point}/theirs/d && ln -s d {point}/theirs/l")
        vs.run(*nobody, f"cp {point}/mine {point}/shared/copy && mkdir {point}/shared/d")
        vs.run(*nobody, f"echo x >> {point}/mine", code=2)
        vs.run(*nobody, f"echo x > {point}/new", code=2)
        vs.run(*nobody, f"rm -f {point}/mine", code=1)
        for name in ("copy", "d", "l"):
            assert os.lstat(point / "theirs" / name).st_uid == 65534, name
        for name in ("copy", "d"):
            st = os.stat(point / "shared" / name)
            assert (st.st_uid, st.st_gid) == (65534, 1234), (name, st)
    assert os.stat(s.source / "theirs/copy.znn").st_uid == 65534


def case_tools(s: vs.Scene) -> None:
    """cp -a, rsync and git, into the view and out of it."""
    tree = s.source.parent / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/w.bin").write_bytes(OLD)
    (tree / "noise").write_bytes(NOISE)
    (tree / "config.json").write_text("{}")
    os.symlink("sub/w.bin", tree / "link")
    os.link(tree / "noise", tree / "second")
    os.utime(tree / "sub/w.bin", ns=(10**18, 10**18 + 3))
    with s.view("--write") as point:
        vs.run("cp", "-a", str(tree), str(point / "copied"))
        vs.run("diff", "-r", str(tree), str(point / "copied"))
        assert os.stat(point / "copied/sub/w.bin").st_mtime_ns == 10**18 + 3
        if shutil.which("rsync"):
            for _ in range(2):
                done = vs.run("rsync", "-aHi", f"{tree}/", str(point / "synced"))
            assert done.stdout == "", done.stdout
            vs.run("rsync", "-aH", "--inplace", "--checksum", f"{tree}/", str(point / "synced"))
            vs.run("diff", "-r", str(tree), str(point / "synced"))
        if shutil.which("git"):
            git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(point / "copied")]
            for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"], ["fsck", "--strict"], ["gc", "-q"]):
                vs.run(*git, *words)
            assert vs.run(*git, "status", "--porcelain").stdout == ""
            vs.run("git", "clone", "-q", str(point / "copied"), str(point / "cloned"))
            vs.run("diff", "-r", "-x", ".git", str(tree), str(point / "cloned"))
        vs.run("cp", "-a", str(point / "copied/sub"), str(s.source.parent / "back"))
        assert (s.source.parent / "back/w.bin").read_bytes() == OLD
        vs.run("rm", "-r", str(point / "copied"))
    assert (s.source / "synced/sub/w.bin.znn").exists() or not shutil.which("rsync")


def case_end(s: vs.Scene) -> None:
    """SIGTERM and `run`: what was closed is stored, what was still written is named; two views of one folder."""
    s.mount("--write")
    (s.point / "done").write_bytes(OLD)
    f = open(s.point / "unfinished", "wb", buffering=0)
    f.write(OLD)
    server = s.server()
    os.kill(server, signal.SIGTERM)
    while pathlib.Path(f"/proc/{server}/exe").exists():
        time.sleep(0.02)
    with contextlib.suppress(OSError):
        f.close()
    assert names(s.source) == ["done.znn"] and any("unfinished" in line for line in s.said()), s.said()
    script = "import mmap; open('a', 'wb').write(open('done', 'rb').read()); f = open('m', 'w+b'); f.truncate(99999); "
    script += "m = mmap.mmap(f.fileno(), 0); f.close(); m[0] = 65"
    for _ in range(3):
        vs.run(vs.ZIPNN, "run", "--write", "--", sys.executable, "-c", script, cwd=s.source)
        assert names(s.source) == ["a.znn", "done.znn", "m.znn"]
        assert stored(s.source / "m.znn") == b"A" + bytes(99998) and stored(s.source / "a.znn") == OLD
        os.unlink(s.source / "m.znn")
    other = s.source.parent / "other"
    other.mkdir()
    with s.view("--write") as point:
        s.mount("--write", point=other)
        (point / "both").write_bytes(OLD)
        (other / "both").write_bytes(NEW)
        time.sleep(1.1)
        assert (point / "both").read_bytes() == NEW == (other / "both").read_bytes()
        s.unmount(other)
    done = subprocess.run([vs.ZIPNN, "mount", "--write", str(s.source / "a.znn"), str(other)], capture_output=True)
    assert done.returncode == 1 and b"takes a folder" in done.stderr


def work_through(point: pathlib.Path) -> None:
    """What is killed at every step: a file is replaced in place, by rename; a short one; one is made, one removed."""
    with open(point / "over", "wb") as f:
        f.write(NEW)
    (point / "tmp").write_bytes(NEW)
    os.replace(point / "tmp", point / "renamed")
    (point / "small").write_bytes(NEW)
    (point / "fresh").write_bytes(NEW)
    with open(point / "over", "r+b") as f:
        f.write(b"again")
        os.fsync(f.fileno())
    os.unlink(point / "removed")


def case_killed(s: vs.Scene) -> None:
    """The view is killed at each of its calls of the system: every file is the old or the new one, and whole."""
    inject = os.environ.get("ZIPNN_INJECT_LIBRARY")
    if not inject or os.environ.get("ZIPNN_SANITIZED"):
        print("  not killed: there is no library for that")
        return
    want = {
        "over": [OLD, NEW, b"again" + NEW[5:]],
        "renamed": [OLD, NEW],
        "tmp": [None, NEW],
        "small": [b"short", NEW],
        "fresh": [None, NEW],
        "removed": [None, OLD],
    }
    count = len(killed_run(s, inject, {"ZIPNN_INJECT_LOG": str(s.source.parent / "calls")}))
    assert count > 100, count
    source = random.Random(int(os.environ.get("ZIPNN_SEED", "1")))
    points = [i + source.randrange(step) for step in [max(1, count // KILLS)] for i in range(0, count, step)]
    left = 0
    for call in points:
        for named in ({}, {"ZIPNN_INJECT_NAMED": "1"}):
            killed_run(s, inject, {"ZIPNN_INJECT": f"{call + 1}:kill", **named})
            left += any(name.startswith(".zipnn-") for name in os.listdir(s.source))
            with s.view("--write") as point:
                for name in names(point):
                    assert (point / name).read_bytes() in want[name], (call, named, name)
                for name, allowed in want.items():
                    assert None in allowed or (point / name).exists(), (call, named, name)
            assert not any(name.startswith(".zipnn-") for name in os.listdir(s.source)), call
    print(f"  killed at {len(points)} of {count} calls, twice; {left} left a temporary file")


KILLS = int(os.environ.get("ZIPNN_KILLS", "15"))


def killed_run(s: vs.Scene, inject: str, settings: dict[str, str]) -> list[str]:
    """Mounts with faults to come, works until the view is gone, and returns the calls that were noted."""
    shutil.rmtree(s.source)
    s.source.mkdir()
    for name in ("over", "renamed", "removed"):
        shutil.copy(prepared(s), s.source / f"{name}.znn")
    (s.source / "small").write_bytes(b"short")
    words = [vs.MOUNT, "mount", "-f", "--write", "-T2", "--log", str(s.log), str(s.source), str(s.point)]
    view = subprocess.Popen(words, env={**os.environ, **settings, "LD_PRELOAD": inject}, stderr=subprocess.DEVNULL)
    while view.poll() is None and not os.path.ismount(s.point):
        time.sleep(0.005)
    with contextlib.suppress(OSError):
        work_through(s.point)
    subprocess.run(["umount", "-l", str(s.point)], capture_output=True)
    view.wait(20)
    log = settings.get("ZIPNN_INJECT_LOG")
    return pathlib.Path(log).read_text().splitlines() if log else []


def prepared(s: vs.Scene) -> pathlib.Path:
    path = s.source.parent / "prepared.znn"
    if not path.exists():
        path.write_bytes(vs.compress_bytes(OLD))
    return path


def case_leftovers(s: vs.Scene) -> None:
    """Temporary files of killed processes are removed and named; those of running ones stay; neither is shown."""
    (s.source / "d").mkdir()
    dead, alive = s.source / "d/.zipnn-abcdefghijklm", s.source / ".zipnn-nopqrstuvwxyz"
    dead.write_bytes(OLD)
    alive.write_bytes(OLD)
    with open(alive, "r+b"), s.view("--write") as point:
        assert names(point) == ["d"] and names(point / "d") == []
    assert not dead.exists() and alive.exists()


def case_memory(s: vs.Scene) -> None:
    """Saving takes bounded memory."""
    if os.environ.get("ZIPNN_SANITIZED"):
        return
    with s.view("--write", "-T2") as point:
        for i in range(4):
            with open(point / f"{i}.bin", "wb") as f:
                for k in range(16):
                    f.write(vs.numbers(MIB, k))
        status = pathlib.Path(f"/proc/{s.server()}/status").read_text()
    peak = int(status.split("RssAnon:")[1].split()[0])
    assert peak <= (64 + 3 * 2 * 8) * 1024, peak


def model(data: bytes) -> bytes:
    head = json.dumps({"w": {"dtype": "BF16", "shape": [len(data) // 2], "data_offsets": [0, len(data)]}})
    return len(head).to_bytes(8, "little") + head.encode() + data


def case_bases(s: vs.Scene) -> None:
    """What others are differences from is neither removed nor replaced, packed or plain, as long as they are there."""
    tuned = model(NEW[:1000] + OLD[1000:])
    for packed in (False, True):
        (s.source / "base").write_bytes(model(OLD))
        s.write("d/tuned", tuned, "--base", str(s.source / "base"))
        (s.source / "alike").write_bytes(model(NEW))
        if packed:
            vs.compress(s.source / "base")
        with s.view("--write") as point:
            for act in (
                lambda: os.unlink(point / "base"),
                lambda: os.replace(point / "alike", point / "base"),
                lambda: (point / "base").write_bytes(b"new"),
                lambda: os.truncate(point / "base", 5),
            ):
                expect_fault(errno.EBUSY, act)
            os.rename(point / "base", point / "d/moved")
            assert (point / "d/tuned").read_bytes() == tuned and (point / "d/moved").read_bytes() == model(OLD)
            (point / "alike").write_bytes(NEW)
            os.unlink(point / "alike")
            os.rename(point / "d/tuned", point / "tuned")
            time.sleep(1.1)
            assert (point / "tuned").read_bytes() == tuned
            os.unlink(point / "tuned")
            (point / "d/moved").write_bytes(NEW)
            os.unlink(point / "d/moved")
        assert sum("differences from it" in line for line in s.said()) >= 4
        assert names(s.source) == ["d"] and names(s.source / "d") == []


if __name__ == "__main__":
    sys.exit(vs.main({name[5:]: act for name, act in globals().items() if name.startswith("case_")}))
