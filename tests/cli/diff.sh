# Which tensors of two models differ.
. "$(dirname "$0")/cli_lib.sh"

model 300 one.safetensors
cp one.safetensors two.safetensors
printf '\0\0' | dd of=two.safetensors bs=1 seek=1000 conv=notrunc 2>"$home/err"
zipnn -q one.safetensors two.safetensors

# The same, in any dress: nothing is listed.
expect 0 zipnn diff one.safetensors one.safetensors
prints "identical"
expect 0 zipnn diff one.safetensors one.safetensors.znn
expect 0 zipnn diff one.safetensors.znn one.safetensors.znn --json
prints '"identical":true'
prints '"n_same":2'
expect 0 zipnn diff -v one.safetensors one.safetensors.znn
prints "a.weight [300, 64]"

# One element of 19200 is another.
for first in one.safetensors one.safetensors.znn; do
    expect 6 zipnn diff $first two.safetensors.znn
    prints "a.weight [300, 64]"
    prints "1 of 2 tensors"
    refuted grep -q ' b \[64\]' "$home/out"
done
expect 6 zipnn diff --json one.safetensors two.safetensors
prints '"finding":"changed"'
prints '"n":19200,"n_changed":1,"largest":'
prints '"n_same":1,"n_changed":1,' # of the files: one tensor each

# Other names, types and shapes; a file without tensors; other bytes beside equal tensors.
sed 's/"b"/"c"/' one.safetensors >renamed.safetensors
expect 6 zipnn diff one.safetensors renamed.safetensors
prints "only first"
prints "only second"
sed 's/"BF16"/"F16" /' one.safetensors >retyped.safetensors
expect 6 zipnn diff one.safetensors retyped.safetensors
prints "BF16     a.weight [300, 64] -> F16"
sed 's/\[300,64\]/[64,300]/' one.safetensors >reshaped.safetensors
expect 6 zipnn diff one.safetensors reshaped.safetensors
prints "[300, 64] -> [64, 300]"
echo text >text
echo texT >other
expect 0 zipnn diff text text
expect 6 zipnn diff text other
prints "other bytes"
expect 6 zipnn diff text one.safetensors

# Differences from a base, and what cannot be compared.
zipnn -q --base one.safetensors two.safetensors -o delta.znn
expect 5 zipnn diff one.safetensors delta.znn
expect 6 zipnn diff --base one.safetensors one.safetensors delta.znn
expect 1 zipnn diff one.safetensors missing
says "missing"
expect 2 zipnn diff one.safetensors
says "two FILEs"
expect 2 zipnn diff one.safetensors two.safetensors other
head -c 9000 one.safetensors.znn >damaged.znn
expect 3 zipnn diff one.safetensors damaged.znn
finish
