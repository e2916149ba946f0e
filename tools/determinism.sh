#!/bin/bash
# determinism.sh [BUILD...]: builds by gcc and clang, with and without optimisation, and for other processors write the
# same archives; each tries every instruction set and several numbers of threads, and restores what it wrote. Since the
# bytes are the same, each build restores what the others write. libzstd 1.5.4 itself writes other bytes on big-endian
# machines and in programs of 32 bits: there an archive with a part of its may be another.
set -eu
cd "$(dirname "$0")/.."

builds=${*:-gcc-O0 gcc-O3 clang-O0 clang-O3 aarch64 s390x i686}
jobs=${JOBS:-$(nproc)}
out=$PWD/build/determinism
mkdir -p "$out"

# native COMPILER LEVEL
native() {
    cmake -S . -B "$out/$1$2" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER="$1" -DCMAKE_C_FLAGS_DEBUG="$2" \
        -DZIPNN_CLI=OFF -DZIPNN_TESTS=ON
    cmake --build "$out/$1$2" -j "$jobs" --target archive_digests
    "$out/$1$2/tests/archive_digests" >"$out/$1$2.txt"
}

# foreign PRESET ARCHITECTURE TRIPLET FOLDER EMULATOR
foreign() {
    tools/cross_sysroot.sh "$2" "build/$1-sysroot"
    cmake --preset "$1"
    cmake --build "build/$1" -j "$jobs" --target archive_digests
    "$5" -L "/usr/$3" -E LD_LIBRARY_PATH="build/$1-sysroot/usr/lib/$4" "build/$1/tests/archive_digests" >"$out/$1.txt"
}

write_digests() {
    case $1 in
    gcc-* | clang-*) native "${1%-*}" "-${1#*-}" ;;
    aarch64) foreign aarch64 arm64 aarch64-linux-gnu aarch64-linux-gnu qemu-aarch64 ;;
    s390x) foreign s390x s390x s390x-linux-gnu s390x-linux-gnu qemu-s390x ;;
    i686) foreign i686 i386 i686-linux-gnu i386-linux-gnu qemu-i386 ;;
    esac
}

# compare FIRST BUILD: lists the lines that must be the same and are not.
compare() {
    case $2 in
    s390x | i686) diff "$out/$1.txt" "$out/$2.txt" | grep '^[<>]' | grep -v libzstd ;;
    *) ! diff "$out/$1.txt" "$out/$2.txt" ;;
    esac
}

first=
told=
for build in $builds; do
    write_digests "$build" >"$out/$build.log" 2>&1 || { tail -n 30 "$out/$build.log" && exit 1; }
    first=${first:-$build}
    if compare "$first" "$build"; then echo "$build and $first write other archives" && exit 1; fi
    told="$told, $(comm -12 <(sort "$out/$first.txt") <(sort "$out/$build.txt") | wc -l) from $build"
done
echo "determinism: of $(wc -l <"$out/$first.txt") archives the same from each build as from the first:${told#,}; the rest" \
    "have a part that libzstd codes"
