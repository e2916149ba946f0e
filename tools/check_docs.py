#!/usr/bin/env python3
"""That the documents lead somewhere: every relative link to a file that is there, every stop of doc/tour.md to a
function in its file; and that each page is what its folder promises: listed in doc/README.md, explanations with their
head, experiments in the notebook."""

import pathlib
import re
import sys
from collections.abc import Iterator

import tree

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
CODE = re.compile(r"`([^`\n]+)`")


def check_links(path: pathlib.Path) -> Iterator[str]:
    for target in LINK.findall(path.read_text()):
        if "://" not in target and not (path.parent / target).exists():
            yield f"{path.relative_to(tree.ROOT)}: no file {target}"


def check_stops(path: pathlib.Path) -> Iterator[str]:
    """In the tour, a file is followed by functions of it, until the next file or paragraph."""
    files = (p for p in tree.files() if p.relative_to(tree.ROOT).parts[:4] not in tree.SYSTEM_HEADERS)
    sources = {p.name: p for p in files if p.suffix in (".c", ".h")}
    for paragraph in re.split(r"\n\s*\n", path.read_text()):
        text = ""
        for word in CODE.findall(paragraph):
            name = word.rsplit("/", 1)[-1]
            if word.endswith((".c", ".h")):
                if name not in sources or not sources[name].as_posix().endswith(word):
                    yield f"{path.name}: no file {word}"
                text = sources[name].read_text() if name in sources else ""
            elif text and re.fullmatch(r"[a-z_0-9]+", word) and not re.search(rf"\b{word}\(", text):
                yield f"{path.name}: {name} is not in the file named before it"


PATH = re.compile(r"(?:[\w.-]+/)+[\w.-]+\.(?:c|h|def|py|sh|md)")


def check_paths(path: pathlib.Path) -> Iterator[str]:
    """A file that a page names with its folder is there."""
    names = {p.relative_to(tree.ROOT).as_posix() for p in tree.files()}
    for word in sorted(set(CODE.findall(path.read_text()))):
        there = word in names or any(name.endswith("/" + word) for name in names)
        if PATH.fullmatch(word) and "NAME" not in word and not there:
            yield f"{path.relative_to(tree.ROOT)}: no file {word}"


HEAD = ("**What it is.**", "**Where.**", "**What always holds.**")
EXPERIMENTS = re.compile(r"^#+ .*\b([Tt]ried|[Mm]easured)\b", re.M)


def check_pages() -> Iterator[str]:
    """Pages of doc/internals explain; what was tried stands in doc/notebook. The index has all, but those of a folder
    that has an index of its own."""
    doc = tree.ROOT / "doc"
    for path in sorted(doc.rglob("*.md")):
        name = path.relative_to(doc).as_posix()
        folder = path.parent if path.name != "README.md" and (path.parent / "README.md").exists() else doc
        index = folder / "README.md"
        if path != index and f"({path.relative_to(folder).as_posix()})" not in index.read_text():
            yield f"doc/{name}: not in {index.relative_to(tree.ROOT)}"
        if path.parent.name == "internals":
            text = path.read_text()
            beginning = text.split("\n\n")[1:4]
            if not all(paragraph.startswith(head) for paragraph, head in zip(beginning, HEAD)):
                yield f"doc/{name}: does not begin with {', '.join(HEAD)}"
            for match in EXPERIMENTS.finditer(text):
                yield f"doc/{name}: {match.group()}: experiments belong in doc/notebook"
        if path.parent.name == "notebook" and not path.read_text().startswith("# Notebook: "):
            yield f"doc/{name}: does not begin with # Notebook:"


def main() -> int:
    pages = [p for p in tree.files() if p.suffix == ".md"]
    faults = [f for p in pages for f in check_links(p)]
    faults += check_stops(tree.ROOT / "doc/tour.md")
    faults += check_pages()
    faults += [f for p in pages if p.name != "NEWS.md" and "notebook" not in p.parts for f in check_paths(p)]
    print("\n".join(faults) if faults else f"docs: {len(pages)} pages, every link and stop is there")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
