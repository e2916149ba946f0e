"""Docstrings as Markdown: lines of names with aligned explanations become lists. An extension for mkdocstrings.

docs_blocks.py FOLDER    checks what was built: every public name of the package is there, and no link leads nowhere
"""

from __future__ import annotations

import ast
import html.parser
import pathlib
import re
import sys
import urllib.parse
from typing import Any

import griffe

# "name     what it is"; what follows is indented to the same column.
_ROW = re.compile(r"(?P<name>[A-Za-z_][\w., *-]*?)(?P<gap> {2,})(?P<text>\S.*)")


def rows_of(lines: list[str]) -> list[str] | None:
    """Returns a paragraph of such lines as a list; None if it is another paragraph."""
    listed: list[str] = []
    column = -1
    for line in lines:
        row = _ROW.fullmatch(line)
        if row and column in (-1, row.start("text")):
            column = row.start("text")
            listed.append(f"- `{row['name']}`: {row['text']}")
        elif listed and line.startswith(" " * column):
            listed[-1] += " " + line.strip()
        else:
            return None
    return listed


def markdown_of(text: str) -> str:
    """Returns a docstring with its tables as lists."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.strip("\n").split("\n")
        listed = rows_of(lines)
        if listed is None and len(lines) > 1:  # a sentence may stand right before the table
            for cut in range(1, len(lines)):
                listed = rows_of(lines[cut:])
                if listed is not None:
                    listed = ["\n".join(lines[:cut]), "", *listed]
                    break
        paragraphs.append("\n".join(listed or lines))
    return "\n\n".join(paragraphs)


class Blocks(griffe.Extension):
    """Changes every docstring before it is rendered."""

    def on_instance(self, *, obj: Any, **unused: Any) -> None:
        """Called for each module, class, function and attribute that was read."""
        if not getattr(obj, "is_alias", False) and obj.docstring:
            obj.docstring.value = markdown_of(obj.docstring.value)


# ---- what was built -------------------------------------------------------------------------------------------------

PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "python" / "zipnn"
MODULES = ["__init__", "safetensors/__init__", "safetensors/torch", "safetensors/numpy", "torch/__init__", "fsspec"]


class Page(html.parser.HTMLParser):
    """The links of a page, and what they may lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.anchors.add(given.get("id") or "")
        self.links += [url for url in (given.get("href"), given.get("src")) if url]


def broken_links(folder: pathlib.Path) -> list[str]:
    pages = {path: Page(path.read_text()) for path in folder.glob("*.html") if path.name != "404.html"}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            to, _, anchor = urllib.parse.unquote(link).partition("#")
            if "://" in link or link.startswith(("mailto:", "data:")):
                continue
            target = (path.parent / to.partition("?")[0]).resolve() if to else path
            if not target.exists() or (anchor and target in pages and anchor not in pages[target].anchors):
                broken.append(f"{path.name}: {link} leads nowhere")
    return broken


def public_names() -> list[str]:
    """The names in __all__ of the modules that people import, where they say that they are."""
    names = []
    for module in MODULES:
        tree = ast.parse((PACKAGE / f"{module}.py").read_text())
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names += ast.literal_eval(node.value)
    return sorted(set(names))


def main() -> int:
    folder = pathlib.Path(sys.argv[1]).resolve()
    anchors = {a.rpartition(".")[2] for path in folder.glob("*.html") for a in Page(path.read_text()).anchors}
    missing = [name for name in public_names() if name not in anchors]
    faults = [*broken_links(folder), *(f"{name} is not in the reference" for name in missing)]
    print("\n".join(faults) if faults else f"docs: {folder}/index.html has all {len(public_names())} public names")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
