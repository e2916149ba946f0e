# A file that grows, shrinks or changes while it is compressed, tested or restored: never success with a mixture.
. "$(dirname "$0")/cli_lib.sh"

head -c 12000000 /dev/urandom >random
zipnn -q random

# while_held FILE CHANGE COMMAND...: CHANGE happens to FILE while the output of the command waits in a pipe.
while_held() {
    local file=$1 change=$2
    shift 2
    mkfifo pipe
    "$@" >pipe 2>"$home/err" &
    program=$!
    exec 3<pipe
    head -c 1000 <&3 >/dev/null
    $change "$file"
    cat <&3 >/dev/null
    exec 3<&-
    code=0
    wait "$program" || code=$?
    rm pipe
}

grow() { printf x >>"$1"; }
shrink() { truncate -s 11999999 "$1"; }
empty() { : >"$1"; }
overwrite() { printf xyz | dd of="$1" bs=1 seek=11000000 conv=notrunc 2>"$home/dd"; }
replace() { cp random.znn "$1.new" && mv "$1.new" "$1"; }

for change in grow shrink empty overwrite; do
    for threads in 1 3; do
        cp random input
        while_held input $change zipnn -c "-T$threads" input
        [ "$code" -eq 1 ] || fail "$change while compressing: exit code $code with $threads threads"
        grep -qE "changed while it was read|became shorter" "$home/err" || fail "$change: says nothing of a change"
        cp random.znn input.znn
        while_held input.znn $change zipnn -dc "-T$threads" input.znn
        [ "$code" -eq 1 ] || fail "$change while restoring: exit code $code with $threads threads"
    done
done

# What an archive is made against is read for its digest first: changed afterwards, it could not restore the archive.
{ head -c 6000000 /dev/urandom && head -c 6000000 random; } >near
for change in shrink overwrite; do
    cp random base
    while_held base $change zipnn -c --base base near
    [ "$code" -eq 1 ] || fail "$change of the base: exit code $code"
    grep -qE "base: (changed while it was read|became shorter)" "$home/err" || fail "$change of the base: says nothing of it"
done

# A name that leads to another file meanwhile: what was opened is what is read.
cp random input
while_held input replace zipnn -c input
[ "$code" -eq 0 ] || fail "replaced while compressing: exit code $code"
finish
