#!/usr/bin/env python3
"""Writes archives made by the command line program: make_golden.py ZIPNN FOLDER.

FOLDER gets NAME.znn and list.txt, as make_vectors.py explains. A folder of tests/golden is made once, by the encoder of
its day, and never again: what was written then is restored forever."""

import json
import pathlib
import random
import struct
import subprocess
import sys

from make_vectors import halves, noise, weights
from native import xxh3_128

TEXT = "A model is a list of tensors, a tensor is a list of numbers; {} of them are on this line.\n"


def safetensors(tensors):
    """A file of (name, dtype, shape, bytes)."""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, dtype, shape, data in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(data for *_, data in tensors)


def specials():
    """fp32 with NaN payloads, infinities, zeros of both signs and subnormals among numbers."""
    rng = random.Random(6)
    odd = [0x7FC00000, 0x7F800001, 0xFFFFFFFF, 0x7F800000, 0xFF800000, 0, 0x80000000, 1, 0x007FFFFF]
    return struct.pack("<3000I", *(rng.choice(odd) if i % 3 else rng.getrandbits(32) for i in range(3000)))


def layers():
    """bf16 whose scale changes from one stretch to the next, as between the layers of a model."""
    rng = random.Random(7)
    values = (rng.gauss(0, 0.5 ** (i // 2500 * 3)) for i in range(20000))
    return b"".join(struct.pack("<f", value)[2:] for value in values)


def sparse(length):
    """More than two chunks of zeros, with a few weights here and there."""
    data = bytearray(length)
    for at in range(4096, length - 400, 40000):
        data[at : at + 400] = weights(200, seed=at)
    return bytes(data)


def model():
    ids = struct.pack("<200q", *range(0, 400, 2))
    return safetensors(
        [
            ("embed.weight", "BF16", [100, 120], weights(12000, seed=21)),
            ("h.0.attn.weight", "F16", [50, 101], halves(5050, seed=22)),
            ("h.0.norm.weight", "F32", [999], weights(999, 4, seed=23)),
            ("h.0.scale", "F64", [333], weights(333, 8, seed=24)),
            ("h.0.quant", "I8", [2001], bytes(b & 15 for b in noise(2001, 25))),
            ("empty", "F32", [0, 4], b""),
            ("position_ids", "I64", [1, 200], ids),
        ]
    )


def rows(n_rows, n_columns, seed):
    """bf16 values of a matrix whose rows and columns have scales of their own, some of them zero."""
    rng = random.Random(seed)
    columns = [2 ** rng.gauss(-6, 1) for _ in range(n_columns)]
    values = []
    for _ in range(n_rows):
        row = 2 ** rng.gauss(0, 1)
        values += [rng.gauss(0, row * column) if rng.random() > 0.05 else 0 for column in columns]
    return values


def mixed_model():
    """What mixed predictions tell apart: axes, signs that are one, zeros, mantissas cut short, scales that jump."""
    matrix = rows(60, 70, 31)
    positive = [abs(value) for value in rows(40, 50, 32)]
    bf16 = b"".join(struct.pack("<f", value)[2:] for value in matrix)
    return safetensors(
        [
            ("h.0.weight", "BF16", [60, 70], bf16),
            ("h.0.norm", "BF16", [70], bf16[:140]),
            ("h.0.conv", "BF16", [10, 14, 5, 6], bf16[::-1]),
            ("h.0.variance", "F32", [40, 50], struct.pack("<2000f", *positive)),
            ("h.0.short", "F32", [60, 70], b"".join(b"\0\0" + bf16[i : i + 2] for i in range(0, 8400, 2))),
            ("h.0.half", "F16", [70, 60], struct.pack("<4200e", *matrix)),
            ("h.0.eighth", "F8_E4M3", [60, 70], bf16[1::2]),
        ]
    )


def gguf(tensors):
    """A GGUF file of (name, type, row, rows, bytes)."""
    records, data = b"", b""
    for name, number, row, rows, content in tensors:
        records += struct.pack("<Q", len(name)) + name + struct.pack("<IQQIQ", 2, row, rows, number, len(data))
        data += content + bytes(-len(content) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 0) + records
    return head + bytes(-len(head) % 32) + data


def blocks(n, scales, values):
    """n blocks of `scales` scales of fp16 and values of 4 bits."""
    rng = random.Random(8)
    return b"".join(
        struct.pack(f"<{scales}e", *(abs(rng.gauss(0.1, 0.02)) for _ in range(scales)))
        + bytes(int(rng.gauss(8, 2)) & 15 | (int(rng.gauss(8, 2)) & 15) << 4 for _ in range(values))
        for _ in range(n)
    )


def quantised_model():
    return gguf(
        [
            (b"token_embd.weight", 2, 64, 600, blocks(1200, 1, 16)),
            (b"output_norm.weight", 0, 1500, 1, weights(1500, 4, seed=26)),
            (b"blk.0.attn_q.weight", 8, 64, 150, blocks(300, 1, 32)),
            (b"blk.0.ffn_up.weight", 12, 256, 70, blocks(70, 2, 140)),
            (b"blk.0.ffn_down.weight", 13, 256, 70, blocks(70, 2, 172)),
        ]
    )


def originals():
    """(name, options, original)"""
    ints = struct.pack("<4000i", *(int(random.Random(i).gauss(0, 500)) for i in range(4000)))
    text = "".join(TEXT.format(i * i) for i in range(200)).encode()
    yield "empty", (), b""
    yield "empty_sha256", ("--sha256",), b""
    yield "one_byte", (), b"\x5a"
    yield "noise", (), noise(5001, 9)
    yield "constant", (), bytes([7]) * 70000
    yield "text", ("--sha256",), text
    yield "int32", (), ints
    yield "fp32_specials", (), specials()
    yield "bf16_layers", (), layers()
    yield "sparse_chunks", ("--sha256",), sparse(1500001)
    yield "fp16", (), halves(8000, seed=2)
    yield "fp32", (), weights(6001, 4, seed=3)
    yield "fp64", (), weights(1500, 8, seed=4) + b"tail"
    yield "gguf", (), quantised_model()
    for level in ("-1", "-3"):
        yield "bf16" + level, (level,), weights(12000, seed=1)
        yield "safetensors" + level, (level,), model()
    yield from high_originals()
    yield from best_originals()


def high_originals():
    yield "bf16-6", ("-6", "--dtype", "bf16"), weights(30000, seed=1) + b"e"
    yield "fp16-6", ("-6", "--dtype", "fp16"), halves(30000, seed=2)
    yield "fp32-6", ("-6", "--dtype", "fp32"), weights(30001, 4, seed=3) + b"end"


def best_originals():
    yield "bf16-9", ("-9",), weights(5000, seed=1)
    yield "fp16-9", ("-9", "--dtype", "fp16"), struct.pack("<4200e", *rows(60, 70, 33))
    yield "fp32-9", ("-9",), weights(3001, 4, seed=3) + b"end"
    yield "fp8-9", ("-9", "--dtype", "fp8_e5m2"), halves(4000, seed=5)[1::2]
    yield "mixed_model-9", ("-9",), mixed_model()


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True)
    lines = []
    for name, options, original in originals():
        command = [program, "-c", "-T1", *options]
        archive = subprocess.run(command, input=original, stdout=subprocess.PIPE, check=True).stdout
        (folder / f"{name}.znn").write_bytes(archive)
        lines.append(f"{name}.znn ok {len(original)} {xxh3_128(original).hex()}\n")
    (folder / "list.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
