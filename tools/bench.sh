#!/bin/bash
# bench.sh bench|bench-apply|bench-ratio|bench-types|bench-delta|bench-dress|bench-cores|bench-load|bench-mount|bench-kernels|bench-products|bench-sync [OPTION]...: builds the benchmarks and runs them; options go to the program.
#   bench          library, command and peers: build/bench/results.jsonl, doc/benchmarks.md
#   bench-ratio    sizes of real weights, beside other coders: build/bench/ratio.jsonl, doc/benchmarks.md; fails where a
#                  promise of bench/promises.py is broken
#   bench-types    sizes and speeds of quantised types, beside memcpy: build/bench/types.jsonl; --doc: doc/benchmarks.md
#   bench-dress    sizes of a model given the same weights in another dress: a table, MODEL may follow
#   bench-apply    differences applied, restored and made in memory, beside memcpy
#   bench-delta    sizes, and with --speed speeds, of differences: build/bench/delta.jsonl, doc/benchmarks.md
#   bench-cores    what 1 to 128 cores would give: build/bench/cores.jsonl, doc/internals/cores.md
#   bench-load     a model into torch tensors, beside the package safetensors: build/bench/load.jsonl, doc/benchmarks.md
#   bench-mount    a view of archives, beside restoring and copying: build/bench/mount.jsonl
#   bench-kernels  the loops of every instruction set
#   bench-products products over packed rows, beside plain ones: build/bench/products.jsonl, doc/benchmarks.md
#   bench-sync     a small model is trained, synced and served; bytes and milliseconds a step: a table
set -eu
cd "$(dirname "$0")/.."

what=${1:-bench}
shift || true
cmake --preset bench >/dev/null
cmake --build build/bench -j "${JOBS:-2}" --target all make_model

case $what in
bench | bench-ratio | bench-types | bench-delta | bench-dress) tools/install_bench.sh ;;
esac
case $what in
bench) exec python3 -B bench/run_bench.py "$@" ;;
bench-ratio)
    [ -x build/bench-venv/bin/python ] || { echo "bench-ratio needs numpy: skipped" && exit 0; }
    exec build/bench-venv/bin/python -B bench/bench_ratio.py "$@"
    ;;
bench-types)
    [ -x build/bench-venv/bin/python ] || { echo "bench-types needs numpy: skipped" && exit 0; }
    exec build/bench-venv/bin/python -B bench/bench_types.py "$@"
    ;;
bench-cores) exec python3 -B bench/bench_cores.py "$@" ;;
bench-dress)
    [ -x build/bench-venv/bin/python ] || { echo "bench-dress needs numpy: skipped" && exit 0; }
    exec build/bench-venv/bin/python -B bench/bench_dress.py "$@"
    ;;
bench-delta)
    [ -x build/bench-venv/bin/python ] || { echo "bench-delta needs numpy: skipped" && exit 0; }
    exec build/bench-venv/bin/python -B bench/bench_delta.py "$@"
    ;;
bench-load)
    ZIPNN_TEST_RUN=0 tools/test_python.sh >build/bench-python.log 2>&1 || { tail -n 20 build/bench-python.log >&2 && exit 1; }
    [ -x build/python/venv/bin/python ] || { cat build/bench-python.log && exit 0; }
    exec build/python/venv/bin/python -B bench/python_load.py "$@"
    ;;
bench-apply) exec python3 -B bench/bench_apply.py "$@" ;;
bench-mount) exec python3 -B bench/bench_mount.py "$@" ;;
bench-products) exec python3 -B bench/bench_products.py "$@" ;;
bench-sync)
    ZIPNN_TEST_RUN=0 tools/test_python.sh >build/bench-python.log 2>&1 || { tail -n 20 build/bench-python.log >&2 && exit 1; }
    [ -x build/python/venv/bin/python ] || { cat build/bench-python.log && exit 0; }
    build/python/venv/bin/pip install -q zstandard >>build/bench-python.log 2>&1 || echo "no peers with zstd: pip cannot install zstandard"
    exec build/python/venv/bin/python -B bench/bench_sync.py "$@"
    ;;
bench-kernels)
    build/bench/bench/bench_kernels "$@"
    build/bench/bench/bench_r16 "$@"
    ;;
*) echo "usage: tools/bench.sh bench|bench-apply|bench-cores|bench-delta|bench-dress|bench-kernels|bench-load|bench-mount|bench-products|bench-ratio|bench-sync|bench-types [OPTION]..." >&2 && exit 2 ;;
esac
