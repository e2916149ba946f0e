#!/bin/bash
# wine.sh ZIPNN.EXE WORK-FOLDER [ZIPNN]: the program for Windows under wine. With ZIPNN, the program of this machine, archives must
# have the same bytes. What wine lacks of Windows is not tried here: doc/platforms.md.
set -eu

exe=$(realpath "$1")
work=$2
here=${3:+$(realpath "$3")}
wine=$(command -v wine64 || ls /usr/lib/wine/wine64 2>/dev/null) || {
    echo "skipped: wine64 is not here"
    exit 0
}
rm -rf "$work/files"
mkdir -p "$work/files"
work=$(realpath "$work")
export WINEPREFIX=$work/wine WINEDEBUG=-all LC_ALL=C.UTF-8 WINEDLLOVERRIDES="mscoree,mshtml=" DISPLAY=
trap 'WINEPREFIX=$work/wine "$(dirname "$(realpath "$wine")")"/wineserver64 -k 2>/dev/null || true' EXIT
cd "$work/files"

zipnn() { "$wine" "$exe" "$@"; }
fail() {
    echo "FAILED: $1" >&2
    exit 1
}
# refuses WORDS COMMAND...: the command fails and says the words.
refuses() {
    local words=$1
    shift
    if "$@" >said 2>&1; then fail "$*: did not fail"; fi
    grep -qF -- "$words" said || fail "$*: said $(cat said)"
    rm said
}
nothing_left() {
    local left
    left=$(find . -name '.zipnn-*')
    [ -z "$left" ] || fail "left over: $left"
}

zipnn --version >/dev/null || { echo "skipped: wine64 does not start programs here"; exit 0; }

python3 - <<'END'
import json, random, struct
def model(name, count, seed):
    random.seed(seed)
    body = b"".join(struct.pack("<f", random.gauss(0, 0.02))[2:] for _ in range(count))
    head = json.dumps({"a.weight": {"dtype": "BF16", "shape": [count], "data_offsets": [0, len(body)]}}).encode()
    open(name, "wb").write(struct.pack("<Q", len(head)) + head + body)
model("m.safetensors", 200000, 7)
model("b.safetensors", 50000, 8)
open("lines", "wb").write(b"one\r\ntwo\n\x1a three\r" * 5000)
END

# Files, pipes and the bytes of the archive.
zipnn -f --sha256 m.safetensors -o m.znn
zipnn -l m.znn >/dev/null
zipnn -t m.znn
zipnn -d m.znn -o back
cmp m.safetensors back
[ "$(stat -c %s m.znn)" -lt 300000 ] || fail "the archive is large"
for file in m.safetensors lines; do
    zipnn -c "$file" >piped.znn
    zipnn -dc piped.znn | cmp - "$file"
    zipnn -c - <"$file" | zipnn -dc - | cmp - "$file"
done
if [ -n "$here" ]; then
    "$here" -f --sha256 m.safetensors -o here.znn
    cmp here.znn m.znn
fi
echo "ok: files and pipes"

# Nothing is overwritten unless that is asked for, and then at once.
cp lines back
refuses "already exists" zipnn -d m.znn -o back
cmp lines back
zipnn -d -f m.znn -o back
cmp m.safetensors back
[ "$(stat -c %Y back)" -eq "$(stat -c %Y m.safetensors)" ] || fail "the time is another"
refuses "" zipnn -d lines -o none
[ ! -e none ] || fail "a failure left a file"
nothing_left

# A damaged archive.
head -c 100000 m.znn >cut.znn
refuses "" zipnn -t cut.znn
refuses "" zipnn -d cut.znn -o none
[ ! -e none ] || fail "a failure left a file"
nothing_left
echo "ok: no overwriting, no leftovers"

# Names: letters of other scripts, \ between folders, more than 260 characters.
mkdir -p "Gewichte für 模型/Ω"
cp m.safetensors "Gewichte für 模型/Ω/модель.safetensors"
zipnn "Gewichte für 模型\\Ω\\модель.safetensors"
zipnn -d "Gewichte für 模型/Ω/модель.safetensors.znn" -o "Gewichte für 模型\\ß"
cmp m.safetensors "Gewichte für 模型/ß"
zipnn -l "Gewichte für 模型/Ω/модель.safetensors.znn" | grep -q "модель" || fail "the list does not show the name"
long=$(printf 'folder-%03d/' $(seq 40))
mkdir -p "$long"
cp m.safetensors "$long"
zipnn "${long}m.safetensors"
zipnn -r -t folder-001
zipnn -d "${long}m.safetensors.znn" -o "${long}back"
cmp m.safetensors "${long}back"
zipnn -c "Z:$(pwd | tr / '\\')\\m.safetensors" | zipnn -dc - | cmp - m.safetensors
echo "ok: names"

# Folders; sources that are removed; files that are compressed in place, which replaces what is open.
mkdir -p tree/inner
cp m.safetensors b.safetensors tree
cp b.safetensors tree/inner
zipnn -r -q --rm tree
[ -z "$(find tree -name '*.safetensors')" ] || fail "--rm left a source"
zipnn -r -q -d --rm tree
cmp m.safetensors tree/m.safetensors
cmp b.safetensors tree/inner/b.safetensors
[ -z "$(find tree -name '*.znn')" ] || fail "--rm left an archive"
zipnn --in-place -q -r tree
[ "$(stat -c %s tree/m.safetensors)" -lt 300000 ] || fail "--in-place did nothing"
zipnn --in-place -q -r -d tree
cmp m.safetensors tree/m.safetensors
cp m.safetensors tuned.safetensors
printf 'xyz' | dd of=tuned.safetensors bs=1 seek=90000 conv=notrunc status=none
zipnn -q --base m.safetensors tuned.safetensors
zipnn -q -d --base-dir . tuned.safetensors.znn -o tuned
cmp tuned tuned.safetensors
zipnn extract -c --tensor a.weight m.znn | cmp - <(tail -c 400000 m.safetensors)
printf 'm.safetensors\nb.safetensors\n' >list
zipnn batch -q --filelist list --output-dir packed --manifest manifest.jsonl
refuses "already exists" zipnn batch -q --filelist list --output-dir packed --manifest manifest.jsonl
zipnn batch -q --filelist list --output-dir packed --manifest manifest.jsonl --resume
zipnn -dc packed/b.safetensors.znn | cmp - b.safetensors
nothing_left
echo "ok: folders, in place, bases, tensors"

# More than 4 GiB, most of it a hole.
truncate -s 4500M large
cat m.safetensors >>large
zipnn -q -1 large
zipnn -q -d large.znn -o large.back
cmp large large.back
rm large large.back large.znn
echo "ok: more than 4 GiB"

# Ctrl-C, which wine is told by SIGINT: while the program waits for more of its input, its temporary file is there.
mkfifo input
"$wine" "$exe" -q -o never.znn - <input 2>/dev/null &
running=$!
exec 7>input
head -c 70000000 /dev/urandom >&7 || true
tries=0
until [ -n "$(find . -name '.zipnn-*')" ] || [ $((tries += 1)) -gt 600 ]; do sleep 0.1; done
[ $tries -le 600 ] || fail "no temporary file appeared"
kill -INT $running
status=0
wait $running || status=$?
exec 7>&-
[ $status -ne 0 ] || fail "Ctrl-C did not end the program"
[ ! -e never.znn ] || fail "Ctrl-C left an archive"
nothing_left
echo "ok: Ctrl-C"

# What is not for Windows says so.
refuses "mount is not for Windows" zipnn mount a b
refuses "which is not for Windows" zipnn -d https://localhost/m.znn -o none
zipnn doctor >said || fail "doctor: $(cat said)"
grep -q "Windows" said
echo "ok: what is not for Windows says so"
