"""A trainer, an engine, and the weights between them: a small GPT is trained and served on the CPU, every step is
synced, and what goes over the wire is held beside what others send.

    bench_sync.py [--steps N] [--width N] [--layers N] [--warm N] [--threads N]

The trainer keeps fp32 masters and serves bf16, as reinforcement learning does (Adam, a small rate after a warm-up). Per
step: an update of zipnn is packed, goes through a pipe to the engine's process, is applied in place, and the engine
generates from the new weights; its digest must be the trainer's. The peers code the same step in this process, alone:
all of the weights; XOR with the step before, zstd 3; and indices with values, as weight syncs of today send them: raw
int32 and bf16, or 16-bit gaps and values through zstd 1 (byte gaps where they fit, an escape else). Sizes are exact;
times are medians, and mean something on a quiet machine only. Prints a table in Markdown.
"""

import argparse
import importlib
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy
import torch
import zipnn

VOCABULARY, CONTEXT = 256, 64
PATIENCE = 600  # seconds, after which an engine that says nothing is given up


class Block(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.qkv, self.out = torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width)
        self.up, self.down = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)

    def forward(self, x: Any) -> Any:
        n, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, length, 3, width // 64, 64).permute(2, 0, 3, 1, 4)
        mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(n, length, width))
        return x + self.down(torch.nn.functional.gelu(self.up(self.norm2(x))))


class GPT(torch.nn.Module):  # type: ignore[misc]
    """Bytes in, bytes out."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.embed, self.place = torch.nn.Embedding(VOCABULARY, width), torch.nn.Embedding(CONTEXT, width)
        self.blocks = torch.nn.ModuleList(Block(width) for _ in range(layers))
        self.norm, self.head = torch.nn.LayerNorm(width), torch.nn.Linear(width, VOCABULARY, bias=False)

    def forward(self, tokens: Any) -> Any:
        x = self.embed(tokens) + self.place(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def generate(model: GPT, n: int) -> bytes:
    """Returns the most likely bytes after "def "."""
    tokens = list(b"def ")
    with torch.no_grad():
        for _ in range(n):
            tokens.append(int(model(torch.tensor([tokens[-CONTEXT:]]))[0, -1].argmax()))
    return bytes(tokens)


# ---- the engine ------------------------------------------------------------------------------------------------------


def serve(descriptor: int, width: int, layers: int, n: int, threads: int, answers: Any) -> None:
    """Has weights of its own, takes n updates from the pipe, and tells after each when it was applied."""
    torch.set_num_threads(1)
    model = GPT(width, layers).to(torch.bfloat16)
    weights = zipnn.Weights(model.state_dict())
    with open(descriptor, "rb", buffering=0) as source:
        for _ in range(n):
            stats = weights.apply(source, threads=threads)
            applied = time.monotonic()
            answers.put((applied, weights.digest, stats.bytes, generate(model, 8)))


# ---- the trainer -----------------------------------------------------------------------------------------------------


def corpus() -> Any:
    """Returns the text of Python's own library as bytes."""
    folder = os.path.dirname(os.__file__)
    names = sorted(name for name in os.listdir(folder) if name.endswith(".py"))[:80]
    parts = []
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            parts.append(file.read())
    return torch.frombuffer(bytearray(b"".join(parts)), dtype=torch.uint8)


class Trainer:
    """fp32 masters and the bf16 weights that are served."""

    def __init__(self, width: int, layers: int, warm: int) -> None:
        torch.manual_seed(1)
        self.master, self.served = GPT(width, layers), GPT(width, layers).to(torch.bfloat16)
        self.text = corpus()
        self.optimizer = torch.optim.AdamW(self.master.parameters(), lr=1e-3)
        for _ in range(warm):
            self.step()
        for group in self.optimizer.param_groups:
            group["lr"] = 2e-6
        self.publish()

    def step(self) -> None:
        at = torch.randint(0, len(self.text) - CONTEXT - 1, (16,))
        rows = torch.stack([self.text[i : i + CONTEXT + 1] for i in at]).long()
        logits = self.master(rows[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def publish(self) -> None:
        with torch.no_grad():
            for served, master in zip(self.served.parameters(), self.master.parameters()):
                served.copy_(master)


# ---- what others send ------------------------------------------------------------------------------------------------


def words(model: GPT) -> Any:
    """Returns all weights as one array of 16-bit words."""
    tensors = (t.view(torch.int16).numpy().ravel() for t in model.state_dict().values())
    return numpy.concatenate(list(tensors)).view(numpy.uint16)


def zstd(level: int) -> Any:
    """Returns a function that compresses, None without the package zstandard."""
    try:
        library = importlib.import_module("zstandard")
    except ImportError:
        return None
    return library.ZstdCompressor(level=level).compress


def gap_bytes(at: Any) -> bytes:
    """Returns gaps between ascending indices, a byte each, or 255 and four."""
    gaps = numpy.diff(at, prepend=-1) - 1
    out: bytes = gaps.clip(max=255).astype(numpy.uint8).tobytes()
    escaped: bytes = gaps[gaps >= 255].astype("<u4").tobytes()
    return out + escaped


def peers(old: Any, new: Any) -> dict[str, tuple[int, float]]:
    """Returns bytes and seconds of each way of sending a step."""
    fast, usual = zstd(1), zstd(3)
    found: dict[str, tuple[int, float]] = {}

    def take(name: str, code: Callable[[], int]) -> None:
        begun = time.monotonic()
        size = code()
        found[name] = size, time.monotonic() - begun

    def indices() -> Any:
        return numpy.flatnonzero(old != new)

    def raw() -> int:
        at = indices()
        return len(at.astype("<i4").tobytes() + new[at].tobytes())

    take("all of it", lambda: len(new.tobytes()))
    take("indices (int32) and values", raw)
    if fast is not None and usual is not None:

        def gaps() -> int:
            at = indices()
            return len(fast(numpy.diff(at, prepend=0).clip(max=65535).astype("<u2").tobytes())) + 2 * len(at)

        def pulse() -> int:
            at = indices()
            return len(fast(gap_bytes(at))) + len(fast(new[at].tobytes()))

        take("gaps through zstd 1, values", gaps)
        take("gaps and values through zstd 1", pulse)
        take("XOR through zstd 3", lambda: len(usual((old ^ new).tobytes())))
    return found


# ---- all of it -------------------------------------------------------------------------------------------------------


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(args.threads)
    trainer = Trainer(args.width, args.layers, args.warm)
    sent = zipnn.Weights(trainer.served.state_dict(), copy=True)
    reading, writing = os.pipe()
    spawn = multiprocessing.get_context("fork")
    answers = spawn.Queue()
    engine = spawn.Process(
        target=serve, args=(reading, args.width, args.layers, args.steps + 1, args.threads, answers), daemon=True
    )
    engine.start()
    os.close(reading)
    rows: dict[str, list[tuple[int, float]]] = {}
    with open(writing, "wb", buffering=0) as pipe:
        sent.pack_to(pipe, trainer.served.state_dict(), form="whole", threads=args.threads)
        answers.get(timeout=PATIENCE)
        changed = 0.0
        for step in range(args.steps):
            before = words(trainer.served)
            trainer.step()
            trainer.publish()
            now = words(trainer.served)
            changed += float((before != now).mean()) / args.steps
            for form in ("values", "difference"):
                begun = time.monotonic()
                size = len(sent.pack(trainer.served.state_dict(), form=form, keep=True, threads=args.threads))
                rows.setdefault(f"zipnn, {form}", []).append((size, time.monotonic() - begun))
            begun = time.monotonic()
            sent.pack_to(pipe, trainer.served.state_dict(), note=str(step).encode(), threads=args.threads)
            applied, digest, size, text = answers.get(timeout=PATIENCE)
            if digest != sent.digest or text != generate(trainer.served, 8):
                raise AssertionError(f"step {step}: the engine has other weights than the trainer")
            rows.setdefault("zipnn: pack, pipe, apply", []).append((size, applied - begun))
            for name, found in peers(before, now).items():
                rows.setdefault(name, []).append(found)
    engine.join()
    nbytes = sent.nbytes
    print(f"{nbytes} bytes of bf16 weights, {args.steps} steps, {100 * changed:.2f} % of the words change in a step\n")
    print("| what is sent | bytes a step | times zipnn's | ms |\n|---|---|---|---|")
    ours = statistics.mean(size for size, _ in rows["zipnn, difference"])
    for name, row in sorted(rows.items(), key=lambda item: statistics.mean(size for size, _ in item[1])):
        mean = statistics.mean(size for size, _ in row)
        print(f"| {name} | {mean:.0f} | {mean / ours:.2f} | {1000 * statistics.median(t for _, t in row):.1f} |")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--warm", type=int, default=40, help="steps of training before the first sync")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
