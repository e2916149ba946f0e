# Sourced by each test of the command line. ZIPNN is the program, ZIPNN_EMULATOR what runs it in a cross build.
# A test works in a folder of its own, calls expect and check, and ends with finish.
set -u
export LC_ALL=C
unset ZIPNN_CPU ZIPNN_LEVEL ZIPNN_THREADS
umask 022
# ThreadSanitizer waits a second at the end of a program that has a thread, such as the one for signals.
export TSAN_OPTIONS=${TSAN_OPTIONS:-}:atexit_sleep_ms=0

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
mkdir "$home/bin" "$home/work"
printf '#!/bin/sh\nexec %s "%s" "$@"\n' "${ZIPNN_EMULATOR:-}" "$ZIPNN" >"$home/bin/zipnn"
chmod +x "$home/bin/zipnn"
PATH=$home/bin:$PATH
cd "$home/work" || exit 1
failures=0

fail() {
    echo "FAILED: $*"
    sed 's/^/    /' "$home/out" "$home/err" 2>/dev/null | head -n 10
    failures=$((failures + 1))
}

# check COMMAND...: it must succeed.
check() {
    "$@" >"$home/out" 2>"$home/err" || fail "$*"
}

# refuted COMMAND...: it must not.
refuted() {
    ! "$@" >"$home/out" 2>"$home/err" || fail "not: $*"
}

# expect CODE COMMAND...: it must exit with CODE. Its output is kept for says and prints.
expect() {
    local code=$1 got=0
    shift
    "$@" >"$home/out" 2>"$home/err" </dev/null || got=$?
    [ "$got" -eq "$code" ] || fail "exit code $got instead of $code: $*"
}

# says TEXT: the last command's standard error has it.  prints TEXT: its standard output.
says() {
    grep -qF -- "$1" "$home/err" || fail "does not say \"$1\""
}
prints() {
    grep -qF -- "$1" "$home/out" || fail "does not print \"$1\""
}
silent() {
    [ -z "$(cat "$home/out" "$home/err")" ] || fail "not silent: $1"
}

# No temporary file is left anywhere below.
no_temporaries() {
    [ -z "$(find . -name '.zipnn-*')" ] || fail "a temporary file is left over"
}

skip() {
    echo "skipped: $1"
    exit 77
}

# numbers SIZE FILE: bytes that look like bf16 weights, the same every time: 2 random bits of exponent, 8 of mantissa.
numbers() {
    awk -v n="$(($1 / 2))" 'BEGIN {
        seed = 12345
        for (i = 0; i < n; i++) {
            seed = (seed * 69069 + 1234567) % 4294967296
            high = int(seed / 65536)
            printf "%02x%02x", high % 256, 60 + int(high / 256) % 3 + 128 * (int(high / 4096) % 2)
        }
    }' | unhex >"$2"
}

# Turns pairs of hexadecimal digits into bytes.
unhex() {
    if command -v xxd >/dev/null; then
        xxd -r -p
    else
        python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))'
    fi
}

# model ROWS FILE: a safetensors file of two bf16 tensors, ROWS x 64 and 64.
model() {
    local bytes=$(($1 * 128)) header
    header="{\"a.weight\":{\"dtype\":\"BF16\",\"shape\":[$1,64],\"data_offsets\":[0,$bytes]},"
    header+="\"b\":{\"dtype\":\"BF16\",\"shape\":[64],\"data_offsets\":[$bytes,$((bytes + 128))]}}"
    numbers $((bytes + 128)) "$home/numbers"
    {
        printf "\\x$(printf %x ${#header})\\0\\0\\0\\0\\0\\0\\0%s" "$header"
        cat "$home/numbers"
    } >"$2"
}

finish() {
    [ "$failures" -eq 0 ] || exit 1
}
