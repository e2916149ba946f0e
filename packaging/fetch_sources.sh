#!/bin/sh
# fetch_sources.sh DIR: makes DIR with the sources that `cmake -DZIPNN_BUNDLED=DIR` compiles into the library: what
# packaging/sources.txt names, from Debian's source packages (apt_sources.sh), checked, with Debian's patches.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
table=$(grep -v '^#' "$here/sources.txt")
mkdir -p "$1"
dir=$(cd "$1" && pwd)
[ "$(cat "$dir/complete" 2>/dev/null)" != "$table" ] || exit 0
rm -rf "$dir"/* # of another version

work=$dir/work
mkdir -p "$work"
log=$work/log
"$here/apt_sources.sh" "$work" $(echo "$table" | sed 's/^\([^ ]*\) \([^ ]*\) .*/\1=\2/') || {
    echo "packaging/sources.txt names versions of Debian 12: either add its lines to apt's sources, or name there what" \
        "this system has." >&2
    exit 1
}

echo "$table" | while read -r package version digest; do
    dsc=$work/${package}_$version.dsc
    echo "$digest  $dsc" | sha256sum --check --quiet || exit 1
    dpkg-source --require-strong-checksums -x "$dsc" "$work/$package" >>"$log" 2>&1 || {
        tail -n 5 "$log" >&2
        exit 1
    }
done

# What is compiled, and the licences.
mkdir -p "$dir/zstd" "$dir/jansson" "$dir/xxhash"
cp -R "$work/libzstd/lib/common" "$work/libzstd/lib/compress" "$work/libzstd/lib/decompress" "$work/libzstd/lib/zstd.h" \
    "$work/libzstd/lib/zstd_errors.h" "$work/libzstd/LICENSE" "$dir/zstd"
rm -f "$dir"/zstd/*/*.S
cp "$work"/jansson/src/*.[ch] "$work/jansson/src/jansson_config.h.in" "$work/jansson/LICENSE" "$dir/jansson"
cp "$work/xxhash/xxhash.h" "$work/xxhash/LICENSE" "$dir/xxhash"
rm -rf "$work"
echo "$table" >"$dir/complete"
echo "Sources: $(echo "$table" | cut -d ' ' -f 1,2 | tr '\n' ',' | sed 's/,$//; s/,/, /g')"
