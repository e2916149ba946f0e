#!/bin/bash
# fuzz.sh SECONDS: builds the fuzz targets and runs each for that long, from the seeds in tests/fuzz/corpus/NAME.
# What a target finds grows build/fuzz/corpus/NAME; a crash stops the run and is kept in build/fuzz.
set -eu
cd "$(dirname "$0")/.."

if ninja --version >/dev/null 2>&1; then export CMAKE_GENERATOR=${CMAKE_GENERATOR:-Ninja}; fi
cmake --preset fuzz
cmake --build build/fuzz -j "$(nproc)"
for target in $(find build/fuzz/tests/fuzz -maxdepth 1 -name 'fuzz_*' -type f -executable | sort); do
    name=$(basename "$target")
    grown=build/fuzz/corpus/$name
    seeds=tests/fuzz/corpus/$name
    mkdir -p "$grown"
    [ -d "$seeds" ] || seeds=
    echo "$name"
    "$target" -max_total_time="$1" -timeout=20 -rss_limit_mb=2048 -artifact_prefix="build/fuzz/$name-" -verbosity=0 \
        -print_final_stats=1 "$grown" $seeds
done
echo "fuzzing: nothing found by $(find build/fuzz/tests/fuzz -maxdepth 1 -name 'fuzz_*' -executable -type f | wc -l) targets in $1 s each"
