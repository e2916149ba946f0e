# Manual page and completions are well-formed and know every option. ZIPNN_DOCUMENTS is the folder that has them.
. "$(dirname "$0")/cli_lib.sh"
docs=${ZIPNN_DOCUMENTS:?}
[ -e "$docs/zipnn.1" ] || skip "not generated in this build"

if command -v mandoc >/dev/null; then check mandoc -Tlint -Wstyle "$docs/zipnn.1"; fi
if command -v man >/dev/null && command -v groff >/dev/null; then
    man --warnings -E UTF-8 -l "$docs/zipnn.1" >"$home/page" 2>"$home/err"
    [ -s "$home/err" ] && fail "man warns"
    check grep -q "EXIT STATUS" "$home/page"
fi
check bash -n "$docs/bash/zipnn"
if command -v zsh >/dev/null; then check zsh -n "$docs/_zipnn"; fi
if command -v fish >/dev/null; then check fish -n "$docs/zipnn.fish"; fi

# page COMMAND: its own manual page, with its options and no others.
page() {
    local file=$docs/zipnn-$1.1 option
    grep -q "^.SH NAME" "$file" && grep -qF "zipnn\\-$1" "$file" || return 1
    if command -v mandoc >/dev/null; then mandoc -Tlint -Wstyle "$file" || return 1; fi
    if command -v man >/dev/null && command -v groff >/dev/null; then
        man --warnings -E UTF-8 -l "$file" >"$home/page" 2>"$home/warnings"
        [ ! -s "$home/warnings" ] || { cat "$home/warnings" && return 1; }
    fi
    zipnn help "$1" >"$home/asked"
    for option in $(grep -oE '^  (-., |    )--[a-z0-9-]+' "$home/asked" | sed 's/.*--//'); do
        grep -qF -- "\\-\\-${option//-/\\-}" "$file" || { echo "$option is not in $file" && return 1; }
    done
}

zipnn --help >help
for option in $(grep -o -- '--[a-z0-9-]*' help | sort -u) --cpu; do
    check grep -qF -- "${option//-/\\-}" "$docs/zipnn.1"
    check grep -qwF -- "$option" "$docs/bash/zipnn"
    check grep -qF -- "$option" "$docs/_zipnn"
    check grep -qwF -- "-l ${option#--}" "$docs/zipnn.fish"
done

for command in $(sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p' help); do
    case $command in help | mount | umount | run | hub) ;; *) check page "$command" ;; esac
    check grep -qF -- "zipnn $command" "$docs/zipnn.1"
    check grep -qwF -- "$command" "$docs/bash/zipnn"
    check grep -qF -- "'$command:" "$docs/_zipnn"
    check grep -qF -- "-a $command " "$docs/zipnn.fish"
done

# What bash would offer.
COMP_WORDS=(zipnn --th) COMP_CWORD=1
compopt() { :; }
. "$docs/bash/zipnn"
_zipnn
[ "${COMPREPLY[*]}" = --threads ] || fail "completion of --th: ${COMPREPLY[*]}"
COMP_WORDS=(zipnn --cpu sc) COMP_CWORD=2
_zipnn
[ "${COMPREPLY[*]}" = scalar ] || fail "completion of --cpu sc: ${COMPREPLY[*]}"
COMP_WORDS=(zipnn ben) COMP_CWORD=1
_zipnn
[ "${COMPREPLY[*]}" = bench ] || fail "completion of ben: ${COMPREPLY[*]}"
COMP_WORDS=(zipnn --dtype fp1) COMP_CWORD=2
_zipnn
[ "${COMPREPLY[*]}" = fp16 ] || fail "completion of --dtype fp1: ${COMPREPLY[*]}"
COMP_WORDS=(zipnn chain run re) COMP_CWORD=3
_zipnn
[ "${COMPREPLY[*]}" = "restore rebase" ] || fail "completion of a verb: ${COMPREPLY[*]}"
# offers EXPECTED WORD...: what bash offers for the last word.
offers() {
    local expected=$1
    shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _zipnn
    [ "${COMPREPLY[*]}" = "$expected" ] || fail "completion of $*: ${COMPREPLY[*]}"
}
model 20 m.safetensors
zipnn -q m.safetensors
mkdir sub chain && cp m.safetensors.znn chain/00000001.m.znn && cp m.safetensors.znn chain/00000012.m.znn
offers "m.safetensors.znn" zipnn -d m
offers "m.safetensors.znn" zipnn -d -f m
offers "m.safetensors.znn" zipnn verify m
offers "sub" zipnn cat su
offers "a.weight b" zipnn extract m.safetensors.znn --tensor ""
offers "a.weight" zipnn extract m.safetensors.znn --tensor a
offers "" zipnn extract m.safetensors --tensor ""
offers "1 12" zipnn chain chain restore ""
offers "--tensor" zipnn extract --ten
offers "" zipnn verify --ten
offers "--against" zipnn verify --ag
offers "inspect" zipnn help insp
offers "fp16" zipnn --dtype = fp1
offers "f32" zipnn extract --as f
offers "json" zipnn --progress js
# -D: without it zsh puts a file of its own in the place of the one that is named, be it a device.
if command -v zsh >/dev/null; then
    check zsh -fc 'autoload -Uz compinit && compinit -u -D; source "$1"' zsh <(sed '/^_arguments/,$d' "$docs/_zipnn")
fi
refuted grep -E ":(A:B|OFF:LEN):" "$docs/_zipnn"
finish
