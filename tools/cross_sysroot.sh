#!/bin/sh
# cross_sysroot.sh ARCHITECTURE DIR: unpacks the libraries that zipnn links, for one of Debian's architectures (arm64,
# i386, s390x), into DIR. apt-get works on folders of its own there, so the system's package lists and architectures
# stay as they are, and root is not needed.
set -eu

packages="libzstd-dev libzstd1 libjansson-dev libjansson4 libxxhash-dev libcmocka-dev libcmocka0"
architecture=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
[ -e "$dir/complete" ] && echo "the libraries are there" && exit 0

mkdir -p "$dir/apt/lists/partial" "$dir/apt/archives/partial" "$dir/deb"
: >"$dir/apt/status"
cat >"$dir/apt/conf" <<END
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "root";
Dir::State "$dir/apt";
Dir::State::status "$dir/apt/status";
Dir::Cache "$dir/apt";
END
export APT_CONFIG="$dir/apt/conf"
apt-get -q update || echo "Some lists are missing; what is at hand may do."
(cd "$dir/deb" && apt-get -q download $packages)
for deb in "$dir"/deb/*.deb; do dpkg-deb -x "$deb" "$dir"; done
touch "$dir/complete"
rm -rf "$dir/apt" "$dir/deb"
echo "libraries of $architecture: $packages"
