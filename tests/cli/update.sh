# --update does what is new or has changed, and nothing else.
. "$(dirname "$0")/cli_lib.sh"

mkdir run
for name in a b c; do model 100 run/$name.safetensors; done
expect 0 zipnn -rv --update run
says "3 files done"
cp run/a.safetensors.znn a_before
ls -i run/*.znn >nodes
expect 0 zipnn -rv --update run
says "run/a.safetensors: skipped, it is compressed already"
says "0 files done"
ls -i run/*.znn | cmp - nodes || fail "an archive was written again"

# A newer file, one of another length, one that an older one replaced; others stay as they are.
model 101 run/a.safetensors
touch -d 2030-01-01 run/a.safetensors
touch -r run/b.safetensors kept_time
printf 'x' >>run/b.safetensors
touch -r kept_time run/b.safetensors
touch -d 2001-01-01 run/c.safetensors
expect 1 zipnn -r run
says "is older than its source; use -f to replace it, or --update"
model 50 run/d.safetensors
expect 0 zipnn -rv --update run
says "4 files done"
expect 0 zipnn -t run/*.znn
for name in a b c d; do zipnn -dc run/$name.safetensors.znn | cmp - run/$name.safetensors || fail "$name"; done
expect 0 zipnn -rv --update run
says "0 files done"

# Files that are named, a list, another folder; --rm deletes what has a right archive.
touch run/a.safetensors
expect 0 zipnn -v --update run/a.safetensors run/b.safetensors
says "run/a.safetensors: "
says "run/b.safetensors: skipped, it is compressed already"
printf 'run/a.safetensors\n' | zipnn --update --filelist - -o out/ || fail "a list"
touch -d 2003-03-03 run/a.safetensors
expect 0 zipnn --update -o out/ run/a.safetensors run/b.safetensors
zipnn -dc out/a.safetensors.znn | cmp - run/a.safetensors || fail "the other folder"
expect 0 zipnn -r --update --rm run
[ "$(ls run)" = "$(printf '%s.safetensors.znn\n' a b c d)" ] || fail "what --rm left: $(ls run)"
expect 0 zipnn -dr --rm run

# What is no archive is not replaced, nor is a link, nor what others need.
echo precious >run/a.safetensors.znn
expect 1 zipnn --update run/a.safetensors
says "already exists"
check grep -q precious run/a.safetensors.znn
rm run/a.safetensors.znn
echo precious >elsewhere
ln -s ../elsewhere run/a.safetensors.znn
expect 1 zipnn --update run/a.safetensors
check grep -q precious elsewhere
rm run/a.safetensors.znn
# changed FROM TO: a copy with one other byte.
changed() {
    cp "$1" "$2" && printf 'Z' | dd of="$2" bs=1 seek=$(($(stat -c %s "$1") - 9)) conv=notrunc 2>/dev/null
}
model 3000 run/a.safetensors
changed run/a.safetensors run/c.safetensors
expect 0 zipnn run/a.safetensors
expect 0 zipnn --base run/a.safetensors.znn run/c.safetensors
model 102 run/a.safetensors
expect 1 zipnn --update run/a.safetensors
says "is made from it"
zipnn -dc --base-dir run run/c.safetensors.znn | cmp - run/c.safetensors || fail "the base is gone"

# An archive that is up to date may be a base; one that this run replaces may not.
mkdir steps
model 3000 steps/1.safetensors
changed steps/1.safetensors steps/2.safetensors
expect 0 zipnn steps/1.safetensors
expect 0 zipnn -r --update --base-dir steps steps
[ "$(stat -c %s steps/2.safetensors.znn)" -lt "$(($(stat -c %s steps/1.safetensors.znn) / 4))" ] || fail "no base was taken"
touch steps/1.safetensors steps/2.safetensors
rm steps/2.safetensors.znn
expect 0 zipnn -r --update --base-dir steps steps
for n in 1 2; do
    mv steps/$n.safetensors gone
    zipnn -dc --base-dir steps steps/$n.safetensors.znn | cmp - gone || fail "step $n without its original"
    mv gone steps/$n.safetensors
done

for line in "-f run/b.safetensors" "-o out.znn run/b.safetensors" "-c run/b.safetensors" "--in-place run/b.safetensors" \
    "--format zipnn run/b.safetensors" "-d run/b.safetensors.znn" -; do
    expect 2 zipnn --update $line
done
says "cannot be combined with standard input"
no_temporaries
finish
