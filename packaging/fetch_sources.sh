#!/bin/sh
# fetch_sources.sh DIR: makes DIR with the sources that `cmake -DZIPNN_BUNDLED=DIR` compiles into the library: what
# packaging/sources.txt names, through apt-get from Debian's source packages, checked, with Debian's patches. apt-get works on
# folders of its own there, so the system's package lists stay as they are, and root is not needed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
table=$(grep -v '^#' "$here/sources.txt")
mkdir -p "$1"
dir=$(cd "$1" && pwd)
[ "$(cat "$dir/complete" 2>/dev/null)" != "$table" ] || exit 0
rm -rf "$dir"/* # of another version

work=$dir/work
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/lines"
: >"$work/status"
for list in /etc/apt/sources.list.d/*.sources; do
    [ -e "$list" ] && sed 's/^Types:.*/Types: deb-src/' "$list" >"$work/lines/$(basename "$list")"
done
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -e "$list" ] && sed -n 's/^deb /deb-src /p' "$list" >"$work/lines/$(basename "$list")"
done
cat >"$work/conf" <<END
APT::Sandbox::User "root";
Acquire::Retries "3";
Dir::State "$work";
Dir::State::status "$work/status";
Dir::Cache "$work";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$work/lines";
END
export APT_CONFIG="$work/conf"
apt-get -q update >"$work/log" 2>&1 || echo "Some package lists are missing; what is at hand may do."

echo "$table" | while read -r package version digest; do
    (cd "$work" && apt-get -q source --download-only "$package=$version" </dev/null) >>"$work/log" 2>&1 || {
        tail -n 5 "$work/log" >&2
        echo "apt-get has no source package $package $version. packaging/sources.txt names versions of Debian 12: either" \
            "add its lines to apt's sources, or name there what this system has." >&2
        exit 1
    }
    dsc=$work/${package}_$version.dsc
    echo "$digest  $dsc" | sha256sum --check --quiet || exit 1
    dpkg-source --require-strong-checksums -x "$dsc" "$work/$package" >>"$work/log" 2>&1 || {
        tail -n 5 "$work/log" >&2
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
