# --dedup: a folder as it is shipped. What one file holds is stored once, and each file is restored by itself.
. "$(dirname "$0")/cli_lib.sh"

# shipped FOLDER: a whole model below original/, two shards of it, one with other names in another order, and one that has
# nothing to do with them.
shipped() {
    python3 - "$1" <<'END'
import json, os, random, struct, sys
random.seed(2)
top = sys.argv[1]
os.makedirs(top + "/original/deeper")
def words(n): return struct.pack("<%dH" % n, *((0x3c00 + random.getrandbits(9)) ^ random.getrandbits(1) << 15 for _ in range(n)))
tensors = [("layers.%d.%s" % (i, name), [rows, 128], words(rows * 128)) for i in range(4) for name, rows in (("up", 120), ("down", 90), ("norm", 40))]
def write(name, tensors):
    header, at = {}, 0
    for tensor, shape, data in tensors:
        header[tensor] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    head = json.dumps(header).encode()
    open(top + "/" + name, "wb").write(struct.pack("<Q", len(head)) + head + b"".join(t[2] for t in tensors))
write("original/deeper/whole.safetensors", tensors + [("extra", [100], words(100))])
write("model-1.safetensors", tensors[:6])
write("model-2.safetensors", tensors[6:])
shuffled = [("renamed.%d" % i, s, d) for i, (_, s, d) in enumerate(tensors)]
random.shuffle(shuffled)
write("original/renamed.safetensors", shuffled)
write("other.safetensors", [("z", [100, 33], words(3300))])
END
}
size_of() { find "$1" -name "${2:-*}" -type f -printf '%s\n' | awk '{s += $1} END {print s}'; }
files="model-1.safetensors model-2.safetensors original/renamed.safetensors original/deeper/whole.safetensors other.safetensors"

shipped folder
total=$(size_of folder)
cp -a folder plain
expect 0 zipnn -r --dedup --rm folder
[ $(($(size_of folder) * 100)) -le $((total * 34)) ] || fail "$(size_of folder) of $total bytes"
expect 0 zipnn -lv folder/model-1.safetensors.znn
prints "made against ./original/deeper/whole.safetensors.znn"

# Each by itself, from wherever, by all that reads; also moved together.
for at in folder moved; do
    [ $at = folder ] || mv folder moved
    for file in $files; do
        check cmp <(zipnn -dc $at/$file.znn) plain/$file
        check zipnn -t $at/$file.znn
        check zipnn verify $at/$file.znn
        (cd "$(dirname $at/$file)" && zipnn -dc "$(basename $file).znn" | cmp - "$OLDPWD/plain/$file") || fail "$file from its folder"
        [ "$(zipnn sums $at/$file.znn | cut -c 1-64)" = "$(sha256sum <plain/$file | cut -c 1-64)" ] || fail "sums of $file"
    done
    check cmp <(zipnn extract $at/original/renamed.safetensors.znn --tensor renamed.3) <(zipnn extract plain/original/renamed.safetensors --tensor renamed.3)
done
expect 0 zipnn -tr moved

# All back, in one go and one by one with --rm: the root may come first or last.
cp -a moved back && expect 0 zipnn -dr --rm back
check diff -r back plain
for order in "$files" "original/deeper/whole.safetensors other.safetensors model-2.safetensors original/renamed.safetensors model-1.safetensors"; do
    rm -rf back && cp -a moved back
    for file in $order; do check zipnn -q -d --rm back/$file.znn; done
    check diff -r back plain
done
rm -rf back && cp -a moved back
expect 0 zipnn -dr -o out/ back
check diff -r out plain

# The root is not removed while others need it, nor replaced by other contents.
expect 1 zipnn -d --rm back/original/deeper/whole.safetensors.znn -o elsewhere
says "is made from it"
check test -e back/original/deeper/whole.safetensors.znn
cp plain/other.safetensors back/original/deeper/whole.safetensors
expect 1 zipnn -f back/original/deeper/whole.safetensors
says "is made from it"
check cmp <(zipnn -dc back/model-2.safetensors.znn) plain/model-2.safetensors
check zipnn -q recompress -1 back/original/deeper/whole.safetensors.znn
check cmp <(zipnn -dc back/model-2.safetensors.znn) plain/model-2.safetensors

# What is gone is missed, and another file in its place is no base.
rm back/original/deeper/whole.safetensors.znn back/original/deeper/whole.safetensors
expect 5 zipnn -dc back/model-1.safetensors.znn
says "--base FILE"
cp plain/other.safetensors back/original/deeper/whole.safetensors
expect 5 zipnn -dc back/model-1.safetensors.znn
mkfifo back/original/deeper/whole.safetensors.znn
expect 5 zipnn -dc back/model-1.safetensors.znn
check cmp <(zipnn -dc back/model-1.safetensors.znn --base plain/original/deeper/whole.safetensors) plain/model-1.safetensors

# A second run does nothing, a later file joins, -f does all again and -9 and -T1 take it.
cp -a plain again
expect 0 zipnn -r --dedup again
find again -name '*.znn' | sort | xargs cksum >sums
expect 0 zipnn -r --dedup again
find again -name '*.znn' | sort | xargs cksum | cmp - sums || fail "a second run makes other archives"
sed 's/layers/LAYERS/g' again/model-1.safetensors >again/late.safetensors
expect 0 zipnn -r --dedup again
[ $(($(stat -c %s again/late.safetensors.znn) * 10)) -le "$(stat -c %s again/late.safetensors)" ] || fail "a late file"
expect 0 zipnn -rf --dedup -T1 again
find again -name '*.znn' ! -name 'late*' | sort | xargs cksum | cmp - sums || fail "-f and -T1 make other archives"
expect 0 zipnn -tr again
expect 0 zipnn -r --dedup --rm again
sed 's/layers/Layers/g' plain/model-2.safetensors >again/latest.safetensors
expect 0 zipnn -r --dedup --rm again
[ $(($(stat -c %s again/latest.safetensors.znn) * 10)) -le "$(stat -c %s plain/model-2.safetensors)" ] || fail "a late file beside archives alone"
check test ! -e again/original/deeper/whole.safetensors
for file in $files; do check cmp <(zipnn -dc again/$file.znn) plain/$file; done

# In place, to another folder, files by name, from a list.
cp -a plain inside
expect 0 zipnn -r --dedup --in-place inside
[ $(($(size_of inside) * 100)) -le $((total * 34)) ] || fail "in place: $(size_of inside)"
check cmp <(zipnn -dc inside/model-1.safetensors) plain/model-1.safetensors
expect 0 zipnn -dr --in-place inside
check diff -r inside plain
expect 0 zipnn -r --dedup -o store/ plain
for file in $files; do check cmp <(zipnn -dc store/$file.znn) plain/$file; done
[ $(($(size_of store) * 100)) -le $((total * 34)) ] || fail "another folder"
cp -a plain named
expect 0 zipnn --dedup named/*.safetensors named/original/*.safetensors named/original/deeper/*.safetensors
[ $(($(size_of named '*.znn') * 100)) -le $((total * 34)) ] || fail "files by name"
cp -a plain listed
find listed -type f | zipnn --dedup --filelist - || fail "a list"
[ $(($(size_of listed '*.znn') * 100)) -le $((total * 34)) ] || fail "a list: $(size_of listed '*.znn')"
for line in "--dedup -" "--dedup --format zipnn plain/other.safetensors" "-d --dedup x.znn"; do expect 2 zipnn $line; done

# Copies: nothing needs itself.
mkdir -p copies/a && cp plain/model-1.safetensors copies && cp plain/model-1.safetensors copies/a/copy.safetensors
expect 0 zipnn -r --dedup --rm copies
for file in copies/*.znn copies/a/*.znn; do check cmp <(zipnn -dc $file) plain/model-1.safetensors; done

# Killed anywhere: what is there can be restored.
cp -a plain killed
for delay in 0 0.02 0.04 0.07 0.1 0.15; do
    check python3 -c 'import subprocess, sys, time
run = subprocess.Popen("zipnn -q -r --dedup --rm killed".split())
time.sleep(float(sys.argv[1]))
run.kill()
run.wait()' $delay
    for file in $files; do
        [ -e killed/$file ] && check cmp killed/$file plain/$file
        [ ! -e killed/$file.znn ] || check cmp <(zipnn -dc killed/$file.znn) plain/$file
        [ -e killed/$file ] || [ -e killed/$file.znn ] || fail "$file is gone"
    done
done
find . -name '.zipnn-*' -delete
expect 0 zipnn -r --dedup --rm killed
expect 0 zipnn -dr --rm killed
check diff -r killed plain

# Names of bases from strangers lead nowhere else: absolute ones, and those that go up in the middle, are not followed.
mkdir hostile && cp plain/original/deeper/whole.safetensors hostile/base
(cd hostile && cp ../plain/model-1.safetensors m && zipnn -q m --base "$PWD/base")
expect 5 zipnn -t hostile/m.znn
no_temporaries
finish
