#!/usr/bin/env python3
"""Random sequences of what people do to folders of related models, and whether anything gets lost.

  sequences.py [N [SEED [ONE]]]    N sequences, 40 unless told; ONE alone of them, and what it does. ZIPNN is the
  program

A sequence works on a folder and a chain in it: files are made, retrained under the same name and copied; the command
compresses them with bases of all kinds, restores, recompresses, adds, drops and rebases, and is killed now and then.
After each step, from the digests and tables in the archives alone:
  - every original that was there, or could be restored, still is or can be, unless the user gave it up himself: by
    writing over a file, by replacing with -f, by dropping a step. What was made from that in another folder goes with
    it, for the command looks at the folders that it works in;
  - with all files removed that have an archive which restores, each of these archives still restores.
At the end these files are removed indeed, every archive is restored, and -t has to have said whether it can be.
"""

import json
import os
import pathlib
import random
import shutil
import struct
import sys
from concurrent.futures import ThreadPoolExecutor

import scenes

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
from native import xxh3_128  # pylint: disable=wrong-import-position

STEPS = 14
NAMES = [f"m{i}.safetensors" for i in range(5)] + ["sub/m5.safetensors", "sub/m6.safetensors"]
WORDS = 9000


def model(words):
    header = json.dumps({"w": {"dtype": "BF16", "shape": [len(words) // 2], "data_offsets": [0, len(words)]}}).encode()
    return struct.pack("<Q", len(header)) + header + words


class Family:
    """Contents that are like each other, and a few that are not."""

    def __init__(self, source):
        self.source = source
        self.roots = [self.weights(), self.weights()]

    def weights(self):
        high = bytes(0x3B + i % 3 + 128 * (i % 2) for i in range(256))
        words = bytearray(2 * WORDS)
        words[0::2] = self.source.randbytes(WORDS)
        words[1::2] = self.source.randbytes(WORDS).translate(high)
        return bytes(words)

    def draw(self):
        words = bytearray(self.source.choice(self.roots))
        for _ in range(self.source.choice((1, 5, 100))):
            words[2 * self.source.randrange(WORDS)] ^= 1 << self.source.randrange(3)
        if self.source.random() < 0.5:
            self.roots[self.source.randrange(2)] = bytes(words)
        return model(bytes(words))


class State:
    """What a folder holds, as its archives tell."""

    def __init__(self, folder):
        self.files, self.archives = {}, {}  # path -> digest; path -> (digest, digests it was made from)
        paths = []
        for where, _, names in os.walk(folder):
            for name in names:
                path = os.path.relpath(os.path.join(where, name), folder)
                if scenes.TEMPORARY in name:
                    continue
                data = scenes.read_file(os.path.join(folder, path))
                if name.endswith(".znn") or data.startswith(scenes.MAGIC):
                    paths.append(path)
                else:
                    self.files[path] = xxh3_128(data).hex()
        out = scenes.run(["-l", "--json", *sorted(paths)], folder)[1] if paths else b""
        for line in out.decode().splitlines():
            entry = json.loads(line)
            if "error" not in entry:
                bases = [base["xxh3"] for base in entry.get("bases", [])]
                self.archives[entry["file"]] = entry["xxh3"], bases

    def restorable(self, files):
        """Digests that can be had from these files and all archives."""
        had = set(files)
        grows = True
        while grows:
            new = {digest for digest, bases in self.archives.values() if had.issuperset(bases)}
            grows = not new <= had
            had |= new
        return had

    def all(self):
        return self.restorable(self.files.values())

    def archived(self):
        """Digests of archives that restore now."""
        had = self.all()
        return {digest for digest, bases in self.archives.values() if had.issuperset(bases)}

    def folders(self, digest):
        """Where archives of it are."""
        return {os.path.dirname(name) for name, (d, _) in self.archives.items() if d == digest}

    def alone(self):
        """Digests that can be had when all files go that have an archive which restores now."""
        gone = self.archived()
        return self.restorable(digest for digest in self.files.values() if digest not in gone)


class Sequence:
    def __init__(self, seed, number, talks=False):
        self.source = random.Random(f"{seed}.{number}")
        self.family = Family(self.source)
        self.folder = scenes.work_folder()
        self.talks = talks
        self.told = []
        self.given_up = set()
        os.makedirs(os.path.join(self.folder, "sub"))

    # ---- what is there

    def path(self, name):
        return os.path.join(self.folder, name)

    def pick(self, names):
        names = sorted(names)
        return self.source.choice(names) if names else None

    def plain(self):
        return self.pick(name for name in self.state.files if "/" not in name)

    def archive(self):
        return self.pick(name for name in self.state.archives if "/" not in name and name.endswith(".znn"))

    def packed(self):
        """An archive under the name of its original."""
        return self.pick(name for name in self.state.archives if "/" not in name and not name.endswith(".znn"))

    def give_up(self, name, digest):
        self.given_up.add(digest)
        self.given_folders.add(os.path.dirname(name))

    def chance(self, part):
        return self.source.random() < part

    # ---- what the user does to files

    def make(self):
        name = self.source.choice(NAMES)
        other = self.plain() if "/" not in name else None
        data = scenes.read_file(self.path(other)) if other and self.chance(0.2) else self.family.draw()
        self.retrained = name in self.state.files or name in self.state.archives
        with open(self.path(name), "wb") as file:
            file.write(data)
        self.told.append(f"write {name}")

    # ---- what the command does

    def run(self, *arguments):
        arguments = [a for a in arguments if a] + ["-q", "-T1"]
        kill_after = self.source.uniform(0.001, 0.008) if self.chance(0.2) else None
        code, _, err = scenes.run(arguments, self.folder, kill_after=kill_after)
        self.told.append(f"zipnn {' '.join(arguments)}: {code} {err.decode().strip()}")
        return code

    def bases(self):
        known = [name for name in [*self.state.files, *self.state.archives] if "/" not in name]
        named = [f"--base={self.pick(known)}" for _ in range(self.source.choice((0, 0, 1, 2))) if known]
        folder = self.source.choice(["", "--base-dir=.", "--base-dir=.", "--base-dir=.", "--base-dir=chain"])
        if folder == "--base-dir=chain" and not os.path.isdir(self.path("chain")):
            folder = ""
        return [*named, folder]

    def compress(self):
        if not self.state.files:
            return
        whole = self.chance(0.35)
        operands = ["."] if whole else [self.plain() for _ in range(self.source.choice((1, 1, 2, 3)))]
        if None in operands:
            return
        force, remove = self.chance(0.35), self.chance(0.4)
        output = self.archive() if not whole and len(operands) == 1 and self.chance(0.15) else None
        for name in self.state.files if whole else operands:
            old = self.state.archives.get(output or name + ".znn")
            if force and old and old[0] != self.state.files[name]:
                self.give_up(output or name, old[0])
        level = self.source.choice(["-1", "-3"])
        self.run(level, *self.bases(), "-r" if whole else "", "-f" if force else "", "--rm" if remove else "",
                 *(["-o", output] if output else []), *operands)

    def restore(self):
        whole, force, remove = self.chance(0.3), self.chance(0.3), self.chance(0.4)
        name = self.archive()
        if not name:
            return
        for archive in self.state.archives if whole else [name]:
            if not archive.endswith(".znn"):
                continue
            old = self.state.files.get(archive[:-4])
            if force and old and old != self.state.archives[archive][0]:
                self.give_up(archive, old)
        self.run("-d", self.source.choice(["--base-dir=.", "--base-dir=.", ""]), "-r" if whole else "",
                 "-f" if force else "", "--rm" if remove else "", "." if whole else name)

    def in_place(self):
        whole, back = self.chance(0.35), self.chance(0.35)
        name = "." if whole else self.packed() if back else self.plain()
        if name:
            self.run("--in-place", "-d" if back else "", *self.bases(), "-r" if whole else "", name)

    def recompress(self):
        name = self.packed() if self.chance(0.3) else self.archive()
        if name:
            self.run("recompress", self.source.choice(["-1", "-3"]), name)

    def chain(self):
        steps = sorted(name for name in self.state.archives if name.startswith("chain/"))
        verb = self.source.choice(["add", "add", "drop", "rebase"] if steps else ["add"])
        name = self.plain()
        if verb == "add" and name:
            self.run("chain", "chain", "add", name, "--every", self.source.choice("135"))
        elif verb == "drop":
            step = self.source.choice(steps)
            self.give_up(step, self.state.archives[step][0])
            self.run("chain", "chain", "drop", str(int(step[6:14])))
        elif verb == "rebase":
            step = self.source.choice(steps)
            earlier = [s for s in steps if s < step]
            onto = str(int(self.source.choice(earlier)[6:14])) if earlier and self.chance(0.7) else ""
            self.run("chain", "chain", "rebase", str(int(step[6:14])), onto)

    # ---- what must hold

    def judge(self, before):
        """None, or what is wrong with a step."""
        lost = before.all() - self.state.all() - self.given_up
        if self.given_up:
            lost = {digest for digest in lost if before.folders(digest) & self.given_folders}
        if lost and not self.retrained:
            return f"lost: {self.names(lost)}"
        lost = self.state.archived() - self.state.alone()
        return f"archives need each other: {self.names(lost)}" if lost else None

    def names(self, digests):
        known = {**{n: d for n, (d, _) in self.archives_seen.items()}, **self.files_seen}
        return sorted(n for n, d in known.items() if d in digests) or sorted(digests)

    def look(self):
        self.state = State(self.folder)
        self.files_seen.update(self.state.files)
        self.archives_seen.update(self.state.archives)

    def finish(self):
        """What archives tell of themselves is held against what they restore to."""
        tested = {name: self.test(name) for name in sorted(self.state.archives)}
        sound = self.state.all()
        for name, (_, bases) in self.state.archives.items():
            if tested[name] != (0 if sound.issuperset(bases) else 5):
                return f"-t {name}: exit code {tested[name]}"
        gone = {self.state.archives[name][0] for name, code in tested.items() if code == 0}
        for name, digest in self.state.files.items():
            if digest in gone:
                os.remove(self.path(name))
        for name, code in tested.items():
            if code:
                continue
            code, out, err = scenes.run(["-dc", *self.everywhere(name), name], self.folder)
            if code or xxh3_128(out).hex() != self.state.archives[name][0]:
                return f"{name} does not come back: {code} {err.decode()}"
        return None

    def everywhere(self, name):
        """All that could be a base."""
        others = [*self.state.files, *self.state.archives]
        return [f"--base={other}" for other in others if other != name and os.path.exists(self.path(other))][:64]

    def test(self, name):
        return scenes.run(["-t", *self.everywhere(name), name], self.folder)[0]

    def play(self):
        """None, or what went wrong."""
        self.files_seen, self.archives_seen, self.retrained = {}, {}, False
        acts = [self.make] * 4 + [self.compress] * 6 + [self.restore] * 3
        acts += [self.recompress] + [self.in_place] * 4 + [self.chain] * 3
        try:
            for _ in range(4):
                self.look()
                self.make()
            self.look()
            for _ in range(STEPS):
                before = self.state
                self.given_up, self.given_folders, self.retrained = set(), set(), False
                self.source.choice(acts)()
                self.look()
                wrong = self.judge(before)
                if wrong:
                    return wrong
            return self.finish()
        finally:
            if not self.talks:
                shutil.rmtree(self.folder)


def play(job):
    sequence = Sequence(*job)
    wrong = sequence.play()
    steps = len(sequence.told)
    killed = sum(": -9 " in line for line in sequence.told)
    if wrong or sequence.talks:
        print(f"{'FAILED' if wrong else 'held'}: sequence {job[1]} of seed {job[0]}: {wrong}")
        print("  " + "\n  ".join(sequence.told), flush=True)
    if sequence.talks:
        print(f"  the folder is {sequence.folder}")
    return bool(wrong), steps, killed


def main():
    n, seed, *one = [int(value) for value in sys.argv[1:]] + [40, 1][len(sys.argv) - 1:]
    jobs = [(seed, one[0], True)] if one else [(seed, i) for i in range(n)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(play, jobs))
    wrong, steps, killed = (sum(r[i] for r in results) for i in range(3))
    print(f"sequences: {len(results)} of {steps} steps, {killed} killed, {wrong} wrong (seed {seed})")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
