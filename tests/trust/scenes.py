"""What the command is asked to do while calls fail and processes die, and how the outcome is judged.

A scene is a folder, a command line, and what a run without trouble makes of the folder. After a run with trouble
  - every file is as it was before or as it would have become: never another thing, never a part of one;
  - a file that was to go is gone only if all that replaces it is there;
  - success is said only of the whole result, and failure with a message;
  - no temporary file is left, unless the process was killed or could not delete it; one that is left is private.
Chains are judged by what they are for: each step that should be there restores to its original. What is salvaged may
lack more when more could not be read.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import tempfile
from dataclasses import dataclass, field

PROGRAM = os.environ["ZIPNN"]
PRELOAD = os.environ.get("ZIPNN_INJECT_LIBRARY", "")
TIMEOUT = 120
WORKERS = 4 * os.cpu_count()  # most of the time is spent in starting processes and waiting for them
TEMPORARY = ".zipnn-"
MAGIC = b"\x8fZNN\r\n\x1a\n"  # of archives, whatever their names are


def work_folder(on_device=False):
    """In memory where possible: what is tested is the order of calls, not a device."""
    fast = "/dev/shm"
    in_memory = not on_device and os.access(fast, os.W_OK)
    return tempfile.mkdtemp(prefix="zipnn-trust-", dir=fast if in_memory else None)


def run(arguments, folder, stdin=None, trouble=None, log=None, kill_after=None, named=False):
    """Runs the command; (exit code, standard output, standard error). `named`: on a system whose files all have
    names."""
    environment = {k: v for k, v in os.environ.items() if k != "ZIPNN_CPU"} | {"LC_ALL": "C"}
    if trouble or log or named:
        environment["LD_PRELOAD"] = PRELOAD
    if named:
        environment["ZIPNN_INJECT_NAMED"] = "1"
    if trouble:
        environment["ZIPNN_INJECT"] = trouble
    if log:
        environment["ZIPNN_INJECT_LOG"] = log
    with subprocess.Popen([PROGRAM, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE) as p:
        try:
            out, err = p.communicate(stdin, timeout=kill_after or TIMEOUT)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
            if not kill_after:
                return "hangs", out, err
    return p.returncode, out, err


def model(megabytes, seed):
    """A safetensors file of two bf16 tensors whose bytes look like weights."""
    n = int(megabytes * (1 << 20)) // 4096 * 4096
    source = random.Random(seed)
    high = bytes(0x3B + i % 3 + 128 * (i % 2) for i in range(256))
    body = bytearray(n)
    body[0::2] = source.randbytes(n // 2)
    body[1::2] = source.randbytes(n // 2).translate(high)
    half = n // 2
    body[half:half + n // 8] = bytes(n // 8)
    tensors = {"a.weight": {"dtype": "BF16", "shape": [half // 2], "data_offsets": [0, half]},
               "b.weight": {"dtype": "BF16", "shape": [half // 2], "data_offsets": [half, n]}}
    header = json.dumps(tensors).encode()
    return struct.pack("<Q", len(header)) + header + bytes(body)


def changed(data, seed):
    """The same file after a step of training: some of its bytes are others."""
    source = random.Random(seed)
    data = bytearray(data)
    for _ in range(500):
        data[source.randrange(1000, len(data))] ^= 1
    return bytes(data)


@dataclass
class Scene:
    name: str
    arguments: list
    files: dict
    stdin: bytes = None
    code: int = 0  # of a run without trouble
    originals: dict = None  # of a chain: step -> bytes
    salvaged: dict = None  # outputs that may have zeros where bytes could not be read: name -> original
    new: dict = None
    on_device: bool = False
    named: bool = False  # temporary files have names from the start
    answer: bytes = b""
    seconds: float = 0
    calls: list = field(default_factory=list)
    sound: set = field(default_factory=set)  # states of the folder that have been judged

    def set_up(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        for name, data in self.files.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
            os.chmod(path, 0o640)

    def learn(self, folder):
        """What a run without trouble does."""
        log = folder + ".calls"
        self.set_up(folder)
        code, self.answer, err = run(self.arguments, folder, self.stdin, log=log if PRELOAD else None, named=self.named)
        if code != self.code:
            raise SystemExit(f"{self.name}: exit code {code} without any trouble: {err.decode()}")
        self.new = read_state(folder)
        if PRELOAD:
            with open(log, encoding="utf-8", errors="replace") as file:
                self.calls = [line.rstrip("\n") for line in file]
            os.remove(log)

    def never_leaves(self):
        """Whether nothing of a temporary file is left even when the process is killed: it has no name, and gets its own
        at once."""
        kinds = [call.split(" ")[0] for call in self.calls]
        return "tmpfile" in kinds and not any(TEMPORARY in call for call in self.calls)

    def judge(self, folder, code, out, err, killed=False, may_leave=False):
        """None, or what is wrong."""
        state = read_state(folder)
        left = {name: s for name, s in state.items() if TEMPORARY in name}
        state = {name: s for name, s in state.items() if name not in left}
        if left and (self.never_leaves() or not (killed or may_leave)):
            return f"a temporary file is left: {sorted(left)}"
        for name, (_, mode) in left.items():
            if self.stdin is None and mode not in (0o600, 0o640):
                return f"{name} has the mode {mode:o}"
        if killed and code == -signal.SIGKILL:
            pass
        elif code == self.code:
            if out != self.answer:
                return "success, and other bytes on standard output"
        elif code not in (1, 3, 4):
            return f"exit code {code}"
        elif b"zipnn: " not in err:
            return f"no message: {err!r}"
        success = code == self.code and self.code == 0
        if self.salvaged and code == self.code:
            return self.judge_salvaged(folder, state)
        return self.judge_chain(folder, state, success) if self.originals else self.judge_files(state, success)

    @property
    def reads_back(self):
        """Whether what is replaced or removed goes only when what was written has been read back."""
        return any(word in self.name for word in ("--rm", "in place")) or bool(self.originals)

    def judge_flip(self, folder, code):
        """After one bit was flipped on its way: the original is there, as what it was or as an archive that
        restores."""
        state = read_state(folder)
        if self.originals:
            return self.judge_chain(folder, state, code == 0)
        (name, data), = self.files.items()
        if name in state and state[name][0] == digest(data):
            return None
        if code != 0 and "--rm" in self.name:
            return f"{name} is gone, or another"
        new = next(iter(self.new))
        original = run(["-dc", name], self.kept(folder))[1] if data.startswith(MAGIC) else data
        found = read_file(os.path.join(folder, new))
        if found.startswith(MAGIC):
            found = run(["-dc", new], folder)[1]
        return None if found == original else f"{new} has other bytes than {name} had"

    def kept(self, folder):
        """A folder with the files as they were."""
        self.set_up(folder + ".kept")
        return folder + ".kept"

    def judge_salvaged(self, folder, state):
        for name, original in self.salvaged.items():
            if name not in state:
                continue  # nothing could be saved
            with open(os.path.join(folder, name), "rb") as file:
                found = file.read()
            if len(found) != len(original) or any(f not in (0, o) for f, o in zip(found, original)):
                return f"{name} has bytes that the original did not have"
        return None

    def judge_files(self, state, success):
        old = {name: digest(data) for name, data in self.files.items()}
        new = {name: s[0] for name, s in self.new.items()}
        if success and state != self.new:
            return f"success, but the files are not those of a run without trouble: {sorted(state)}"
        for name, (found, _) in state.items():
            if found not in (old.get(name), new.get(name)):
                return f"{name} is neither the old file nor the new one"
        for name in old:
            if name not in state and (name in new or any(state.get(n) != s for n, s in self.new.items())):
                return f"{name} is gone, and what replaces it is not complete"
        return None

    def judge_chain(self, folder, state, success):
        missing = set(self.files) - set(self.new)
        names = {name for name in state if name.endswith(".znn")}
        least = {name for name in self.files if name.endswith(".znn")} - missing
        most = {name for name in [*self.files, *self.new] if name.endswith(".znn")}
        if not least <= names <= most or (success and set(state) != set(self.new)):
            return f"the chain has {sorted(names)}"
        summary = digest(repr(sorted(state.items())).encode())
        if summary in self.sound:
            return None
        for name in names:
            step = int(os.path.basename(name).split(".")[0])
            code, out, err = run(["chain", "chain", "restore", str(step), "-c"], folder)
            if code != 0 or out != self.originals[step]:
                return f"step {step} does not come back: {err.decode()}"
        self.sound.add(summary)
        return None


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def digest(data):
    return hashlib.sha256(data).hexdigest()


def read_state(folder):
    """path -> (digest, mode) of all files."""
    state = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            with open(path, "rb") as file:
                state[os.path.relpath(path, folder)] = digest(file.read()), os.stat(path).st_mode & 0o7777
    return state


def pack(folder, data, *options):
    """The archive of `data`."""
    code, out, err = run([*options, "-c"], folder, data)
    if code != 0:
        raise SystemExit(f"cannot make the files of a scene: {err.decode()}")
    return out


def chain_of(folder, originals):
    """The files of a chain."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, "chain"))
    for i, data in enumerate(originals):
        path = os.path.join(folder, f"m{i}")
        with open(path, "wb") as file:
            file.write(data)
        code, _, err = run(["chain", "chain", "add", path], folder)
        if code != 0:
            raise SystemExit(f"cannot make a chain: {err.decode()}")
        os.remove(path)
    files = {}
    for name in os.listdir(os.path.join(folder, "chain")):
        with open(os.path.join(folder, "chain", name), "rb") as file:
            files["chain/" + name] = file.read()
    return files


def damaged(archive):
    archive = bytearray(archive)
    archive[len(archive) // 2] ^= 1
    return bytes(archive)


def chain_scenes(folder, data, threads):
    steps = [data] + [changed(data, seed) for seed in (1, 2, 3)]
    files = chain_of(folder, steps[:3])
    originals = {i + 1: step for i, step in enumerate(steps)}
    verbs = {"add": (["add", "m"], {"m": steps[3]}), "drop": (["drop", "1"], {}), "drop middle": (["drop", "2"], {}),
             "rebase": (["rebase", "3"], {})}
    for name, (verb, more) in verbs.items():
        yield Scene(f"chain {name}", ["chain", "chain", *verb, threads], files | more, originals=originals)


def make_scenes(folder, megabytes, threads, seed=0, named=False):
    """All scenes with a model of that size, whose second tensor has a stretch of zeros."""
    threads = f"-T{threads}"
    data = model(megabytes, seed)
    os.makedirs(folder, exist_ok=True)
    archive = pack(folder, data)
    base = changed(data, 9)
    for name, content in (("base", base), ("m", data)):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
    delta = pack(folder, None, "m", "--base", "base")
    files = {"m": data}
    archives = {"m.znn": archive}
    scenes = [
        Scene("compress", ["m", threads], files),
        Scene("compress --sync -f", ["--sync", "-f", "m", threads], files | {"m.znn": b"precious"}),
        Scene("compress --rm", ["--rm", "m", threads], files),
        Scene("compress --base", ["m", "--base", "base", threads], files | {"base": base}),
        Scene("compress pipe", ["-c", threads], {}, stdin=data),
        Scene("compress pipe -o", ["-o", "m.znn", threads], {}, stdin=data),
        Scene("restore", ["-d", "m.znn", threads], archives),
        Scene("restore --rm", ["-d", "--rm", "m.znn", threads], archives),
        Scene("restore --base", ["-d", "m.znn", "--base", "base", threads], {"m.znn": delta, "base": base}),
        Scene("restore pipe", ["-d", threads], {}, stdin=archive),
        Scene("compress in place", ["--in-place", "m", threads], files),
        Scene("restore in place", ["-d", "--in-place", "m", threads], {"m": archive}),
        Scene("test", ["-t", "m.znn", threads], archives),
        Scene("verify", ["verify", "m.znn", threads], archives),
        Scene("cat", ["cat", "m.znn", "--range", "1000:300000", "-o", "part", threads], archives),
        Scene("recompress in place", ["recompress", "-1", "m.znn", threads], archives),
        Scene("recompress -o", ["recompress", "-1", "m.znn", "-o", "n.znn", threads], archives),
        Scene("salvage", ["salvage", "m.znn", "-o", "m", threads], {"m.znn": damaged(archive)}, code=3,
              salvaged={"m": data}),
    ]
    scenes += chain_scenes(folder, data, threads)
    for scene in scenes:
        scene.named = named
        scene.learn(os.path.join(folder, "learn"))
    return scenes


def large_scene(folder, megabytes=14):
    """A file large enough to get room ahead of its writers, where room is of blocks."""
    scene = Scene("compress, large", ["-1", "m", "-T1"], {"m": model(megabytes, 0)}, on_device=True)
    scene.learn(os.path.join(folder, "learn"))
    return scene
