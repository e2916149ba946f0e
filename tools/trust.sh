#!/bin/bash
# What doc/trust.md claims, measured: the long form of checks that tools/test.sh makes in short. A stage that fails does
# not stop the next; its log stays in build/trust. The last line says whether all held.
#
#   tools/trust.sh           all stages, about an hour
#   tools/trust.sh STAGE...  some of: faults kills sequences paths threads memory scale coverage msan static determinism portable python fuzz
set -u
cd "$(dirname "$0")/.."

stages=${*:-faults kills sequences paths threads memory scale coverage msan static determinism portable python fuzz}
jobs=${JOBS:-$(nproc)}
log=$PWD/build/trust
failures=()
mkdir -p "$log"
if ninja --version >/dev/null 2>&1; then export CMAKE_GENERATOR=${CMAKE_GENERATOR:-Ninja}; fi

# figure NAME COMMAND...: runs it and shows its last line, which is the figure.
figure() {
    local name=$1 code=0
    shift
    "$@" >"$log/$name" 2>&1 || code=$?
    if [ "$code" -ne 0 ]; then
        failures+=("$name")
        tail -n 40 "$log/$name"
        echo "  FAILED  $name"
        return
    fi
    echo "  $(tail -n 1 "$log/$name")"
}

# built PRESET TARGET...: the build is there; it is made once.
built() {
    local preset=$1
    shift
    cmake --preset "$preset" >"$log/build-$preset" 2>&1 &&
        cmake --build "build/$preset" -j "$jobs" ${*:+--target "$@"} >>"$log/build-$preset" 2>&1 && return
    tail -n 40 "$log/build-$preset"
    failures+=("build-$preset")
    return 1
}

# The command, optimised, with its assertions.
command_built() {
    built clang zipnn_cli zipnn_inject || return
    export ZIPNN=$PWD/build/clang/zipnn ZIPNN_INJECT_LIBRARY=$PWD/build/clang/tests/trust/libzipnn_inject.so
}

stage_faults() { command_built && figure faults python3 -B tests/trust/faults.py; }
stage_sequences() { command_built && figure sequences python3 -B tests/trust/sequences.py 2000; }
stage_kills() { command_built && figure kills python3 -B tests/trust/kills.py 500; }

# Each a test of the command's as it is in `make test`; it may say that it is skipped.
path_test() {
    local code=0
    bash "tests/cli/$1.sh" || code=$?
    [ $code -ne 77 ] || return 0
    [ $code -eq 0 ] && echo "$1: all as expected"
}

stage_paths() {
    command_built || return
    local script
    for script in names rights outputs remove changing_input cut_input interrupt full_disk damage; do
        figure "paths-$script" path_test "$script"
    done
}

stage_memory() { command_built && figure memory python3 -B tests/trust/memory.py 64 512 2048; }
stage_scale() { command_built && figure scale python3 -B tests/trust/scale.py; }

stage_threads() {
    built tsan test_threads || return
    figure threads build/tsan/tests/unit/test_threads
}

# tests PRESET LABELS: all of them pass; says how many.
tests() {
    local output
    output=$(ctest --test-dir "build/$1" -j "$jobs" --timeout 3000 --output-on-failure --no-tests=error -L "$2") ||
        { echo "$output" && return 1; }
    echo "$output"
    echo "$1: $(grep 'tests passed' <<<"$output"), $(grep 'Total Test time' <<<"$output" | tr -dc '0-9.') s"
}

# MemorySanitizer: unit tests, and what the fuzz targets start from.
replay_seeds() {
    local target n=0
    for target in build/msan/tests/fuzz/fuzz_*; do
        [ -f "$target" ] && [ -x "$target" ] || continue
        "$target" -runs=0 -timeout=60 "tests/fuzz/corpus/$(basename "$target")" || return
        n=$((n + 1))
    done
    echo "msan: $(find tests/fuzz/corpus -type f | wc -l) inputs of $n fuzz targets"
}

stage_msan() {
    figure msan-libraries tools/msan_deps.sh build/msan-deps
    built msan && figure msan tests msan unit && figure msan-fuzz replay_seeds
}

# What the tests run, counted; they have passed before.
count_coverage() {
    local counts=$PWD/build/coverage/profiles
    rm -rf "$counts"
    LLVM_PROFILE_FILE=$counts/%m.profraw tests coverage 'unit|cli|reference' && tools/coverage.py build/coverage
}

stage_coverage() { built coverage && figure coverage count_coverage; }

stage_static() { JOBS=$jobs figure static tools/check_static.sh; }
stage_determinism() { JOBS=$jobs figure determinism tools/determinism.sh; }
stage_fuzz() { figure fuzz tools/fuzz.sh "${FUZZ_SECONDS:-120}"; }

# portable: all tests on a big-endian machine and on one of 32 bits; make test runs those that are quick there.
stage_portable() {
    local preset
    for preset in s390x i686; do
        figure "sysroot-$preset" tools/cross_sysroot.sh "${preset/i686/i386}" "build/$preset-sysroot"
        built "$preset" && figure "portable-$preset" tests "$preset" unit
    done
}

# Random calls of the package in three kinds of interpreter.
python_stress() {
    local python=$PWD/build/python/venv/bin/python seconds=${STRESS_SECONDS:-300}
    ZIPNN_TEST_RUN=0 tools/test_python.sh || return
    [ -x "$python" ] || { echo "python: skipped, no environment could be made" && return; }
    "$python" tests/python/stress.py "${seconds}s" 1 &&
        PYTHONDEVMODE=1 "$python" tests/python/stress.py "${seconds}s" 100001 &&
        PYTHONMALLOC=debug "$python" tests/python/stress.py "${seconds}s" 200001
}

stage_python() { figure python python_stress; }

# In braces, so that an edit of this file does not change what runs.
{
    start=$SECONDS
    for stage in $stages; do
        echo "$stage ($((SECONDS - start)) s)"
        "stage_$stage"
    done
    [ ${#failures[@]} -eq 0 ] || echo "failed: ${failures[*]} (logs in $log)"
    echo "$((SECONDS - start)) s"
    [ ${#failures[@]} -eq 0 ] && echo "all claims hold"
    exit ${#failures[@]}
}
