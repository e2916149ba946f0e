#!/usr/bin/env python3
"""Who may include whom (CONVENTIONS.md, rule 1), and that file names are unique across the tree."""

import collections
import re
import sys

import tree

# Room -> rooms whose headers it may include, besides its own and the public header.
ROOMS = {
    "base": set(),
    "kernels": {"base"},
    "format": {"base"},
    "plan": {"base"},
    "io": {"base"},
    "codec": {"base", "kernels", "format"},
    "readers": {"base", "plan"},
    "legacy": {"base"},
    "chunk": {"base", "kernels", "codec", "format", "plan"},
    "work": {"base", "kernels", "codec", "format", "plan", "chunk"},
    "archive": {"base", "kernels", "codec", "format", "plan", "chunk", "work"},
    "jobs": {"base", "kernels", "codec", "format", "plan", "chunk", "work", "archive"},
    "api": {"base", "kernels", "codec", "format", "plan", "chunk", "work", "archive", "jobs", "readers", "legacy", "io"},
}

# Rooms with rooms in them: a file stands in the room itself or in one of these. Of `kernels`, the room itself has what
# the others share: the table of loops and the choice of a set.
SUB_ROOMS = {
    "kernels": {"words", "r16", "joint", "delta", "hash"},
}

# Kernels answer bool at most: no status, no allocation.
NOT_IN_KERNELS = {"zipnn/zipnn.h", "base/err.h", "base/mem.h"}

# System and foreign headers that belong to some rooms only.
FOREIGN = {
    "zstd.h": {"codec", "legacy"},
    "jansson.h": {"readers"},
    "xxhash.h": {"base", "kernels"},
    "openssl/": {"base"},
    "pthread.h": {"work", "io"},
    "threads.h": {"work"},
    "stdatomic.h": {"work", "io"},
    "errno.h": {"io"},
    "unistd.h": {"base", "io", "work"},
    "fcntl.h": {"io"},
    "sys/mman.h": {"base", "io"},
    "sys/": {"io"},
    "locale.h": set(),
    "signal.h": {"io"},  # for the numbers: see SIGNAL_CALL
}

# Names that each directory may have, and folders of data, whose names repeat where the content belongs together.
COMMON_NAMES = {"CMakeLists.txt", "README.md", "__init__.py", ".gitignore", ".gitattributes"}
DATA = ("tests/golden/", "tests/fuzz/corpus/")

# What a program does with signals is its own: the library changes no handler and no mask, and sends none.
SIGNAL_CALL = re.compile(r"\b(sig[a-z]+|signal|bsd_signal|raise|kill|killpg|pthread_sig\w+|pthread_kill)\s*\(")

# What only one room may name. The lengths of a chunk's head and of a plane's: whoever needs them would write or read a
# body by itself, which is format/body.c's work.
ONLY_IN = {"format": re.compile(r"\b(ZN_CHUNK_LEN|ZN_PLANE_LEN)\b")}

# Threads live in these rooms, whichever header brings their types along.
THREAD_ROOMS = {"work", "io"}
THREAD_CALL = re.compile(r"\b(pthread_\w+|atomic_\w+|thrd_\w+|mtx_\w+|cnd_\w+)\b")

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)


def check_room_include(room, kind, target):
    """The reason why a file of `room` may not include `target`, or None."""
    if kind == "<":
        for prefix, rooms in FOREIGN.items():
            if target == prefix or (prefix.endswith("/") and target.startswith(prefix)):
                return None if room in rooms else f"<{target}> belongs to {sorted(rooms) or 'no room'}"
        return None
    if room == "kernels" and target in NOT_IN_KERNELS:
        return f"kernels know no status and no allocator: {target}"
    if target == "zipnn/zipnn.h":
        return None
    other = target.split("/")[0]
    if "/" not in target or other not in ROOMS:
        return f'"{target}" does not name a room'
    if other != room and other not in ROOMS[room]:
        return f"{room} may not include {other}: {target}"
    return None


def is_in_room(parts):
    """Whether a file of src, given by the parts of its path, stands in a room or in a room's room."""
    return len(parts) >= 3 and parts[1] in ROOMS and (
        len(parts) == 3 or (len(parts) == 4 and parts[2] in SUB_ROOMS.get(parts[1], ()))
    )


def check_file(path):
    parts = path.relative_to(tree.ROOT).parts
    for kind, target in INCLUDE.findall(path.read_text()):
        if parts[0] == "src":
            reason = check_room_include(parts[1], kind, target)
        elif parts[0] in ("cli", "examples", "python") and kind == '"':
            local = (path.parent / target).is_file() or (tree.ROOT / parts[0] / target).is_file()
            reason = None if local or target == "zipnn/zipnn.h" else f"{parts[0]} uses the public header only: {target}"
        else:
            reason = None
        if reason:
            yield f"{path.relative_to(tree.ROOT)}: {reason}"
    for room, words in ONLY_IN.items() if parts[0] == "src" else ():
        for word in sorted(set(words.findall(path.read_text()))) if parts[1] != room else ():
            yield f"{path.relative_to(tree.ROOT)}: only {room} may name {word}"
    if parts[0] == "src" and "signal.h" in path.read_text():
        for call in SIGNAL_CALL.finditer(path.read_text()):
            yield f"{path.relative_to(tree.ROOT)}: the library leaves signals alone: {call.group(1)}"
    if parts[0] == "src" and parts[1] not in THREAD_ROOMS:
        for call in sorted(set(THREAD_CALL.findall(path.read_text()))):
            yield f"{path.relative_to(tree.ROOT)}: threads live in {sorted(THREAD_ROOMS)}: {call}"


def main():
    files = list(tree.files())
    faults = []
    for path in files:
        parts = path.relative_to(tree.ROOT).parts
        if path.suffix in (".c", ".h"):
            if parts[0] == "src" and not is_in_room(parts):
                faults.append(f"{'/'.join(parts)}: not in a room")
            else:
                faults.extend(check_file(path))
    sources = [p for p in files if not p.relative_to(tree.ROOT).as_posix().startswith(DATA)]
    names = collections.Counter(p.name for p in sources if p.name not in COMMON_NAMES)
    faults.extend(f"{name}: {n} files have this name" for name, n in names.items() if n > 1)
    print("\n".join(faults) if faults else f"layers: {len(files)} files, includes point down only")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
