#!/usr/bin/env python3
"""Who may include whom, which files of a room need each other, and that file names are unique (CONVENTIONS.md, rule
1)."""

import collections
import pathlib
import re
import sys
from collections.abc import Iterator

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
    "delta": {"base", "kernels", "codec", "format", "plan", "chunk"},
    "minimal": {"base", "kernels", "codec", "format", "chunk", "delta"},
    "workers": {"base", "kernels", "codec", "format", "plan", "chunk", "delta"},
    "archive": {"base", "kernels", "codec", "format", "plan", "chunk", "delta", "workers", "legacy"},
    "jobs": {"base", "kernels", "codec", "format", "plan", "chunk", "delta", "workers", "archive"},
    "gpu": {"base", "kernels", "codec", "format", "plan", "chunk", "delta", "workers", "archive", "io"},
    "sync": {"base", "kernels", "codec", "format", "plan", "chunk", "delta", "workers"},
    "api": {
        "base", "kernels", "codec", "format", "plan", "chunk", "delta", "workers", "archive", "jobs", "readers",
        "legacy", "io", "gpu", "sync",
    },
}

# Rooms with rooms in them: a file stands in the room itself or in one of these. Of `kernels`, the room itself has what
# the others share: the table of loops and the choice of a set.
SUB_ROOMS = {
    "kernels": {"words", "r16", "r32", "joint", "delta", "hash", "products", "values"},
    "io": {"windows"},
}

# The same for the program: main.c and program.c, above its rooms, may include all of them.
CLI_TOP = {("cli", "main.c"), ("cli", "program.c"), ("cli", "program_windows.c")}
CLI_ROOMS = {
    "line": set(),
    "shared": {"line"},
    "commands": {"line", "shared"},
}

# Kernels answer bool at most: no status, no allocation.
NOT_IN_KERNELS = {"zipnn/zipnn.h", "zipnn/file.h", "base/err.h", "base/mem.h"}

# System and foreign headers that belong to some rooms only.
FOREIGN = {
    "zstd.h": {"codec", "legacy", "minimal"},
    "jansson.h": {"readers"},
    "xxhash.h": {"base", "kernels"},
    "pthread.h": {"workers", "io"},
    "threads.h": {"workers"},
    "stdatomic.h": {"workers", "io"},
    "errno.h": {"io"},
    "unistd.h": {"base", "io", "workers"},
    "fcntl.h": {"io"},
    "sys/mman.h": {"base", "io"},
    "sys/": {"io"},
    "locale.h": set(),
    "signal.h": {"io"},  # for the numbers: see SIGNAL_CALL
}


# Calls from one file of a room back to one that needs it, and why it must be so. Any other circle is a fault.
CALLS_BACK = {
    ("src/archive/references.c", "src/archive/frames.c"): "a base may be an archive, whose frames refer to others",
    ("src/chunk/wrapped_encode.c", "src/chunk/ways.c"): "a chunk made of a chunk: the inner one takes any way",
    ("src/chunk/rewritten_encode.c", "src/chunk/ways.c"): "a chunk made of a chunk: what was rewritten takes any way",
    ("src/chunk/scaled_encode.c", "src/chunk/ways.c"): "a chunk made of chunks: the inner ones take any way",
    ("src/chunk/keyed_encode.c", "src/chunk/ways.c"): "a chunk made of a chunk: the rest takes any way",
    ("src/codec/r16_read.c", "src/codec/codecs.c"): "streams nest: ids and escapes of R16 are streams",
    ("src/codec/r16_write.c", "src/codec/stream.c"): "the same when writing",
    ("src/codec/r16_merge.c", "src/codec/r16_fit.c"): "merging fits each set of clusters that it tries",
    ("src/codec/r16_model.c", "src/codec/r16_fit.c"): "a fit for one table chooses classes as all fits do",
    ("src/legacy/record_zstd.c", "src/legacy/record.c"): "a stream of zstd holds what a record holds",
    ("src/readers/pickle_calls.c", "src/readers/pickle.c"): "what a call builds is a value of the pickle",
    ("src/readers/zip_members.c", "src/readers/readers.c"): "a member of a zip is a file of any format",
    ("src/readers/tar.c", "src/readers/readers.c"): "a member of a tar is a file of any format",
    ("src/io/files_read.c", "src/io/files_commit.c"): "a file that could not be opened is closed as any other",
    ("src/api/archive_values.c", "src/api/archive.c"): "values are read by the public call, as a program reads them",
    ("src/api/archive_values.c", "src/api/archive_list.c"): "a tensor's values are found by its row in the list",
}

# Names that each directory may have, and folders whose names repeat where the content belongs together: data, and the
# notebook, whose pages are called as those they belong to.
COMMON_NAMES = {"CMakeLists.txt", "README.md", "pyproject.toml", "__init__.py", ".gitignore", ".gitattributes"}
DATA = ("tests/golden/", "tests/fuzz/corpus/", "doc/notebook/")

# What a program does with signals is its own: the library changes no handler and no mask, and sends none.
SIGNAL_CALL = re.compile(r"\b(sig[a-z]+|signal|bsd_signal|raise|kill|killpg|pthread_sig\w+|pthread_kill)\s*\(")

# What only one room may name. The lengths of a chunk's head and of a plane's: whoever needs them would write or read a
# body by itself, which is format/body.c's work.
ONLY_IN = {"format": re.compile(r"\b(ZN_CHUNK_LEN|ZN_PLANE_LEN)\b")}

# Threads live in these rooms, whichever header brings their types along.
THREAD_ROOMS = {"workers", "io"}
THREAD_CALL = re.compile(r"\b(pthread_\w+|atomic_\w+|thrd_\w+|mtx_\w+|cnd_\w+)\b")

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)

# The definition of a function that other files may call, as the formatter writes it.
DEFINITION = re.compile(r"^(?!static\b|typedef\b)[a-z_][^;{}()#=]*?\b(\w+)\([^;{}]*\)\s*\{", re.M)
Calls = dict[str, set[str]]  # file -> files

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def is_in_room(parts: tuple[str, ...]) -> bool:
    """Whether a file of src, given by the parts of its path, stands in a room or in a room's room."""
    if parts[:4] in tree.SYSTEM_HEADERS:
        return True
    return len(parts) >= 3 and parts[1] in ROOMS and (
        len(parts) == 3 or (len(parts) == 4 and parts[2] in SUB_ROOMS.get(parts[1], ()))
    )


def check_room_include(room: str, kind: str, target: str) -> str | None:
    """The reason why a file of `room` may not include `target`, or None."""
    if kind == "<":
        for prefix, rooms in FOREIGN.items():
            if target == prefix or (prefix.endswith("/") and target.startswith(prefix)):
                return None if room in rooms else f"<{target}> belongs to {sorted(rooms) or 'no room'}"
        return None
    if room == "kernels" and target in NOT_IN_KERNELS:
        return f"kernels know no status and no allocator: {target}"
    if target.startswith("zipnn/"):
        return None
    other = target.split("/")[0]
    if "/" not in target or other not in ROOMS:
        return f'"{target}" does not name a room'
    if other != room and other not in ROOMS[room]:
        return f"{room} may not include {other}: {target}"
    return None


def check_cli_include(parts: tuple[str, ...], target: str) -> str | None:
    """The same for a file of the program."""
    if target.startswith("zipnn/"):
        return None
    other = target.split("/")[0]
    if other not in CLI_ROOMS:
        return f"the program uses the public header and its own rooms only: {target}"
    if len(parts) == 3 and other != parts[1] and other not in CLI_ROOMS[parts[1]]:
        return f"{parts[1]} may not include {other}: {target}"
    return None


def check_local_include(path: pathlib.Path, kind: str, target: str) -> str | None:
    """The same for the examples, the Python extension and the programs beside the command, whose files stand in one
    folder."""
    local = (path.parent / target).is_file() or target == "shared/command.h"  # the command in the Python package
    return None if kind == "<" or local or target.startswith("zipnn/") else f"the public header only: {target}"


def check_file(path: pathlib.Path) -> Iterator[str]:
    parts = path.relative_to(tree.ROOT).parts
    name = "/".join(parts)
    if parts[0] == "src" and not is_in_room(parts):
        yield f"{name}: not in a room"
        return
    if parts[0] == "cli" and parts not in CLI_TOP and (len(parts) != 3 or parts[1] not in CLI_ROOMS):
        yield f"{name}: not in a room"
        return
    text = path.read_text()
    for kind, target in INCLUDE.findall(text):
        reason = None
        if parts[0] == "src":
            reason = check_room_include(parts[1], kind, target)
        elif parts[0] == "cli" and kind == '"':
            reason = check_cli_include(parts, target)
        elif parts[0] in ("examples", "fetch", "mount", "python"):
            reason = check_local_include(path, kind, target)
        if reason:
            yield f"{name}: {reason}"
    for room, words in ONLY_IN.items() if parts[0] == "src" else ():
        for word in sorted(set(words.findall(text))) if parts[1] != room else ():
            yield f"{name}: only {room} may name {word}"
    if parts[0] == "src" and "signal.h" in text and tuple(parts[:4]) not in tree.SYSTEM_HEADERS:
        for call in SIGNAL_CALL.finditer(text):
            yield f"{name}: the library leaves signals alone: {call.group(1)}"
    if parts[0] == "src" and parts[1] not in THREAD_ROOMS:
        for call in sorted(set(THREAD_CALL.findall(text))):
            yield f"{name}: threads live in {sorted(THREAD_ROOMS)}: {call}"


def calls_inside_rooms(files: list[pathlib.Path]) -> Calls:
    """File -> files of its room that it calls: {"src/chunk/wrapped.c": {"src/chunk/chunk_decode.c"}}."""
    texts = {p.relative_to(tree.ROOT): COMMENT.sub(" ", p.read_text()) for p in files if p.suffix == ".c"}
    texts = {p: text for p, text in texts.items() if p.parts[0] in ("src", "cli")}
    owner = {name: p for p, text in texts.items() for name in DEFINITION.findall(text)}
    calls: Calls = collections.defaultdict(set)
    for path, text in texts.items():
        for name in set(re.findall(r"\b\w+\b", text)):
            other = owner.get(name, path)
            if other != path and other.parts[:2] == path.parts[:2]:
                calls[path.as_posix()].add(other.as_posix())
    return calls


def reachable(calls: Calls, start: str) -> set[str]:
    """What a file calls, directly or over others."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        for other in calls.get(todo.pop(), ()):
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen


def check_circles(files: list[pathlib.Path]) -> Iterator[str]:
    calls = calls_inside_rooms(files)
    for back in CALLS_BACK:
        if back[1] not in calls.get(back[0], ()):
            yield f"{back[0]} does not call {back[1]} any more: take the pair out of CALLS_BACK"
        calls[back[0]].discard(back[1])
    for path in sorted(calls):
        circle = sorted(other for other in reachable(calls, path) if path in reachable(calls, other))
        if path in circle and path == circle[0]:
            yield f"files that call each other: {', '.join(circle)}"


def main() -> int:
    files = list(tree.files())
    faults = [fault for path in files if path.suffix in (".c", ".h") for fault in check_file(path)]
    sources = [p for p in files if not p.relative_to(tree.ROOT).as_posix().startswith(DATA)]
    sources = [p for p in sources if p.relative_to(tree.ROOT).parts[:4] not in tree.SYSTEM_HEADERS]
    names = collections.Counter(p.name for p in sources if p.name not in COMMON_NAMES)
    faults.extend(f"{name}: {n} files have this name" for name, n in names.items() if n > 1)
    faults.extend(check_circles(files))
    held = f"layers: {len(files)} files, includes point down only; {len(CALLS_BACK)} calls back, each with a reason"
    print("\n".join(faults) if faults else held)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
