# Archives one after the other, as `cat a.znn b.znn` makes them: restored, tested and listed as if each came alone.
. "$(dirname "$0")/cli_lib.sh"

model 300 a
cp a b
printf X | dd of=b bs=1 seek=9000 conv=notrunc 2>"$home/err"
cat a a >twice # a repeated tensor: this archive needs random access
model 500 big
for i in 1 2 3; do tail -c +9 big; done >raw
: >empty
for file in a b twice raw empty; do check zipnn -q $file; done
check zipnn -q --sha256 big -o big.znn

join() { # NAME FILE...: NAME.znn of the archives, and NAME.all of the originals
    local name=$1
    shift
    cat "${@/%/.znn}" >"$name.znn"
    cat "$@" >"$name.all"
}
join two a b
join same a a
join odd twice raw empty big
join many a b a empty twice b raw big empty a

for name in two same odd many; do
    check zipnn -q -d -f $name.znn
    check cmp $name $name.all
    for threads in 1 3; do
        check cmp <(zipnn -d -T $threads <$name.znn) $name.all
        check cmp <(cat $name.znn | zipnn -d -T $threads) $name.all
    done
    check cmp <(zipnn -dc $name.znn) $name.all
    expect 0 zipnn -t $name.znn
    check eval "cat $name.znn | zipnn -t"
    check eval "cat $name.znn | zipnn -d | cmp - $name.all"
done
ln -s "$home/bin/zipnn" "$home/bin/zipnncat"
[ -n "${ZIPNN_EMULATOR:-}" ] || check cmp <(ln -s "$ZIPNN" zipnncat && ./zipnncat two.znn) two.all

# What is said about them.
expect 0 zipnn -l two.znn
[ "$(grep -c 'two.znn' "$home/out")" -eq 2 ] || fail "-l does not list both"
prints "2 archives in all"
expect 0 zipnn -lv --json two.znn
[ "$(grep -c '"file":"two.znn"' "$home/out")" -eq 2 ] || fail "-l --json does not list both"
expect 0 zipnn -t --json many.znn
prints '"n_archives":10'
prints "\"original\":$(stat -c %s many.all)"
refuted grep -q xxh3 "$home/out"
expect 0 zipnn -t --json a.znn
prints '"xxh3"'
refuted grep -q n_archives "$home/out"

# Whatever needs one archive says what it met and what to do.
for line in cat verify inspect "extract --tensor b" recompress "diff a.znn"; do
    expect 3 zipnn $line two.znn
    says "two archives one after the other"
    says "zipnn -d restores both"
done

# Beside the other options.
for how in "--in-place" "--rm" "--rm -r" "-o out --rm"; do
    rm -rf w && mkdir w && cp two.znn w && cp two.znn w/two.st && cd w || exit 1
    case $how in --in-place) operand=two.st ;; *-r) operand=. ;; *) operand=two.znn ;; esac
    check zipnn -q -d $how $operand
    case $how in
        --in-place*) check cmp two.st ../two.all ;;
        -o*) check cmp out ../two.all && check test ! -e two.znn ;;
        *) check cmp two ../two.all && check test ! -e two.znn ;;
    esac
    cd ..
done
sizes=$(($(stat -c %s two.all)))
expect 0 zipnn -t --max-output $sizes two.znn
for most in $((sizes - 1)) $((sizes / 2 + 1)); do
    expect 1 zipnn -t --max-output $most two.znn
    says "max-output"
    refuted eval "cat two.znn | zipnn -d --max-output $most >capped"
done

# Differences among them need their base, which is then in use.
check zipnn -q -f b --base a
cat a.znn b.znn >delta.znn
cat a b >delta.all
expect 5 zipnn -t delta.znn
says "made against"
expect 5 zipnn -dc delta.znn
check zipnn -t delta.znn --base a
check cmp <(zipnn -dc delta.znn --base a) delta.all
check cmp <(cat delta.znn | zipnn -dc --base a) delta.all
mkdir needed && cp delta.znn needed && cp a.znn needed/base.znn && cp b needed/base
expect 1 zipnn -f needed/base
says "is made from it"

# Damage, cuts and what is no archive, in each of them, from a file and through a pipe. Nothing is left behind.
size=$(stat -c %s two.znn)
first=$(stat -c %s a.znn)
cp two.znn hurt.znn
try_hurt() { # WHY
    refuted zipnn -q -d hurt.znn -o back
    check test ! -e back
    refuted zipnn -q -t hurt.znn
    refuted eval "cat hurt.znn | zipnn -q -t"
    refuted eval "cat hurt.znn | zipnn -q -d -o back"
    check test ! -e back || fail "$1"
}
for at in 40 $((first - 10)) $((first - 40)) $((first + 2)) $((first + 12)) $((first + 60)) $((size - 10)) $((size - 50)); do
    cp two.znn hurt.znn
    printf '\252' | dd of=hurt.znn bs=1 seek=$at conv=notrunc 2>"$home/err"
    cmp -s two.znn hurt.znn || try_hurt "a byte at $at"
done
for cut in 1 $((first / 2)) $((first - 1)) $((first + 1)) $((first + 8)) $((first + 24)) $((size - 1)) $((size - 16)); do
    head -c $cut two.znn >hurt.znn
    try_hurt "cut after $cut"
done
for tail in 1 7 8 100; do
    { cat two.znn && head -c $tail /dev/zero; } >hurt.znn
    try_hurt "$tail bytes appended"
    expect 3 zipnn -dc hurt.znn
    says "whole in the first $size bytes"
    expect 3 zipnn -l hurt.znn
    says "whole in the first $size bytes"
done
for i in $(seq 400); do cat empty.znn; done >none.znn
check zipnn -t none.znn
check cmp <(zipnn -dc none.znn) empty
check cmp <(cat none.znn | zipnn -dc) empty
no_temporaries
finish
