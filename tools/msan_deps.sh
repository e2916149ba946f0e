#!/bin/sh
# msan_deps.sh DIR: MemorySanitizer has to see every write, so the libraries that zipnn and its tests link are built with
# it, from Debian's sources, as static libraries in DIR; headers are the system's.
set -eu

packaging=$(cd "$(dirname "$0")/../packaging" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
[ -e "$dir/complete" ] && echo "the libraries are there" && exit 0

# The versions of packaging/sources.txt, where it names any: the newest may not be kept by a mirror.
pinned() { sed -n "s/^$1 \([^ ]*\) .*/=\1/p" "$packaging/sources.txt"; }
"$packaging/apt_sources.sh" "$dir/src" "libzstd$(pinned libzstd)" "jansson$(pinned jansson)" cmocka
for package in libzstd jansson cmocka; do
    mkdir -p "$dir/src/$package"
    tar -xf "$dir/src/$package"_*.orig.tar.?z -C "$dir/src/$package" --strip-components=1
done

# library NAME FLAGS FILE...: libNAME.a
library() {
    name=$1 flags=$2
    shift 2
    mkdir -p "$dir/obj/$name"
    (cd "$dir/obj/$name" && clang -c -O2 -g -w -fPIC -fsanitize=memory -fno-omit-frame-pointer $flags "$@")
    ar rcs "$dir/lib$name.a" "$dir/obj/$name"/*.o
}

zstd=$dir/src/libzstd/lib cmocka=$dir/src/cmocka
library zstd "-DXXH_NAMESPACE=ZSTD_" "$zstd"/common/*.c "$zstd"/compress/*.c "$zstd"/decompress/*.c
: >"$dir/src/jansson/src/jansson_private_config.h" # its content is among the flags
library jansson "-DHAVE_STDINT_H -DHAVE_UNISTD_H" "$dir"/src/jansson/src/*.c
library cmocka "-I$cmocka/include -DHAVE_STRUCT_TIMESPEC -DHAVE_SIGNAL_H -DHAVE_MALLOC_H" "$cmocka/src/cmocka.c"
rm -rf "$dir/obj" "$dir/src"
touch "$dir/complete"
echo "libraries with MemorySanitizer: libzstd, jansson, cmocka"
