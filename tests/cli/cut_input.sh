# An archive that another process cuts short while it is restored: an error, no crash, nothing left behind.
. "$(dirname "$0")/cli_lib.sh"

head -c 20000000 /dev/urandom >model
check zipnn -q model

# restore_cut COMMAND...: its output stops in a pipe until the archive is short.
restore_cut() {
    mkfifo pipe
    "$@" >pipe 2>"$home/err" &
    program=$!
    exec 3<pipe
    head -c 1000 <&3 >/dev/null
    truncate -s 3000000 model.znn
    cat <&3 >/dev/null
    exec 3<&-
    code=0
    wait "$program" || code=$?
    rm pipe
}

for threads in 1 3; do
    cp model.znn whole
    restore_cut zipnn -d -c "-T$threads" model.znn
    [ "$code" -eq 1 ] || fail "exit code $code with $threads threads"
    grep -qE "changed while it was read|became shorter" "$home/err" || fail "does not say that the archive changed"
    mv whole model.znn
done

finish
