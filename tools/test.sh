#!/bin/bash
# Everything that CI checks, stage by stage; a stage that fails does not stop the next. The last line counts the tests
# of all stages (a build that fails counts as one failed test) and the exit status says whether all passed.
#
#   tools/test.sh           all stages
#   tools/test.sh STAGE...  some of: checks gcc clang asan tsan aarch64 s390x i686 release python dist fuzz
set -u
cd "$(dirname "$0")/.."

stages=${*:-checks gcc clang asan tsan aarch64 s390x i686 release python dist fuzz}
jobs=${JOBS:-$(nproc)}
passed=0
failed=0
failures=()
log=build/test-logs
mkdir -p "$log"
if ninja --version >/dev/null 2>&1; then export CMAKE_GENERATOR=${CMAKE_GENERATOR:-Ninja}; fi

# check NAME COMMAND...: one test; its output is shown when it fails.
check() {
    local name=$1
    shift
    if "$@" >"$log/$name" 2>&1; then
        passed=$((passed + 1))
        echo "  ok      $name"
    else
        failed=$((failed + 1))
        failures+=("$name")
        tail -n 60 "$log/$name"
        echo "  FAILED  $name"
        return 1
    fi
}

configure_and_build() {
    cmake --preset "$1" && cmake --build "build/$1" -j "$jobs"
}

# preset NAME [CTEST-OPTION...]: configures, builds and runs ctest.
preset() {
    local name=$1 junit="$PWD/$log/$1.xml" total=0 bad=1 skipped=0
    shift
    check "$name-build" configure_and_build "$name" || return
    rm -f "$junit"
    ctest --test-dir "build/$name" -j "$jobs" --output-on-failure --no-tests=error "$@" --output-junit "$junit" \
        >"$log/$name-ctest" 2>&1 || tail -n 100 "$log/$name-ctest"
    if [ -s "$junit" ]; then
        total=$(attribute tests "$junit") bad=$(attribute failures "$junit") skipped=$(attribute skipped "$junit")
    fi
    passed=$((passed + total - bad - skipped))
    failed=$((failed + bad))
    [ "$bad" -eq 0 ] || failures+=("$name-ctest")
    echo "  $((total - bad - skipped)) of $total tests passed, $skipped skipped: $name"
}

# attribute NAME FILE: a number of the first element in a JUnit file that has it.
attribute() {
    grep -o "\b$1=\"[0-9]*\"" "$2" | head -n 1 | tr -dc 0-9
}

stage_gcc() { preset dev; }
stage_clang() { preset clang; }
stage_asan() { preset asan; }
# Everything that runs threads; under ThreadSanitizer the rest is slow and shows nothing.
stage_tsan() { preset tsan -L threads; }

# cross PRESET ARCHITECTURE [CTEST-OPTION...]: the tests of another processor, under qemu.
cross() {
    local name=$1 architecture=$2
    shift 2
    check "$name-sysroot" tools/cross_sysroot.sh "$architecture" "build/$name-sysroot" && preset "$name" "$@"
}

# What depends on the order of bytes and the width of addresses; the rest takes minutes and is a part of `make trust`.
portable='^test_(base|columns|cut|decoder|format|gguf|golden|joint|kernels|made|matrix|npy|planes|r16|r16_fit|records|safetensors|sniff|sync|sync_merge|wrapped)$'

stage_aarch64() { cross aarch64 arm64; }
stage_s390x() { cross s390x s390x -R "$portable"; }
stage_i686() { cross i686 i386 -R "$portable"; }

# The public headers alone, in both languages and both compilers. Either brings the other, in any order.
check_header() {
    local first
    for first in zipnn file stdio tiles matrix gpu joined digests sync decoder; do check_header_first $first || return 1; done
}
check_header_first() {
    local flags="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Werror -fsyntax-only -Iinclude"
    local unit="#include \"zipnn/$1.h\"
#include \"zipnn/zipnn.h\"
int main(void) { zipnn_file_close(0); return zipnn_version() == 0; }"
    for cc in gcc clang; do $cc -std=c11 $flags -x c - <<<"$unit" || return 1; done
    for cxx in g++ clang++; do $cxx -std=c++11 $flags -Wold-style-cast -x c++ - <<<"$unit" || return 1; done
}

# The formatter's verdict changes with its version: 14 is the one that counts.
check_format() {
    find include src cli fetch mount python tests bench tools examples -name '*.[ch]' -exec clang-format --dry-run -Werror {} +
}

stage_checks() {
    check layers tools/check_layers.py
    check size tools/check_size.py
    check style tools/check_style.py
    check docs tools/check_docs.py
    check places tools/check_places.py
    check python-style tools/check_python.sh && { grep '^skipped' "$log/python-style" || true; }
    check python-docs tools/make_docs.sh && { grep '^skipped' "$log/python-docs" || true; }
    check static tools/check_static.sh cppcheck
    check header check_header
    if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then check format check_format; fi
}

# What `make` builds, in a folder of its own, without a warning; then installed and used.
stage_release() {
    check release-build configure_and_build install || return
    check symbols tools/check_globals.py build/install/libzipnn.a build/install/libzipnn.so
    check hardening tools/check_hardening.py build/install/zipnn build/install/zipnn-fetch build/install/libzipnn.so
    check install tools/test_install.sh
}

# A skipped stage says so.
stage_python() { check python tools/test_python.sh && grep '^skipped' "$log/python"; }

# A wheel and a program as `make dist` makes them, used; `make dist-test` does all.
stage_dist() {
    if ! python3 -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "  skipped: make dist needs Python 3.11 with venv"
        return
    fi
    check dist packaging/test_dist.sh smoke
}

stage_fuzz() { check fuzz tools/fuzz.sh 10; }

# A program that root runs can put a file in the place of a device; whatever writes there afterwards is read by others.
null_is_device() { [ -c /dev/null ]; }
if ! null_is_device; then
    echo "/dev/null was a file on this machine; it is made a device again"
    rm -f /dev/null && mknod -m 666 /dev/null c 1 3 || exit 2
fi

start=$SECONDS
for stage in $stages; do
    echo "$stage ($((SECONDS - start)) s)"
    "stage_$stage"
done
check devices null_is_device

[ ${#failures[@]} -eq 0 ] || echo "failed: ${failures[*]} (logs in $log)"
echo "$((SECONDS - start)) s"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
