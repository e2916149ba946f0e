"""The table of `make bench-load`: a model into torch tensors."""

import statistics

import figures
from markdown import replace_part, table

SOURCES = ("page cache", "storage", "0.5 GB/s", "2 GB/s")


def rows_of(results: figures.Results) -> list[list[str]]:
    """Seconds, GB/s of the original, safetensors' time over this one's, and the peak of memory above the model."""
    rows = []
    for source in SOURCES:
        for package in ("safetensors", "zipnn"):
            row = results.find(source, package)
            if not row:
                continue
            low, middle, high = figures.quartiles(row["seconds"])
            ratio = results.ratio((source, package), (source, "safetensors"))
            extra = statistics.median(row["memory"]) - row["bytes"]
            rows.append(
                [
                    f"{source}, {package}",
                    f"{middle:.3f} ({low:.3f} - {high:.3f})",
                    f"{row['bytes'] / middle / 1e9:.2f}",
                    f"{ratio[1]:.2f}" if ratio else "-",
                    f"{extra / (1 << 20):.0f} MiB",
                ]
            )
    return rows


def write_load(results: figures.Results) -> None:
    model = results.first("model") or {}
    head = ["load", "seconds (quartiles)", "GB/s", "against safetensors", "memory above the model"]
    share = f"{100 * model['archive'] / model['model']:.1f} %"
    text = f"""## Loading into torch

`make bench-load`: {model["model"] >> 20} MiB of **synthetic** bf16 (Gaussian), archive {share}, {model["date"]};
medians of {model["rounds"]} loads that take turns, each a process of its own on all processors. Every byte of the
tensors is read once. "storage": the page cache has let go of the file; the sources of 0.5 and 2 GB/s are pipes held to
that speed in bytes of the file that goes through them.

{table(head, rows_of(results))}
"""
    print(f"\n{text}")
    replace_part("load", text)
