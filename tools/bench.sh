#!/bin/bash
# Runs the benchmarks that `make bench` has built, and the command on a synthetic model.
set -eu
cd "$(dirname "$0")/.."

grep -m 1 'model name' /proc/cpuinfo 2>/dev/null || uname -m
for bench in build/bench/bench/bench_*; do
    [ -x "$bench" ] || continue
    echo
    echo "$(basename "$bench")"
    "$bench"
done
tools/demo.sh
