#!/usr/bin/env python3
"""Makes the decoder without files, threads or a heap, and checks what it promises.

    packaging/minimal.py native    libzipnn_decoder.a of this machine: needs four functions, and little room
    packaging/minimal.py           that, and dist/zipnn.wasm with its reader; tests by Node.js and wasmtime,
                                   where these are
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from dist import OUT, ROOT, WORK, Target, environment, run, tools, wrappers

MAX_NATIVE, MAX_WASM = 150_000, 100_000  # bytes; of the module, compressed by gzip
NEEDS = {"memcpy", "memmove", "memset", "memcmp"}


def configure(cmake: str | Path, build: Path, env: dict[str, str], **defines: str | Path) -> None:
    shutil.rmtree(build, ignore_errors=True)
    given = [f"-D{name}={value}" for name, value in defines.items()]
    run(cmake, "-S", ROOT, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DZIPNN_MINIMAL=ON", *given, env=env)
    run(cmake, "--build", build, env=env, log=build.name)


def native(env: dict[str, str], bundled: Path) -> None:
    """Links all of it into one object, as a program with its own four functions would."""
    build = WORK / "minimal"
    configure("cmake", build, env, ZIPNN_BUNDLED=bundled)
    linked = build / "all.so"
    archive: list[str | Path] = ["-Wl,--whole-archive", build / "libzipnn_decoder.a", "-Wl,--no-whole-archive"]
    run("cc", "-shared", "-nostdlib", "-Wl,--gc-sections,-s", *archive, "-lgcc", "-o", linked)
    needs = {line.split()[-1] for line in run("nm", "--dynamic", "--undefined-only", linked).splitlines()}
    if needs - NEEDS:
        sys.exit(f"libzipnn_decoder.a needs more than memory functions: {', '.join(sorted(needs - NEEDS))}")
    size = int(run("size", linked).splitlines()[1].split()[3])
    print(f"libzipnn_decoder.a: {size:,} bytes when linked; needs {', '.join(sorted(needs))}")
    if size > MAX_NATIVE:
        sys.exit(f"that is more than {MAX_NATIVE:,}")


def wasm(env: dict[str, str], bundled: Path) -> Path:
    venv, target = tools(), Target("wasm32-wasi")
    build = WORK / target.zig
    configure(
        venv / "bin" / "cmake",
        build,
        env,
        ZIPNN_BUNDLED=bundled,
        CMAKE_TOOLCHAIN_FILE=ROOT / "cmake" / "zig.cmake",
        ZIPNN_ZIG=wrappers(venv, target),
        ZIPNN_ZIG_TARGET=target.zig,
        CMAKE_C_FLAGS_RELEASE=f"-DNDEBUG -ffile-prefix-map={ROOT}=.",
    )
    module = build / "zipnn.wasm"
    size = len(gzip.compress(module.read_bytes(), 9))
    print(f"zipnn.wasm: {module.stat().st_size:,} bytes, {size:,} by gzip")
    if size > MAX_WASM:
        sys.exit(f"that is more than {MAX_WASM:,}")
    OUT.mkdir(exist_ok=True)
    shutil.copy(module, OUT)
    shutil.copy(ROOT / "wasm" / "reader.js", OUT / "zipnn.js")
    return OUT / module.name


def kernels(env: dict[str, str], bundled: Path, name: str) -> Path:
    """Makes a module of tests/unit/NAME.c, which compares the loops for vectors of 128 bits with the scalar ones."""
    target, tests = Target("wasm32-wasi"), ROOT / "tests"
    loops = sorted(path for path in (ROOT / "src" / "kernels").rglob("*.c") if not re.search("avx|neon", path.name))
    sources = [*loops, ROOT / "src" / "base" / "cpu.c", tests / "support" / "guard.c", tests / "unit" / f"{name}.c"]
    folders = [f"-I{folder}" for folder in (tests / "wasm" / "include", ROOT / "src", ROOT / "include", tests)]
    module = WORK / f"{name}.wasm"
    cc = wrappers(tools(), target) / "cc"
    run(cc, "-O1", "-msimd128", "-std=gnu11", *folders, f"-I{bundled / 'xxhash'}", *sources, "-o", module, env=env)
    return module


def test(module: Path, tests: list[Path]) -> None:
    node, golden = shutil.which("node"), ROOT / "tests" / "golden"
    version = re.match(r"v(\d+)", run(node, "--version")) if node else None
    if not version or int(version[1]) < 20:
        print("skipped: Node.js 20 is not there, so neither reader.js nor the loops were run")
    else:
        subprocess.run([str(node), ROOT / "wasm" / "test.mjs", module, golden], check=True)
        for test in tests:
            subprocess.run([str(node), "--no-warnings", ROOT / "tests" / "wasm" / "run.mjs", test], check=True)
    python = tools() / "bin" / "python"
    if subprocess.run([python, "-c", "import wasmtime"], capture_output=True).returncode:
        print(f"skipped: wasmtime is not there ({python} -m pip install wasmtime)")
    else:
        subprocess.run([python, ROOT / "tests" / "wasm" / "decode.py", module, golden], check=True)


def main() -> None:
    if sys.argv[1:] not in ([], ["native"]):
        sys.exit(__doc__)
    bundled = WORK / "bundled"
    print(run(ROOT / "packaging" / "fetch_sources.sh", bundled), end="")
    native(dict(os.environ), bundled)
    if not sys.argv[1:]:
        env = environment(tools())
        test(wasm(env, bundled), [kernels(env, bundled, name) for name in ("test_r16", "test_kernels")])


if __name__ == "__main__":
    main()
