# Every option with every operation and command: it does what it says, or is refused with a line that says so. The
# options and commands are those of the program; one without a row in the tables below fails. The tables are not made
# from the program's own (cli/line/*.def): what a row there says by mistake is found here.
. "$(dirname "$0")/cli_lib.sh"

model 100 m.safetensors
sed 's/BF16/F16 /' m.safetensors >other.safetensors
mkdir ready && cd ready || exit 1
cp ../m.safetensors m.safetensors
zipnn -q m.safetensors -o a.znn
cp ../m.safetensors there
cp a.znn packed.safetensors
mkdir d e
cp m.safetensors d/n.safetensors
cp a.znn e/n.znn
zipnn -q chain run add m.safetensors 2>/dev/null || { mkdir run && zipnn -q chain run add m.safetensors; }
zipnn -q chain run add ../other.safetensors
echo "$(sha256sum <m.safetensors | cut -c 1-64)  m.safetensors" >sums
zipnn -q batch m.safetensors --output-dir ao --manifest am
cd .. || exit 1

# What is run: OPTION stands for the option, FILE for a model or an archive.
declare -A line=(
    [compress]="OPTION m.safetensors" [restore]="-d OPTION a.znn" [test]="-t OPTION a.znn" [list]="-l OPTION a.znn"
    [bench]="bench OPTION m.safetensors" [inspect]="inspect OPTION a.znn" [estimate]="estimate OPTION m.safetensors"
    [diff]="diff OPTION m.safetensors a.znn" [extract]="extract --tensor b OPTION a.znn" [cat]="cat OPTION a.znn" [verify]="verify OPTION a.znn"
    [salvage]="salvage -o out OPTION a.znn" [recompress]="recompress OPTION a.znn" [add]="chain run add OPTION m.safetensors"
    [chain_list]="chain run list OPTION" [chain_restore]="chain run restore OPTION 2" [drop]="chain run drop OPTION 1"
    [chain_verify]="chain run verify OPTION" [chain_inspect]="chain run inspect OPTION" [rebase]="chain run rebase OPTION 2" [doctor]="doctor OPTION" [sums]="sums OPTION a.znn"
    [batch]="batch OPTION --output-dir bo --manifest bm m.safetensors" [audit]="audit OPTION --output-dir ao am" [gc]="gc OPTION --output-dir ao am")
writes="compress restore extract cat salvage recompress chain_restore"
packs="compress recompress bench add drop rebase batch"
samples="estimate inspect"
reads="restore test verify salvage extract cat inspect diff sums"

# Where each option is taken, and what shows that it is heard: "fails TEXT" with a value that cannot work, a command
# that must succeed afterwards, or nothing where there is nothing to be seen.
foreign=neon # an instruction set that this program's machine lacks, also when that is emulated
zipnn --cpu neon -c m.safetensors >"$home/out" 2>"$home/err" && foreign=avx2
declare -A takes=(
    [stdout]="$writes" [output]="$writes" [output-dir-flat]="compress restore" [output-dir-mirror]="compress restore"
    [filelist]="compress restore test list inspect estimate verify recompress sums batch" [null]="compress restore test list inspect estimate verify recompress sums batch" [force]="$writes inspect chain_inspect gc" [update]="compress" [keep]="ANY -recompress -drop -rebase -doctor -gc" [rm]="compress restore" [in-place]="compress restore"
    [sync]="$writes add drop rebase inspect chain_inspect batch" [recursive]="compress restore test list bench inspect estimate verify recompress sums"
    [1]="$packs $samples restore" [fast]="$packs $samples restore" [best]="$packs $samples restore" [threads]=ANY
    [sha256]="$packs" [no-verify]="$packs" [max-output]="$reads recompress chain_restore audit"
    [dtype]="compress bench $samples add batch" [cpu]=ANY [compat]="$packs $samples" [base]="compress bench list estimate $reads"
    [base-dir]="compress list estimate $reads" [every]=add [no-dedup]="$packs $samples" [dedup]=compress [tensor]=extract [rows]=extract [as]=extract
    [range]=cat [against]=verify [check]=sums [output-dir]="batch audit gc" [root]=batch [manifest]=batch [shard]=batch [families]=batch [resume]=batch [sample]="$samples" [html]="inspect chain_inspect" [format]=compress [quiet]=ANY [verbose]=ANY [json]=ANY [progress]=ANY
    [help]=ANY [version]=ANY)
declare -A value=(
    [output]=nowhere/out [output-dir-flat]=m.safetensors [output-dir-mirror]=m.safetensors [filelist]=nowhere [threads]=2 [max-output]=1 [dtype]=fp16 [cpu]=$foreign [progress]=json [as]=f32 [output-dir]=ao [root]=. [manifest]=new [shard]=0/1 [compat]=1.0 [base]=nowhere [base-dir]=nowhere [every]=2
    [rows]=7777 [range]=7777777:1 [against]=nowhere [sample]=1K [html]=nowhere/page [format]=zipnn)
declare -A proof=(
    [output]="fails nowhere/out" [output-dir-flat]="fails Not a directory" [output-dir-mirror]="fails Not a directory" [filelist]="fails nowhere" [max-output]="fails allow limit" [cpu]="fails instruction" [base]="fails nowhere"
    [base-dir]="fails nowhere" [rows]="fails 7777" [range]="fails 7777777" [against]="fails nowhere" [check]="test -s $home/out" [html]="fails nowhere/page"
    [stdout]="test -s $home/out" [rm]="eval ! test -e m.safetensors || ! test -e a.znn" [in-place]="replaced" [keep]="test -e m.safetensors -a -e a.znn"
    [json]="json_only" [help]="grep -q Usage $home/out" [version]="grep -q ^zipnn.[0-9] $home/out")
replaced() { [ "$before" != "$(find . -type f -exec cksum {} + | sort)" ]; }
json_only() { ! grep -v '^{.*}$' "$home/out"; }

takes() { # OPTION USE
    case " ${takes[$1]} " in
        *" -$2 "*) return 1 ;;
        *" ANY "* | *" $2 "*) return 0 ;;
    esac
    return 1
}

# What a line needs beside the option.
prepare() { # OPTION USE
    local run=${line[$2]} given="--$1"
    [ "$1" = 1 ] && given=-1
    [ -z "${value[$1]:-}" ] || given+=" ${value[$1]}"
    case $1:$2 in
        tensor:*) run=${run/--tensor b/} given="--tensor b" ;;
        null:*) given+=" --filelist /dev/null" ;;
        check:sums) echo "sums --check sums" && return ;;
        json:extract | json:cat) given+=" -o out" ;;
        stdout:salvage | output:salvage) run=${run/-o out/} ;;
        dtype:inspect | compat:inspect | 1:inspect | fast:inspect | best:inspect | sample:inspect | no-dedup:inspect) run="inspect OPTION m.safetensors" ;;
        in-place:restore) run="-d OPTION packed.safetensors" ;;
        force:compress | force:restore | force:chain_restore) given+=" -o there" ;;
        force:inspect | sync:inspect | force:chain_inspect | sync:chain_inspect) given+=" -f --html there" ;;
        output-dir:batch) run=${run/--output-dir bo/} given="--output-dir new" ;;
        output-dir:*) run=${run/--output-dir ?o/} ;;
        manifest:batch) run=${run/--manifest bm/} ;;
        force:gc) ;;
        force:*) run=${run/-o out/} given+=" -o there" ;;
        recursive:compress | recursive:bench | recursive:inspect | recursive:estimate) run=${run/m.safetensors/d} run=${run/a.znn/d} ;;
        recursive:*) run=${run/a.znn/e} ;;
        bench:*) ;;
    esac
    echo "${run/OPTION/$given}"
}

try() { # OPTION USE
    local run got=0 fine=0 word shows=${proof[$1]:-}
    rm -rf work && cp -a ready work && cd work || exit 1
    run=$(prepare "$1" "$2")
    before=$(find . -type f -exec cksum {} + | sort)
    zipnn $run >"$home/out" 2>"$home/err" </dev/null || got=$?
    if ! takes "$1" "$2"; then
        [ $got -eq 2 ] && grep -qE 'goes with|does not go with|cannot be combined' "$home/err" || fail "zipnn $run: not refused ($got)"
        [ "$before" = "$(find . -type f -exec cksum {} + | sort)" ] || fail "zipnn $run: refused, and files changed"
    elif [ "$shows" != "${shows#fails }" ]; then
        for word in ${shows#fails }; do grep -q -- "$word" "$home/err" && fine=1; done
        [ $got -ne 0 ] && [ $got -ne 2 ] && [ $fine = 1 ] || fail "zipnn $run: not heard ($got)"
    else
        [ $got -eq 0 ] || fail "zipnn $run: exit code $got"
        [ -z "$shows" ] || $shows || fail "zipnn $run: $shows"
        [ "$1" != force ] || ! cmp -s there ../m.safetensors || [ "$2" != compress ] || fail "zipnn $run: not replaced"
    fi
    cd ..
}

zipnn --help >help
options="$(grep -oE '^  (-., |    )--[a-z0-9-]+' help | sed 's/.*--//' | grep -vxE 'compress|decompress|test|list') 1 cpu"
for option in $options; do
    [ -n "${takes[$option]:-}" ] || fail "--$option has no row in this test"
    for use in "${!line[@]}"; do
        # A measurement takes a second: of the options that show nothing, one run has all.
        [ "$use" != bench ] || ! takes "$option" bench || [ -n "${proof[$option]:-}" ] || continue
        try "$option" "$use"
    done
done
for command in $(sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p' help); do
    case $command in help | chain | mount | umount | run | hub) continue ;; esac
    [ -n "${line[$command]:-}" ] || fail "$command has no row in this test"
done

cd ready || exit 1
expect 0 zipnn bench -1 --fast -T2 --no-verify --no-dedup --dtype fp16 -k -q -v -r d
cd ..

# Options that choose an operation stand for no command.
cd ready || exit 1
for option in -z -d -t -l; do
    expect 2 zipnn $option verify a.znn
    says "cannot be combined"
    expect 2 zipnn verify $option a.znn
    says "cannot be combined"
done
for command in verify cat bench chain; do
    expect 0 zipnn $command --help
    ! grep -qE -- '--(compress|decompress|test|list)' "$home/out" || fail "$command --help lists what $command refuses"
done
finish
