"""The driver of a batch: plans, hands out jobs, writes the manifest."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..errors import FileThereError
from ..remote import is_url
from .jobs import Digest, Job, Look, Options, Seen, compress, digest, failed, look
from .ledger import Ledger, Record, is_below, named

if TYPE_CHECKING:
    from ..streams import PathLike

    J = TypeVar("J")
    R = TypeVar("R")
    Engine = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]

__all__ = ["Summary", "ray_engine", "run", "run_ray"]

_LOOKS = 64  # files that a worker looks at in one job


class Summary(NamedTuple):
    """What a run did. done: files, among them `copies` of others; skipped: those that were done before; failed: of
    these `later` may pass later, and resume=True tries them again. Bytes are those of the files that were done."""

    done: int
    copies: int
    skipped: int
    failed: int
    later: int
    original: int
    stored: int


def _placed(name: str, root: str | None) -> tuple[str, str]:
    """Returns the path of a file, and that below the root: names are below it, or lead there."""
    if root is None:
        rel = name.partition("://")[2] if is_url(name) else name
        while rel.startswith(("/", "./")):
            rel = rel.lstrip("/") if rel.startswith("/") else rel[2:]
        return name, rel
    top = root.rstrip("/") or "/"
    below = name.startswith(top + "/") or top == "/"
    whole = is_url(name) or name.startswith("/")
    if not below and whole:
        return name, ""
    rel = name[len(top) :].lstrip("/") if below else name.removeprefix("./")
    return (name if below else f"{top}/{rel}"), rel


class _Batch:
    def __init__(self, ledger: Ledger, output: str, root: str | None, families: bool, resume: bool, options: Options):
        self.ledger, self.output, self.root = ledger, output.rstrip("/") or "/", root
        self.families, self.resume, self.options = families, resume, options
        self.paths: dict[str, str] = {}
        self.seen: dict[str, Seen] = {}
        self.kept: set[str] = set()  # done before
        self.roots: dict[str, str] = {}  # of families: paths below the root
        self.needed = self._needed()
        self.counts: Counter[str] = Counter()

    def _target(self, output: str) -> str:
        return f"{self.output}/{output}"

    # What there is

    def survey(self, files: Iterable[PathLike], engine: Engine) -> None:
        for file in files:
            name = file if isinstance(file, str) else os.fsdecode(file)
            path, rel = _placed(name, self.root)
            if is_below(rel):
                self.paths[rel] = path
            else:
                self._note(failed(name.lstrip("/").replace("..", "__"), ValueError(f"{name} is not below the root")))
        self.paths = dict(sorted(self.paths.items()))
        files_of = [(path, rel, self._archive_of(rel), self._target(f"{rel}.znn")) for rel, path in self.paths.items()]
        looks = [
            Look(tuple(files_of[i : i + _LOOKS]), self.families, self.options)
            for i in range(0, len(files_of), _LOOKS)
        ]
        for many in engine(look, looks):
            for seen in many:
                if seen.fault:
                    self._note(seen.fault)
                else:
                    self.seen[seen.rel] = seen
        self.seen = dict(sorted(self.seen.items()))

    def _archive_of(self, rel: str) -> str:
        entry = self.ledger.last.get(rel, {})
        output = entry.get("output", "")
        return self._target(output) if is_below(output) else ""

    # What was done before

    def keep(self) -> None:
        last = self.ledger.last
        same = {rel for rel, seen in self.seen.items() if self._is_as_it_was(last.get(rel), seen)}
        self.kept = {rel for rel in same if self._needs_are_met(last[rel], same)}
        for rel in self.seen:
            if rel in self.kept:
                self._found(last[rel])

    @staticmethod
    def _is_as_it_was(entry: Record | None, seen: Seen) -> bool:
        if entry is None or entry["status"] == "failed":
            return False
        return (entry.get("original"), entry.get("mtime"), entry.get("stored")) == (seen.size, seen.mtime, seen.stored)

    def _needs_are_met(self, entry: Record, same: set[str]) -> bool:
        """Whether the archive that this one needs, or is, holds what it held: that of a base or of an original."""
        needed, held = entry.get("base", ""), entry.get("base_xxh3")
        if entry["status"] == "copy":
            needed, held = entry["output"].removesuffix(".znn"), entry.get("xxh3")
        if not needed:
            return True
        other = self.ledger.last.get(needed)
        if needed in self.seen and needed not in same:
            return False
        return other is not None and other["status"] == "done" and other.get("xxh3") == held

    def _found(self, entry: Record) -> None:
        """Notes an archive, so that members of its family are made against it."""
        family = entry.get("family", "") if self.families else ""
        if family and entry["status"] == "done" and not entry.get("base"):
            self.roots.setdefault(family, entry["path"])

    # What is to be done

    def work(self, engine: Engine) -> None:
        todo = [rel for rel in self.seen if rel not in self.kept]
        copies = self._copies(todo, engine)
        firsts: list[str] = []
        others: list[str] = []
        ahead = dict(self.roots)
        for rel in todo:
            if rel in copies or not self._may_write(rel):
                continue
            family = self.seen[rel].family
            (others if family and ahead.setdefault(family, rel) != rel else firsts).append(rel)
        for wave in (firsts, others):
            for record in engine(compress, [self._job(rel) for rel in wave]):
                self._note(record)
        for rel, of in copies.items():
            self._note_copy(rel, of)

    def _may_write(self, rel: str) -> bool:
        """Whether nothing is in the way but an archive that may come from an earlier run."""
        seen = self.seen[rel]
        if not seen.taken or (self.resume and seen.taken == "archive"):
            return True
        what = f"{self._target(rel)}.znn is in the way: resume=True replaces archives of an earlier run"
        self._note(failed(rel, FileThereError(None, what), seen.mtime, seen.family))
        return False

    def _copies(self, todo: list[str], engine: Engine) -> dict[str, str]:
        """Finds files that hold what another one holds, which is done before or comes before them."""
        sizes = Counter(seen.size for seen in self.seen.values())
        wanted = {self.seen[rel].size for rel in todo if sizes[self.seen[rel].size] > 1}
        jobs = [
            Digest(self.paths[rel], rel, seen.mtime, self.options)
            for rel, seen in self.seen.items()
            if seen.size in wanted and not (rel in self.kept and self.ledger.last[rel]["status"] == "copy")
        ]
        digests = dict(engine(digest, jobs))
        first: dict[bytes, str] = {}
        for rel in [rel for rel in digests if rel in self.kept] + sorted(digests):
            if digests[rel]:
                first.setdefault(digests[rel], rel)
        return {rel: first[digests[rel]] for rel in todo if digests.get(rel) and first[digests[rel]] != rel}

    def _job(self, rel: str) -> Job:
        seen = self.seen[rel]
        needed, needers, is_base = self.needed.get(rel, ("", set(), False))
        root = self.roots.get(seen.family, "") if seen.family and not is_base else ""
        base = None
        if root and root != rel:
            base = (self._target(f"{root}.znn"), root, self.ledger.last[root]["xxh3"])
        return Job(
            self.paths[rel],
            rel,
            self._target(f"{rel}.znn"),
            seen.mtime,
            seen.family,
            self.options,
            base,
            needed,
            not needers <= self.seen.keys(),
        )

    def _needed(self) -> dict[str, tuple[str, set[str], bool]]:
        """Returns the archives that others need: by path the digest that they need, who they are, and whether one is
        made against it."""
        found: dict[str, tuple[str, set[str], bool]] = {}
        for path, entry in self.ledger.last.items():
            needed, held = entry.get("base", ""), entry.get("base_xxh3", "")
            if entry["status"] == "copy":
                needed, held = entry.get("output", "").removesuffix(".znn"), entry.get("xxh3", "")
            if needed and entry["status"] != "failed":
                _, needers, is_base = found.get(needed, ("", set(), False))
                found[needed] = (held, needers | {path}, is_base or entry["status"] == "done")
        return found

    # What came of it

    def _note(self, record: Record) -> None:
        record = self.ledger.append(record)
        if record["status"] == "failed":
            self.counts["failed"] += 1
            self.counts["later"] += bool(record["retry"])
            return
        self.counts["done"] += 1
        self.counts["original"] += record["original"]
        if record["status"] == "copy":
            self.counts["copies"] += 1
            return
        self.counts["stored"] += record["stored"]
        self._found(record)

    def _note_copy(self, rel: str, of: str) -> None:
        entry = self.ledger.last.get(of, {})
        if entry.get("status") != "done":
            fault = OSError(f"it is a copy of {of}, which could not be compressed")
            self._note(failed(rel, fault, self.seen[rel].mtime, self.seen[rel].family))
            return
        record: Record = {}
        named(record, "path", rel)
        record["status"] = "copy"
        named(record, "output", entry["output"])
        record |= {"original": entry["original"], "stored": entry["stored"], "xxh3": entry["xxh3"]}
        if "sha256" in entry:
            record["sha256"] = entry["sha256"]
        record["mtime"] = self.seen[rel].mtime
        if self.seen[rel].family:
            record["family"] = self.seen[rel].family
        self._note({**record, "seconds": 0.0, "version": entry.get("version", "")})


def run(
    files: Iterable[PathLike],
    output: PathLike,
    manifest: PathLike,
    *,
    root: PathLike | None = None,
    families: bool = False,
    resume: bool = False,
    level: int | None = None,
    threads: int = 1,
    sha256: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    engine: Engine = map,
) -> Summary:
    """Compresses files to archives below `output`, each at its path below `root`, and appends a line for each to
    `manifest`, a file on this machine.

    files            paths and URLs: s3:// and what else fsspec knows
    output           a folder, or a URL of one
    root             names are below it; without it the whole path is kept
    families         of models whose tensors have the same types and shapes, the first by name stands alone, and the
                     others are stored as differences from it where that is smaller
    resume           go on with a manifest: files that it says are done, that are as they were, and whose archives are
                     in their places are left out. Otherwise it must be new
    level, sha256    those of zipnn.compress()
    threads          of one file; engines work on many files at once
    storage_options  what fsspec's file systems take, sources and output alike
    engine           how jobs are done: in this process, one after another, unless told

    Files that are equal have one archive. Sources are never changed. A file that cannot be compressed has a line that
    says why and does not stop the run. An archive that others are made against is not replaced when its file has
    changed: that file fails. An archive on a disk appears whole or not at all, and so does one in an object store; on
    other file systems one may be cut short by a death, and resume=True makes it again.
    """
    options = Options(level, threads, sha256, dict(storage_options or {}))
    with Ledger(os.fsdecode(manifest), resume) as ledger:
        top = None if root is None else os.fsdecode(root)
        batch = _Batch(ledger, os.fsdecode(output), top, families, resume, options)
        batch.survey(files, engine)
        if resume:
            batch.keep()
        batch.work(engine)
        n = batch.counts
        return Summary(
            n["done"], n["copies"], len(batch.kept), n["failed"], n["later"], n["original"], n["stored"]
        )


# ---- Ray -------------------------------------------------------------------------------------------------------------


def ray_engine(*, retries: int = 3, ahead: int = 4, **remote: Any) -> Engine:
    """An engine of a Ray cluster, on the one that ray.init() has found.

    retries  how often a job is done again whose worker died. After that its file has failed, and may pass later
    ahead    jobs that wait for each processor of the cluster
    remote   further options of ray.remote: num_cpus (1), memory, resources ...
    """
    import ray

    def engine(function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[Any]:
        task = ray.remote(max_retries=retries, **{"num_cpus": 1, **remote})(function)
        left = iter(jobs)
        most = max(1, int(ray.cluster_resources().get("CPU", 1))) * ahead
        running: dict[Any, Any] = {}
        while True:
            for job in left:
                running[task.remote(job)] = job
                if len(running) >= most:
                    break
            if not running:
                return
            for reference in ray.wait(list(running))[0]:
                job = running.pop(reference)
                try:
                    yield ray.get(reference)
                except ray.exceptions.RayError as error:
                    yield _lost(job, error)

    return engine


def _lost(job: Any, error: BaseException) -> Any:
    """The result of a job whose workers died."""
    fault = OSError(f"the worker died: {str(error).splitlines()[0]}")
    if isinstance(job, Job):
        return failed(job.rel, fault, job.mtime, job.family)
    if isinstance(job, Digest):
        return job.rel, b""
    return [Seen(rel, fault=failed(rel, fault)) for _, rel, *_ in job.files]


def run_ray(
    files: Iterable[PathLike],
    output: PathLike,
    manifest: PathLike,
    *,
    retries: int = 3,
    ahead: int = 4,
    ray_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> Summary:
    """Does what run() does, on a Ray cluster: `options` are those of run(), the others those of ray_engine(). Paths on
    disks must lead to the same files on every machine."""
    engine = ray_engine(retries=retries, ahead=ahead, **(ray_options or {}))
    return run(files, output, manifest, engine=engine, **options)
