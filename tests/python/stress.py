"""Random calls of the package, interrupted, collected, forked and raced with at random moments.

    stress.py ROUNDS|SECONDSs [SEED]     (60 rounds; or for 600s)

Each round is a process of its own, so that one that crashes or hangs is seen and its seed said; then the whole fails.
What a round demands: results are right wherever the input did not change; failures are exceptions of the kinds that the
package documents; every interrupt comes through; at the end there is no thread, no descriptor and no temporary file
more than before.
"""

import faulthandler
import gc
import io
import mmap
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import weakref

CALLS = 120  # of a round
HANGS = 90  # seconds after which a round counts as one that hangs


class Alarm(BaseException):
    """What the handler of a signal raises."""


class Refusal(Exception):
    """What a bad file object raises."""


# What may come of damaged input, bad file objects and closed archives.
EXPECTED = (
    *(Alarm, Refusal, OSError, ValueError, LookupError),
    *(EOFError, MemoryError, TypeError, RuntimeError, BufferError),
)


armed = False  # whether an alarm may ring: only in calls of the package


def ring(*unused):
    if armed:
        raise Alarm


class Source(io.BytesIO):
    """A file object that now and then misbehaves."""

    def __init__(self, data, world):
        super().__init__(data)
        self.world = world
        self.user = lambda: None  # a weak reference to what reads it

    def read(self, n=-1):
        if self.world.misbehaves():
            self.world.misbehave(self)
        return super().read(n)


class Sink(io.BytesIO):
    def __init__(self, world):
        super().__init__()
        self.world = world
        self.user = lambda: None
        self.kept = []

    def write(self, data):
        if self.world.misbehaves():
            self.world.misbehave(self)
        if self.world.rng.random() < 0.1:
            self.kept.append((memoryview(data)[:8], bytes(data[:8])))
        return super().write(data)


class World:
    """What a round works with."""

    def __init__(self, seed, folder):
        import zipnn

        self.zipnn = zipnn
        self.rng = random.Random(seed)
        self.folder = folder
        self.bad = 0.0  # how often file objects misbehave
        self.pool = []  # archives, readers and writers that are open
        self.unforked = []  # archives that a child must not use
        originals = [b"", b"x", self.rng.randbytes(5000), self.floats(60000), self.floats(400000), self.model()]
        self.originals = originals
        self.archives = [zipnn.compress(o, level=self.rng.choice([1, 3, 6])) for o in originals]
        self.path = os.path.join(folder, "a.znn")
        self.write_file(self.path, self.archives[-1])

    @staticmethod
    def write_file(path, data):
        with open(path, "wb") as f:
            f.write(data)

    def floats(self, n):
        row = b"".join(bytes([self.rng.randrange(256), self.rng.choice([60, 61, 188, 189])]) for _ in range(2000))
        return (row * (n // len(row) + 1))[:n]

    def model(self):
        import numpy as np
        import safetensors.numpy

        rng = np.random.default_rng(self.rng.randrange(1 << 30))
        tensors = {f"t{i}": rng.normal(0, 0.02, (i * 31 + 1, 70)).astype("f4") for i in range(9)}
        tensors["big"] = rng.normal(0, 0.02, (700, 600)).astype("f4")
        tensors["none"] = np.zeros((0, 3), "f4")
        return safetensors.numpy.save(tensors)

    # ---- bad file objects

    def misbehaves(self):
        return self.rng.random() < self.bad

    def misbehave(self, fileobj):
        what = self.rng.randrange(5)
        if what == 0:
            raise Refusal
        if what == 1:
            gc.collect()
        elif what == 2 and fileobj.user() is not None:
            self.use(fileobj.user())
        elif what == 3:
            time.sleep(0.002)
        else:
            raise Alarm

    # ---- what is done

    def choose(self):
        i = self.rng.randrange(len(self.originals))
        return self.originals[i], self.archives[i]

    def compress(self):
        original, _ = self.choose()
        sums = []
        archive = self.zipnn.compress(
            original,
            self.rng.choice([None, "bf16", "f32"]),
            level=self.rng.choice([None, 1, 6]),
            threads=self.rng.choice([None, 1, 4]),
            progress=self.rng.choice([None, lambda done, total: sums.append(done) or True]),
        )
        assert self.zipnn.decompress(archive, threads=self.rng.choice([1, 3])) == original

    def decompress_into(self):
        original, archive = self.choose()
        buffer = bytearray(len(original) + self.rng.randrange(-1, 3) if original else 3)
        n = self.zipnn.decompress_into(memoryview(archive), buffer)
        assert buffer[:n] == original

    def damaged(self):
        _, archive = self.choose()
        bad = bytearray(archive)
        for _ in range(self.rng.randrange(1, 4)):
            bad[self.rng.randrange(len(bad))] ^= 1 << self.rng.randrange(8)
        if self.rng.random() < 0.2:
            del bad[self.rng.randrange(len(bad)) :]
        self.zipnn.decompress(bad)
        with self.zipnn.Archive(bad) as a:
            a.read_range(0, a.info.original)

    def changing(self):
        """An archive that another thread changes to others of other sizes."""
        same = [a.ljust(len(self.archives[4]), b"\0") for a in self.archives[2:5]]
        data, end = bytearray(same[0]), threading.Event()

        def change():
            while not end.is_set():
                for other in same:
                    data[:] = other

        thread = threading.Thread(target=change, daemon=True)
        thread.start()
        try:
            for _ in range(5):
                for call in (
                    lambda: self.zipnn.decompress(data, threads=2),
                    lambda: self.zipnn.Archive(data).read_range(0, 3000),
                    lambda: self.zipnn.compress(data),
                ):
                    try:
                        call()
                    except EXPECTED[1:]:
                        pass
        finally:
            end.set()

    def open_archive(self):
        archive = self.archives[-1]
        with open(self.path, "rb") as f:
            mapping = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        files = [Source(archive, self), Source(archive, self)]
        source = self.rng.choice([self.path, archive, bytearray(archive), mapping, *files])
        access = self.rng.choice(["read", "map", "whole"])
        a = self.zipnn.Archive(source, threads=self.rng.choice([None, 1, 3]), access=access)
        if access == "whole":
            self.unforked.append(weakref.ref(a))
        if self.rng.random() < 0.3:
            a.itself = [a, source]
        self.keep(a, source)

    def keep(self, o, fileobj):
        if isinstance(fileobj, (Source, Sink)):
            fileobj.user = weakref.ref(o)
        self.pool.append(o)

    def open_reader(self):
        source = self.rng.choice([self.path, Source(self.archives[-1], self)])
        self.keep(self.zipnn.open(source), source)

    def open_writer(self):
        path = os.path.join(self.folder, f"w{self.rng.randrange(3)}")
        sink = self.rng.choice([path, Sink(self)])
        self.keep(self.zipnn.open(sink, "wb", level=1), sink)

    def use(self, o):
        if isinstance(o, io.BufferedWriter):
            o.write(self.originals[self.rng.randrange(len(self.originals))])
        elif isinstance(o, io.BufferedReader):
            at = o.seek(self.rng.randrange(len(self.originals[-1])))
            assert o.read(3000) == self.originals[-1][at : at + 3000]
        elif self.rng.random() < 0.3:
            o.prefetch(limit=self.rng.choice([1, 100000, 1 << 28]))
        else:
            at = self.rng.randrange(len(self.originals[-1]))
            n = self.rng.randrange(len(self.originals[-1]) - at)
            assert o.read_range(at, n) == self.originals[-1][at : at + n]
            t = self.rng.choice(list(o.values()))
            assert t.numpy().tobytes() == self.originals[-1][t.offset : t.offset + t.nbytes]

    def use_one(self):
        if self.pool:
            self.use(self.rng.choice(self.pool))

    def use_by_threads(self):
        shared = [o for o in self.pool if not isinstance(o, io.BufferedWriter)]
        if not shared:
            return
        o = self.rng.choice(shared)

        def work():
            try:
                self.use(o)
            except EXPECTED:
                pass

        threads = [threading.Thread(target=work) for _ in range(3)]
        for t in threads:
            t.start()
        if self.rng.random() < 0.3:
            o.close()
        for t in threads:
            t.join()

    def close_one(self):
        if self.pool:
            self.pool.pop(self.rng.randrange(len(self.pool))).close()

    def drop(self):
        while len(self.pool) > self.rng.randrange(3, 9):
            self.pool.pop(self.rng.randrange(len(self.pool)))

    def drop_in_a_cycle(self):
        if self.pool:
            loop = [self.pool.pop()]
            loop.append(loop)

    def files(self):
        original, archive = self.choose()
        src, new = os.path.join(self.folder, "src"), os.path.join(self.folder, f"n{self.rng.randrange(3)}")
        self.write_file(src, original)
        stats = self.zipnn.compress_file(src, new, overwrite=self.rng.random() < 0.9, threads=2)
        assert self.zipnn.verify_file(new).xxh3 == stats.xxh3
        self.zipnn.decompress_file(new, src, overwrite=True)
        with open(src, "rb") as f:
            assert f.read() == original

    def collect(self):
        gc.collect(self.rng.randrange(3))

    def set_threshold(self):
        gc.set_threshold(self.rng.choice([1, 1, 5, 700]))

    def set_manners(self):
        self.bad = self.rng.choice([0.0, 0.02, 0.1, 0.3])

    def fork(self):
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            try:
                self.bad = 0.0
                for o in self.pool:  # the locks of buffered files are Python's own, and may be held by threads not here
                    if isinstance(o, self.zipnn.Archive) and weakref.ref(o) not in self.unforked:
                        self.use(o)
                self.compress()
                self.drop()
                gc.collect()
                os._exit(0)
            except EXPECTED:
                os._exit(0)
            except BaseException:
                os._exit(1)
        while True:
            try:
                status = os.waitpid(child, 0)[1]
                break
            except Alarm:
                pass
            except ChildProcessError:  # an alarm rang when it had come
                return
        assert os.waitstatus_to_exitcode(status) == 0, "a forked process failed"

    # ---- one call, perhaps interrupted

    def call(self):
        names = (
            "compress decompress_into damaged changing open_archive open_archive open_archive open_reader open_writer "
            "use_one use_one use_one use_one use_one use_one use_by_threads use_by_threads close_one drop "
            "drop_in_a_cycle files collect set_threshold set_manners fork"
        ).split()
        global armed
        what = getattr(self, self.rng.choice(names))
        after = self.rng.choice([None, None, self.rng.random() * 0.001, self.rng.random() * 0.03])
        try:
            if after is not None:
                if self.rng.random() < 0.5:
                    signal.setitimer(signal.ITIMER_REAL, after + 1e-6)
                else:
                    threading.Timer(after, signal.pthread_kill, (threading.main_thread().ident, signal.SIGALRM)).start()
            armed = True
            what()
        except EXPECTED:
            pass
        finally:
            armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)


def finish(world, before):
    for timer in [t for t in threading.enumerate() if isinstance(t, threading.Timer) and t.ident]:
        timer.join()
    world.bad = 0.0
    for o in world.pool:
        try:
            o.close()
        except EXPECTED:
            pass
    o = None
    world.pool.clear()
    gc.collect()
    end = time.monotonic() + 20
    while time.monotonic() < end and left_over(world, before):
        time.sleep(0.02)
        gc.collect()
    if left_over(world, before):
        faulthandler.dump_traceback()
        raise AssertionError(left_over(world, before))


def left_over(world, before):
    # A start() that is interrupted leaves a thread in the list that never was.
    threads = [t.name for t in threading.enumerate() if t.name.startswith("zipnn") and t.is_alive()]
    temporary = [name for name in os.listdir(world.folder) if name.startswith(".zipnn-")]
    return threads + temporary + ["descriptors"] * max(len(os.listdir("/proc/self/fd")) - before, 0)


def play(seed):
    signal.signal(signal.SIGALRM, ring)
    warnings.simplefilter("ignore", ResourceWarning)
    warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads
    sys.unraisablehook = lambda unraisable: None  # an alarm that rings in a finalizer
    threading.excepthook = lambda args: None  # or in another thread's file object
    with tempfile.TemporaryDirectory(prefix="zipnn-stress-") as folder:
        play_in(World(seed, folder))


def play_in(world):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(CALLS):
        faulthandler.dump_traceback_later(HANGS, exit=True)
        try:
            world.call()
        except Alarm:
            pass
    faulthandler.dump_traceback_later(HANGS, exit=True)  # goes on to the end of the interpreter
    finish(world, before)


def judge(seed):
    """True when the round of that seed was as it must be."""
    command = [sys.executable, "-X", "faulthandler", os.path.abspath(__file__), "round", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"seed {seed}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def main():
    if sys.argv[1] == "round":
        play(int(sys.argv[2]))
        return 0
    amount, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    end = time.monotonic() + float(amount[:-1]) if amount.endswith("s") else None
    rounds = failed = 0
    while time.monotonic() < end if end else rounds < int(amount):
        failed += not judge(seed + rounds)
        rounds += 1
    print(f"{rounds} rounds of {CALLS} calls from seed {seed} on, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
