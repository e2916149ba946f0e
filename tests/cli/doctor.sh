# What the program finds out about the machine. Nothing that is missing is a failure.
. "$(dirname "$0")/cli_lib.sh"
mkdir tmp
export TMPDIR=$PWD/tmp

expect 0 zipnn doctor
for about in program "instruction sets" threads memory "mount, run" URLs "Python package" GPU; do
    grep -qE "^(ok|absent) +$about " "$home/out" || fail "nothing about $about"
done
prints "samples are restored"
grep -q WRONG "$home/out" && fail "something is wrong here"
expect 0 zipnn doctor --json
[ "$(wc -l <"$home/out")" -eq 1 ] || fail "more than a line of JSON"
if command -v python3 >/dev/null; then
    python3 -c 'import json, sys
findings = json.load(sys.stdin)["findings"]
assert len(findings) == 8 and all(f["state"] in ("ok", "absent") and f["text"] for f in findings), findings' \
        <"$home/out" || fail "the JSON"
fi

# Programs that it asks may be missing, fail, say anything, or never end.
mkdir none
emulator=${ZIPNN_EMULATOR:-}
emulator=${emulator%% *}
[ -z "$emulator" ] || ln -s "$(command -v "$emulator")" none/
PATH=$PWD/none expect 0 "$(command -v bash)" "$home/bin/zipnn" doctor
prints "python3 is not here"
mkdir odd
printf '#!/bin/sh\nprintf "\\033[2Jclear\\nmore"\n' >odd/python3
chmod +x odd/python3
PATH=$PWD/odd:$PATH expect 0 zipnn doctor
prints '\x1b[2Jclear'
printf '#!/bin/sh\nexit 3\n' >odd/python3
PATH=$PWD/odd:$PATH expect 0 zipnn doctor
prints "does not import zipnn"
expect 2 zipnn doctor file
says "takes no FILE"
[ -z "$(ls tmp)" ] || fail "a folder is left over"
finish
