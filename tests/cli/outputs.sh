# Where results go, what may be replaced, and what they look like.
. "$(dirname "$0")/cli_lib.sh"

model 100 m
expect 0 zipnn m
silent "one file"
check test -e m
cp m.znn archive

# Existing files.
echo precious >m.znn
expect 1 zipnn m
says "m.znn: already exists"
check grep -q precious m.znn
expect 0 zipnn -f m
check cmp m.znn archive
expect 1 zipnn -d m.znn
says "m: already exists"
expect 0 zipnn -dkf m.znn
check cmp <(zipnn -dc archive) m

# -o, -c, suffixes.
expect 0 zipnn m -o other
check cmp other archive
expect 0 zipnn -d other --output=restored
check cmp m restored
expect 0 zipnn -oout2 -T1 m
check cmp out2 archive
expect 1 zipnn -d other
says "other: the suffix is not .znn"
zipnn -dc other | cmp - m || fail "-dc of another suffix"
zipnn -d other -o - | cmp - m || fail "-o -"
zipnn -d other -o /dev/stdout | cmp - m || fail "-o /dev/stdout"
expect 1 zipnn m.znn
says "named .znn already"
expect 0 zipnn -f m.znn -o twice
zipnn -dc twice | zipnn -d | cmp - m || fail "compressed twice"
cp archive .znn
for name in .znn ./.znn; do
    expect 1 zipnn -d $name
    says "$name: nothing is left of the name without its suffix"
done
cp archive .znn.safetensors
expect 1 zipnn -d .znn.safetensors
says "nothing is left of the name"
check cmp <(zipnn -dc .znn) m
rm .znn.safetensors
expect 1 zipnn m -o nowhere/m.znn
says "nowhere/m.znn: cannot create"
expect 1 zipnn m -o .
says "is a folder"
expect 1 zipnn m -o ./
mkdir folder
expect 1 zipnn -f m -o folder
check test -d folder
expect 1 zipnn folder
says "-r"

# The input is never the output.
cp m same
expect 1 zipnn -f same -o same
says "same file"
check cmp m same
ln same hard
expect 1 zipnn -f same -o hard
refuted bash -c 'zipnn -c same >>same'
check cmp m same

# Links: as input followed, as output replaced only with -f and never followed.
ln -s m link
expect 0 zipnn link
check cmp link.znn archive
echo victim >victim
ln -s victim out.znn
expect 1 zipnn m -o out.znn
expect 0 zipnn -f m -o out.znn
check test ! -L out.znn
check cmp out.znn archive
check grep -q victim victim
ln -s missing dangling
expect 1 zipnn m -o dangling
check test ! -e missing

# Devices and pipes are written where they are.
expect 0 zipnn m -o /dev/null
check test -c /dev/null
mkfifo pipe
zipnn m -o pipe &
check cmp pipe archive
wait $! || fail "output to a FIFO"
check test -p pipe

# Permissions and times.
for mode in 600 640 444 755; do
    cp m kept
    chmod "$mode" kept
    touch -d '2001-02-03 04:05:06.789' kept
    expect 0 zipnn kept
    rm -f kept
    expect 0 zipnn -d kept.znn
    [ "$(stat -c '%a %Y' kept.znn kept | sort -u)" = "$mode 981173106" ] || fail "permissions or times: $mode"
    rm -f kept kept.znn
done
cp m kept
chmod 4755 kept
expect 0 zipnn kept
[ "$(stat -c %a kept.znn)" = 755 ] || fail "the set-user-ID bit went along"
(umask 027 && zipnn -o masked <m)
[ "$(stat -c %a masked)" = 640 ] || fail "umask for input without permissions"
expect 0 zipnn --sync -f m -o other
check cmp other archive

# Options and files in any order; -- ends the options.
expect 0 zipnn m -v -o late
says "late"
cp m ./-dash
expect 0 zipnn -- -dash
check cmp ./-dash.znn archive
expect 0 zipnn -tq -- -dash.znn m.znn
silent "-q"

# No result takes the place of what it is made from, whatever the name leads to it by.
mkdir self
cp archive self/x.znn
cp m self/plain
ln -s x.znn self/soft
ln self/x.znn self/hard
ln -s plain self/plain.soft
for name in x.znn soft hard; do
    for command in "salvage" "cat" "recompress -1" "extract --tensor b"; do
        expect 1 zipnn $command self/x.znn -f -o self/$name
        # extract refuses names that promise an archive before it looks at files
        [ "$command $name" = "extract --tensor b x.znn" ] || says "input and output are the same file"
    done
    expect 1 zipnn inspect -f --html self/$name self/x.znn
    says "input and output are the same file"
    check cmp self/x.znn archive
done
for name in plain plain.soft; do
    expect 1 zipnn extract --tensor b self/plain -f -o self/$name
    says "input and output are the same file"
    expect 1 zipnn inspect -f --html self/$name self/plain
    says "input and output are the same file"
    check cmp self/plain m
done
for command in "cat" "recompress -1 -c" "salvage -c"; do
    refuted sh -c "exec zipnn $command self/x.znn >>self/x.znn"
    check cmp self/x.znn archive
done

no_temporaries
finish
