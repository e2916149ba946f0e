# zipnn sums prints and checks what sha256sum prints and checks.
. "$(dirname "$0")/cli_lib.sh"
command -v sha256sum >/dev/null || skip "sha256sum is not there"

model 300 a.safetensors
cp a.safetensors b.safetensors
printf X | dd of=b.safetensors bs=1 seek=9000 conv=notrunc 2>"$home/err"
numbers 3000000 big
: >none
odd=$'a\nb\\c\rd'
cp a.safetensors "$odd"
sha256sum a.safetensors b.safetensors big none "$odd" >SUMS
check zipnn -q a.safetensors none "$odd"
check zipnn -q --sha256 big
check zipnn -q b.safetensors --base a.safetensors

# The same lines, of archives and of files.
zipnn sums --base a.safetensors a.safetensors.znn b.safetensors.znn big.znn none.znn "$odd.znn" >lines
check cmp lines SUMS
zipnn sums a.safetensors b.safetensors big none "$odd" >lines
check cmp lines SUMS
expect 0 zipnn sums -T1 big.znn
prints "$(sha256sum big)"
expect 0 zipnn sums --json a.safetensors.znn
prints '"name":"a.safetensors"'
prints "\"sha256\":\"$(sha256sum <a.safetensors | cut -d ' ' -f 1)\""
mkdir d && cp a.safetensors.znn big.znn d
[ "$(zipnn sums -r d | wc -l)" -eq 2 ] || fail "sums -r d"
ls ./*.safetensors.znn | zipnn sums --base a.safetensors --filelist - >lines || fail "sums of a list"
[ "$(wc -l <lines)" -eq 2 ] || fail "sums of a list"

# Checked: files, then archives in their place, then files compressed in place.
expect 0 zipnn sums --check SUMS
prints "big: OK"
[ "$(wc -l <"$home/out")" -eq 5 ] || fail "sums --check says something else than 5 lines"
mkdir plain && mv a.safetensors b.safetensors big none "$odd" plain
expect 0 zipnn sums --check SUMS --base plain/a.safetensors
expect 0 zipnn sums -q --check SUMS --base-dir plain
silent "sums -q --check"
zipnn sums --check - --base-dir plain <SUMS >"$home/out" || fail "a manifest from standard input"
cp plain/big . && check zipnn -qf --in-place big
expect 0 zipnn sums --check SUMS --base-dir plain
sha256sum --tag plain/a.safetensors plain/none >tagged
expect 0 zipnn sums --check tagged
(cd plain && sha256sum -b a.safetensors big) | sed 's/$/\r/' >binary
expect 0 zipnn sums --check binary
sha256sum big.znn >archive
expect 0 zipnn sums --check archive
mkdir whole && cd whole && zipnn sums ../big.znn >S && cp ../plain/big .. && check sha256sum -c S
cd .. || exit 1
{ echo "# comment" && echo && cat tagged; } >commented
expect 0 zipnn sums --check commented

# Wrong, missing, damaged and torn.
sed 's/= ../= 00/' tagged >other
expect 3 zipnn sums --check other
prints "plain/none: FAILED"
says "its SHA-256 is another"
echo "$(head -c 64 SUMS)  nowhere" >missing
expect 1 zipnn sums --check missing
prints "nowhere: FAILED open or read"
rm big
cp big.znn keep
printf '\252\252' | dd of=big.znn bs=1 seek=70000 conv=notrunc 2>"$home/err"
sha256sum plain/big | sed 's#plain/##' >one
expect 3 zipnn sums --check one
prints "big: FAILED"
cp keep big.znn
for text in nonsense "$(head -c 63 SUMS)  big" "$(head -c 64 SUMS) big" "$(head -c 64 SUMS)  "; do
    echo "$text" >torn
    expect 3 zipnn sums --check torn
    says "line 1 is no line of sha256sum"
done
: >empty
expect 3 zipnn sums --check empty
says "holds no sums"
expect 3 zipnn sums --check big.znn
expect 1 zipnn sums --check nowhere
expect 1 zipnn sums nowhere
expect 1 zipnn sums --max-output 100 a.safetensors.znn
expect 5 zipnn sums b.safetensors.znn
says "--base FILE"
expect 3 zipnn sums --json --check other
[ "$(grep -c '"right":false' "$home/out")" -eq 2 ] || fail "sums --json --check"
expect 0 zipnn sums plain/none
no_temporaries
finish
