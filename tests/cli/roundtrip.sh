# Whatever goes in comes out, through files and pipes, at every level; and the archive does not depend on the way.
. "$(dirname "$0")/cli_lib.sh"

: >empty
printf x >byte
printf 'no newline at the end\n%.0s' {1..5000} >text
head -c 700001 /dev/urandom >random
head -c 3000000 /dev/zero >zeros
model 3 tiny.safetensors
model 20000 model.safetensors
numbers 99999 odd

options="-1 -9 --fast --best --no-verify --cpu=scalar --sha256"

for file in empty byte text random zeros tiny.safetensors model.safetensors odd; do
    expect 0 zipnn "$file"
    expect 0 zipnn -t "$file.znn"
    expect 0 zipnn -d "$file.znn" -o restored
    check cmp "$file" restored
    rm restored
    zipnn <"$file" >piped || fail "stdin to stdout: $file"
    check cmp "$file.znn" piped
    cat "$file" | zipnn | cat >piped || fail "pipe to pipe: $file"
    check cmp "$file.znn" piped
    zipnn -c "$file" | zipnn -d | cmp - "$file" || fail "a pipe of two: $file"
    zipnn -d <piped | cmp - "$file" || fail "restored from stdin: $file"
    cat piped | zipnn -t || fail "tested from a pipe: $file"
    for threads in 1 2 8; do
        zipnn -c -T "$threads" "$file" | cmp - "$file.znn" || fail "-T $threads gives another archive: $file"
        zipnn -dc -T"$threads" "$file.znn" | cmp - "$file" || fail "-dc -T$threads: $file"
        expect 0 zipnn -df --threads="$threads" "$file.znn" -o restored
        check cmp "$file" restored
    done
    for option in $options; do
        zipnn -c "$option" "$file" >"$home/archive" || fail "$option: $file"
        zipnn -dc "$home/archive" | cmp - "$file" || fail "$option does not come back: $file"
        zipnn -dc --cpu scalar "$home/archive" | cmp - "$file" || fail "$option, restored by the scalar code: $file"
    done
    zipnn -c --cpu scalar "$file" | cmp - "$file.znn" || fail "the scalar code gives another archive: $file"
    ZIPNN_CPU=scalar zipnn -c "$file" | cmp - "$file.znn" || fail "ZIPNN_CPU=scalar: $file"
    rm -f restored
done

# From the middle of a file: what comes before was read by someone else.
{ dd bs=10 count=1 of=/dev/null 2>/dev/null && zipnn; } <text >rest.znn
zipnn -dc rest.znn | cmp - <(tail -c +11 text) || fail "from the position of a descriptor"

# Appending: the descriptor's own position and mode count.
printf head >joined
zipnn -dc byte.znn >>joined
check cmp joined <(printf headx)

finish
