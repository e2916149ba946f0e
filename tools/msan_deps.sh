#!/bin/sh
# msan_deps.sh DIR: MemorySanitizer has to see every write, so the libraries that zipnn and its tests link are built with
# it, from Debian's sources, as static libraries in DIR; headers are the system's. apt-get works on folders of its own
# there, so the system's package lists stay as they are, and root is not needed.
set -eu

sources=$(cd "$(dirname "$0")/.." && pwd)/packaging/sources.txt
mkdir -p "$1"
dir=$(cd "$1" && pwd)
[ -e "$dir/complete" ] && echo "the libraries are there" && exit 0

# The system's own sources, asked for source packages.
mkdir -p "$dir/apt/lists/partial" "$dir/apt/archives/partial" "$dir/apt/sources" "$dir/src"
: >"$dir/apt/status"
for list in /etc/apt/sources.list.d/*.sources; do
    [ -e "$list" ] && sed 's/^Types:.*/Types: deb-src/' "$list" >"$dir/apt/sources/$(basename "$list")"
done
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -e "$list" ] && sed -n 's/^deb /deb-src /p' "$list" >"$dir/apt/sources/$(basename "$list")"
done
cat >"$dir/apt/conf" <<END
APT::Sandbox::User "root";
Dir::State "$dir/apt";
Dir::State::status "$dir/apt/status";
Dir::Cache "$dir/apt";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$dir/apt/sources";
END
export APT_CONFIG="$dir/apt/conf"
apt-get -q update || echo "Some lists are missing; what is at hand may do."
for package in libzstd jansson cmocka; do
    version=$(sed -n "s/^$package \([^ ]*\) .*/=\1/p" "$sources") # that of the newest may not be kept by a mirror
    (cd "$dir/src" && apt-get -q source --download-only "$package$version")
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
rm -rf "$dir/apt" "$dir/obj" "$dir/src"
touch "$dir/complete"
echo "libraries with MemorySanitizer: libzstd, jansson, cmocka"
