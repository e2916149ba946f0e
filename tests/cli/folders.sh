# Results that go to another folder, and files that a list names.
. "$(dirname "$0")/cli_lib.sh"

mkdir -p store/a store/b
model 300 store/a/m.safetensors
model 400 store/b/m.safetensors
model 500 store/n.safetensors

# -o DIR/: the folder is made; with -r what is below the folder that is worked on keeps its place there.
expect 0 zipnn store/a/m.safetensors store/n.safetensors -o out/
check test -f out/m.safetensors.znn -a -f out/n.safetensors.znn
check test ! -e store/a/m.safetensors.znn
expect 0 zipnn -d out/m.safetensors.znn -o back/
check cmp back/m.safetensors store/a/m.safetensors
expect 0 zipnn -r store -o tree/
check test "$(cd tree && find . -type f | sort | tr '\n' ' ')" = "./a/m.safetensors.znn ./b/m.safetensors.znn ./n.safetensors.znn "
# What is done is known there.
check test "$(zipnn -r store -o tree/ --json | grep -c '"reason":"compressed"')" -eq 3
expect 0 zipnn -dr tree/ -o again/
check diff -r store again

# --output-dir-flat and --output-dir-mirror; names that meet.
expect 1 zipnn -r --output-dir-flat flat store
says "another file of this run"
check test -f flat/m.safetensors.znn
check cmp <(zipnn -dc flat/m.safetensors.znn) store/a/m.safetensors
expect 1 zipnn -fr --output-dir-flat flat store
check cmp <(zipnn -dc flat/m.safetensors.znn) store/a/m.safetensors
expect 0 zipnn -r --output-dir-mirror mirror store "$PWD/store/a"
check test -f mirror/store/b/m.safetensors.znn
check cmp <(zipnn -dc "mirror/$PWD/store/a/m.safetensors.znn" 2>/dev/null || zipnn -dc mirror/store/a/m.safetensors.znn) store/a/m.safetensors
expect 1 sh -c 'cd out && zipnn --output-dir-mirror x ../store/n.safetensors'
says '".."'
check test ! -e out/x

# Names that meet only on the way: by "." in a path, and over a link. With -f --rm nothing may be lost.
mkdir -p met/a "under$PWD/met/a"
cp store/a/m.safetensors met/a/x
cp store/b/m.safetensors "under$PWD/met/a/x"
expect 1 sh -c 'cd under && zipnn -f --rm --output-dir-mirror ../once "${0#/}/met/./a/x" "$0/met/a/x"' "$PWD"
says "another file of this run"
check cmp <(zipnn -dc "once$PWD/met/a/x.znn") store/b/m.safetensors
check cmp met/a/x store/a/m.safetensors
mkdir -p linked/s/a two/s/a two/s/l
ln -s a linked/s/l
cp store/a/m.safetensors two/s/a/x
cp store/b/m.safetensors two/s/l/x
expect 1 sh -c 'cd two && zipnn -f --rm -r s --output-dir-mirror ../linked --dtype bf16'
check test "$(find two -type f | wc -l)" -eq 1
check cmp <(zipnn -dc linked/s/a/x.znn) store/a/m.safetensors
check cmp two/s/l/x store/b/m.safetensors
# Files of the same time and length are not taken for one another.
mkdir -p alike/a alike/b
cp store/a/m.safetensors alike/a/m.safetensors
sed 's/a\.weight/b.weight/' store/a/m.safetensors >alike/b/m.safetensors
touch -d @1000000000 alike/*/m.safetensors
for turn in 1 2; do
    expect 1 zipnn -r --output-dir-flat alike.out alike
    says "another file of this run"
done
expect 1 zipnn -r --rm --output-dir-flat alike.out alike
check test ! -e alike/a/m.safetensors -a -e alike/b/m.safetensors

# A store that nobody may write to is compressed beside.
if [ "$(id -u)" -ne 0 ]; then
    chmod a-w store store/a store/b
    expect 0 zipnn -r store -o beside/
    chmod u+w store store/a store/b
fi

# --rm removes what is verified in the other folder, today or later.
cp -r store going
expect 0 zipnn -r going -o kept/
expect 0 zipnn -r --rm going -o kept/
check test -z "$(find going -type f)"
expect 0 zipnn -dr --rm kept -o came/
check diff -r store came
check test -z "$(find kept -type f)"

# Bases are found, and the archive that a circle would need is refused, wherever results go.
cp store/n.safetensors other.safetensors
printf x | dd of=other.safetensors bs=1 seek=3000 conv=notrunc 2>"$home/err"
expect 0 zipnn --base store/n.safetensors other.safetensors -o deltas/
check test "$(stat -c %s deltas/other.safetensors.znn)" -lt 1500
expect 0 zipnn -d --base store/n.safetensors deltas/other.safetensors.znn -o undone/
check cmp undone/other.safetensors other.safetensors

# What cannot be meant.
expect 2 zipnn -c store/n.safetensors --output-dir-flat x
expect 2 zipnn -o y --output-dir-flat x store/n.safetensors
expect 2 zipnn -o x/ - <store/n.safetensors
says "has no name"
expect 2 zipnn -o x.znn store/n.safetensors store/a/m.safetensors
says "DIR/"
expect 2 zipnn -l --output-dir-flat x out/m.safetensors.znn
expect 1 zipnn -o store/n.safetensors/ store/a/m.safetensors
says "Not a directory"
check test ! -e x

# --filelist, with lines and with zero bytes.
printf 'store/a/m.safetensors\n\nstore/n.safetensors' >list
expect 0 zipnn --filelist list -o listed/
check test "$(ls listed | tr '\n' ' ')" = "m.safetensors.znn n.safetensors.znn "
mkdir odd && cp store/n.safetensors "odd/two
lines.safetensors" && cp store/n.safetensors odd/-
expect 0 sh -c 'find odd -type f -print0 | zipnn --filelist - -0 -o listed2/'
check test "$(ls -A listed2 | wc -l)" -eq 2 -o "$(ls -A listed2 | wc -l)" -eq 3
expect 0 sh -c 'echo store/n.safetensors | zipnn -f --filelist - store/a/m.safetensors'
check test -f store/a/m.safetensors.znn -a -f store/n.safetensors.znn
expect 0 sh -c 'cd odd && echo - | zipnn --filelist -'
check test -f odd/-.znn
expect 0 zipnn --filelist /dev/null
expect 0 zipnn -t --filelist <(find listed -name '*.znn')
expect 1 zipnn -t --filelist nowhere
says "cannot read the list"
expect 1 zipnn --filelist <(printf 'a\0b')
says "-0"
expect 1 zipnn --filelist <(echo missing; echo store/n.safetensors) -f
says "missing"
expect 2 zipnn -0 store/n.safetensors
expect 2 zipnn --filelist - - -o x/
expect 2 zipnn -d --filelist - -
says "cannot be a FILE"
expect 2 zipnn extract --filelist list --tensor x
expect 2 zipnn -o one --filelist list
expect 2 zipnn -c --filelist list

# The environment gives level and threads; options win.
expect 0 sh -c 'ZIPNN_LEVEL=1 ZIPNN_THREADS=1 zipnn -c store/n.safetensors >e1; zipnn -1c store/n.safetensors >o1; cmp e1 o1'
expect 0 sh -c 'ZIPNN_LEVEL=1 zipnn -6c store/n.safetensors >e6; zipnn -6c store/n.safetensors >o6; cmp e6 o6'
expect 2 sh -c 'ZIPNN_LEVEL=12 zipnn -c store/n.safetensors'
says "ZIPNN_LEVEL"
expect 2 sh -c 'ZIPNN_THREADS=many zipnn -c store/n.safetensors'
says "ZIPNN_THREADS"
expect 0 sh -c 'ZIPNN_LEVEL= ZIPNN_THREADS= zipnn -l listed/m.safetensors.znn'

# unzipnn and zipnncat.
if [ -z "$ZIPNN_EMULATOR" ]; then
    mkdir bin && ln -s "$ZIPNN" bin/unzipnn && ln -s "$ZIPNN" bin/zipnncat
    cp store/n.safetensors.znn list.znn
    expect 0 bin/unzipnn list.znn -f
    check cmp list store/n.safetensors
    expect 0 sh -c 'bin/zipnncat list.znn listed/m.safetensors.znn | cmp - "$0"' <(cat store/n.safetensors store/a/m.safetensors)
    expect 0 sh -c 'bin/zipnncat <list.znn | cmp - store/n.safetensors'
    cp list.znn bench && expect 1 bin/unzipnn bench
fi

finish
