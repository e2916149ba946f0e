"""The program zipnn-hub, which does `zipnn hub`."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from ..archives import Archive
from ..errors import ZipnnError
from ..examine import estimate
from ..safetensors import is_archive
from .blobs import Outcome, pack, room, unpack
from .cache import WEIGHTS, Blob, Repo, cache_folder, is_weights, scan
from .pulling import pull

__all__ = ["main"]

_DONE, _FAILED, _USAGE, _DAMAGED = 0, 1, 2, 3  # as of the command zipnn

_HELP = """\
Models in the cache of the Hugging Face hub, in the room of their archives. A blob of weights becomes its archive in one
step and keeps its name: links, refs and snapshots stay as they are, and huggingface_hub takes the file for downloaded.
Programs read a packed cache after zipnn.zipnn_hf(), or through a view (zipnn hub mount).
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("zipnn hub", description=_HELP, formatter_class=argparse.RawTextHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, text in (
        ("ls", "list the repositories: what they take, and what packing would give"),
        ("pack", "replace weights by their archives, each under its own name"),
        ("unpack", "replace these archives by their originals"),
        ("pull", "download a repository, and pack each file before the next one comes"),
        ("mount", "show the cache with all originals, to any program"),
    ):
        each = verbs.add_parser(verb, help=text, description=text)
        each.add_argument("--cache", metavar="DIR", help="the cache; HF_HUB_CACHE or HF_HOME/hub unless told")
        if verb != "mount":
            each.add_argument("--json", action="store_true", help="one line of JSON for each result")
        if verb in ("pack", "unpack", "pull"):
            each.add_argument("-T", "--threads", type=_threads, metavar="N", help="threads; all processors unless told")
        if verb in ("pack", "pull", "ls"):
            each.add_argument("-l", "--level", type=_level, metavar="N", help="1 (fast) to 9 (small); 3 unless told")
        if verb in ("ls", "pack", "unpack"):
            each.add_argument("repos", nargs="*", metavar="REPO", help="OWNER/NAME; all unless told")
            each.add_argument("--only", action="append", metavar="PATTERN", help="of files: '*.safetensors'")
    _of_pull(verbs.choices["pull"])
    verbs.choices["mount"].add_argument("point", nargs="?", metavar="POINT", help="where; CACHE-view unless told")
    verbs.choices["mount"].add_argument("--write", action="store_true", help="programs may download through the view")
    return parser


def _of_pull(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("repo", metavar="REPO", help="OWNER/NAME")
    parser.add_argument("--revision", default="main", metavar="REF", help="a branch, tag or commit; main unless told")
    parser.add_argument("--repo-type", default="model", choices=["model", "dataset", "space"])
    parser.add_argument("--include", action="append", metavar="PATTERN", help="names of files; all unless told")


def _number(text: str, least: int, most: int, what: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}: {what}")
    return number


def _threads(text: str) -> int:
    return _number(text, 1, 1024, "threads")


def _level(text: str) -> int:
    return _number(text, 1, 9, "level")


def size(n: int) -> str:
    """Returns bytes as people read them."""
    amount, unit = float(n), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 999.5 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 99.95 else f"{amount:.1f} {unit}"


# ---- ls -------------------------------------------------------------------------------------------------------------


def _looked_at(blob: Blob, only: Iterable[str], level: int | None) -> dict[str, int]:
    """Returns what ls says of a blob, in bytes: `disk`, `original`, and `packed`, which it takes or would take."""
    disk = room(blob.place)
    length = os.path.getsize(blob.place)
    found = {"disk": disk, "original": length, "packed": disk, "weights": 0, "archives": 0}
    if all(is_weights(name, only) for name in blob.names):
        found["weights"] = 1
        if is_archive(blob.place):
            found["archives"] = 1
            with Archive(blob.place, 1) as archive:
                found["original"] = archive.info.original
        elif length:
            found["packed"] = min(disk, estimate(blob.place, level=level).archive)
    return found


def _list(given: argparse.Namespace) -> int:
    repos = scan(given.cache, given.repos)
    only = given.only or WEIGHTS
    total: dict[str, int] = {}
    seen: set[str] = set()
    for repo in repos:
        sums = dict.fromkeys(("disk", "original", "packed", "weights", "archives"), 0)
        for blob in repo.blobs:
            for key, value in _looked_at(blob, only, given.level).items():
                sums[key] += value
                total[key] = total.get(key, 0) + (0 if blob.place in seen else value)
            seen.add(blob.place)
        _tell_repo(repo, sums, given.json)
    if not given.json and len(repos) != 1:
        left = total.get("disk", 0) - total.get("packed", 0)
        print(f"{len(repos)} repositories take {size(total.get('disk', 0))}; packing would give back {size(left)}")
    return _DONE


def _tell_repo(repo: Repo, sums: dict[str, int], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"repo": repo.name, "kind": repo.kind, "path": repo.path, "refs": repo.refs, **sums}))
        return
    refs = ", ".join(sorted(repo.refs)) or "no ref"
    parts = f"{sums['archives']} of {sums['weights']} files of weights packed"
    gain = sums["disk"] - sums["packed"]
    more = f"; packing would give back {size(gain)}" if gain > 0 else ""
    prefix = "" if repo.kind == "model" else f"{repo.kind} "
    print(f"{prefix}{repo.name} ({refs}): {size(sums['disk'])} on the disk, {parts}{more}")
    if repo.lost:
        print(f"{repo.name}: {repo.lost} links lead nowhere, or out of the cache", file=sys.stderr)


# ---- pack, unpack, pull ---------------------------------------------------------------------------------------------


class _Report:
    """What is told of blobs, and the sums of it."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self.code = _DONE
        self._counts = dict.fromkeys(("packed", "unpacked", "kept", "failed"), 0)
        self._before = self._after = 0

    def __call__(self, outcome: Outcome) -> None:
        self._counts[outcome.status] += 1
        if outcome.status in ("packed", "unpacked"):
            self._before += outcome.before
            self._after += outcome.after
        elif outcome.status == "failed":
            self.code = max(self.code, _DAMAGED if outcome.damaged else _FAILED)
        if self._as_json:
            print(json.dumps(outcome._asdict()), flush=True)
        elif outcome.status == "failed":
            print(f"zipnn hub: {outcome.repo} {outcome.name}: {outcome.reason}", file=sys.stderr)
        elif outcome.status != "kept":
            change = f"{size(outcome.before)} -> {size(outcome.after)}"
            print(f"{outcome.repo} {outcome.name}: {change}", flush=True)

    def end(self, verb: str) -> int:
        gained = self._before - self._after
        done = self._counts["packed"] + self._counts["unpacked"]
        if self._as_json:
            print(json.dumps({"verb": verb, **self._counts, "before": self._before, "after": self._after}))
            return self.code
        left = f"{self._counts['kept']} left as they are" if verb != "pull" else "the rest as it was"
        failed = f", {self._counts['failed']} failed" if self._counts["failed"] else ""
        what = f"{size(abs(gained))} of the disk {'given back' if gained >= 0 else 'taken'}"
        print(f"{done} files {'unpacked' if verb == 'unpack' else 'packed'}, {left}{failed}; {what}")
        return self.code


def _change(given: argparse.Namespace) -> int:
    report = _Report(given.json)
    only = given.only or WEIGHTS
    repos = scan(given.cache, given.repos)
    if given.verb == "pack":
        outcomes = pack(repos, only=only, level=given.level, threads=given.threads)
    else:
        outcomes = unpack(repos, only=only, threads=given.threads)
    for outcome in outcomes:
        report(outcome)
    return report.end(given.verb)


def _pull(given: argparse.Namespace) -> int:
    report = _Report(given.json)
    options: dict[str, Any] = {"include": given.include or (), "level": given.level, "threads": given.threads}
    snapshot = pull(
        given.repo, revision=given.revision, kind=given.repo_type, cache=given.cache, report=report, **options
    )
    code = report.end("pull")
    if not given.json:
        print(snapshot)
    return code


# ---- mount ----------------------------------------------------------------------------------------------------------


def _mount(given: argparse.Namespace) -> int:
    cache = os.path.abspath(given.cache or cache_folder())
    point = os.path.abspath(given.point or cache + "-view")
    if not os.path.isdir(cache):
        print(f"zipnn hub: {cache}: there is no cache of the hub here", file=sys.stderr)
        return _FAILED
    os.makedirs(point, exist_ok=True)
    words = [sys.executable, "-m", "zipnn", "mount", *(["--write"] if given.write else []), cache, point]
    code = subprocess.run(words).returncode
    if code == 0:
        offline = "" if given.write else " HF_HUB_OFFLINE=1"
        print(f"export HF_HUB_CACHE={shlex.quote(point)}{offline}")
    return code


def main(arguments: list[str] | None = None) -> int:
    """Does what the arguments say, without the name of the program, and returns the exit code. `zipnn hub ls` may come
    as "hub ls", as `zipnn` hands it on."""
    if arguments is None and hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `zipnn hub ls | head` ends without words
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["hub"]:
        words = words[1:]
    given = _parser().parse_args(words)
    verbs = {"ls": _list, "pack": _change, "unpack": _change, "pull": _pull, "mount": _mount}
    try:
        return verbs[given.verb](given)
    except (ZipnnError, OSError, ImportError) as error:
        print(f"zipnn hub: {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        print("zipnn hub: stopped; what was begun is as it was before", file=sys.stderr)
        return 130
