#!/usr/bin/env python3
"""zipnn.wasm under wasmtime (PyPI: wasmtime): archives are decoded whole, and their digests compared.

    decode.py ZIPNN.WASM GOLDEN          every archive of GOLDEN that is sound and refers to nothing
    decode.py ZIPNN.WASM ARCHIVE...      these, with the speed of the fastest of 7 times
"""

from __future__ import annotations

import ctypes
import sys
import time
from pathlib import Path

import wasmtime

HEADER, TRAILER = 24, 16


class Fault(Exception):
    pass


class Refers(Exception):
    """The archive refers to other bytes, which this program does not fetch."""


class Decoder:
    def __init__(self, engine: wasmtime.Engine, module: wasmtime.Module) -> None:
        self.store = wasmtime.Store(engine)
        self.exports = wasmtime.Instance(self.store, module, []).exports(self.store)
        self.memory = self.exports["memory"]
        self.end = self.exports["__heap_base"].value(self.store)
        self.error = self.take(256)

    def take(self, n: int) -> int:
        at = (self.end + 63) & ~63
        self.end = at + n
        missing = self.end - self.memory.data_len(self.store)
        if missing > 0:
            self.memory.grow(self.store, missing // 65536 + 1)
        return at

    def put(self, at: int, data: bytes) -> None:
        start = ctypes.addressof(self.memory.data_ptr(self.store).contents)
        ctypes.memmove(start + at, data, len(data))

    def number(self, at: int, n: int) -> int:
        return int.from_bytes(self.memory.read(self.store, at, at + n), "little")

    def call(self, name: str, *arguments: int) -> int:
        return self.exports["zipnn_decoder_" + name](self.store, *arguments)

    def check(self, name: str, *arguments: int) -> None:
        status = self.call(name, *arguments, self.error)
        if status:
            text = bytes(self.memory.read(self.store, self.error + 16, self.error + 256))
            raise Fault(text.split(b"\0")[0].decode())

    def open(self, data: bytes) -> None:
        header, head, where, self.list = (self.take(n) for n in (32, 32, 16, 96))
        self.put(head, data[:HEADER])
        self.check("read_header", head, HEADER, header)
        self.put(head, data[-TRAILER:])
        self.check("read_trailer", head, len(data), where, where + 8)
        at, length = self.number(where, 8), self.number(where + 8, 8)
        index = self.take(length)
        self.put(index, data[at : at + length])
        self.check("read_index", header, index, length, at, self.list)
        room, memory = self.number(header, 4), self.call("memory", header)
        self.needs, self.stored, self.out = self.take(64), self.take(room + 512), self.take(room)
        self.check("create", header, self.take(memory), memory, where)
        self.decoder = self.number(where, 4)
        self.frames = []
        frame = self.take(32)
        while self.call("next_frame", self.list, frame):
            self.frames.append(frame)
            frame = self.take(32)

    def decode(self, data: bytes) -> int:
        """Decodes all frames; returns how many bytes these are."""
        done = 0
        for frame in self.frames:
            at, stored, length = self.number(frame, 8), self.number(frame + 8, 4), self.number(frame + 12, 4)
            self.put(self.stored, data[at : at + stored])
            self.check("open_frame", self.decoder, frame, self.stored, self.needs)
            if self.number(self.needs, 4):
                raise Refers
            if length:
                self.check("decode", self.decoder, frame, self.stored, 0, self.out)
                self.take_bytes(length)
            done += length
        return done

    def take_bytes(self, length: int) -> None:
        """What is done with the bytes of a chunk: here, nothing."""


class Verifier(Decoder):
    def take_bytes(self, length: int) -> None:
        self.call("digest_update", self.decoder, self.out, length)

    def verify(self, data: bytes) -> None:
        self.call("digest_begin", self.decoder)
        self.decode(data)
        self.check("digest_compare", self.decoder, self.list)


def golden(folder: Path) -> list[Path]:
    found = []
    for lines in sorted(folder.glob("*/list.txt")):
        for line in lines.read_text().splitlines():
            words = line.split(" ")
            if words[1] == "ok" and len(words) == 4:
                found.append(lines.parent / words[0])
    return found


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    config = wasmtime.Config()
    engine = wasmtime.Engine(config)
    module = wasmtime.Module.from_file(engine, sys.argv[1])
    paths = [Path(word) for word in sys.argv[2:]]
    is_golden = paths[0].is_dir()
    refer = 0
    for path in golden(paths[0]) if is_golden else paths:
        data = path.read_bytes()
        verifier = Verifier(engine, module)
        try:
            verifier.open(data)
            verifier.verify(data)
        except Refers:
            refer += 1
            continue
        except Fault as fault:
            sys.exit(f"{path}: {fault}")
        if is_golden:
            continue
        decoder = Decoder(engine, module)
        decoder.open(data)
        times = []
        for _ in range(7):
            start = time.perf_counter()
            length = decoder.decode(data)
            times.append(time.perf_counter() - start)
        print(f"{path}: {length / min(times) / 1e9:.2f} GB/s")
    if is_golden:
        print(f"wasmtime: {len(golden(paths[0])) - refer} sound archives are decoded, {refer} refer to others")


if __name__ == "__main__":
    main()
