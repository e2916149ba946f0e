# Exit codes, and messages that name the file.
. "$(dirname "$0")/cli_lib.sh"

model 50 m
zipnn m

# Wrong command lines.
for line in --nonsense -y -T "-T x" "-T -1" "-T 5000" --threads= "--cpu quantum m" "-o out m m" "-o out -r ." \
    "-c m m" "-t -c m.znn" "-c --json m" "--sync=yes m" bench "bench -d m" -o -dkfX; do
    expect 2 zipnn $line
    says "zipnn: "
    says "--help"
done
ZIPNN_CPU=quantum expect 2 zipnn -t m.znn
says "ZIPNN_CPU"
check test ! -e out

# Help and version win, whatever else is there.
expect 0 zipnn --help
prints "Usage: zipnn"
prints "--recursive"
expect 0 zipnn -h -d nothing
refuted grep -q -- --cpu "$home/out"
expect 0 zipnn -V
prints "zipnn "
expect 0 zipnn --version

# Files.
expect 1 zipnn missing
says "zipnn: missing: cannot open: No such file or directory"
expect 1 zipnn -d missing.znn
expect 1 zipnn m -o "$(printf '%0300d' 0)"
expect 1 zipnn -dc m.znn missing.znn
if [ -c /dev/full ]; then
    refuted bash -c 'zipnn -c m >/dev/full'
    says "stdout: cannot write at offset 0: No space left on device"
    refuted bash -c 'zipnn -dc m.znn >/dev/full'
    refuted bash -c 'zipnn -l m.znn >/dev/full'
    refuted bash -c 'zipnn --help >/dev/full'
    expect 1 zipnn m -o /dev/full
fi

# More than one is ready to take.
expect 1 zipnn -d --max-output 1K m.znn -o out
says "the limit given is 1024"
check test ! -e out
cat m.znn | zipnn -d --max-output 1K >"$home/out" 2>"$home/err"
[ $? -eq 1 ] || fail "a pipe passes the limit"
says "the limit given is 1024"
expect 1 zipnn -t --max-output $(($(stat -c %s m) - 1)) m.znn
expect 0 zipnn -t --max-output "$(stat -c %s m)" m.znn
expect 1 zipnn verify --max-output 5 m.znn
expect 2 zipnn -t --max-output 5x m.znn
expect 2 zipnn -t --max-output 0 m.znn

# Not archives.
: >empty.znn
head -c 1000 /dev/zero >zeros.znn
echo text >text
for operation in -t -l -dc; do
    for file in empty.znn zeros.znn; do
        expect 3 zipnn $operation $file
        says "zipnn: $file: "
    done
    expect 3 zipnn $operation text
    says "zipnn: text: "
done
echo text | zipnn -d >"$home/out" 2>"$home/err"
[ $? -eq 3 ] || fail "exit code for text on standard input"
says "zipnn: stdin: "
expect 3 zipnn -d zeros.znn
check test ! -e zeros

# The worst of several counts; the others are done.
rm -f m.znn
cp m n
expect 1 zipnn m missing n
check test -e m.znn
check test -e n.znn
expect 3 zipnn -t m.znn zeros.znn missing.znn n.znn
says "zeros.znn"
says "missing.znn"

# A limit on the size of files is a full disk in small: nothing is left.
model 3000 big
(ulimit -f 16 && zipnn big) 2>"$home/err"
[ $? -eq 1 ] || fail "exit code at the limit"
says "big.znn: cannot write"
check test ! -e big.znn
zipnn big
(ulimit -f 64 && zipnn -d big.znn -o small) 2>"$home/err"
[ $? -eq 1 ] || fail "exit code at the limit, restoring"
check test ! -e small

# A folder that may not be written.
if [ "$(id -u)" -ne 0 ]; then
    mkdir shut && cp m shut && chmod 555 shut
    expect 1 zipnn shut/m
    says "Permission denied"
    chmod 000 n
    expect 1 zipnn -f n
fi

no_temporaries
finish
