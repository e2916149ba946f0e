# Repeated tensors, and models stored as their difference from others.
. "$(dirname "$0")/cli_lib.sh"

# twin FILE: a model whose second tensor repeats the first.
twin() {
    local header
    header='{"x":{"dtype":"BF16","shape":[20000],"data_offsets":[0,40000]},'
    header+='"y":{"dtype":"BF16","shape":[20000],"data_offsets":[40000,80000]}}'
    numbers 40000 "$home/numbers"
    {
        printf "\\x$(printf %x ${#header})\\0\\0\\0\\0\\0\\0\\0%s" "$header"
        cat "$home/numbers" "$home/numbers"
    } >"$1"
}

# Stored once from a file; restored from a pipe all the same, by way of a file without a name.
twin t.safetensors
expect 0 zipnn t.safetensors
check test "$(stat -c %s t.safetensors.znn)" -lt 34000
check cmp t.safetensors <(zipnn -dc t.safetensors.znn)
check cmp t.safetensors <(cat t.safetensors.znn | zipnn -dc)
check sh -c 'zipnn -t <t.safetensors.znn'
expect 0 zipnn --no-dedup t.safetensors -o each.znn
check test "$(stat -c %s each.znn)" -gt 45000
check cmp each.znn <(cat t.safetensors | zipnn -c)

# A model against its base, as a file or as an archive, named or found in a folder.
mkdir in run empty
model 400 in/base.safetensors
cp in/base.safetensors next.safetensors
printf xyz | dd of=next.safetensors bs=1 seek=3000 conv=notrunc 2>"$home/err"

cp in/base.safetensors same.safetensors
printf x | dd of=same.safetensors bs=1 seek=9000 conv=notrunc 2>"$home/err"
expect 0 zipnn --base in/base.safetensors same.safetensors -o same.znn
check test "$(stat -c %s same.znn)" -lt 1000
expect 0 zipnn in/base.safetensors -o run/archived.znn
for base in "--base in/base.safetensors" "--base run/archived.znn" "--base-dir in" "--base-dir run"; do
    expect 0 zipnn -d $base same.znn -o back
    check cmp back same.safetensors
    rm -f back
    expect 0 zipnn -tv $base same.znn
    says "all digests are right"
    expect 0 zipnn $base next.safetensors -o next.znn
    expect 0 zipnn -d $base next.znn -o back
    check cmp back next.safetensors
    rm -f back next.znn
done

# Without it, or with another: nothing is written.
for line in -t "-t --base t.safetensors" "-t --base-dir empty" "-d -o back" "-d -o back --base t.safetensors" \
    "cat -o back" "salvage -o back" verify "extract --tensor a.weight -o back"; do
    expect 5 zipnn $line same.znn
    says "--base FILE"
    says "base-dir"
    check test "$(wc -l <"$home/err")" -eq 1
done
check test ! -e back
expect 5 zipnn -d same.znn -o back
says "base.safetensors"
says "was not given"
expect 5 zipnn -t --json same.znn
prints '"error":"base"'
check sh -c 'cat same.znn | zipnn -t; [ $? -eq 5 ]'
expect 5 zipnn verify same.znn
says "cannot be verified beyond their checksums"
expect 0 zipnn verify --base in/base.safetensors same.znn
expect 0 zipnn -lv same.znn
prints "made against base.safetensors"
expect 0 zipnn -l --json --base-dir in same.znn
prints '"at_hand":true'

# Of many the nearest, and damaged neighbours do not matter.
cp in/base.safetensors run/near.safetensors
cp t.safetensors run/far.safetensors
head -c 5000 same.znn >run/cut.znn
expect 0 zipnn --base-dir run next.safetensors -o nearest.znn
expect 0 zipnn -lv nearest.znn
check test "$(zipnn -lv nearest.znn | grep -c 'made against')" -eq 1
expect 0 zipnn -d --base-dir run nearest.znn -o back
check cmp back next.safetensors
rm back
expect 0 zipnn --base-dir empty next.safetensors -o alone.znn
says "no file of --base-dir resembles it"
check cmp alone.znn <(zipnn -c next.safetensors)
seq 100000 >unlike
expect 0 zipnn -f --base unlike next.safetensors -o alone.znn
says "nothing in it resembles the base"
expect 0 zipnn -fq --base unlike next.safetensors -o alone.znn
check test ! -s "$home/err"

# Bytes without tensors resemble a base at any place.
tail -c +10 in/base.safetensors >bytes.bin
expect 0 zipnn --base in/base.safetensors bytes.bin -o bytes.znn
check test ! -s "$home/err"
check test "$(stat -c %s bytes.znn)" -lt 1000
expect 0 zipnn -d --base in/base.safetensors bytes.znn -o back
check cmp back bytes.bin
rm back bytes.bin bytes.znn

# No file is its own base, and a pipe has none.
expect 1 zipnn --base next.safetensors next.safetensors
says "own base"
expect 0 zipnn --base-dir . next.safetensors -o apart.znn
expect 1 zipnn --base missing next.safetensors
mkfifo pipe
expect 1 timeout 10 zipnn --base missing next.safetensors -o pipe
says "missing: cannot open"
check sh -c '! cat next.safetensors | zipnn -c --base in/base.safetensors'
no_temporaries
finish
