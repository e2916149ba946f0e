#!/usr/bin/env python3
"""That what was added stands in all its places (doc/adding.md): each command, reader and instruction set."""

import re
import sys
from collections.abc import Iterator

import tree


def text(name: str) -> str:
    return (tree.ROOT / name).read_text()


def missing(what: str, names: list[str], places: dict[str, str]) -> Iterator[str]:
    """`places`: file -> pattern, in which NAME stands for the name."""
    if not names:
        yield f"no {what} was found: tools/check_places.py does not know where they are"
    for file, pattern in places.items():
        content = text(file)
        for name in names:
            if not re.search(pattern.replace("NAME", re.escape(name)), content, re.I | re.M):
                yield f"the {what} {name} is missing in {file}: see doc/adding.md"


def check_commands() -> Iterator[str]:
    names = re.findall(r'^COMMAND\(\w+, "(\w+)"', text("cli/line/commands.def"), re.M)
    tested = [name for name in names if name not in ("help", "chain")]  # chain: its verbs are tested one by one
    yield from missing("command", tested, {"tests/cli/options.sh": r"\[NAME\]="})
    verbs = re.findall(r'^VERB\(\w+, "(\w+)"', text("cli/line/verbs.def"), re.M)
    yield from missing("verb", verbs, {"tests/cli/options.sh": r'="chain run NAME '})


def check_readers() -> Iterator[str]:
    table = text("src/readers/readers.c")
    names = re.findall(r'^    \{"(\w+)", (?:ZN_|8 \+|zn_)', table, re.M)
    shown = {"pickle": "pickles", "torch": "PyTorch"}  # as people call them
    for name in names:
        yield from missing("reader", [name], {"include/zipnn/zipnn.h": r'"NAME"'})
        yield from missing("reader", [shown.get(name, name)], {"README.md": "NAME", "doc/internals/readers.md": "NAME"})
    makers = "".join(text(f"tests/reference/{name}.py") for name in ("model_files", "odd_files", "make_seeds"))
    for name in names:
        if name != "safetensors" and not re.search(rf"{name}|{shown.get(name, name)}", makers, re.I):
            yield f"the reader {name} has no file in tests/reference: see doc/adding.md"


def check_sets() -> Iterator[str]:
    declared = re.findall(r"extern const struct zn_kernels zn_kernels_(\w+);", text("src/kernels/sets.h"))
    declared.remove("simd128")  # of WebAssembly: nobody asks for it by name
    places = {
        "include/zipnn/zipnn.h": r"ZIPNN_CPU_NAME\b",
        "cli/line/args.c": r'"NAME"',
        "cli/line/options.def": r"\bNAME\b",
        "tests/unit/test_api.c": r'"NAME"',
    }
    yield from missing("instruction set", [*declared, "scalar"], places)


def main() -> int:
    faults = [*check_commands(), *check_readers(), *check_sets()]
    print("\n".join(faults) if faults else "places: every command, reader and instruction set stands in all of them")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
