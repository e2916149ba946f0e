#!/bin/bash
# determinism.sh [BUILD...]: builds by gcc and clang, with and without optimisation, and for other processors write the
# same archives; each tries every instruction set and several numbers of threads, and restores what it wrote. Since the
# bytes are the same, each build restores what the others write. libzstd itself writes other bytes in programs of 32
# bits: that build has to restore its own, and the golden files.
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

first=
for build in $builds; do
    write_digests "$build" >"$out/$build.log" 2>&1 || { tail -n 30 "$out/$build.log" && exit 1; }
    [ "$build" = i686 ] && continue
    first=${first:-$build}
    diff "$out/$first.txt" "$out/$build.txt" || { echo "$build and $first write other archives" && exit 1; }
done
echo "determinism: $(wc -l <"$out/${first:-i686}.txt") archives are the same from $builds"
