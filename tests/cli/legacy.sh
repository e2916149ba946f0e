# Files of the Python package zipnn 0.x.
. "$(dirname "$0")/cli_lib.sh"

numbers 300000 raw
model 300 m.safetensors

# Records.
expect 0 zipnn --format zipnn raw
[ "$(head -c 6 raw.znn | od -An -tx1 | tr -d ' ')" = 5a4e0005030a ] || fail "not a bf16 record of 0.5.3"
expect 0 zipnn -tv raw.znn
says "old records hold no digest"
expect 0 zipnn -l raw.znn
prints "zipnn 0.x"
expect 0 zipnn -lv raw.znn
prints "BF16"
prints "[150000]"
prints "without digests"
mv raw original
expect 0 zipnn -d raw.znn
check cmp raw original
check cmp raw <(zipnn -d <raw.znn)
cp raw.znn gone.znn
expect 0 zipnn -d --rm gone.znn
check cmp gone raw
[ ! -e gone.znn ] || fail "--rm removes a restored record"
expect 0 zipnn --format zipnn --dtype fp16 raw -o as_fp16
expect 0 zipnn -d as_fp16 -o back
check cmp back raw
expect 0 zipnn -lv as_fp16
prints "F16"

# Safetensors by tensors, or as one record when a type is given.
expect 0 zipnn --format zipnn m.safetensors
[ -e m.znn.safetensors ] || fail "no m.znn.safetensors"
expect 0 zipnn -lv m.znn.safetensors
prints "a.weight [300, 64]"
mv m.safetensors original
expect 0 zipnn -d m.znn.safetensors
check cmp <(tail -c 38528 m.safetensors) <(tail -c 38528 original)
expect 0 zipnn -f --format zipnn --dtype bf16 m.safetensors
expect 0 zipnn -d m.safetensors.znn -o whole
check cmp whole m.safetensors
expect 1 zipnn m.znn.safetensors
says "already"
mkdir folder
cp m.znn.safetensors folder
expect 0 zipnn -rv folder
says "skipped"
expect 0 zipnn -dr folder
check cmp folder/m.safetensors m.safetensors
cp raw not.safetensors
expect 3 zipnn -t not.safetensors
expect 3 zipnn -d not.safetensors -o back2
cp raw wrong.safetensors
expect 3 zipnn --format zipnn wrong.safetensors
says "not a safetensors file"
[ ! -e wrong.znn.safetensors ] || fail "a file that was not written"

# Deltas.
numbers 300000 base
printf x | dd of=base bs=1 seek=1000 conv=notrunc 2>"$home/err"
expect 0 zipnn --format zipnn --base base raw -o delta.znn
expect 5 zipnn -t delta.znn
says "the file it was made against is needed"
expect 0 zipnn -l delta.znn
expect 0 zipnn -t --base base delta.znn
expect 0 zipnn -d --base base delta.znn -o back3
check cmp back3 raw
expect 5 zipnn -t --base m.safetensors delta.znn
says "the base has"
expect 1 zipnn -t --base missing delta.znn
expect 5 zipnn -d delta.znn -o back4
expect 5 zipnn verify delta.znn
expect 5 zipnn -d --base-dir . delta.znn -o back4
says "give that file with --base FILE; --base-dir cannot find the base of an old delta"

# Nothing tells the right base from another of its length: that is said once, and --rm is refused before anything is
# written. Where no base is involved, a second decoding is enough.
numbers 300000 third
printf y | dd of=third bs=1 seek=2000 conv=notrunc 2>"$home/err"
cp delta.znn old.znn
cp delta.znn old2.znn
for base in third base; do
    expect 1 zipnn -d --rm --base $base old.znn
    says "--rm needs digests"
    expect 1 zipnn -d --rm --base $base old.znn -o other
    check test -e old.znn
    refuted test -e old
    refuted test -e other
done
expect 1 zipnn -dr --rm --base base old.znn
check test -e old.znn
warned="nothing shows whether a delta was made against"
for line in "-d -k old.znn old2.znn" "-t old.znn old2.znn" "verify old.znn" "cat old.znn -o part"; do
    expect 0 zipnn --base base $line
    says "$warned base"
    [ "$(grep -c "$warned" "$home/err")" = 1 ] || fail "says it more than once"
done
check cmp old raw
expect 0 zipnn -dfq --base base old.znn
silent "-q"
zipnn -d --base base <delta.znn >piped 2>"$home/err"
says "$warned base"
check cmp raw piped
expect 0 zipnn -t --base base raw.znn
silent "no delta"
cp raw.znn gone2.znn
expect 0 zipnn -d --rm --base base gone2.znn
refuted test -e gone2.znn

# Damage, and what makes no sense.
head -c 1000 raw.znn >cut.znn
expect 3 zipnn -t cut.znn
says "too early"
expect 2 zipnn --format zip raw
expect 2 zipnn -d --format zipnn raw.znn
expect 2 zipnn --rm --format zipnn raw
expect 2 zipnn --dtype fp7 raw
expect 0 zipnn --dtype bfloat16 raw -o typed
expect 0 zipnn -t --json raw.znn
prints '"unverified":true'

no_temporaries
finish
