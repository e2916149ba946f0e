"""A folder of archives and what a view of it must show, for the tests of zipnn-mount."""

import contextlib
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

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
