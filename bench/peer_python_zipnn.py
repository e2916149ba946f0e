"""peer_python_zipnn.py FILE DTYPE MIB ROUNDS: the PyPI package zipnn on the first MIB MiB of FILE, in memory, one
thread.

JSON lines as rounds.h has them, group "python zipnn": "encode" and "decode" are calls of its class, "... core" the
part of them that its C code takes. Run by an interpreter that has the package.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy

package = importlib.import_module("zipnn.zipnn")


class TimedCore:
    """The C module, with the time of its last call."""

    def __init__(self, core: Any) -> None:
        self.core, self.seconds = core, 0.0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            start = time.perf_counter()
            result = getattr(self.core, name)(*args)
            self.seconds = time.perf_counter() - start
            return result

        return call


def timed(call: Callable[..., Any], *args: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    result = call(*args)
    return result, time.perf_counter() - start


def measure(data: bytes, dtype: str, n_rounds: int) -> tuple[dict[str, list[float]], Any]:
    """Times by name, and the record."""
    core = TimedCore(package.zipnn_core)
    package.zipnn_core = core  # type: ignore[attr-defined]
    codec = package.ZipNN(input_format="byte", bytearray_dtype=dtype, threads=1)
    times: dict[str, list[float]] = {name: [] for name in ("memcpy", "encode", "encode core", "decode", "decode core")}
    target, source = numpy.zeros(len(data), numpy.uint8), numpy.frombuffer(data, numpy.uint8)
    for i in range(n_rounds + 1):
        if i == 1:  # the first round warmed up
            times = {name: [] for name in times}
        times["memcpy"].append(timed(numpy.copyto, target, source)[1])
        # It reorders bits in the caller's buffer: it gets a copy.
        record, seconds = timed(codec.compress, bytearray(data))
        times["encode"].append(seconds)
        times["encode core"].append(core.seconds)
        restored, seconds = timed(codec.decompress, record)
        times["decode"].append(seconds)
        times["decode core"].append(core.seconds)
    if bytes(restored) != data:
        raise SystemExit("the Python zipnn gave other bytes")
    return times, record


def main() -> None:
    path, dtype, mib, n_rounds = sys.argv[1:]
    with open(path, "rb") as file:
        data = file.read(int(mib) << 20)
    times, record = measure(data, dtype, int(n_rounds))
    print(json.dumps({"group": "python zipnn", "original": len(data), "archive": len(record)}))
    for name, seconds in times.items():
        print(json.dumps({"group": "python zipnn", "name": name, "bytes": len(data), "seconds": seconds}))


if __name__ == "__main__":
    main()
