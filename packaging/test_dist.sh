#!/bin/bash
# What `make dist` made, used as its users will.
#
#   packaging/test_dist.sh smoke     wheel and program of this machine's processor: CI
#   packaging/test_dist.sh           all of dist/, on bare systems and the other processor; twice, to compare the bytes
set -eu
cd "$(dirname "$0")/.."
root=$PWD
work=$root/build/dist/test
rm -rf "$work"
mkdir -p "$work"
skipped() { echo "skipped: $1"; }

model=$work/model.safetensors
python3 - "$model" <<'END'
import json, random, struct, sys
random.seed(7)
body = b"".join(struct.pack("<f", random.gauss(0, 0.02))[2:] for _ in range(200000))
head = json.dumps({"a.weight": {"dtype": "BF16", "shape": [200000], "data_offsets": [0, len(body)]}}).encode()
open(sys.argv[1], "wb").write(struct.pack("<Q", len(head)) + head + body)
END

head -c 20000000 /dev/urandom >"$work/noise"

# round_trip DIR COMMAND...: the command compresses, lists, verifies and restores the model.
round_trip() {
    local dir=$1
    shift
    mkdir -p "$dir"
    "$@" -f --sha256 "$model" -o "$dir/m.znn"
    "$@" -l "$dir/m.znn" >/dev/null
    "$@" -t "$dir/m.znn"
    "$@" -d -f "$dir/m.znn" -o "$dir/back"
    cmp "$model" "$dir/back"
    "$@" -c "$model" | "$@" -dc | cmp - "$model"
    [ "$(stat -c %s "$dir/m.znn")" -lt $((400000 * 3 / 4)) ]
}

use_wheel='
import pathlib, sys, zipnn
data = pathlib.Path(sys.argv[1]).read_bytes()
assert zipnn.decompress(zipnn.compress(data)) == data
zipnn.compress_file(sys.argv[1], sys.argv[2], overwrite=True, sha256=True)
with zipnn.Archive(sys.argv[2]) as a:
    assert a["a.weight"].shape == (200000,)
'

# wheel_in_venv PYTHON WHEEL: nothing but the wheel is installed.
wheel_in_venv() {
    local venv=$work/venv-$(basename "$1")
    "$1" -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check --no-index --no-deps "$2"
    (cd "$work" && "$venv/bin/python" -W error -c "$use_wheel" "$model" "$work/w.znn")
    round_trip "$work/venv-trip" "$venv/bin/zipnn"
    round_trip "$work/venv-trip" "$venv/bin/python" -m zipnn
    # A closed pipe ends the command as it ends any program.
    local status
    ("$venv/bin/zipnn" -c "$work/noise"; echo $? >"$work/status") | head -c 1 >/dev/null || true
    status=$(cat "$work/status")
    [ "$status" -eq 141 ] || { echo "zipnn into a closed pipe ended with $status"; exit 1; }
    echo "ok: $(basename "$2") in an environment of $("$1" --version)"
}

program() {
    tar -xzf "$1" -C "$work"
    local folder=$work/$(basename "$1" .tar.gz)
    shift
    round_trip "$work/program" "$@" "$folder/bin/zipnn"
    [ -s "$folder/share/man/man1/zipnn.1" ] && [ -s "$folder/share/bash-completion/completions/zipnn" ]
    echo "ok: $(basename "$folder") ${*:-}"
}

machine=$(uname -m)
if [ "${1:-}" = smoke ]; then
    packaging/dist.py "$machine-linux-gnu.2.17" "$machine-linux-musl"
    wheel_in_venv python3 dist/*-manylinux_2_17_"$machine".whl
    program dist/zipnn-*-linux-"$machine".tar.gz
    packaging/minimal.py native
    exit
fi

# The same bytes from a copy of the tree in another folder.
packaging/dist.py
(cd dist && sha256sum --check --quiet SHA256SUMS)
other=$work/elsewhere/a/tree
git clone -q --no-hardlinks . "$other"
git diff --binary HEAD | (cd "$other" && git apply --allow-empty --index)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} "$other/packaging/dist.py" >/dev/null
diff dist/SHA256SUMS "$other/dist/SHA256SUMS"
echo "ok: two runs in two folders made the same bytes"
rm -rf "$work/elsewhere"

for python in python3.11 python3.12 python3.13 python3.14; do
    if "$python" -c '' 2>/dev/null; then
        wheel_in_venv "$python" dist/*-manylinux_2_17_"$machine".whl
    else
        skipped "$python is not here"
    fi
done
program dist/zipnn-*-linux-"$machine".tar.gz
if command -v qemu-aarch64 >/dev/null && [ "$machine" != aarch64 ]; then
    program dist/zipnn-*-linux-aarch64.tar.gz qemu-aarch64
else
    skipped "qemu-aarch64 is not here"
fi

packaging/minimal.py

# Debian's package.
deb=$(ls dist/zipnn_*_amd64.deb)
dpkg-deb -x "$deb" "$work/deb"
[ "$machine" != x86_64 ] || round_trip "$work/program" "$work/deb/usr/bin/zipnn"
if command -v lintian >/dev/null; then
    lintian --allow-root --fail-on error,warning dist/zipnn_*.deb
    echo "ok: $(basename "$deb"), and lintian has nothing to say"
else
    skipped "lintian is not here"
fi

# The program for Windows.
(cd "$work" && python3 -m zipfile -e "$root"/dist/zipnn-*-windows-x86_64.zip .)
tests/windows/wine.sh "$work"/zipnn-*-windows-x86_64/bin/zipnn.exe "$work/wine" "$work"/zipnn-*-linux-"$machine"/bin/zipnn

# The sdist, with a C compiler and what pip brings.
python3 -m venv "$work/sdist"
"$work/sdist/bin/pip" install -q --disable-pip-version-check dist/libzipnn-*.tar.gz
(cd "$work" && "$work/sdist/bin/python" -W error -c "$use_wheel" "$model" "$work/s.znn")
ldd "$("$work/sdist/bin/python" -c 'import zipnn; print(zipnn._zipnn.__file__)')" | grep -E 'zstd|jansson|crypto' && exit 1
echo "ok: the sdist"

# A bare system, which has Python and nothing else.
if [ "$(id -u)" -eq 0 ] && command -v debootstrap >/dev/null; then
    bare=$work/bare
    debootstrap --variant=minbase --include=python3 bookworm "$bare" >"$work/debootstrap.log" 2>&1
    mkdir "$bare/t"
    cp "$model" dist/*.whl dist/zipnn-*-linux-"$machine".tar.gz "$bare/t"
    chroot "$bare" python3 -m zipfile -e "/t/$(basename dist/*-manylinux_2_17_"$machine".whl)" /t/site
    chroot "$bare" env PYTHONPATH=/t/site python3 -c "$use_wheel" /t/model.safetensors /t/m.znn
    chroot "$bare" sh -c 'cd /t && tar -xzf zipnn-*.tar.gz && zipnn-*/bin/zipnn -dc m.znn' | cmp - "$model"
    rm -rf "$bare"
    echo "ok: a bare Debian"
else
    skipped "a bare system takes root and debootstrap"
fi
