#!/usr/bin/env python3
"""bench_ratio.py [OPTION]...: what each method makes of real weights, `make bench-ratio`.

The files are those of corpus.py, the other coders those of peers.py. One JSON object per file in
build/bench/ratio.jsonl, tables in doc/benchmarks.md. Ends with status 1 where a promise of promises.py does not hold.

A size is measured once: build/bench/ratio-sizes.jsonl keeps it with the digests of the file and of the program, so
that a run which was stopped goes on, and a new build measures only itself again. Needs numpy.
"""

import argparse
import hashlib
import json
import pathlib
import select
import subprocess
import sys
import tempfile
import time
from typing import Any

import corpus
import figures
import promises
import ratio_report

BENCH_FILES = figures.BUILD / "bench" / "bench_files"
PEER_LIMIT_S = 1800


class Sizes:
    """What was measured before: {"key": [digest of the file, method, version], ...} a line."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path, self.rows = path, dict[tuple[str, ...], dict[str, Any]]()
        for line in path.read_text().splitlines() if path.exists() else ():
            row = json.loads(line)
            self.rows[tuple(row["key"])] = row

    def find(self, *key: str) -> dict[str, Any] | None:
        return self.rows.get(key)

    def add(self, row: dict[str, Any], *key: str) -> dict[str, Any]:
        self.rows[key] = {"key": list(key), **row}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.rows[key]) + "\n")
        return self.rows[key]


def digest(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def our_sizes(sizes: Sizes, program: str, entry: corpus.Entry, key: str) -> None:
    """Every level on one file, restored and compared by bench_files."""
    missing = [level for level in promises.LEVELS if not sizes.find(key, promises.OURS[level], program)]
    if missing:
        command = [str(BENCH_FILES), "1", "".join(map(str, missing)), str(entry.path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"bench: {entry.path.name}: {done.stderr.strip()}")
        for row in map(json.loads, done.stdout.splitlines()):
            sizes.add({"archive": row["archive"]}, key, promises.OURS[row["level"]], program)
    for method in promises.OURS.values():
        row = sizes.find(key, method, program)
        if row:
            entry.methods[method] = {"archive": row["archive"]}


class Peer:
    """A process of peers.py, started when it is first asked and again after it died."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> subprocess.Popen[str]:
        home = figures.BUILD / "peers-home"
        home.mkdir(exist_ok=True)
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "XDG_CACHE_HOME": str(home)}
        command = [sys.executable, "-B", str(pathlib.Path(__file__).with_name("peers.py")), self.name]
        log = (figures.BUILD / "peers.log").open("a")
        with log:
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
            )

    def ask(self, entry: corpus.Entry) -> dict[str, Any]:
        """{"archive": bytes} or {"refused": why}."""
        self.process = self.process or self.start()
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps([str(entry.path.resolve()), entry.kind]) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], PEER_LIMIT_S)
        line = self.process.stdout.readline() if ready else ""
        if line:
            found: dict[str, Any] = json.loads(line)
            return found
        self.process.kill()
        status, self.process = self.process.wait(), None
        return {"refused": f"it ended with status {status}" if ready else f"it took more than {PEER_LIMIT_S} s"}


def peer_sizes(sizes: Sizes, peers: dict[str, Peer], versions: dict[str, str], entry: corpus.Entry, key: str) -> None:
    for name, peer in peers.items():
        if entry.group == corpus.TYPES and name not in promises.TYPE_PEERS:
            continue
        row = sizes.find(key, name, versions[name])
        if row is None:
            row = peer.ask(entry)
            if "archive" in row:
                sizes.add(row, key, name, versions[name])
        if "archive" in row:
            entry.methods[name] = {"archive": row["archive"]}
        else:
            print(f"left out: {name}: {entry.file}, {entry.kind}: {row['refused']}", flush=True)


def installed(peer_names: list[str]) -> dict[str, str]:
    """The versions of the peers; what is not there is said once."""
    import peers

    found = {}
    for peer in peer_names:
        version = peers.version(peer)
        if version:
            found[peer] = version
        else:
            print(f"skipped: {peer}: not installed (build/bench-install.log)", flush=True)
    return found


def measure(entries: list[corpus.Entry], peer_names: list[str]) -> dict[str, str]:
    sizes = Sizes(figures.BUILD / "ratio-sizes.jsonl")
    versions, program = installed(peer_names), digest(BENCH_FILES)
    others = {name: Peer(name) for name in versions}
    start = time.monotonic()
    for i, entry in enumerate(entries):
        key = digest(entry.path)
        our_sizes(sizes, program, entry, key)
        peer_sizes(sizes, others, versions, entry, key)
        print(f"{i + 1}/{len(entries)} {time.monotonic() - start:.0f} s: {entry.file}, {entry.kind}", flush=True)
    return versions


def collect(args: argparse.Namespace, folder: pathlib.Path) -> tuple[list[corpus.Entry], str]:
    files = corpus.Corpus(folder)
    data = corpus.add_small(files, args.weights.resolve())
    if not args.small:
        corpus.add_pypi(files)
        corpus.add_types(files)
    return files.entries[: args.limit], data


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=pathlib.Path, default=figures.ROOT.parent / "shared" / "data" / "weights")
    parser.add_argument("--small", action="store_true", help="only the small files: no models from PyPI, no types")
    parser.add_argument("--peers", default=None, help="some of them, with commas; '' for none")
    parser.add_argument("--limit", type=int, default=None, help="only the first N files, to try things")
    parser.add_argument("--no-doc", action="store_true", help="leave doc/benchmarks.md as it is")
    args = parser.parse_args()
    import peers

    names = list(peers.PEERS) if args.peers is None else [name for name in args.peers.split(",") if name]
    figures.BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ratio-", dir=figures.BUILD) as folder:
        entries, data = collect(args, pathlib.Path(folder))
        print(f"{len(entries)} files, {sum(e.original for e in entries) / 1e6:.0f} MB", flush=True)
        versions = measure(entries, names)
    results = figures.Results(figures.BUILD / "ratio.jsonl")
    date, commit = time.strftime("%Y-%m-%d", time.gmtime()), figures.commit()
    results.add({"data": data, "date": date, "commit": commit, "versions": versions})
    for entry in entries:
        results.add(entry.row())
    return ratio_report.write_ratio(results, not args.no_doc)


if __name__ == "__main__":
    sys.exit(main())
