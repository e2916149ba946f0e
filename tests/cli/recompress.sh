# recompress: an archive moves between levels and stays an archive of the same original.
. "$(dirname "$0")/cli_lib.sh"

model 300 m
zipnn -1 m -o one.znn
zipnn -9 m -o nine.znn
cp one.znn a.znn
chmod 640 a.znn
expect 0 zipnn recompress -9 a.znn
check cmp a.znn nine.znn
check test "$(stat -c %a a.znn)" = 640
expect 0 zipnn recompress -1 -T3 a.znn
check cmp a.znn one.znn

# Elsewhere: the old archive stays.
expect 0 zipnn recompress -9 a.znn -o b.znn
check cmp a.znn one.znn
check cmp b.znn nine.znn
expect 1 zipnn recompress -3 a.znn -o b.znn
check cmp b.znn nine.znn
zipnn recompress -9 -c a.znn | cmp - nine.znn || fail "to standard output"

# A digest of the original that the old archive has is in the new one too.
zipnn -f --sha256 m -o a.znn
expect 0 zipnn recompress -9 a.znn
expect 0 zipnn -lv a.znn
prints "$(sha256sum <m | cut -d' ' -f1)"

# What is damaged stays as it was.
cp one.znn bad.znn
printf '\377' | dd of=bad.znn bs=1 seek=2000 conv=notrunc 2>/dev/null
cp bad.znn before.znn
expect 3 zipnn recompress -9 bad.znn
check cmp bad.znn before.znn
expect 3 zipnn recompress -9 m
expect 2 zipnn recompress
zipnn -c m | zipnn recompress -9 -c - >out 2>err && fail "a pipe was taken"
no_temporaries

# Several, and folders.
mkdir -p d/e
cp one.znn d/x.znn
cp one.znn d/e/y.znn
expect 0 zipnn recompress -9 -r d
check cmp d/x.znn nine.znn
check cmp d/e/y.znn nine.znn
finish
