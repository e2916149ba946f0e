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

zipnn --help >help
for option in $(grep -o -- '--[a-z0-9-]*' help | sort -u) --cpu; do
    check grep -qF -- "${option//-/\\-}" "$docs/zipnn.1"
    check grep -qwF -- "$option" "$docs/bash/zipnn"
    check grep -qF -- "$option" "$docs/_zipnn"
    check grep -qwF -- "-l ${option#--}" "$docs/zipnn.fish"
done

for command in $(sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p' help); do
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
refuted grep -E ":(A:B|OFF:LEN):" "$docs/_zipnn"
finish
