"""What other lossless coders of weights make of a file: OpenZL, lmzip, z4ai, bigsmall, blosc2, the Python zipnn, zstd.

    python bench/peers.py PEER

answers each line ["FILE", "KIND"] of standard input with a line: {"archive": bytes}, after the file has come back as it
was, or {"refused": why}. bench_ratio.py runs such a process for each peer, so that one which crashes or hangs costs a
file. All but zstd are PyPI packages of the versions below, which tools/install_bench.sh installs. Each gets what it is
made for: the safetensors file where it reads such files, else the bytes of each tensor with its type.
"""

import argparse
import functools
import importlib
import importlib.metadata
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import weights

VERSIONS = {
    "OpenZL": "openzl==0.3.0",
    "lmzip": "lmzip==1.3.0",
    "z4ai": "z4ai==0.2.0",
    "bigsmall": "bigsmall==4.0.0",
    "blosc2": "blosc2==4.14.1",
    "Python zipnn": "zipnn==0.5.4",
}
CASTS = {"bf16": "bfloat16", "Gaussian": "bfloat16", "fp32": "float32", "Adam": "float32", "fp16": "float16"}
PYTHON_BYTES = "float8_e4m3fn"  # the Python zipnn codes whole bytes: for fp8, and the best it has for integers
GGUF_FLOATS = {"F32": "F32", "F16": "F16", "BF16": "BF16", "F64": "F64"}
SEGMENTS = (1 << 17, 1 << 19, 1 << 21)
BLOSC2_BLOCK, BLOSC2_LEVEL = 1 << 20, 5
SETTINGS = {"blosc2": f" at level {BLOSC2_LEVEL}"}  # where they may change; what was measured with others is not taken


class Refused(Exception):
    """The peer does not take this file, or gave other bytes back."""


def same(restored: bytes, data: bytes) -> None:
    if restored != data:
        raise Refused("it gave other bytes back")


def width_of(dtype: str) -> int:
    return weights.FLOATS[dtype][0] // 8 if dtype in weights.FLOATS else int(dtype.strip("IUBOL") or 8) // 8


def parts_of(path: pathlib.Path) -> list[tuple[str, int, bytes]]:
    """(dtype, bytes of an element or block, bytes) of each tensor, the header as bytes."""
    data = path.read_bytes()
    if path.suffix == ".safetensors":
        header_len, tensors = weights.read(path)
        parts = [(t.dtype, width_of(t.dtype), t.data) for t in tensors]
        return [("U8", 1, data[:header_len]), *parts]
    import gguf

    reader = gguf.GGUFReader(str(path))
    found, at = list[tuple[str, int, bytes]](), 0  # the header lies before the first tensor
    for t in sorted(reader.tensors, key=lambda t: int(t.data_offset)):
        begin, size = int(t.data_offset), int(t.n_bytes)
        _, block_bytes = gguf.GGML_QUANT_SIZES[t.tensor_type]
        dtype = GGUF_FLOATS.get(t.tensor_type.name, "BLOCK")
        found += [("U8", 1, data[at:begin]), (dtype, block_bytes, data[begin : begin + size])]
        at = begin + size
    return [*found, ("U8", 1, data[at:])]


# ---- OpenZL ----------------------------------------------------------------------------------------------------------


def segments(parts: list[tuple[str, int, bytes]], size: int) -> Iterator[tuple[str, int, bytes]]:
    """Long tensors in pieces; short ones of one type behind each other join."""
    waiting: tuple[str, int, bytes] | None = None
    for dtype, width, data in parts:
        if waiting and (waiting[:2] != (dtype, width) or len(waiting[2]) + len(data) > size):
            yield waiting
            waiting = None
        if len(data) <= size:
            waiting = (dtype, width, (waiting[2] if waiting else b"") + data)
            continue
        step = size // width * width
        for i in range(0, len(data), step):
            yield dtype, width, data[i : i + step]
    if waiting:
        yield waiting


def openzl_float(to_number: Any, split: Any, mantissa: Callable[[Any], Any], exponent: Any, compressor: Any) -> Any:
    return to_number(compressor, split(compressor, mantissa(compressor), exponent(compressor)))


@functools.cache
def openzl_graphs(dtype: str, width: int) -> list[Any]:
    """A compressor of each graph that is tried on a type."""
    zl = importlib.import_module("openzl.ext")

    n, g = zl.nodes, zl.graphs
    split = {"BF16": n.BFloat16Deconstruct, "F16": n.Float16Deconstruct, "F32": n.Float32Deconstruct}.get(dtype)
    graphs: list[Callable[[Any], Any]] = [
        lambda c: g.Store()(c),
        lambda c: g.Fse()(c),
        lambda c: g.Zstd(compression_level=6)(c),
        lambda c: g.Compress()(c),
    ]
    if width > 1:
        graphs.append(lambda c: n.ConvertSerialToStruct(width)(c, n.TransposeSplit()(c, g.Fse())))
    if split:
        to_number = {2: n.ConvertSerialToNumLE16, 4: n.ConvertSerialToNumLE32}[width]
        mantissa: list[Callable[[Any], Any]] = [lambda c: g.Store()(c)]
        mantissa.append((lambda c: g.Fse()(c)) if width == 2 else (lambda c: n.TransposeSplit()(c, g.Fse())))
        graphs += [functools.partial(openzl_float, to_number(), split(), m, g.Fse()) for m in mantissa]
    found = []
    for graph in graphs:
        compressor = zl.Compressor()
        compressor.set_parameter(zl.CParam.FormatVersion, zl.MAX_FORMAT_VERSION)
        compressor.select_starting_graph(graph(compressor))
        found.append(compressor)
    return found


def openzl_segment(dtype: str, width: int, data: bytes) -> int:
    """The smallest of the graphs' frames."""
    zl = importlib.import_module("openzl.ext")

    best = b""
    source = zl.Input(zl.Type.Serial, numpy.frombuffer(data, numpy.uint8))
    for compressor in openzl_graphs(dtype, width):
        context = zl.CCtx()
        context.ref_compressor(compressor)
        frame = context.compress([source])
        best = frame if not best or len(frame) < len(best) else best
    same(zl.DCtx().decompress(best)[0].content.as_bytes(), data)
    return len(best)


def openzl(path: pathlib.Path, kind: str) -> int:
    """The smallest of three lengths of segments; in each segment the smallest of the graphs."""
    parts = [part for part in parts_of(path) if part[2]]
    return min(sum(openzl_segment(*segment) for segment in segments(parts, size)) for size in SEGMENTS)


# ---- programs and packages that take a file --------------------------------------------------------------------------


def lmzip(path: pathlib.Path, kind: str) -> int:
    """As its command is without options: chunks of 8 MiB."""
    api = importlib.import_module("lmz.api")

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        archive, back = (os.path.join(folder, name) for name in ("archive", "back"))
        api.compress(str(path), archive, workers=1)
        size = os.path.getsize(archive)
        api.decompress(archive, back, workers=1)
        same(pathlib.Path(back).read_bytes(), path.read_bytes())
    return size


def z4ai(path: pathlib.Path, kind: str) -> int:
    package, safetensors = (importlib.import_module(name) for name in ("z4ai", "z4ai.safetensors"))

    data = path.read_bytes()
    if path.suffix == ".safetensors":
        archive = safetensors.compress_bytes(data)
        same(safetensors.decompress_bytes(archive), data)
    else:
        archive = package.compress(data)
        same(package.decompress(archive), data)
    return len(archive)


def bigsmall(path: pathlib.Path, kind: str) -> int:
    """Takes safetensors; it promises the tensors, not the file's header."""
    if path.suffix != ".safetensors":
        raise Refused("it takes safetensors only")
    decoder, encoder = (importlib.import_module(f"bigsmall.{name}") for name in ("decoder", "encoder"))

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        archive, back = pathlib.Path(folder) / "archive.bs", pathlib.Path(folder) / "back.safetensors"
        encoder.compress(path, archive, mode="storage", workers=1, progress=False)
        decoder.decompress(archive, back)
        tensors = [{t.name: t for t in weights.read(file)[1]} for file in (back, path)]
        if tensors[0] != tensors[1]:
            raise Refused("it gave other tensors back")
        return archive.stat().st_size


def blosc2(path: pathlib.Path, kind: str) -> int:
    """zstd behind the better of its shuffles by byte and by bit, for each tensor, in blocks of 1 MiB."""
    package = importlib.import_module("blosc2")

    filters = (package.Filter.SHUFFLE, package.Filter.BITSHUFFLE)
    total = 0
    for _, width, data in parts_of(path):
        for i in range(0, len(data), BLOSC2_BLOCK):
            piece = data[i : i + BLOSC2_BLOCK]
            options = {"typesize": min(width, 255), "clevel": BLOSC2_LEVEL, "codec": package.Codec.ZSTD}
            best = min((package.compress2(piece, filters=[f], **options) for f in filters), key=len)
            same(package.decompress2(best), piece)
            total += min(len(best), len(piece) + 32)
    return total


def python_zipnn(path: pathlib.Path, kind: str) -> int:
    """The whole file and its type."""
    package = importlib.import_module("zipnn")

    data = path.read_bytes()
    codec = package.ZipNN(input_format="byte", bytearray_dtype=python_dtype(kind), threads=1)
    record = bytes(codec.compress(bytearray(data)))
    same(bytes(codec.decompress(record)), data)
    return len(record)


def python_dtype(kind: str) -> str:
    return CASTS.get(kind.split()[0].split("-")[0], PYTHON_BYTES)


def zstd(path: pathlib.Path, kind: str, level: int) -> int:
    """As its command is, on one thread."""
    frame = subprocess.run(["zstd", "-q", "-c", f"-{level}", "-T1", str(path)], stdout=subprocess.PIPE, check=True)
    back = subprocess.run(["zstd", "-q", "-d", "-c"], input=frame.stdout, stdout=subprocess.PIPE, check=True)
    same(back.stdout, path.read_bytes())
    return len(frame.stdout)


PEERS: dict[str, Callable[[pathlib.Path, str], int]] = {
    "zstd -3": functools.partial(zstd, level=3),
    "zstd -19": functools.partial(zstd, level=19),
    "Python zipnn": python_zipnn,
    "OpenZL": openzl,
    "lmzip": lmzip,
    "z4ai": z4ai,
    "blosc2": blosc2,
    "bigsmall": bigsmall,
}


def version(peer: str) -> str | None:
    """The version of a peer that is installed; None where it is not."""
    if peer.startswith("zstd"):
        if not shutil.which("zstd"):
            return None
        return subprocess.run(["zstd", "-V"], capture_output=True, text=True, check=True).stdout.strip()
    name = VERSIONS[peer].split("==")[0]
    try:
        return importlib.metadata.version(name) + SETTINGS.get(peer, "")
    except importlib.metadata.PackageNotFoundError:
        return None


def answer(peer: Callable[[pathlib.Path, str], int], path: pathlib.Path, kind: str) -> dict[str, int | str]:
    try:
        return {"archive": peer(path, kind)}
    except Exception as why:  # of any kind: the packages are not ours
        return {"refused": f"{type(why).__name__}: {why}".splitlines()[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=PEERS)
    args = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the packages print
    for line in sys.stdin:
        file, kind = json.loads(line)
        answers.write(json.dumps(answer(PEERS[args.peer], pathlib.Path(file), kind)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
