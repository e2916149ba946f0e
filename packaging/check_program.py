#!/usr/bin/env python3
"""What a program or an extension of CPython for Windows or macOS needs of the system on which it is started: its DLLs,
or its libraries and the oldest version of the system.

    packaging/check_program.py FILE...      prints that; fails if it is more than every such system has
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

SYSTEM_DLLS = {"kernel32.dll", "ntdll.dll", "bcrypt.dll", "advapi32.dll", "user32.dll", "shell32.dll"}
PYTHON_DLL = "python3.dll"  # the stable ABI, which every CPython for Windows has
UCRT = "api-ms-win-crt-"  # of the C library that Windows 10 brings
MACOS_LIBRARY = "/usr/lib/libSystem.B.dylib"
OLDEST_MACOS = 11 << 16


def text_at(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()


def dlls(data: bytes) -> Iterator[str]:
    """Yields the names in the table of imports of a PE file."""
    head = struct.unpack_from("<I", data, 60)[0]
    n_sections, size_of_optional = struct.unpack_from("<H12xH", data, head + 6)
    optional = head + 24
    table = struct.unpack_from("<I", data, optional + 120)[0]
    sections = [struct.unpack_from("<IIII", data, optional + size_of_optional + 40 * i + 8) for i in range(n_sections)]

    def place(address: int) -> int:
        offset = next(raw - start for size, start, _, raw in sections if start <= address < start + size)
        return address + int(offset)

    at = place(table)
    while name := struct.unpack_from("<I", data, at + 12)[0]:
        yield text_at(data, place(name)).lower()
        at += 20


def commands(data: bytes) -> Iterator[tuple[int, int]]:
    """Yields kind and place of the load commands of a Mach-O file of 64 bits."""
    at = 32
    for _ in range(struct.unpack_from("<I", data, 16)[0]):
        kind, size = struct.unpack_from("<II", data, at)
        yield kind, at
        at += size


def faults(path: Path) -> Iterator[str]:
    """Yields what is wrong with a program; prints what it needs."""
    data = path.read_bytes()
    if data[:2] == b"MZ":
        needs = sorted(set(dlls(data)))
        known = SYSTEM_DLLS | ({PYTHON_DLL} if path.suffix == ".pyd" else set())
        others = [name for name in needs if name not in known and not name.startswith(UCRT)]
        yield from (f"{path.name} needs {name}" for name in others)
    elif data[:4] == b"\xcf\xfa\xed\xfe":
        load, build = 0xC, 0x32
        needs = [text_at(data, at + struct.unpack_from("<I", data, at + 8)[0]) for k, at in commands(data) if k == load]
        oldest = [struct.unpack_from("<I", data, at + 12)[0] for kind, at in commands(data) if kind == build]
        yield from (f"{path.name} needs {name}" for name in needs if name != MACOS_LIBRARY)
        if oldest != [OLDEST_MACOS]:
            yield f"{path.name} is for macOS {[f'{v >> 16}.{v >> 8 & 255}' for v in oldest]}, not 11.0"
        needs += [f"macOS {v >> 16}.{v >> 8 & 255}" for v in oldest]
    else:
        yield f"{path.name} is no program for Windows or macOS"
        return
    print(f"{path.name} needs {', '.join(needs)}")


def main() -> None:
    found = [fault for name in sys.argv[1:] for fault in faults(Path(name))]
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
