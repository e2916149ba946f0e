"""A folder of archives and what a view of it must show, for the tests of zipnn-mount."""

import contextlib
import ctypes
import errno
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

ZIPNN = os.environ["ZIPNN"]
MOUNT = os.environ["ZIPNN_MOUNT"]


def skip_unless_possible() -> None:
    """Exits with 77 where no view can be mounted."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as fault:
        print(f"skipped: /dev/fuse cannot be opened: {fault.strerror}")
        sys.exit(77)
    if os.geteuid() != 0:
        print("skipped: these tests mount as root")
        sys.exit(77)


def run(*words: str, code: int = 0, **more: object) -> subprocess.CompletedProcess[str]:
    """Runs a command, which must end with `code`."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, **more)  # type: ignore[call-overload]
    assert done.returncode == code, f"{words}: {done.returncode} instead of {code}: {done.stderr}"
    return done


def numbers(n: int, seed: int) -> bytes:
    """Bytes that look like n bf16 weights."""
    source = random.Random(seed)
    low = source.randbytes(n)
    high = source.randbytes(n).translate(bytes(60 + i % 3 + 128 * (i // 128) for i in range(256)))
    mixed = bytearray(2 * n)
    mixed[0::2], mixed[1::2] = low, high
    return bytes(mixed)


def compress(path: pathlib.Path, *options: str) -> pathlib.Path:
    """Replaces a file by its archive."""
    archive = path.with_name(path.name + ".znn")
    run(ZIPNN, "-q", "-f", *options, str(path), "-o", str(archive))
    path.unlink()
    return archive


def read_at(fd: int, n: int, off: int) -> bytes:
    """Bytes of a file, all that were asked for: before a page that cannot be read, and when a signal comes, a read may
    end early."""
    parts = []
    while n > 0 and (part := os.pread(fd, n, off)):
        parts.append(part)
        n -= len(part)
        off += len(part)
    return b"".join(parts)


def expect_fault(number: int, act: Callable[[], object]) -> None:
    try:
        act()
    except OSError as fault:
        assert fault.errno == number, fault
        return
    raise AssertionError(f"no {errno.errorcode[number]}")


def compress_bytes(data: bytes) -> bytes:
    return subprocess.run([ZIPNN, "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


class Scene:
    """A folder `source`, a mount point `point`, and the log of a view."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.source, self.point, self.log = folder / "source", folder / "point", folder / "log"
        self.source.mkdir()
        self.point.mkdir()

    def write(self, name: str, data: bytes, *options: str) -> bytes:
        """Puts the archive of `data` into the folder."""
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        compress(path, *options)
        return data

    def mount(self, *options: str, source: pathlib.Path | None = None, point: pathlib.Path | None = None) -> None:
        run(ZIPNN, "mount", "--log", str(self.log), *options, str(source or self.source), str(point or self.point))

    def unmount(self, point: pathlib.Path | None = None) -> None:
        for _ in range(50):
            done = subprocess.run([ZIPNN, "umount", str(point or self.point)], capture_output=True, text=True)
            if done.returncode == 0:
                return
            time.sleep(0.05)
        raise AssertionError(done.stderr)

    @contextlib.contextmanager
    def view(self, *options: str) -> Iterator[pathlib.Path]:
        self.mount(*options)
        yield self.point
        self.unmount()

    def said(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def server(self) -> int:
        """The process that serves the view."""
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                words = pathlib.Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0") if name.isdigit() else []
                if str(self.point).encode() in words and b"mount" in words:
                    return int(name)
        raise AssertionError("no process serves the view")


@contextlib.contextmanager
def scene() -> Iterator[Scene]:
    with tempfile.TemporaryDirectory() as name:
        # The mounts of a test stay in a namespace of its own: test_view.py makes it.
        made = Scene(pathlib.Path(name))
        try:
            yield made
        finally:
            for point in (made.point, made.source):
                subprocess.run(["umount", "-l", str(point)], capture_output=True)


def main(cases: dict[str, Callable[[Scene], None]]) -> int:
    """Runs the cases that the command line names, or all."""
    skip_unless_possible()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x20000) != 0:  # CLONE_NEWNS: what a test leaves mounted goes with this process
        print("skipped: no mount namespace can be made")
        return 77
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    failed = 0
    reports = tempfile.mkdtemp() if os.environ.get("ZIPNN_SANITIZED") else ""
    for name in ("ASAN_OPTIONS", "TSAN_OPTIONS") if reports else ():  # the view's own output goes nowhere
        os.environ[name] = f"{os.environ.get(name, '')}:log_path={reports}/report"
    if reports:  # at an unmount the kernel sends no more releases
        os.environ["ASAN_OPTIONS"] += ":detect_leaks=0"
    for name in sys.argv[1:] or cases:
        start = time.monotonic()
        try:
            with scene() as s:
                cases[name](s)
            print(f"ok      {name} ({time.monotonic() - start:.1f} s)")
        except (AssertionError, OSError, subprocess.SubprocessError) as fault:
            failed += 1
            print(f"FAILED  {name}: {type(fault).__name__} {str(fault)[:600]} (line {line_of(fault)})")
    for report in sorted(pathlib.Path(reports).iterdir()) if reports else ():
        failed += 1
        print(report.read_text()[:3000])
    return failed != 0


def line_of(fault: BaseException) -> int:
    trace, line = fault.__traceback__, 0
    while trace:
        if pathlib.Path(trace.tb_frame.f_code.co_filename).name.startswith("test_"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
