# --rm deletes a source only when its result is there and right.
. "$(dirname "$0")/cli_lib.sh"

model 200 m
cp m original
expect 0 zipnn --rm m
check test ! -e m
expect 0 zipnn -d --rm m.znn
check test ! -e m.znn
check cmp m original

# Nothing is deleted when anything fails.
echo precious >m.znn
expect 1 zipnn --rm m
check cmp m original
rm m.znn
expect 1 zipnn --rm m -o /dev/full
check cmp m original
expect 3 zipnn --rm m -o /dev/null
check cmp m original
expect 2 zipnn --rm -c m
check cmp m original
zipnn m && printf x >>m.znn
expect 3 zipnn -df --rm m.znn
check test -e m.znn
check cmp m original

# -k takes it back; links lose the link only; standard input has nothing to delete.
rm m.znn
expect 0 zipnn --rm -k m
check test -e m
ln -s m link
expect 0 zipnn --rm link
check test ! -L link
check cmp m original
zipnn --rm <m >/dev/null || fail "--rm with standard input"

# Several: each on its own.
cp m one
cp m three
expect 1 zipnn --rm one two three
check test ! -e one
check test ! -e three
expect 0 zipnn -t one.znn three.znn

no_temporaries
finish
