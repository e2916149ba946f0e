"""doc/internals/cores.md, from what `make bench-cores` measured."""

import statistics
from dataclasses import replace

import figures
from cores_model import Costs, speed
from markdown import table

PAGE = figures.ROOT / "doc" / "internals" / "cores.md"
CHUNK = 512 << 10
CORES = (1, 2, 4, 8, 16, 32, 64, 96, 128)
MEMORIES = {"8 channels of DDR4-3200": 205e9, "12 channels of DDR5-4800": 460e9}  # both ways, by specification
LOCKS_OF_A_TASK, LOCKS_OF_A_CLAIM, LOCKS_OF_A_TURN = 6, 2, 2
RESULT = 0.2e-6  # an index entry
US = 1e6
PATHS = {  # label: name in bench_library, level of its archive, whether the bytes are digested in turn
    "decode": ("decode", 3, False),
    "encode -1": ("encode fast", 1, True),
    "encode -3": ("encode", 3, True),
    "encode -3, verified": ("encode verified", 3, True),
}


def median_of(results: figures.Results, group: str, **fields: object) -> float:
    """Seconds of a row of the group with these fields."""
    for row in results.rows:
        if row.get("group") == group and "seconds" in row and all(row.get(k) == v for k, v in fields.items()):
            return float(statistics.median(row["seconds"]))
    raise SystemExit(f"bench: cores.jsonl has no {group} {fields}: run make bench-cores")


def lock_costs(results: figures.Results) -> tuple[float, float]:
    """(one uncontended lock, one waking): empty tasks on one worker, and on more workers than processors."""
    alone = median_of(results, "turns", workers=1)
    crowd = [median_of(results, "turns", workers=n) for n in (4, 8, 16)]
    return alone / LOCKS_OF_A_TASK, max(statistics.median(crowd) - alone, 0.0) / 2


def costs_of(results: figures.Results, name: str, level: int, digested: bool) -> Costs:
    """Of a chunk on one thread in memory."""
    lock, wake = lock_costs(results)
    size = next(
        r["archive"] / r["original"] for r in results.rows if r.get("group") == "best" and r.get("level") == level
    )
    whole = results.find("best", name) or {}
    chunk = statistics.median(whole["seconds"]) * CHUNK / whole["bytes"]
    digest = median_of(results, "digest", name="XXH3-128") if digested else 0.0
    return Costs(
        work=chunk - digest,
        first=digest,
        second=RESULT if digested else 0.0,
        claim=lock * LOCKS_OF_A_CLAIM,
        turn=lock * LOCKS_OF_A_TURN if digested else 0.0,
        wake=wake if digested else 0.0,
        moved=CHUNK * (1 + size),
    )


def paths_of(results: figures.Results) -> dict[str, Costs]:
    found = {label: costs_of(results, *what) for label, what in PATHS.items()}
    apart = found["encode -3"]
    found["encode -3, digest taken apart"] = replace(apart, first=0.0, work=apart.work + apart.first)
    return found


def constant_rows(results: figures.Results, paths: dict[str, Costs]) -> list[list[str]]:
    lock, wake = lock_costs(results)
    rows = [
        ["a lock taken and released, alone", f"{lock * 1e9:.0f} ns"],
        ["a turn that a sleeper waits for: his waking", f"{wake * US:.1f} us"],
        ["the digest of a chunk, XXH3-128 in turn", f"{median_of(results, 'digest', name='XXH3-128') * US:.1f} us"],
    ]
    rows += [[f"{label}: a chunk on one core", f"{(c.work + c.first) * US:.0f} us"] for label, c in paths.items()]
    for n in thread_counts(results):
        for name in sorted({f"copy x{n}", "copy x1"}):
            speeds = results.speed(f"threads {n}", name)
            if speeds:
                rows.append([f"memory moved by `{name}`, reading and writing", f"{2 * speeds[1]:.1f} GB/s"])
    return rows


def thread_counts(results: figures.Results) -> list[int]:
    return sorted({int(r["group"].split()[1]) for r in results.rows if r.get("group", "").startswith("threads ")})


def model_rows(paths: dict[str, Costs]) -> list[list[str]]:
    rows = [[str(n), *(f"{speed(c, n, CHUNK) / 1e9:.1f}" for c in paths.values())] for n in CORES]
    for what, bandwidth in MEMORIES.items():
        roofs = [f"{CHUNK * bandwidth / c.moved / 1e9:.0f}" for c in paths.values()]
        rows.append([f"roof of {what} ({bandwidth / 1e9:.0f} GB/s)", *roofs])
    return rows


def check_rows(results: figures.Results, paths: dict[str, Costs]) -> list[list[str]]:
    """The model beside what threads of this machine did."""
    rows = []
    for n in thread_counts(results):
        for label, (name, _, _) in {"copy": ("copy", 0, False), **PATHS}.items():
            one, many = (results.speed(f"threads {n}", f"{name} x{k}") for k in (1, n))
            if one and many and label == "copy":
                rows.append([f"copy, {n} threads", f"{many[1]:.2f}", f"{many[1] / one[1]:.2f}", "-"])
            elif one and many:
                expected = speed(paths[label], n, CHUNK) / speed(paths[label], 1, CHUNK)
                rows.append([f"{label}, {n} threads", f"{many[1]:.2f}", f"{many[1] / one[1]:.2f}", f"{expected:.2f}"])
    return rows


def write_cores(results: figures.Results) -> None:
    m, paths = results.first("machine") or {}, paths_of(results)
    text = f"""# Many cores

**What it is.** What 1 to 128 cores would give, from what this machine's show. `make bench-cores` writes this page.

**Where.** The loop of all workers is `src/workers/each.c`; the model of it is `bench/cores_model.py`; its costs are
measured by `bench/bench_cores.c` and `bench/bench_library.c`.

**What always holds.** The same bytes come from any number of threads; a turn that is passed on wakes the worker whose
turn it is.

## The model

A worker claims a chunk under a lock, has its bytes digested in turn, codes it, and takes its turn to place the result
([engine.md](engine.md)). The model lets that many workers do so with the costs measured here: {m["machine"]},
{m["processors"]} processors, {m["date"]}; {m["mib"]} MiB of **synthetic** bf16 in memory.

{table(["a chunk of 512 KiB", ""], constant_rows(results, paths))}

The waking is measured with more workers than processors and no work at all, so that nearly every turn has a sleeper.

Speed in GB/s of the original, as if each core had caches and memory as one has here; the last rows are what the memory
of whole machines allows, by its specification, of what a chunk moves (its bytes once, its archive once):

{table(["cores", *paths], model_rows(paths))}

What holds up whom: decoding in memory has no turns and goes with the cores until memory is full. Encoding has one: the
digest of the whole original, which is a roof however many cores there are; "taken apart" is what a digest over the
chunks' own digests would give. Workers that wait sleep in seats by the number of their chunk, so that passing a turn on
wakes one of them.

The model beside the threads of this machine, whose memory limits copies, too:

{table(["", "GB/s", "of one thread", "the model"], check_rows(results, paths))}
"""
    print(text)
    PAGE.write_text(text)
