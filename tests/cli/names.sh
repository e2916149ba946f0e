# Names with anything in them.
. "$(dirname "$0")/cli_lib.sh"

model 5 m
zipnn m -o archive
long=$(printf 'n%.0s' {1..251})

for name in ' ' 'two words' $'new\nline' $'tab\tand\e[31mcolour' $'caf\xc3\xa9' $'bad\xff\xfeutf8' '"quoted"' 'back\slash' \
    "it's" '*' '$HOME' '%s%n' '~' "$long" "$(printf '%0125d/m' 0)"; do
    mkdir -p "./$(dirname -- "$name")"
    cp m "./$name"
    expect 0 zipnn -v -- "$name"
    expect 0 zipnn -t --json -- "$name.znn"
    cp "$home/out" "$home/object"
    if command -v python3 >/dev/null; then check python3 -m json.tool "$home/object"; fi
    rm "./$name"
    expect 0 zipnn -d -- "$name.znn"
    check cmp m "./$name"
    expect 0 zipnn -lv -- "$name.znn"
    rm "./$name.znn"
done
[ "$(head -c 3 m | wc -c)" -eq 3 ] || fail "m is gone"

# Too long for the suffix: said before the work, and nothing is written.
longer=${long}xyz
cp m "$longer"
expect 1 zipnn "$longer"
says "File name too long"
expect 0 zipnn "$longer" -o fits
check cmp fits archive

# Control characters do not reach the terminal.
expect 1 zipnn $'evil\e]0;title\a\nzipnn: all is well\xc2\x9b'
says 'zipnn: evil\x1b]0;title\x07\nzipnn: all is well\xc2\x9b: cannot open'
[ "$(wc -l <"$home/err")" -eq 1 ] || fail "one message, one line"
expect 2 zipnn $'--evil\e[2J'
says '--evil\x1b[2J'
expect 1 zipnn $'safe\xe2\x80\xaenotreal.exe\xe2\x80\xa8'
says 'zipnn: safe\xe2\x80\xaenotreal.exe\xe2\x80\xa8: cannot open'
expect 1 zipnn --json $'safe\xe2\x81\xa6'
prints '"file":"safe\u2066"'
expect 3 zipnn -t $'./m'
cp m $'\e[2J.znn'
expect 3 zipnn -t $'\e[2J.znn'
says 'zipnn: \x1b[2J.znn: '
expect 1 zipnn --json $'missing\xff"\n'
prints '"file":"missing\ufffd\"\u000a"'

# Leading dashes need -- or ./
cp m ./--help
cp m ./-T9
expect 0 zipnn ./--help
expect 0 zipnn -- -T9
check cmp ./--help.znn archive
check cmp ./-T9.znn archive

# A file called bench.
cp m bench
expect 0 zipnn ./bench
expect 0 zipnn -f -- bench
check cmp bench.znn archive

no_temporaries
finish
