#!/bin/bash
# check_static.sh [cppcheck|tidy]: static analysis of the library, the command and the programs beside it; nothing to say is
# the only good answer. cppcheck takes seconds, clang-tidy (with clang's analyzer) minutes. What is left out, and why, stands in
# tools/cppcheck.txt and .clang-tidy.
set -eu
cd "$(dirname "$0")/.."

tools=${*:-cppcheck tidy}
jobs=${JOBS:-$(nproc)}
fuse=$(pkg-config --cflags fuse3 2>/dev/null || true) # without libfuse 3, what needs it is left out
curl=$(pkg-config --modversion libcurl 2>/dev/null || true)
folders="src cli${fuse:+ mount}${curl:+ fetch}"
flags="-std=c11 -Iinclude -Isrc -Icli -Ifetch ${fuse//-I/-isystem } -D_GNU_SOURCE -DBENCH_ADVICE=0"

run_cppcheck() {
    cppcheck -q -j "$jobs" --std=c11 --enable=warning,portability,performance --error-exitcode=1 \
        -i src/io/windows --suppressions-list=tools/cppcheck.txt --template=gcc -D__x86_64__ -I include -I src -I cli -I fetch $folders
}

# tidy FOLDER CHECKS: without code for other processors and systems, which needs their headers.
tidy() {
    find "$1" -name '*.c' ! -name '*_neon.c' ! -name '*_simd128.c' ! -name '*_windows.c' ! -path '*/io/windows/*' -print0 |
        xargs -0 -P "$jobs" -I {} clang-tidy --quiet --checks="$2" {} -- $flags 2>/dev/null
}

# The command ends by exit() and reads its surroundings while it has one thread; its tables are made by macros.
run_tidy() {
    tidy src ''
    tidy cli '-concurrency-mt-unsafe,-bugprone-macro-parentheses'
    [ -z "$fuse" ] || tidy mount '-concurrency-mt-unsafe'
    [ -z "$curl" ] || tidy fetch '-concurrency-mt-unsafe'
}

for tool in $tools; do "run_$tool"; done
echo "static analysis ($tools): nothing found in $(find $folders -name '*.[ch]' | wc -l) files"
