# A damaged archive is never restored: exit code 3, no output.
. "$(dirname "$0")/cli_lib.sh"

model 2500 m
zipnn m -o whole
size=$(stat -c %s whole)

# refuse FILE WHAT: every way of reading it says so.
refuse() {
    for option in -T1 "-T 8"; do
        expect 3 zipnn -d $option -f "$1" -o out
        says "zipnn: $1: "
        check test ! -e out
    done
    expect 3 zipnn -t "$1"
    zipnn -t <"$1" 2>/dev/null
    [ $? -eq 3 ] || fail "tested from standard input: $2"
    cat "$1" | zipnn -d >/dev/null 2>&1
    [ "${PIPESTATUS[1]}" -eq 3 ] || fail "restored from a pipe: $2"
}

flip() {
    cp whole flipped
    byte=$(od -An -tu1 -j "$1" -N 1 whole)
    printf "\\x$(printf %x $((byte ^ $2)))" | dd of=flipped bs=1 seek="$1" conv=notrunc 2>/dev/null
}

offsets="0 1 4 8 12 16 20 24 28 32 40 48 63 64 80 100 128 $((size / 3)) $((size / 2)) $((size - 200)) $((size - 100))"
offsets+=" $((size - 64)) $((size - 48)) $((size - 33)) $((size - 24)) $((size - 16)) $((size - 9)) $((size - 8))"
for at in $offsets $((size - 4)) $((size - 1)); do
    flip "$at" 1
    refuse flipped "bit 0 of byte $at"
    flip "$at" 128
    expect 3 zipnn -t flipped
done

for len in 0 1 3 4 8 15 16 31 32 63 64 65 100 1000 $((size / 2)) $((size - 33)) $((size - 8)) $((size - 1)); do
    head -c "$len" whole >"cut"
    refuse cut "the first $len bytes"
done

{ cat whole && printf x; } >longer
refuse longer "one byte more"
{ cat whole && tail -c +2 whole; } >double # two whole archives in a row are restored: joined.sh
refuse double "an archive and another without its first byte"

# An existing file survives a failed attempt, even with -f.
echo precious >out
expect 3 zipnn -df cut -o out
check grep -q precious out

no_temporaries
finish
