# How far a run is: as lines of JSON, as a line on the terminal, and with what it goes.
. "$(dirname "$0")/cli_lib.sh"

numbers 300000 a.bin
numbers 300000 b.bin
ln -s b.bin c.bin
last() {
    tail -n 1 "$home/err"
}

# One object at the end of each operation at least. A file that is linked is not worked on twice.
expect 0 zipnn -r --progress json .
[ "$(grep -c '^{"event":"progress",.*}$' "$home/err")" -ge 2 ] || fail "no line for each file"
for member in '"file":"./b.bin"' '"n":2' '"of":2' '"run_total":600000' '"run_done":600000' '"done":300000' '"total":300000'; do
    last | grep -qF -- "$member" || fail "no $member in $(last)"
done

# Results stay alone on standard output, and each line of both is a whole object.
expect 0 zipnn -t --json --progress json -q a.bin.znn b.bin.znn
[ "$(grep -c '^{"file":.*}$' "$home/out")" -eq 2 ] || fail "results beside progress"
last | grep -qF '"n":2,"of":2' || fail "not the second of two: $(last)"
expect 0 zipnn -dc --progress=json a.bin.znn
cmp -s "$home/out" a.bin || fail "not the original"

# Of standard input nobody knows the length.
zipnn -c --progress json <a.bin >piped.znn 2>"$home/err" || fail "from a pipe"
last | grep -qF '"file":"-"' || fail "a pipe has no name: $(last)"
check zipnn -t piped.znn

# A name that is not UTF-8, and one with a quote.
cp a.bin "$(printf 'quo"te\377')"
expect 0 zipnn --progress json -f quo*
says '"file":"quo\"te\ufffd","file_bytes":"71756f227465ff"'

# Without a terminal: nothing unless it is asked for.
expect 0 zipnn -f a.bin
silent "no terminal, no progress"
expect 0 zipnn -f --progress none a.bin
silent "--progress none"
expect 2 zipnn --progress loud a.bin
says 'takes auto, line, json, none, not "loud"'

# A chain has steps, no files to count.
expect 0 zipnn chain run add --progress json a.bin
says '"event":"progress"'
no_temporaries
finish
