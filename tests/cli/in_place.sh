# --in-place: a file becomes its archive under its own name, and the original again.
. "$(dirname "$0")/cli_lib.sh"

is_packed() { [ "$(head -c 4 "$1" | od -An -tx1 | tr -d ' ')" = 8f5a4e4e ]; }
state() { stat -c '%n %a %u %g %Y %h' "$@" 2>/dev/null || ls -l "$@"; }

# There and back: the same bytes, name, mode and times; nothing else is made. A second run does nothing and says so.
model 3000 m.safetensors
cp m.safetensors original
chmod 640 m.safetensors
touch -d '2021-02-03 04:05:06' m.safetensors
before=$(state m.safetensors)
expect 0 zipnn --in-place m.safetensors
check is_packed m.safetensors
[ "$(state m.safetensors)" = "$before" ] || fail "changed: $(state m.safetensors)"
[ "$(ls)" = "m.safetensors
original" ] || fail "files: $(ls)"
cp m.safetensors packed
expect 0 zipnn --in-place m.safetensors
says "m.safetensors: skipped, it is an archive already"
expect 0 zipnn --in-place -9 -f m.safetensors
check cmp m.safetensors packed
expect 0 zipnn --in-place --json m.safetensors
prints '"reason":"packed"'
expect 0 zipnn --in-place -q m.safetensors
silent "-q"

# The other commands take it under that name, and -r finds it.
for command in verify inspect "extract --tensor b -o out" "salvage -o out"; do
    expect 0 zipnn $command m.safetensors
    rm -f out
done
expect 0 zipnn -t m.safetensors
expect 0 zipnn -lv m.safetensors
prints "a.weight"
expect 0 zipnn cat m.safetensors -o out
check cmp out original
rm out
expect 0 zipnn -d m.safetensors -o out
check cmp out original
rm out
mkdir tree
cp packed tree/x.safetensors
expect 0 zipnn -trv tree
says "1 files done"
expect 0 zipnn -lr tree
prints "tree/x.safetensors"
expect 0 zipnn -drv tree
says "tree/x.safetensors: skipped, it was compressed in place: -d --in-place restores it"
expect 0 zipnn -rv tree
says "tree/x.safetensors: skipped, it is an archive already"
check cmp tree/x.safetensors packed
expect 1 zipnn tree/x.safetensors
says "is an archive already: -f compresses it once more"
expect 1 zipnn -d tree/x.safetensors
says "or --in-place to restore the file itself"
check test "$(ls tree)" = x.safetensors

expect 0 zipnn -d --in-place m.safetensors
check cmp m.safetensors original
[ "$(state m.safetensors)" = "$before" ] || fail "changed: $(state m.safetensors)"
expect 0 zipnn -d --in-place m.safetensors
says "m.safetensors: skipped, it is no archive"

# What cannot be meant is refused before anything is touched.
for line in "-o x m.safetensors" "-o x/ m.safetensors" "--output-dir-flat x m.safetensors" "-c m.safetensors" "--rm m.safetensors" "-k m.safetensors" "-d --rm m.safetensors" \
    "-" "" "--format zipnn m.safetensors"; do
    expect 2 zipnn --in-place $line
    says "--in-place"
done
for command in -t -l verify cat inspect estimate bench recompress; do
    expect 2 zipnn $command --in-place m.safetensors
    says "--in-place goes with"
done
mkfifo pipe
expect 1 timeout 10 zipnn --in-place pipe
says "only a regular file can be replaced"
expect 1 zipnn --in-place ./missing tree
says "missing: cannot open"
says "tree: is a folder"
check cmp m.safetensors original

# Names: an archive under its own name is left to -d; what would grow stays.
cp packed m.znn
expect 0 zipnn --in-place m.znn
says "it is an archive already"
expect 1 zipnn -d --in-place m.znn
says "is named .znn"
check cmp m.znn packed
expect 0 zipnn -d --in-place -f m.znn
check cmp m.znn original
expect 1 zipnn --in-place m.znn
says "is named .znn"
rm m.znn
echo '{"a": 1}' >config.json
expect 0 zipnn --in-place config.json
says "config.json: skipped, compressing gains less than 1 %"
check test "$(cat config.json)" = '{"a": 1}'
expect 0 zipnn --in-place -f config.json
check is_packed config.json
expect 0 zipnn -d --in-place config.json
check test "$(cat config.json)" = '{"a": 1}'

# Links: symbolic ones are followed and stay; other names of a file would not see the archive.
mkdir far
cp original far/blob
ln -s far/blob one
ln -s "$PWD/one" two
expect 0 zipnn --in-place two one
says "one: skipped, it is an archive already"
check is_packed far/blob
check test -L one -a -L two
expect 0 zipnn -d --in-place two
check cmp far/blob original
check test -L one -a -L two
ln far/blob far/other
expect 1 zipnn --in-place one
says "it has 2 names (hard links)"
expect 0 zipnn --in-place -r far
says "far/blob: skipped, it has other names (hard links)"
check cmp far/blob original
expect 0 zipnn --in-place -f far/blob
says "its other names (hard links) keep the old content"
check is_packed far/blob
check cmp far/other original
expect 1 zipnn --in-place dangling
ln -s nowhere dangling
expect 1 zipnn --in-place dangling
says "dangling: cannot open"
check test -L dangling

# A cache of the hub, ten times there and back: links lead where they led, a blob of two names is packed once.
mkdir -p hub/blobs hub/snapshots/one hub/snapshots/two hub/refs
model 3000 hub/blobs/0123abcd
model 400 hub/blobs/4567cdef
echo '{}' >hub/blobs/config
echo one >hub/refs/main
for rev in one two; do
    ln -s ../../blobs/0123abcd hub/snapshots/$rev/model-00001-of-00002.safetensors
    ln -s ../../blobs/4567cdef hub/snapshots/$rev/model-00002-of-00002.safetensors
    ln -s ../../blobs/config hub/snapshots/$rev/config.json
done
cp -a hub before
tree_of() { (cd "$1" && find . ! -type d -printf '%p %l %m %T@\n' | sort); }
for i in 1 2 3 4 5 6 7 8 9 10; do
    expect 0 zipnn -rv --in-place hub
    says "2 files done"
    check is_packed hub/blobs/0123abcd
    check is_packed hub/snapshots/two/model-00002-of-00002.safetensors
    [ "$(tree_of hub)" = "$(tree_of before)" ] || fail "the cache is another one"
    expect 0 zipnn -rv --in-place hub
    says "0 files done"
    if [ $((i % 2)) = 0 ]; then
        expect 0 zipnn -d -rv --in-place hub
    else
        expect 0 zipnn -d -rv --in-place hub/snapshots/one
    fi
    says "2 files done"
    check diff -r hub before
    [ "$(tree_of hub)" = "$(tree_of before)" ] || fail "the cache is another one after -d"
done

# Rights: a read-only file is packed, and stays so; a folder that takes no files keeps it.
chmod 444 m.safetensors
expect 0 zipnn --in-place m.safetensors
check test "$(stat -c %a m.safetensors 2>/dev/null || echo 444)" = 444
expect 0 zipnn -d --in-place m.safetensors
check cmp m.safetensors original
chmod 644 m.safetensors
if [ "$(id -u)" -ne 0 ]; then
    chmod 555 far
    expect 1 zipnn --in-place -f far/other
    chmod 755 far
    check cmp far/other original
fi

# Attributes stay; one user's file does not become another's.
if [ "$(uname)" = Linux ] && python3 -c 'import os; os.setxattr("m.safetensors", "user.note", b"hello")' 2>/dev/null; then
    setfacl -m u:1:r m.safetensors 2>/dev/null
    shown() { python3 -c 'import os; print({n: os.getxattr("m.safetensors", n) for n in sorted(os.listxattr("m.safetensors"))})'; }
    before=$(shown)
    expect 0 zipnn --in-place m.safetensors
    [ "$(shown)" = "$before" ] || fail "attributes: $(shown)"
    expect 0 zipnn -d --in-place m.safetensors
    [ "$(shown)" = "$before" ] || fail "attributes: $(shown)"
fi
if [ "$(id -u)" -eq 0 ] && [ -z "${ZIPNN_EMULATOR:-}" ] && setpriv --reuid 65534 true 2>/dev/null && [ -x / ]; then
    chmod 755 "$home" "$home/work" "$home/bin"
    mkdir shared
    chmod 777 shared
    cp original shared/m
    if setpriv --reuid 65534 --regid 65534 --clear-groups "$ZIPNN" -V >/dev/null 2>&1; then
        expect 1 setpriv --reuid 65534 --regid 65534 --clear-groups "$ZIPNN" --in-place shared/m
        says "keep the"
        check cmp shared/m original
        expect 0 setpriv --reuid 65534 --regid 65534 --clear-groups "$ZIPNN" --in-place -f shared/m
        check is_packed shared/m
    fi
fi

# A reader that has the file open goes on with what it opened; a writer keeps it from being replaced.
cp original held
exec 5<held
expect 0 zipnn --in-place held
check cmp /dev/fd/5 original
exec 5<&-
if [ "$(uname)" = Linux ]; then
    cp original held
    exec 5>>held
    expect 1 zipnn --in-place held
    says "another program has it open for writing"
    exec 5>&-
    check cmp held original
fi

# Bases are known by what they restore to, whether they are packed or not, and in whatever order that happens.
mkdir family && cd family || exit 1
change() { # a file whose second half is the same
    cp "$1" "$2"
    head -c 20000 /dev/urandom | dd of="$2" bs=1 seek=5000 conv=notrunc 2>/dev/null
}
cp ../original a.safetensors
change a.safetensors b.safetensors
change b.safetensors c.safetensors
mkdir ../plain && cp a.safetensors b.safetensors c.safetensors ../plain
expect 0 zipnn --in-place b.safetensors --base a.safetensors
expect 1 zipnn --in-place a.safetensors --base b.safetensors
check cmp a.safetensors ../plain/a.safetensors
expect 0 zipnn --in-place a.safetensors
expect 0 zipnn --in-place c.safetensors --base-dir .
[ "$(wc -c <c.safetensors)" -lt "$(($(wc -c <a.safetensors) / 2))" ] || fail "c was not made from a base"
expect 5 zipnn -t c.safetensors
expect 0 zipnn -t c.safetensors --base-dir .
expect 0 zipnn -t -r .
expect 0 zipnn -d --in-place a.safetensors
expect 0 zipnn -t -r .
expect 5 zipnn -d --in-place c.safetensors
check is_packed c.safetensors
expect 0 zipnn -d -r --in-place .
check diff -r . ../plain
# All at once: none may come to need itself.
expect 0 zipnn -r --in-place --base-dir . .
for name in a b c; do check is_packed $name.safetensors; done
expect 0 zipnn -t -r .
cp c.safetensors other
expect 0 zipnn -d -r --in-place .
rm other
check diff -r . ../plain
cd .. || exit 1

# Damage: what cannot be restored stays as it is.
cp packed hurt
printf 'XXXX' | dd of=hurt bs=1 seek=2000 conv=notrunc 2>/dev/null
cp hurt hurt.before
expect 3 zipnn -d --in-place hurt
check cmp hurt hurt.before

no_temporaries
finish
