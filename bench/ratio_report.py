"""The tables of `make bench-ratio`: files, families, totals. Percent of the original; smaller is better."""

import statistics

import goals
from markdown import replace_part, table

LEVELS = (1, 3, 6, 9)
ORDER = ("fp32", "bf16", "fp16", "fp8")
PARTS = ("Adam", "Gaussian")  # of files that count already, or of none: not in the totals
PYTHON = "Python zipnn"
OURS = {level: f"zipnn -{level}" for level in LEVELS}
SPEEDS = (
    "Speed, one thread, in memory, compress / restore; files of about 1 MB, not verified; levels above 3 in a single run:"
)
METHODS = ("zstd -3", "zstd -19", PYTHON, *OURS.values())


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


def kinds_and_all(entries):
    whole = [e for e in entries if not e["kind"].startswith(PARTS)]
    return kinds(entries) + [("all", whole)]


def family_mean(entries, value):
    """The mean over families of the mean of their files: no family counts twice for having many files."""
    return statistics.mean(statistics.mean(map(value, group)) for group in by(entries, "family").values())


def total_rows(entries, methods):
    rows = []
    for kind, group in kinds_and_all(entries):
        original = sum(e["original"] for e in group)
        sums = [sum(e["ideal"] for e in group)] + [sum(e["methods"][m]["archive"] for e in group) for m in methods]
        rows.append([f"{kind}, total", str(len(group)), f"{original / 1e6:.1f}", *(percent(s, original) for s in sums)])
        means = [family_mean(group, lambda e, m=m: share(e, m)) for m in [None, *methods]]
        rows.append([f"{kind}, mean of families", str(len(by(group, "family"))), "", *(f"{m:.2f}" for m in means)])
    return rows


def verdict(value, at_most):
    return "met" if value <= at_most else "**missed**"


def goal_rows(entries, methods):
    """Ratios of sizes file by file, the mean over families of the mean of their files; those of the sums beside."""
    rows, groups = [], dict(kinds(entries))
    for kind, level, at_most in goals.SIZE_GOALS if PYTHON in methods else ():
        group, ours = groups.get(kind), OURS[level]
        if not group:
            continue
        mean = family_mean(group, lambda e, m=ours: share(e, m) / share(e, PYTHON))
        total = sum(e["methods"][ours]["archive"] for e in group) / sum(e["methods"][PYTHON]["archive"] for e in group)
        label = f"{kind}, level {level}, of the Python zipnn's"
        rows.append([label, f"{mean:.4f}", f"{total:.4f}", f"{at_most:.3f}", verdict(mean, at_most)])
    for kind, level, at_most in goals.PERCENT_GOALS:
        group, ours = groups.get(kind), OURS[level]
        if not group:
            continue
        mean = family_mean(group, lambda e, m=ours: share(e, m))
        total = percent(sum(e["methods"][ours]["archive"] for e in group), sum(e["original"] for e in group))
        label = f"{kind}, level {level}, % of the original"
        rows.append([label, f"{mean:.2f}", total, f"{at_most:.2f}", verdict(mean, at_most)])
    return rows


def larger_rows(entries, methods):
    """Files that a level makes larger than a plainer way does."""
    rows = []
    for e in entries:
        rivals = {"order 0 + 0.1 %": e["ideal"] + e["original"] / 1000}
        if PYTHON in methods:
            rivals[PYTHON] = e["methods"][PYTHON]["archive"]
        for before, level in zip((None, *LEVELS), LEVELS):
            size = e["methods"][OURS[level]]["archive"]
            beside = dict(rivals, **({OURS[before]: e["methods"][OURS[before]]["archive"]} if before else {}))
            for rival, other in beside.items():
                if size > other:
                    more = f"+{100 * (size - other) / e['original']:.2f}"
                    rows.append([f"{e['file']}, {e['kind']}", OURS[level], rival, more])
    return rows


def speed_rows(entries, methods):
    rows = []
    for kind, group in kinds_and_all(entries):
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


def write_ratio(results, doc=True, with_speeds=True):
    entries = [r for r in results.rows if "file" in r]
    methods = methods_of(entries)
    totals = table(["", "n", "MB", "order 0", *methods], total_rows(entries, methods))
    families = table(["family", "files", "order 0", *methods], family_rows(entries, methods))
    files = table(["file", "original", "order 0", *methods], file_rows(entries, methods))
    speeds = table(["GB/s", *methods], speed_rows(entries, methods))
    reached = table(["size", "mean of families", "total", "goal", ""], goal_rows(entries, methods))
    larger = table(["file", "level", "larger than", "points"], larger_rows(entries, methods))
    speeds = f"{SPEEDS}\n\n{speeds}\n\n" if with_speeds else ""
    print(f"\n{files}\n\n{families}\n\n{larger}\n\n{totals}\n\n{speeds}{reached}")
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
bytes. The Python zipnn gets the whole file and its type. "Adam m" and "Adam v" are the moments of Adam that some files hold,
each as a file; "Gaussian bf16" is 8 MiB without any structure. None of these counts in "all".

{totals}

Against what the project wants of itself:

{reached}

Files that a level makes larger than a plainer way or a faster level does, in points of the original:

{larger}

{speeds}By family, mean of its files:

{families}""",
    )
