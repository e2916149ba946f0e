"""What zipnn promises of sizes, held against what was measured: `make bench-ratio` prints the offenders and fails.

- monotone: no level is larger than a faster one by more than 0.01 points of the original;
- order 0: no level is larger than a plain order-0 coder with its tables;
- never behind: no other coder of weights is smaller than level 6 on any file, or than level 3 on a dense model.

An entry is a row of ratio.jsonl: {"file", "kind", "group", "original", "plain", "methods": {name: {"archive": bytes}}}.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LEVELS = (1, 3, 6, 8, 9)
DEFAULT, SMALLER = "zipnn -3", "zipnn -6"
OURS = {level: f"zipnn -{level}" for level in LEVELS}
PEERS = ("zstd -19", "Python zipnn", "OpenZL", "lmzip", "z4ai", "blosc2", "bigsmall")
TYPE_PEERS = ("zstd -19", "OpenZL", "lmzip")  # on quantised types: the others code bytes there
POINTS = 0.01
DENSE_MODELS = ("minilm", "rxnmap", "gaussian")
DENSE_KINDS = ("fp32", "bf16", "fp16", "fp8", "Gaussian bf16")

Entry = dict[str, Any]


@dataclass(frozen=True)
class Offender:
    """A file on which one method is larger than another, by so many points of the original."""

    file: str
    kind: str
    method: str
    rival: str
    points: float


def size(entry: Entry, method: str) -> float | None:
    """Bytes; None where it was not measured."""
    found = entry["methods"].get(method)
    return float(found["archive"]) if found else None


def offender(entry: Entry, method: str, rival: str, other: float | None, allowed: float = 0.0) -> list[Offender]:
    """One, where the method's archive is larger than `other` bytes by more than the allowed points; else none."""
    ours = size(entry, method)
    if ours is None or other is None:
        return []
    points = 100 * (ours - other) / entry["original"]
    return [Offender(entry["file"], entry["kind"], method, rival, points)] if points > allowed else []


def not_monotone(entries: Sequence[Entry]) -> list[Offender]:
    """Each level beside the smallest of the faster ones."""
    found = []
    for entry in entries:
        for level in LEVELS[1:]:
            faster = [(archive, OURS[f]) for f in LEVELS if f < level and (archive := size(entry, OURS[f])) is not None]
            if faster:
                least, name = min(faster)
                found += offender(entry, OURS[level], name, least, POINTS)
    return found


def above_order0(entries: Sequence[Entry]) -> list[Offender]:
    return [o for e in entries for level in LEVELS for o in offender(e, OURS[level], "order 0", float(e["plain"]))]


def is_dense(entry: Entry) -> bool:
    return entry["file"] in DENSE_MODELS and entry["kind"] in DENSE_KINDS


def behind(entries: Sequence[Entry], peer: str, method: str) -> list[Offender]:
    """The files on which a peer is smaller than one of our levels."""
    return [o for e in entries for o in offender(e, method, peer, size(e, peer))]


def never_behind(entries: Sequence[Entry]) -> list[Offender]:
    dense = [e for e in entries if is_dense(e)]
    return [o for peer in PEERS for o in behind(dense, peer, DEFAULT) + behind(entries, peer, SMALLER)]


PROMISES = {
    f"no level is larger than a faster one by more than {POINTS} points": not_monotone,
    "no level is larger than a plain order-0 coder with its tables": above_order0,
    "no peer is smaller than level 6, nor than level 3 on a dense model": never_behind,
}
