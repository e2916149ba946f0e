"""What the project wants of itself: each path beside its peer. doc/benchmarks.md shows them with what was measured."""

from dataclasses import dataclass

MIB = 1 << 20
MEMORY_START, MEMORY_PER_THREAD = 64 * MIB, 8 * MIB
START_GOAL, SMALL_GOAL = 3e-3, 3e-6  # seconds


What = tuple[str, str]  # (group, name)


@dataclass
class Goal:
    label: str
    ours: What
    peer_label: str
    peers: list[What]  # the fastest counts
    at_least: float = 0.0  # ours / peer in speed; 0: reported only
    unless: tuple[What, float] | None = None  # a peer and a ratio: another way to meet the goal


def goal(
    label: str,
    ours: What,
    peer_label: str,
    peer: What | list[What],
    at_least: float = 0.0,
    unless: tuple[What, float] | None = None,
) -> Goal:
    return Goal(label, ours, peer_label, peer if isinstance(peer, list) else [peer], at_least, unless)


def pair(label: str, group: str, name: str, at_least: float) -> Goal:
    return goal(label, (group, name), "memcpy", (group, "memcpy"), at_least)


def threads(label: str, name: str, at_least: float = 1.8) -> Goal:
    return goal(
        label,
        ("threads 2", f"{name} x2"),
        "1 thread",
        ("threads 2", f"{name} x1"),
        at_least,
        (("threads 2", "copy x2"), 1.0),
    )


def command(label: str, group: str, name: str, at_least: float = 0.0) -> Goal:
    return goal(label, (group, name), "`cp` of the original", (group, "cp"), at_least)


# Sizes of `make bench-ratio`: (kind, level, at most this share of the Python zipnn's size)
SIZE_GOALS = [
    ("bf16", 1, 0.970),
    ("bf16", 3, 0.955),
    ("bf16", 9, 0.940),
    ("fp32", 3, 0.985),
    ("fp16", 3, 0.965),
    ("fp8", 3, 0.960),
    ("fp8", 9, 0.935),
    ("Adam v", 3, 0.93),
    ("Adam m", 3, 0.95),
    ("i8 stored", 3, 0.975),
]
# (kind, level, at most this per cent of the original)
PERCENT_GOALS = [
    ("GGUF Q8_0", 3, 95.2),
    ("GGUF Q4_0", 3, 92.9),
    ("Gaussian bf16", 3, 65.4 + 0.25),
    ("Gaussian bf16", 9, 65.4 + 0.1),
]

PYTHON = "the Python zipnn's C core"
ARCHIVE_HUGE, ARCHIVE_REUSED = "archive, fresh huge pages", "archive, reused"

GOALS = [
    pair("library, decode", "best", "decode", 1.1),
    goal("library, decode", ("best", "decode"), PYTHON, ("python zipnn", "decode core"), 6),
    pair("library, decode, one chunk in the cache", "chunk", "decode", 0.38),
    pair("library, encode, fast", "best", "encode fast", 0.5),
    pair("library, encode, fast, verified", "best", "encode fast verified", 0),
    pair("library, encode, default", "best", "encode", 0.3),
    pair("library, encode, default, verified", "best", "encode verified", 0),
    goal("library, encode, fast", ("best", "encode fast"), PYTHON, ("python zipnn", "encode core"), 5),
    goal("library, encode, default", ("best", "encode"), PYTHON, ("python zipnn", "encode core"), 3),
    pair("library, fp32, decode", "fp32", "decode", 1.0),
    pair("library, fp32, encode", "fp32", "encode", 0.4),
    pair("library, fp16, decode", "fp16", "decode", 0),
    pair("library, fp16, encode", "fp16", "encode", 0),
    threads("library, decode, 2 threads", "decode"),
    threads("library, encode, 2 threads", "encode"),
    threads("library, encode, fast, 2 threads", "encode fast"),
    goal("library, decode, 2 threads", ("threads 2", "decode x2"), "copy by 2 threads", ("threads 2", "copy x2")),
    pair("library, AVX2, decode", "avx2", "decode", 0.4),
    pair("library, AVX2, encode", "avx2", "encode", 0.2),
    pair("library, scalar, decode", "scalar", "decode", 0.1),
    command("`zipnn -d -T1`", "restore", "zipnn -d -T1", 0.9),
    command("`zipnn -d -T2`", "restore", "zipnn -d -T2", 1.4),
    command("`cat FILE.znn | zipnn -d -T2 > FILE`", "restore", "cat | zipnn -d", 0.65),
    command("`zipnn -T2`", "compress", "zipnn -3 -T2", 0.7),
    command("`zipnn -T2 --no-verify`", "compress", "zipnn -3 -T2 --no-verify", 1.1),
    goal(
        "load, cached, into fresh huge pages",
        ("load hot", ARCHIVE_HUGE),
        "mmap + memcpy into fresh pages",
        ("load hot", "mmap + memcpy, fresh pages"),
        2,
    ),
    goal(
        "load, cached, into a reused buffer",
        ("load hot", ARCHIVE_REUSED),
        "read of the original",
        ("load hot", "read, reused"),
        1.3,
    ),
    goal(
        "load, from storage",
        ("load cold", ARCHIVE_REUSED),
        "the best read of the original",
        [("load cold", name) for name in ("read, reused", "read O_DIRECT, reused", "mmap + memcpy, fresh huge pages")],
        1.4,
    ),
    goal("10 000 tensors of 4 KiB, in one read", ("tensors", "read whole"), "memcpy", ("tensors", "memcpy"), 0.5),
    goal(
        "10 000 tensors of 4 KiB, one by one", ("tensors", "read each"), "memcpy one by one", ("tensors", "copy each")
    ),
]
