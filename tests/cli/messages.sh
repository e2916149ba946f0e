# What goes wrong is said so that the reader knows what to do next.
. "$(dirname "$0")/cli_lib.sh"

model 300 m.safetensors
model 200 n.safetensors
zipnn m.safetensors
zipnn n.safetensors

# A word that is neither a file nor a command, and commands behind options.
cp m.safetensors fresh.safetensors
for word in inspekt list info tset; do
    expect 1 zipnn $word fresh.safetensors
    says "$word: cannot open: No such file or directory"
    says "neither a file nor a command; "
    check test ! -e fresh.safetensors.znn
done
expect 1 zipnn inspekt m.safetensors
says "the nearest is inspect"
expect 1 zipnn list m.safetensors
says "for that there is --list"
expect 0 zipnn -q inspect m.safetensors
prints "a.weight"
expect 0 zipnn --json verify m.safetensors.znn
prints '"damage":[]'
expect 0 zipnn -T1 --json bench n.safetensors
prints '"threads":1'
expect 0 zipnn --tensor b extract m.safetensors.znn
cp m.safetensors verify
expect 0 zipnn ./verify
expect 0 zipnn -f -- verify
check cmp verify.znn m.safetensors.znn

# Help.
for line in "help" "--help" "-h -d nothing"; do
    expect 0 zipnn $line
    prints "Commands"
done
for line in "help extract" "extract --help" "--help extract" "extract -h missing" "-v extract --help"; do
    expect 0 zipnn $line
    prints "Usage: zipnn extract [OPTION]... FILE"
    prints "--rows A:B"
    refuted grep -q -- --range "$home/out"
done
expect 0 zipnn help chain
prints "rebase STEP [BASE]"
expect 2 zipnn help extrakt
says "commands are bench,"
for command in "" $(zipnn --help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
    ! zipnn help $command | grep -E '.{81}' || fail "a line of zipnn help $command is too long"
    ! zipnn help $command | grep -F '\' || fail "zipnn help $command has marks of the manual page"
done
check grep -q '^zipnn [0-9]*\.[0-9]*\.[0-9]*$' <(zipnn -V)

# Values that make no sense, and what makes sense.
while IFS='|' read -r line text; do
    expect 2 zipnn $line
    says "$text"
done <<'END'
-T 99999 m.safetensors|--threads takes 0 (all processors) to 4096, not "99999"
cat --range 100 m.safetensors.znn|--range takes OFF:LEN or OFF:
extract --tensor b --rows x m.safetensors.znn|--rows takes A:B, A:, :B or A
--dtype xx m.safetensors|--dtype takes bf16,
--format foo m.safetensors|--format takes zipnn, not "foo"
--cpu foo m.safetensors|--cpu takes best, scalar, avx2, avx512, neon, not "foo"
-t --max-output 0 m.safetensors.znn|--max-output takes a number of bytes above 0
chain run add --every 0 m|--every takes 1 to 4096
verify --sample 3 m.safetensors.znn|--sample goes with inspect and estimate, not with verify
-t --rm m.safetensors.znn|--rm goes with compressing and -d, not with -t
chain run add m.safetensors --rm|--rm goes with compressing and -d, not with chain add
chain run add m.safetensors -o x|--output does not go with chain add
recompress --base m.safetensors n.safetensors.znn|differences are not recompressed
--formatt zipnn m.safetensors|the nearest is --format
-d verify m.safetensors.znn|the command verify cannot be combined with --decompress; a file of that name is ./verify
chain run|chain takes DIR and list, add FILE...
chain run lst|chain takes DIR and list, add FILE...
extract m.safetensors.znn|zipnn -lv lists the names
extract m.safetensors.znn n.safetensors.znn --tensor b|extract takes one FILE
cat --json m.safetensors.znn|use -o OUT
END

# Names of tensors.
expect 1 zipnn extract m.safetensors.znn --tensor weight
says 'no tensor is named "weight"; the nearest name is "a.weight"'
expect 1 zipnn extract m.safetensors.znn --tensor something.else
says 'zipnn -lv lists the names'
: >empty
echo "no model" >text
expect 1 zipnn extract text --tensor a
says "has no tensors"
# An empty name is one.
header='{"":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}'
printf "\\x$(printf %x ${#header})\\0\\0\\0\\0\\0\\0\\0%sabc" "$header" >unnamed.safetensors
for option in "--tensor=" "--tensor="; do
    expect 0 zipnn extract unnamed.safetensors $option
    prints abc
done
expect 0 zipnn extract unnamed.safetensors --tensor ''
prints abc

# Empty files.
for line in inspect -l verify cat; do
    expect 3 zipnn $line empty
    says "is empty"
    refuted grep -q salvage "$home/err"
done
expect 3 zipnn -dc empty
says "empty"
expect 3 zipnn -t empty
says "empty"

# Archives one after the other, and what was appended.
size=$(stat -c %s m.safetensors.znn)
cat m.safetensors.znn n.safetensors.znn >two.znn
cat m.safetensors.znn m.safetensors >model.znn
{ cat m.safetensors.znn && head -c 44 /dev/zero; } >zeros.znn
for file in two model zeros; do
    for line in "-d -o back" -t -l verify "cat"; do
        case $file:$line in two:-[dtl]*) continue ;; esac # joined.sh
        expect 3 zipnn $line $file.znn
        [ $file = two ] && says "two archives one after the other: the first ends and the second begins at byte $size"
        [ $file = two ] || says "bytes were appended"
        [ $file = two ] || says "whole in the first $size bytes"
    done
    [ $file = two ] && continue
    zipnn -d <$file.znn >"$home/out" 2>"$home/err" && fail "$file.znn from a redirection"
    says "byte"
    cat $file.znn | zipnn -d >"$home/out" 2>"$home/err" && fail "$file.znn through a pipe"
    says "whole in the first $size bytes"
done
check test ! -e back
head -c "$size" two.znn >one.znn
check cmp <(zipnn -dc one.znn) m.safetensors

# A file that is no model under the name of one.
mkdir folder
expect 1 zipnn -f m.safetensors -o folder
says "is a folder"
expect 1 zipnn nothing.znn
says "nothing.znn: cannot open: No such file or directory"
expect 1 zipnn -d nothing
says "nothing: cannot open: No such file or directory"
echo '<!DOCTYPE html><title>404</title>' >page.safetensors
printf 'version https:%s\noid sha256:00\nsize 1\n' //git-lfs.github.com/spec/v1 >pointer.safetensors
expect 0 zipnn page.safetensors
says "page.safetensors: is an HTML page and no model"
expect 0 zipnn pointer.safetensors
says "git lfs pull"
expect 0 zipnn -qf page.safetensors
silent "-q with an HTML page"

# What is in the way.
expect 1 zipnn m.safetensors
says "m.safetensors.znn: already exists; use -f to replace it"
touch -d '2001-01-01' m.safetensors.znn
expect 1 zipnn m.safetensors
says "is older than its source; use -f to replace it"
mkdir models
cp m.safetensors models
expect 0 zipnn -r models
echo >>models/m.safetensors
expect 1 zipnn -r models
says "-f to replace it"
expect 1 zipnn extract m.safetensors --tensor b -o n.safetensors
says "n.safetensors: already exists; use -f to replace it"

# A command that another program does: the program is told its name and all words, and is missed in one sentence.
if ! command -v zipnn-hub >/dev/null; then
    expect 1 zipnn hub ls
    says "hub is done by the program zipnn-hub, which cannot be started"
    says "it is installed with the Python package of zipnn"
    mkdir -p "$home/helpers" && printf '#!/bin/sh\necho "did $*" >&2\nexit 3\n' >"$home/helpers/zipnn-hub"
    chmod +x "$home/helpers/zipnn-hub"
    (PATH=$PATH:$home/helpers && expect 3 zipnn hub pack -T 2 && says "did hub pack -T 2") || fail "zipnn hub"
    (PATH=$PATH:$home/helpers && expect 3 zipnn help hub && says "did hub --help") || fail "zipnn help hub"
fi

# Differences without their base.
cp m.safetensors tuned.safetensors
printf X | dd of=tuned.safetensors bs=1 seek=9000 conv=notrunc 2>"$home/err"
expect 0 zipnn tuned.safetensors --base m.safetensors
for line in -dc -t verify "salvage -o saved" "extract --tensor a.weight" inspect cat; do
    expect 5 zipnn $line tuned.safetensors.znn
    [ "$line" = verify ] || says 'made against "m.safetensors"'
    says "--base FILE"
    [ "$(wc -l <"$home/err")" -eq 1 ] || fail "$line of a difference says more than a line"
    check test ! -e saved
done
expect 1 zipnn recompress -6 tuned.safetensors.znn
says "is not recompressed"
check zipnn -t tuned.safetensors.znn --base m.safetensors

# Not enough memory. (Sanitizers take terabytes of addresses before the program begins.)
if (ulimit -v 300000 && zipnn -V) >"$home/out" 2>&1; then
    (ulimit -v 300000 && zipnn -T 64 m.safetensors -o much) 2>"$home/err"
    code=$?
    [ $code -eq 0 ] || says "fewer threads need less: -T 16"
fi
no_temporaries
finish
