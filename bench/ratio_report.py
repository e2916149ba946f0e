"""The tables of `make bench-ratio`: files, families, totals. Percent of the original; smaller is better."""

import statistics

from markdown import replace_part, table

ORDER = ("fp32", "bf16", "fp16", "fp8")
METHODS = ("zstd -3", "zstd -19", "Python zipnn", "zipnn -1", "zipnn -3", "zipnn -9")


def percent(part, whole):
    return f"{100 * part / whole:.2f}"


def methods_of(entries):
    return [m for m in METHODS if all(m in e["methods"] for e in entries)]


def by(entries, key):
    groups = {}
    for e in entries:
        groups.setdefault(e[key], []).append(e)
    return groups


def share(entry, method):
    """Percent of the original; the method None is the ideal of order 0."""
    return 100 * (entry["methods"][method]["archive"] if method else entry["ideal"]) / entry["original"]


def kinds(entries):
    found = by(entries, "kind")
    return sorted(found.items(), key=lambda item: (ORDER.index(item[0]) if item[0] in ORDER else len(ORDER), item[0]))


def family_mean(entries, method):
    """The mean over families of the mean of their files: no family counts twice for having many files."""
    return statistics.mean(statistics.mean(share(e, method) for e in group) for group in by(entries, "family").values())


def total_rows(entries, methods):
    rows = []
    for kind, group in kinds(entries) + [("all", entries)]:
        original = sum(e["original"] for e in group)
        sums = [sum(e["ideal"] for e in group)] + [sum(e["methods"][m]["archive"] for e in group) for m in methods]
        rows.append([f"{kind}, total", str(len(group)), f"{original / 1e6:.1f}", *(percent(s, original) for s in sums)])
        means = [family_mean(group, m) for m in [None, *methods]]
        rows.append([f"{kind}, mean of families", str(len(by(group, "family"))), "", *(f"{m:.2f}" for m in means)])
    return rows


def speed_rows(entries, methods):
    rows = []
    for kind, group in kinds(entries) + [("all", entries)]:
        original = sum(e["original"] for e in group)
        row = [kind]
        for m in methods:
            seconds = [sum(e["methods"][m][way] for e in group) for way in ("encode", "decode")]
            row.append(" / ".join(f"{original / s / 1e9:.2f}" for s in seconds))
        rows.append(row)
    return rows


def family_rows(entries, methods):
    rows = []
    for kind, group in kinds(entries):
        for family, files in sorted(by(group, "family").items()):
            means = [statistics.mean(share(e, m) for e in files) for m in [None, *methods]]
            rows.append([f"{family}, {kind}", str(len(files)), *(f"{m:.2f}" for m in means)])
    return rows


def file_rows(entries, methods):
    return [
        [f"{e['file']}, {e['kind']}", str(e["original"]), str(e["ideal"]), *(f"{share(e, m):.2f}" for m in methods)]
        for _, group in kinds(entries)
        for e in group
    ]


def write_ratio(results, doc=True):
    entries = [r for r in results.rows if "file" in r]
    methods = methods_of(entries)
    totals = table(["", "n", "MB", "order 0", *methods], total_rows(entries, methods))
    families = table(["family", "files", "order 0", *methods], family_rows(entries, methods))
    files = table(["file", "original", "order 0", *methods], file_rows(entries, methods))
    speeds = table(["GB/s", *methods], speed_rows(entries, methods))
    print(f"\n{files}\n\n{families}\n\n{totals}\n\n{speeds}")
    if not doc:
        return
    first = results.first("data")
    what = (
        "Trained weights of small public models"
        if first["data"] == "real"
        else "**Synthetic** families, since no folder " "of trained weights was there"
    )
    replace_part(
        "ratio",
        f"""## Size

{what}; {first['date']}. Percent of the original. A float32 file also counts as bf16, fp16 and fp8 (E4M3, one scale for
each matrix), cast by the benchmark; "stored" means a type the file had from the start. "order 0" is what an ideal coder
of each file's exponents alone would leave, the rest of each number raw; for what is no float, an ideal coder of its
bytes. The Python zipnn gets the whole file and its type.

{totals}

Speed, one thread, in memory, compress / restore; files of about 1 MB, not verified:

{speeds}

By family, mean of its files:

{families}""",
    )
