#!/bin/sh
# make_deb.sh FOLDER VERSION ARCHITECTURE DEB: Debian's package of a static program, whose files FOLDER has as in the .tar.gz.
# SOURCE_DATE_EPOCH is the time of all files.
set -eu

folder=$1 version=$2 architecture=$3 deb=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
doc=$root/usr/share/doc/zipnn
umask 022
mkdir -p "$root/DEBIAN" "$root/usr" "$doc" "$root/usr/share/lintian/overrides"
cp -R "$folder/bin" "$folder/share" "$root/usr/"

# Manual pages and the changelog are compressed, also those that are links.
for page in "$root"/usr/share/man/man1/*.1; do
    if [ -h "$page" ]; then
        ln -s "$(readlink "$page").gz" "$page.gz"
        rm "$page"
    else
        gzip -9n "$page"
    fi
done
maintainer='The zipnn developers <zipnn@example.org>'
date=$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
printf 'zipnn (%s) unstable; urgency=medium\n\n  * Changes: NEWS.md.gz, beside this file.\n\n -- %s  %s\n' "$version" "$maintainer" "$date" |
    gzip -9n >"$doc/changelog.gz"
gzip -9nc "$folder/NEWS.md" >"$doc/NEWS.md.gz"
cp "$folder/README.md" "$doc/"

{
    printf 'zipnn is licensed under the Apache License, version 2.0:\n/usr/share/common-licenses/Apache-2.0\n\n'
    printf 'The program holds zstd, jansson and xxHash, whose licences follow.\n'
    for name in zstd jansson xxhash; do
        printf '\n---- %s ----\n\n' "$name"
        cat "$folder/LICENSE.$name"
    done
} >"$doc/copyright"

# The libraries are inside so that one package serves every Debian, and the program needs none of the system's.
printf 'zipnn: shared-library-lacks-prerequisites [usr/bin/zipnn]\n' >"$root/usr/share/lintian/overrides/zipnn"

cat >"$root/DEBIAN/control" <<END
Package: zipnn
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Section: utils
Priority: optional
Installed-Size: $(du -k -s --apparent-size "$root/usr" | cut -f 1)
Description: lossless compression of the weights of neural networks
 zipnn makes files of model weights smaller by a quarter to two thirds and
 restores them bit by bit: safetensors, GGUF, PyTorch, ONNX and others.
 .
 Archives are read in parts: single tensors, rows, or a view of a folder.
END
(cd "$root" && find usr -type f | LC_ALL=C sort | xargs md5sum >DEBIAN/md5sums)
chmod -R u=rwX,go=rX "$root"
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz --build "$root" "$deb" >/dev/null
