# -r takes model weights to compress and archives for the rest.
. "$(dirname "$0")/cli_lib.sh"

mkdir -p models/deep/er models/empty elsewhere
model 10 models/a.safetensors
cp models/a.safetensors models/deep/b.PT
cp models/a.safetensors models/deep/er/c.gguf
cp models/a.safetensors elsewhere/d.bin
echo text >models/README.md
echo hidden >models/.bin
ln -s ../elsewhere/d.bin models/linked.bin
ln -s .. models/deep/loop

expect 1 zipnn models
says "models: is a folder"
expect 0 zipnn -r models
for name in a.safetensors deep/b.PT deep/er/c.gguf linked.bin; do check test -e "models/$name.znn"; done
[ "$(find . -name '*.znn' | wc -l)" -eq 4 ] || fail "too much was compressed: $(find . -name '*.znn')"

# Again: everything is there; with -v what was left out is told.
expect 0 zipnn -rv models
says "models/README.md: skipped"
says "models/a.safetensors.znn: skipped"
says "models/a.safetensors: skipped, it is compressed already"
says "zipnn: 0 files done, "
expect 0 zipnn -rf models/

# An archive of something else is in the way.
touch -d 2001-01-01 models/a.safetensors
expect 1 zipnn -r models
says "already exists"
says "zipnn: 0 files done, 9 skipped, 1 failed"
touch -r models/a.safetensors.znn models/a.safetensors
expect 0 zipnn -r models

expect 0 zipnn -tr models
expect 0 zipnn -lr models
prints "models/deep/er/c.gguf.znn"
cp models/a.safetensors elsewhere/original
find models -type f \( -name '*.PT' -o -name '*.gguf' -o -name '*.safetensors' \) -delete
expect 0 zipnn -dr --rm models elsewhere -f
for name in a.safetensors deep/b.PT deep/er/c.gguf linked.bin; do check cmp "models/$name" elsewhere/original; done
[ -z "$(find . -name '*.znn')" ] || fail "--rm left archives"

# A folder that cannot be read, and one that is not there, do not stop the rest.
expect 1 zipnn -r missing models
says "missing: cannot open"
check test -e models/a.safetensors.znn


# Version control keeps its files by their names; what is not finished, or cut short, is no model yet.
mkdir -p clone/.git/lfs clone/sub/.hg clone/.svn
for name in .git/lfs/ed61 sub/.hg/x.bin .svn/y.safetensors w.safetensors; do model 100 clone/$name; done
for name in incomplete part tmp download PART; do cp clone/w.safetensors clone/v.safetensors.$name; done
head -c 9000 clone/w.safetensors >clone/cut.safetensors
head -c 60 clone/w.safetensors >clone/cut_header.safetensors
printf 'GGUF\3\0\0\0\200\0\0\0\0\0\0\0' >clone/cut.gguf
expect 0 zipnn -r --rm clone
cp "$home/err" said
check test "$(grep -c 'does not enter' said)" -eq 1
check test "$(grep -c 'cut short' said)" -eq 3
[ "$(find clone -name '*.znn')" = clone/w.safetensors.znn ] || fail "too much was compressed: $(find clone -name '*.znn')"
expect 0 zipnn -rq --rm clone
silent "-rq over version control"
expect 0 zipnn -rv clone
says "clone/.svn: skipped"
says "clone/v.safetensors.part: skipped, its name says that it is not finished"
expect 0 zipnn clone/cut.safetensors
says "cut short"
expect 0 zipnn -r clone/.git
check test ! -e clone/.git/lfs/ed61.znn

# What is compressed already goes with --rm, once its archive is right; one that is not keeps it.
mkdir twice
model 100 twice/a.safetensors
model 200 twice/b.safetensors
cp -r twice kept
expect 0 zipnn -r twice
expect 0 zipnn -r --rm twice
[ "$(ls twice)" = "a.safetensors.znn
b.safetensors.znn" ] || fail "-r --rm after -r: $(ls twice)"
expect 0 zipnn -dr --rm twice
check cmp twice/a.safetensors kept/a.safetensors
check cmp twice/b.safetensors kept/b.safetensors
expect 0 zipnn -r twice
printf 'XXXX' | dd of=twice/a.safetensors.znn bs=1 seek=200 conv=notrunc 2>/dev/null
touch -r twice/a.safetensors twice/a.safetensors.znn
expect 3 zipnn -r --rm twice
check cmp twice/a.safetensors kept/a.safetensors
check test ! -e twice/b.safetensors

# What gains nothing is left as it is.
mkdir noise
head -c 100000 /dev/urandom >noise/n.bin
expect 0 zipnn -rv noise
says "noise/n.bin: skipped, compressing gains less than 1 %"
check test ! -e noise/n.bin.znn
expect 0 zipnn -rf noise
check test -e noise/n.bin.znn

# A cache of models: the file is named by its hash, and has its own name in links. The hash's file is never touched.
mkdir -p hub/blobs hub/snapshots/one hub/snapshots/two
model 3000 hub/blobs/0123abcd
model 40 hub/blobs/4567cdef
echo '{}' >hub/blobs/config
for rev in one two; do
    ln -s ../../blobs/0123abcd hub/snapshots/$rev/model-00001-of-00001.safetensors
    ln -s ../../blobs/config hub/snapshots/$rev/config.json
    echo '{"weight_map":{}}' >hub/snapshots/$rev/model.safetensors.index.json
done
cp -r hub before
expect 0 zipnn -r --json hub
cp "$home/out" json
[ "$(find hub -name '*.znn' | wc -l)" -eq 2 ] || fail "archives in the cache: $(find hub -name '*.znn')"
check test -e hub/snapshots/one/model-00001-of-00001.safetensors.znn
check test -e hub/blobs/4567cdef.znn
for file in blobs/0123abcd blobs/4567cdef blobs/config snapshots/one/model.safetensors.index.json; do
    check cmp hub/$file before/$file
done
check test -L hub/snapshots/one/model-00001-of-00001.safetensors
if command -v python3 >/dev/null; then
    check python3 -c '
import json
x = [json.loads(line) for line in open("json")]
assert len(x) == 9 and sum("output" in o for o in x) == 2 and sum("skipped" in o for o in x) == 7, x
assert len({o["file"] for o in x}) == 9
'
fi

# --rm takes the link away, not what it leads to.
expect 0 zipnn -rf --rm hub/snapshots
check test ! -e hub/snapshots/one/model-00001-of-00001.safetensors
check cmp hub/blobs/0123abcd before/blobs/0123abcd
expect 0 zipnn -dr hub/snapshots
check cmp hub/snapshots/one/model-00001-of-00001.safetensors before/blobs/0123abcd

# A bad file does not stop the rest.
mkdir mixed
model 100 mixed/a.safetensors
model 200 mixed/c.safetensors
mkfifo mixed/pipe.bin
ln -s nowhere mixed/b.safetensors
expect 1 zipnn -r mixed
says "mixed/b.safetensors: cannot open"
says "zipnn: 2 files done, 0 skipped, 1 failed"
printf 'XXXX' | dd of=mixed/a.safetensors.znn bs=1 seek=200 conv=notrunc 2>/dev/null
expect 3 zipnn -tr mixed
says "mixed/a.safetensors.znn: "
says "zipnn: 1 files done, 2 skipped, 2 failed"

no_temporaries
# What is left out is said in the order of names, with a code for programs.
mkdir -p order/b order/a order/c
for name in order/z.txt order/y.txt order/b/2.txt order/b/1.txt order/a/x.txt order/c/w.txt; do echo text >$name; done
expect 0 zipnn -rv order
sed -n 's/: skipped.*//p' "$home/err" >said
check cmp said <(printf '%s\n' order/y.txt order/z.txt order/a/x.txt order/b/1.txt order/b/2.txt order/c/w.txt)
expect 0 zipnn -r --json order
[ "$(grep -c '"skipped":"it is not a file of model weights","reason":"no_model"' "$home/out")" -eq 6 ] || fail "reasons"
finish
