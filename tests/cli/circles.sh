# Nothing is made from what is about to go, and no archive comes to need itself: whatever is asked for, in one run or in
# several, every original is there or can be restored.
. "$(dirname "$0")/cli_lib.sh"

mkdir originals
model 400 originals/a.safetensors
n=0
# variant FILE: a near copy of a.safetensors, another one each time.
variant() {
    n=$((n + 1))
    cp originals/a.safetensors "$1"
    printf "$n$n" | dd of="$1" bs=1 seek=$((300 * n)) conv=notrunc 2>"$home/err"
}
for name in b c d old; do variant originals/$name.safetensors; done
model 40 originals/small.safetensors

# fresh NAME...: an empty folder with these originals.
fresh() {
    cd "$home/work" && rm -rf try && mkdir try && cd try || exit 1
    for name in "$@"; do cp -p ../originals/$name.safetensors .; done
}

# all_restorable NAME...: with the originals that are left, and also with the archives alone after --rm.
all_restorable() {
    local name archive
    for name in "$@"; do
        [ -e $name.safetensors ] && archive= || archive=$name.safetensors.znn
        if [ -n "$archive" ]; then
            expect 0 zipnn -d --base-dir . $archive -o ../back
        else
            cp $name.safetensors ../back
        fi
        check cmp ../back ../originals/$name.safetensors
        rm -f ../back
    done
}

# What an archive replaces is no base of it: its own old archive, named or found.
fresh a
expect 0 zipnn a.safetensors
expect 0 zipnn -f --rm --base-dir . a.safetensors
all_restorable a
fresh a
expect 0 zipnn a.safetensors
expect 1 zipnn -f --base a.safetensors.znn a.safetensors
says "this run writes it"
expect 1 zipnn -f --rm --base a.safetensors.znn a.safetensors
all_restorable a
cp a.safetensors.znn b.znn
expect 1 zipnn -f --rm --base b.znn a.safetensors -o b.znn
says "this run writes it"
expect 1 zipnn --base b.znn a.safetensors -o c.znn
says "holds the same original"
check test -e a.safetensors
cp ../originals/b.safetensors b
expect 1 zipnn -f --rm --base b a.safetensors -o b
check cmp b ../originals/b.safetensors
mkdir bd
cp ../originals/b.safetensors bd/x.znn
expect 0 zipnn -f --rm --base-dir bd a.safetensors -o bd/x.znn
expect 0 zipnn -d bd/x.znn -o a.safetensors
all_restorable a
expect 1 zipnn -df --base b a.safetensors.znn -o b
check cmp b ../originals/b.safetensors

# Retrained and saved under the same name: nothing is made from the archive that goes.
fresh old
mv old.safetensors a.safetensors
expect 0 zipnn a.safetensors
cp ../originals/a.safetensors .
expect 0 zipnn -f --rm --base-dir . a.safetensors
all_restorable a

# A folder with archives of an earlier run, and without.
for before in -r "-r --base-dir ." none; do
    for options in "-rf --rm --base-dir ." "-r --rm --base-dir ." "-rf --base-dir ." "-r --base-dir ."; do
        fresh a b c d small
        [ "$before" = none ] || expect 0 zipnn $before .
        expect 0 zipnn $options .
        expect 0 zipnn -tr .
        expect 0 zipnn -t --base-dir . *.znn
        rm -f *.safetensors
        all_restorable a b c d small
        [ "$before" != none ] || check test "$(cat ./*.znn | wc -c)" -lt 60000
    done
done

# What others are made from is not replaced by something else, by compressing or by restoring, unless it is elsewhere.
fresh a b
expect 0 zipnn a.safetensors
expect 0 zipnn --rm --base a.safetensors.znn b.safetensors
expect 0 zipnn -f a.safetensors
cp ../originals/c.safetensors a.safetensors
expect 1 zipnn -f --rm a.safetensors
says "a.safetensors.znn is not replaced: ./b.safetensors.znn is made from it"
expect 1 zipnn cat a.safetensors.znn -fo a.safetensors.znn
expect 0 zipnn -d --base a.safetensors.znn b.safetensors.znn -o back
check cmp back ../originals/b.safetensors
cp ../originals/a.safetensors copy.safetensors
expect 0 zipnn -f a.safetensors
all_restorable b
fresh a b
expect 0 zipnn --base a.safetensors b.safetensors
cp ../originals/c.safetensors c && expect 0 zipnn c -o a.safetensors.znn
expect 1 zipnn -df a.safetensors.znn
says "a.safetensors is not replaced"
expect 0 zipnn -f a.safetensors
expect 0 zipnn -df --rm a.safetensors.znn
check cmp a.safetensors ../originals/a.safetensors

# Operands that go are no bases either; their archives are.
fresh a b c
expect 1 zipnn --rm --base b.safetensors a.safetensors b.safetensors
says "this run deletes it"
all_restorable a b
fresh a b c
expect 0 zipnn --rm --base-dir . a.safetensors b.safetensors c.safetensors
check test ! -e a.safetensors
check test "$(stat -c %s b.safetensors.znn)" -lt 1500
all_restorable a b c

# Circles: of two, of three, over several runs, from archives in another folder, from archives with other names.
fresh a b
expect 0 zipnn --base-dir . a.safetensors b.safetensors
expect 0 zipnn -t --base-dir . a.safetensors.znn b.safetensors.znn
rm a.safetensors b.safetensors
all_restorable a b
fresh a b c
for name in a b c; do expect 0 zipnn --base-dir . $name.safetensors; done
rm *.safetensors
all_restorable a b c
fresh a b c
expect 0 zipnn --base b.safetensors a.safetensors
expect 0 zipnn --base c.safetensors b.safetensors
expect 1 zipnn --base a.safetensors c.safetensors
says "neither could be restored without the other"
expect 1 zipnn --base a.safetensors.znn --base b.safetensors --base c.safetensors c.safetensors -o x
expect 0 zipnn --base-dir . c.safetensors
rm *.safetensors
all_restorable a b c
fresh a b
mkdir out
expect 0 zipnn --base b.safetensors a.safetensors -o out/first
expect 1 zipnn --base a.safetensors b.safetensors -o out/second
expect 0 zipnn --base-dir . b.safetensors -o out/second
check cmp out/second <(zipnn -c b.safetensors)
expect 0 zipnn --base a.safetensors b.safetensors -o elsewhere

# Copies of one file.
for options in "" --rm; do
    fresh a b
    cp a.safetensors a2.safetensors
    cp -p ../originals/a.safetensors ../originals/a2.safetensors
    expect 0 zipnn -r --base-dir . $options .
    rm -f *.safetensors
    all_restorable a a2 b
    rm ../originals/a2.safetensors
done

# Two programs at once.
for i in 1 2 3 4 5 6 7 8 9 10; do
    fresh a b
    zipnn -q --rm --base b.safetensors a.safetensors 2>../first &
    zipnn -q --rm --base a.safetensors b.safetensors 2>../second
    wait
    all_restorable a b
    fresh a b
    zipnn -q --base b.safetensors a.safetensors 2>../first &
    zipnn -q --base-dir . b.safetensors 2>../second
    wait
    rm -f $(for z in *.znn; do echo "${z%.znn}"; done)
    all_restorable a b
    fresh a b
    expect 0 zipnn a.safetensors
    [ $((i % 2)) = 0 ] || rm a.safetensors
    zipnn -q -dr --rm . 2>../first &
    zipnn -q -r --rm . 2>../second
    wait
    all_restorable a b
done

# Who waits says so and can be ended; so can a folder be used that is locked for ever by those who make nothing from it.
if command -v flock >"$home/out"; then
    fresh a b
    exec 9<.
    flock 9
    zipnn -T1 --base b.safetensors a.safetensors 2>"$home/err" &
    waiting=$!
    for _ in $(seq 100); do
        grep -q waiting "$home/err" && break
        sleep 0.2
    done
    says "another zipnn works in this folder; waiting for it"
    kill -TERM $waiting
    wait $waiting 2>"$home/out"
    check test $? -eq 143
    check test ! -e a.safetensors.znn
    expect 0 zipnn b.safetensors
    exec 9<&-
    no_temporaries
fi

# A run that restores archives looks at them anew before it replaces what they are made from.
fresh a b c
expect 0 zipnn --base b.safetensors a.safetensors
mv a.safetensors.znn k.znn
cp ../originals/c.safetensors . && expect 0 zipnn c.safetensors -o x.znn
cp ../originals/c.safetensors b2 && expect 0 zipnn b2 -o b.safetensors.znn
expect 0 zipnn k.znn -f -o a.znn.znn
rm a.safetensors k.znn x.znn
cp c.safetensors ab && expect 0 zipnn ab -o aa.znn && : >aa
expect 1 zipnn -df aa.znn a.znn.znn b.safetensors.znn
says "b.safetensors is not replaced: ./a.znn is made from it"
check cmp b.safetensors ../originals/b.safetensors

# Operands that lead to one file: once.
fresh a b
expect 0 zipnn -r --rm . ./ ../try a.safetensors
check test "$(ls | wc -l)" -eq 2
all_restorable a b
expect 0 zipnn -dr --rm . ./ ../try a.safetensors.znn
check cmp a.safetensors ../originals/a.safetensors
ln a.safetensors other.safetensors
expect 0 zipnn -rv --rm other.safetensors . ./
check test ! -e a.safetensors.znn -a -e a.safetensors
all_restorable b

# What only looks at a file does not take it, or its archive, as base.
fresh a
alone=$(zipnn estimate --json a.safetensors | sed 's/.*"estimate":\([0-9]*\).*/\1/')
expect 0 zipnn a.safetensors
for command in estimate inspect; do
    expect 0 zipnn $command --json --base-dir . a.safetensors
    prints "\"estimate\":$alone"
done
check cmp a.safetensors.znn <(zipnn -c --base-dir . a.safetensors)
check sh -c 'zipnn -c --base-dir . a.safetensors >new.znn' && check cmp a.safetensors.znn new.znn

# A base in the folder that is worked on is left as it is.
fresh a b c
expect 0 zipnn -rv --rm . --base ./a.safetensors
says "a.safetensors: skipped, it is what --base names"
check test -e a.safetensors
all_restorable a b c

# More files than are kept open.
fresh a b
for i in $(seq 80); do cp a.safetensors $i.safetensors && printf "$i" | dd of=$i.safetensors bs=1 seek=$((400 * i)) conv=notrunc 2>"$home/err"; done
expect 0 zipnn --rm --base-dir . b.safetensors
all_restorable b

cd ..
no_temporaries
finish
