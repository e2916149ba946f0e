# Whose files may be read, written and replaced: what the system forbids is an error, what it allows goes no further
# than asked, whatever an archive says.
. "$(dirname "$0")/cli_lib.sh"

model 100 m
zipnn m
cp m.znn archive

# As somebody whom permissions bind.
as_nobody() {
    if [ "$(id -u)" -ne 0 ]; then "$@"; else setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; fi
}
if [ "$(id -u)" -ne 0 ] || setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$ZIPNN" 2>/dev/null; then
    chmod 711 "$home"
    chmod 755 "$home/work" "$home/bin"
    mkdir locked open
    cp m archive locked
    cp archive locked/old.znn
    chmod 555 locked
    chmod 777 open
    check cp m open/sealed
    chmod 000 open/sealed
    before=$(ls -l locked)
    expect 1 as_nobody zipnn locked/m
    says "Permission denied"
    expect 1 as_nobody zipnn -f locked/m -o locked/old.znn
    expect 1 as_nobody zipnn recompress -1 locked/old.znn
    [ "$(ls -l locked)" = "$before" ] || fail "a folder that may not be written was"
    expect 1 as_nobody zipnn --rm locked/m -o open/copy
    says "cannot remove"
    check test -e locked/m
    check test -e open/copy
    expect 1 as_nobody zipnn open/sealed
    says "cannot open: Permission denied"
    check test ! -e open/sealed.znn
    expect 0 as_nobody zipnn -t locked/old.znn
    expect 0 as_nobody zipnn -d locked/old.znn -o open/restored
    check cmp m open/restored
    # The owner's file, made by another: the group is another one, so it and all others get what both were to have.
    if [ "$(id -u)" -eq 0 ]; then
        for rights in 664:644 644:644 604:600 646:644 666:666 775:755 705:700; do
            cp m groups && chmod "${rights%:*}" groups
            expect 0 as_nobody zipnn -f groups -o open/groups.znn
            [ "$(stat -c %a open/groups.znn)" = "${rights#*:}" ] || fail "a strange group's permissions of $rights"
        done
        expect 0 as_nobody zipnn --sync archive -fo open/twice
    fi
    # A folder that may be written but not listed or read.
    mkdir -m 733 drop
    expect 0 as_nobody zipnn m -o drop/m.znn
    check cmp archive drop/m.znn
fi

# Bits that make programs run as somebody else stay behind, both ways.
cp m.znn special.znn
chmod 7755 special.znn
expect 0 zipnn -d special.znn
[ "$(stat -c %a special)" = 755 ] || fail "set-ID and sticky bits went along"

# An output name that is a link is never followed: not to a file, not to nothing, not into another folder.
mkdir elsewhere
echo victim >elsewhere/victim
for target in elsewhere/victim elsewhere/nothing elsewhere; do
    ln -sfn "$target" out
    expect 1 zipnn m -o out
    expect 1 zipnn -d archive -o out
    expect 1 zipnn cat archive -o out
    expect 1 zipnn salvage archive -o out
    expect 0 zipnn -f m -o out
    check test ! -L out
    check cmp out archive
    rm out
done
[ "$(ls elsewhere)" = victim ] && [ "$(cat elsewhere/victim)" = victim ] || fail "a link was followed"

# recompress replaces a link by its archive, and leaves what it led to.
cp archive elsewhere/target.znn
ln -s elsewhere/target.znn link.znn
expect 0 zipnn recompress -1 link.znn
check cmp archive elsewhere/target.znn
check test ! -L link.znn
check zipnn -t link.znn

# A hard link gets no new content behind its back.
cp archive one.znn
ln one.znn other.znn
expect 0 zipnn recompress -1 one.znn
check cmp archive other.znn

# Pipes, sockets, devices and folders where archives should be.
mkfifo pipe
for option in "recompress -1" "-l"; do
    cat archive >pipe &
    timeout 20 zipnn $option pipe >"$home/out" 2>"$home/err"
    code=$?
    [ $code -eq 0 ] || [ $code -eq 1 ] || fail "$option of a pipe: exit code $code"
    cat pipe >/dev/null & sleep 0.05
    kill %% 2>/dev/null
    wait 2>/dev/null
    check test -p pipe
done
for file in /dev/null elsewhere; do
    for option in "recompress -1" -t -d\ -o\ no; do
        "$home/bin/zipnn" $option $file >"$home/out" 2>"$home/err" </dev/null
        code=$?
        [ $code -eq 1 ] || [ $code -eq 3 ] || fail "$option $file: exit code $code"
        [ -s "$home/err" ] || fail "$option $file says nothing"
    done
done
check test -c /dev/null

# Names inside a file are no paths: those of tensors, of a base, of a chain's step.
name='../../escaped'
header="{\"$name\":{\"dtype\":\"BF16\",\"shape\":[64],\"data_offsets\":[0,128]},"
header+='"/etc/escaped":{"dtype":"BF16","shape":[64],"data_offsets":[128,256]}}'
{
    printf "\\x$(printf %x ${#header})\\0\\0\\0\\0\\0\\0\\0%s" "$header"
    head -c 256 m
} >evil
mkdir -p deep/er
expect 0 zipnn evil -o deep/er/evil.znn
(cd deep/er && expect 0 zipnn extract evil.znn --tensor "$name" -o part && expect 0 zipnn -d evil.znn)
check cmp evil deep/er/evil
[ "$(find . -name '*escaped*')" = "" ] && [ ! -e /etc/escaped ] || fail "a name inside an archive became a path"
mkdir chain
cp m based
printf X | dd of=based bs=1 seek=9000 conv=notrunc 2>"$home/err"
expect 0 zipnn based --base ./m -o based.znn
mv m gone
expect 5 zipnn -d based.znn -o back
check test ! -e back
cp gone m
expect 5 zipnn -d based.znn -o back
says "m"
expect 0 zipnn -d based.znn --base gone -o back
check cmp based back

no_temporaries
finish
