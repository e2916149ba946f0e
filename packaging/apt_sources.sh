#!/bin/sh
# apt_sources.sh DIR PACKAGE[=VERSION]...: downloads the source packages into DIR, from where the system's packages come. apt-get
# works on folders of its own in DIR, so the system's package lists stay as they are, and root is not needed.
set -eu

mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift
apt=$dir/apt
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/sources"
: >"$apt/status"
for list in /etc/apt/sources.list.d/*.sources; do
    [ -e "$list" ] && sed 's/^Types:.*/Types: deb-src/' "$list" >"$apt/sources/$(basename "$list")"
done
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -e "$list" ] && sed -n 's/^deb /deb-src /p' "$list" >"$apt/sources/$(basename "$list")"
done
cat >"$apt/conf" <<END
APT::Sandbox::User "root";
Acquire::Retries "3";
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt/sources";
END
export APT_CONFIG="$apt/conf"
apt-get -q update >"$apt/log" 2>&1 || echo "Some package lists are missing; what is at hand may do."
for package; do
    (cd "$dir" && apt-get -q source --download-only "$package" </dev/null) >>"$apt/log" 2>&1 || {
        tail -n 5 "$apt/log" >&2
        echo "apt-get has no source package $package" >&2
        exit 1
    }
done
rm -rf "$apt"
