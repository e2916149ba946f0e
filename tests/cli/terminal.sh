# At a terminal: archives are not written to it, replacing is asked for, standard input is not waited for.
. "$(dirname "$0")/cli_lib.sh"
command -v script >/dev/null || skip "needs script"
script -qec true /dev/null >/dev/null 2>&1 </dev/null || skip "script does not know -e and -c"

model 20 m

# at_terminal CODE COMMAND: runs it with a terminal as all three standard files; what it shows is kept.
at_terminal() {
    local code=$1 got=0
    script -qec "$2" /dev/null >"$home/out" 2>&1 <"${3:-/dev/null}" || got=$?
    [ "$got" -eq "$code" ] || fail "exit code $got instead of $code at a terminal: $2"
}

at_terminal 1 "zipnn -c m"
prints "not written to a terminal"
at_terminal 0 "zipnn -cf m"
at_terminal 2 "zipnn"
prints "standard input is a terminal"
at_terminal 0 "zipnn m"
prints "wrote m.znn"
at_terminal 0 "zipnn -q -f m"
silent "-q at a terminal"
at_terminal 0 "zipnn -t m.znn"
prints "all digests are right"
at_terminal 0 "zipnn -dc m.znn"

# Asked, and answered.
cp m.znn archive
echo precious >m.znn
echo n >no
echo y >yes
at_terminal 1 "zipnn m" no
prints "replace it?"
check grep -q precious m.znn
at_terminal 0 "zipnn m" yes
check cmp m.znn archive

# -q asks nothing, and replaces nothing.
echo precious >m.znn
at_terminal 1 "zipnn -q m" yes
prints "-f to replace it"
grep -q "replace it?" "$home/out" && fail "-q asks"
check grep -q precious m.znn

# A measurement takes its progress away before its line.
at_terminal 0 "zipnn bench -T1 m"
grep -q '] .*%.*%.* m' "$home/out" && fail "progress beside the line of a measurement"

# Opening an archive reads some of it, and is no operation with a progress of its own.
check zipnn --format zipnn m -o old.znn
for command in "-l old.znn" "inspect old.znn" "cat -o part old.znn"; do
    at_terminal 0 "zipnn $command"
    grep -q ', [0-9.]* [kMGTPE]*B/s' "$home/out" && fail "progress of zipnn $command"
done
rm part old.znn

# Without a terminal: no questions, no progress, no result lines.
expect 1 zipnn m
expect 0 zipnn -f m
silent "without a terminal"
no_temporaries
finish
