# Damage: verify names it, salvage restores the rest.
. "$(dirname "$0")/cli_lib.sh"

model 20000 m
zipnn m
size=$(stat -c %s m.znn)
full=$(stat -c %s m)

expect 0 zipnn verify -v m.znn
says "m.znn: $full of $full bytes are intact"
expect 0 zipnn verify m.znn --against m
cp m other
printf 'X' | dd of=other bs=1 seek=$((full - 1)) conv=notrunc 2>/dev/null
expect 3 zipnn verify m.znn --against other
says "1 bytes differ from other, the first at $((full - 1)) in tensor b"
head -c 1000 m >short
expect 3 zipnn verify m.znn --against short
says "differ from short, the first at 1000 in tensor a.weight"
{ cat m && printf x; } >longer
expect 3 zipnn verify m.znn --against longer
says "the archive holds $full bytes, and longer holds $((full + 1))"
expect 1 zipnn verify m.znn --against missing
expect 3 zipnn verify m

hurt() {
    cp m.znn hurt
    printf '\377\376\375' | dd of=hurt bs=1 seek="$1" conv=notrunc 2>/dev/null
}

# In a chunk.
hurt $((size / 2))
expect 3 zipnn verify hurt
says "of the original: checksum"
says "tensors a.weight"
says "zipnn: hurt: "
expect 3 zipnn salvage hurt -o out
says "bytes are intact"
[ "$(stat -c %s out)" -eq "$full" ] || fail "length of what was salvaged"
wrong=$(cmp -l m out | wc -l)
[ "$wrong" -gt 0 ] && [ "$wrong" -le 589824 ] || fail "$wrong bytes are missing"
expect 1 zipnn salvage hurt -o out
expect 3 zipnn salvage hurt -fo out

# At the ends: nothing is missing.
for at in 0 10 $((size - 4)) $((size - 20)); do
    hurt $at
    expect 3 zipnn -t hurt
    expect 3 zipnn salvage hurt -fo out
    says "its frames were found by a search"
    check cmp m out
done

# Cut short.
head -c $((size * 2 / 3)) m.znn >cut
expect 3 zipnn salvage cut -fo out
says "not found in the archive"
for command in -l cat inspect "extract --tensor b"; do
    expect 3 zipnn $command cut
    says "cut short, or something was appended; run zipnn salvage first"
done
[ "$(stat -c %s out)" -eq "$full" ] || fail "length of what was salvaged from a short archive"

if command -v python3 >/dev/null; then
    hurt $((size / 2))
    for command in "salvage -fo out" verify; do
        zipnn $command --json hurt >"$home/object" 2>/dev/null
        check python3 -c '
import json, sys
x, = [json.loads(line) for line in open(sys.argv[1])]
assert x["file"] == "hurt" and x["error"] == "corrupt" and len(x["damage"]) == 1, x
d = x["damage"][0]
assert d["tensors"] == ["a.weight"] and d["length"] == x["original"] - x["intact"], x
assert not x["length_unknown"] and x["unplaced"] == 0
m, out = open("m", "rb").read(), bytearray(open("out", "rb").read())
assert out[d["offset"]:d["offset"] + d["length"]] == bytes(d["length"])
out[d["offset"]:d["offset"] + d["length"]] = m[d["offset"]:d["offset"] + d["length"]]
assert out == m
' "$home/object"
    done
    zipnn verify --json m.znn m >"$home/object" 2>/dev/null
    check python3 -c '
import json, sys
x = [json.loads(line) for line in open(sys.argv[1])]
assert x[0]["damage"] == [] and "error" not in x[0] and x[1]["error"] == "format", x
' "$home/object"
fi

# Messages never go into a file that got the number of a closed stream.
zipnn salvage hurt -o silent <&- >&- 2>&-
check cmp silent out

# Nothing to save.
head -c 100000 /dev/zero >zeros
for file in m zeros; do
    expect 3 zipnn salvage $file -o no
    says "not a zipnn archive"
done
: >empty
expect 3 zipnn salvage empty -o no
check test ! -e no
expect 2 zipnn salvage hurt
expect 2 zipnn -d m.znn --against m
no_temporaries
finish
