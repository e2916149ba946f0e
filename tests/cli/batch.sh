# zipnn batch, audit and gc: many files with a manifest, killed and gone on with, in shards, with families and copies.
. "$(dirname "$0")/cli_lib.sh"

# Two families of three, two copies, an odd file, an empty one, and folders.
mkdir -p src/x/y src/z
python3 - <<'END'
import json, random, struct
random.seed(5)
def model(name, shape, words):
    head = json.dumps({"w": {"dtype": "BF16", "shape": shape, "data_offsets": [0, 2 * len(words)]}}).encode()
    open("src/" + name, "wb").write(struct.pack("<Q", len(head)) + head + struct.pack("<%dH" % len(words), *words))
for kin, shape in (("a", [200, 64]), ("b", [64, 100])):
    root = [0x3c00 + random.getrandbits(9) for _ in range(shape[0] * shape[1])]
    for i, folder in enumerate(("", "x/y/", "z/")):
        model(folder + kin + str(i), shape, [w ^ (i and not random.getrandbits(6)) for w in root])
model("other", [77], list(range(77)))
END
cp src/a1 src/a1.copy 2>/dev/null || cp src/x/y/a1 src/a1.copy
cp src/b0 src/z/b0.copy
: >src/empty
echo text >src/note
find src -type f | sort >list
n=$(wc -l <list)

batch() { zipnn batch --root src "$@" --filelist list; }
status() { python3 -c 'import json, sys
last = {}
for line in open(sys.argv[1]):
    try:
        entry = json.loads(line)
        last[entry["path"]] = entry
    except (ValueError, TypeError): continue
for path in sorted(last):
    e = last[path]
    print(path, e["status"], e.get("output"), e.get("base"), e.get("xxh3"), e.get("stored"), e.get("error"))' "$@"; }
contents() { (cd "$1" && find . -type f | sort | xargs cksum); }
restored() { # OUT MANIFEST: each file comes out of it as it was
    python3 -c 'import json, subprocess, sys
last = {}
for m in sys.argv[2:]:
    for line in open(m):
        try: last[json.loads(line)["path"]] = json.loads(line)
        except ValueError: pass
for path, e in last.items():
    base = ["--base", sys.argv[1] + "/" + last[e["base"]]["output"]] if e.get("base") else []
    if e["status"] == "copy":
        of = last[e["output"][:-4]]
        base = ["--base", sys.argv[1] + "/" + last[of["base"]]["output"]] if of.get("base") else []
    got = subprocess.run(["zipnn", "-dc", sys.argv[1] + "/" + e["output"]] + base, stdout=subprocess.PIPE, check=True).stdout
    assert got == open("src/" + path, "rb").read(), path
print(len(last))' "$@"; }

# All at once.
expect 0 batch --output-dir one --manifest one.jsonl --families
[ "$(wc -l <one.jsonl)" -eq "$n" ] || fail "not a line for each file"
[ "$(restored one one.jsonl)" = "$n" ] || fail "not all come back"
status one.jsonl >one.status
[ "$(grep -c ' copy ' one.status)" -eq 2 ] || fail "two copies"
[ "$(awk '$4 != "None"' one.status | grep -c ' done ')" -ge 3 ] || fail "no families"
check grep -q '^x/y/a1 copy a1.copy.znn' one.status
check grep -q '"family":"' one.jsonl
check grep -q '"version":"' one.jsonl
[ "$(find one -name '*.znn' | wc -l)" -eq $((n - 2)) ] || fail "a copy has an archive"
expect 0 zipnn audit --output-dir one one.jsonl
contents one >one.sums

# Nothing is done twice, and a manifest is not taken for a new one.
expect 1 batch --output-dir one --manifest one.jsonl --families
says "--resume goes on with it"
expect 0 batch --output-dir one --manifest one.jsonl --families --resume
[ "$(wc -l <one.jsonl)" -eq "$n" ] || fail "what was done is done again"
sort -r list >tsil
expect 0 zipnn batch --root src --filelist tsil --output-dir two --manifest two.jsonl --families -T1
contents two | cmp - one.sums || fail "another order gives other archives"
tr '\n' '\0' <list >list0
expect 0 zipnn batch -0 --root src --filelist list0 --output-dir three --manifest three.jsonl
status three.jsonl | awk '{print $4}' | grep -qv None && fail "a base without --families"
expect 0 zipnn audit --output-dir three three.jsonl
cat list | zipnn batch --root src --filelist - --output-dir four --manifest four.jsonl --sync -q || fail "a list from a pipe"
expect 0 zipnn batch src/a0 src/other --output-dir five --manifest five.jsonl --json
prints '"path":"src/a0"'
check test -s five/src/a0.znn
(cd src && zipnn batch --root "$PWD" "$PWD/a0" b0 --output-dir ../six --manifest ../six.jsonl -q) || fail "absolute and relative paths"
check test -s six/a0.znn -a -s six/b0.znn

# Three shards are one.
for i in 0 1 2; do expect 0 batch --output-dir shards --manifest s$i.jsonl --families --shard $i/3; done
contents shards | cmp - one.sums || fail "three shards give other archives"
cat s?.jsonl >s.jsonl
status s.jsonl | cmp - one.status || fail "three shards give another manifest"
expect 0 zipnn audit --output-dir shards s0.jsonl s1.jsonl s2.jsonl
expect 2 batch --output-dir shards --manifest s3.jsonl --shard 3/3
expect 2 batch --output-dir shards --manifest s3.jsonl --shard 1

# The number of the shard comes from what counts the processes of an array.
unset SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_COUNT SLURM_ARRAY_TASK_MIN SLURM_ARRAY_TASK_MAX JOB_COMPLETION_INDEX PARALLEL_SEQ
auto() { # MANIFEST SHARD VARIABLE=...
    local manifest=$1 shard=$2
    shift 2
    env "$@" zipnn batch --root src --filelist list --output-dir auto --manifest "$manifest" --families --shard "$shard"
}
for kind in slurm slurmN kubernetes parallel; do
    rm -rf auto
    for i in 0 1 2; do
        case $kind in
            slurm) expect 0 auto $kind$i auto SLURM_ARRAY_TASK_ID=$i SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=2 ;;
            slurmN) expect 0 auto $kind$i auto/3 SLURM_ARRAY_TASK_ID=$i SLURM_ARRAY_TASK_COUNT=1 SLURM_ARRAY_TASK_MIN=$i SLURM_ARRAY_TASK_MAX=$i ;;
            kubernetes) expect 0 auto $kind$i auto/3 JOB_COMPLETION_INDEX=$i ;;
            parallel) expect 0 auto $kind$i auto/3 PARALLEL_SEQ=$((i + 1)) ;;
        esac
    done
    contents auto | cmp - one.sums || fail "three shards of $kind give other archives"
done
expect 2 auto a auto
says "none of SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX and PARALLEL_SEQ is set"
expect 2 auto a auto JOB_COMPLETION_INDEX=1
says "give --shard auto/N"
expect 2 auto a auto SLURM_ARRAY_TASK_ID=1 SLURM_ARRAY_TASK_COUNT=2 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=2
says "this array has 2 tasks from 1 to 2"
expect 2 auto a auto SLURM_ARRAY_TASK_ID=1
expect 2 auto a auto/3 PARALLEL_SEQ=1 JOB_COMPLETION_INDEX=0
says "both JOB_COMPLETION_INDEX and PARALLEL_SEQ are set"
for bad in PARALLEL_SEQ=0 PARALLEL_SEQ=4 PARALLEL_SEQ= PARALLEL_SEQ=x JOB_COMPLETION_INDEX=3 JOB_COMPLETION_INDEX=-1; do
    expect 2 auto a auto/3 $bad
done
for bad in automatic auto/ auto/0 auto/x auto/3x; do expect 2 auto a $bad PARALLEL_SEQ=1; done
check test ! -e a

# Three hundred files: families, copies, and what is neither, in one run, in three shards at once, and killed.
python3 - <<'PYTHON'
import json, os, random, struct
r = random.Random(9)
for kin in range(20):
    root = [0x3c00 + r.getrandbits(9) for _ in range(40 * (20 + kin))]
    for i in range(15):
        words = [w ^ (i and not r.getrandbits(6)) for w in root]
        head = json.dumps({"w": {"dtype": "BF16", "shape": [20 + kin, 40], "data_offsets": [0, 2 * len(words)]}}).encode()
        os.makedirs("many/%d" % i, exist_ok=True)
        for name in ("many/%d/%d" % (i, kin), "many/%d/%d.copy" % (i, kin)) if i == 14 else ("many/%d/%d" % (i, kin),):
            open(name, "wb").write(struct.pack("<Q", len(head)) + head + struct.pack("<%dH" % len(words), *words))
PYTHON
find many -type f >manylist
many() { zipnn batch -q --root many --filelist manylist --families -T1 "$@"; }
expect 0 many --output-dir many.one --manifest many.jsonl
[ "$(grep -c '"status":"done"' many.jsonl)" -eq 300 ] || fail "300 files"
[ "$(grep -c '"status":"copy"' many.jsonl)" -eq 20 ] || fail "20 copies"
[ "$(grep -c '"base":' many.jsonl)" -eq 280 ] || fail "members of families: $(grep -c '"base":' many.jsonl)"
for i in 0 1 2; do many --output-dir many.three --manifest many.$i.jsonl --shard $i/3 & done
wait
diff -r many.one many.three >"$home/out" || fail "three shards of many files give other archives"
check python3 -c 'import subprocess, time
run = subprocess.Popen("zipnn batch -q --root many --filelist manylist --families -T1 --output-dir many.killed --manifest many.k.jsonl".split())
time.sleep(0.2)
run.kill()
run.wait()'
expect 0 many --output-dir many.killed --manifest many.k.jsonl --resume
find many.killed -name '.zipnn-*' -delete # of systems where a temporary file has a name
diff -r many.one many.killed >"$home/out" || fail "many files, killed: other archives"
expect 0 zipnn audit -q --output-dir many.killed many.k.jsonl

# Killed anywhere, whatever has been written: going on gives the same. Torn lines and foreign ones are passed.
for delay in 0 0.01 0.02 0.03 0.05 0.08 0.12 0.2; do
    check python3 -c 'import subprocess, sys, time
batch = subprocess.Popen("zipnn batch --root src --filelist list --output-dir killed --manifest killed.jsonl --families --resume -q".split())
time.sleep(float(sys.argv[1]))
batch.kill()
batch.wait()' $delay
    [ ! -s killed.jsonl ] || { head -c -5 killed.jsonl >torn && cp torn killed.jsonl; }
done
printf '{"path":"a0","status":"done"\0\n[]\n{"path":"../../etc/passwd","status":"done"}\n{"path":"b0","status' >>killed.jsonl
expect 0 batch --output-dir killed --manifest killed.jsonl --families --resume
expect 0 batch --output-dir killed --manifest killed.jsonl --families --resume
contents killed | cmp - one.sums || fail "after kills there are other archives"
status killed.jsonl | grep -v passwd | cmp - one.status || fail "after kills the manifest says something else"
expect 0 zipnn audit --output-dir killed killed.jsonl
for at in 10 200 1000 1500; do
    head -c $at one.jsonl >cut.jsonl
    rm -rf cut && cp -a one cut
    expect 0 batch --output-dir cut --manifest cut.jsonl --families --resume
    contents cut | cmp - one.sums || fail "a manifest cut at $at"
    status cut.jsonl | cmp - one.status || fail "a manifest cut at $at says something else"
done
find . -name '.zipnn-*' -delete # of systems where a temporary file has a name

# SIGTERM: 75 once it works on files, and what is there is whole. (-15: before; 0: it was done already.)
for delay in 0 0.02 0.05 0.1; do
    check python3 -c 'import signal, subprocess, sys, time
batch = subprocess.Popen("zipnn batch --root src --filelist list --output-dir term --manifest term.jsonl --resume -9 -T1 -q".split())
time.sleep(float(sys.argv[1]))
batch.send_signal(signal.SIGTERM)
code = batch.wait()
assert code in (75, 0, -signal.SIGTERM), code' $delay
    [ ! -e term.jsonl ] || [ -z "$(tail -c 1 term.jsonl | tr -d '\n')" ] || fail "SIGTERM cuts a line"
done
expect 0 batch --output-dir term --manifest term.jsonl --resume
expect 0 zipnn audit --output-dir term term.jsonl

# What fails: said on each line, and whether it may pass later.
mkdir bad && cp src/a0 bad && mkdir bad/folder && ln -s nowhere bad/link
printf 'bad/a0\nbad/missing\nbad/folder\nbad/link\nbad/../src/b0\n' >badlist
expect 1 zipnn batch --filelist badlist --output-dir bado --manifest bad.jsonl
[ "$(grep -c '"status":"failed"' bad.jsonl)" -eq 4 ] || fail "four failures"
[ "$(grep -c '"error":"missing"' bad.jsonl)" -eq 2 ] || fail "two are missing"
refuted grep -q '"retry":true' bad.jsonl
expect 1 zipnn batch --root src --output-dir out --manifest out.jsonl bad/a0 /etc/hostname
expect 1 zipnn audit --output-dir bado bad.jsonl
says "has no archive: it failed"
mkdir -p taken && echo precious >taken/a0.znn
expect 1 zipnn batch --root src src/a0 --output-dir taken --manifest taken.jsonl
expect 1 zipnn batch --root src src/a0 --output-dir taken --manifest taken.jsonl --resume
check grep -q precious taken/a0.znn
for line in "--output-dir x" "--manifest x"; do expect 2 zipnn batch $line src/a0; done
expect 2 zipnn batch --output-dir x --manifest y
expect 2 zipnn audit one.jsonl
if [ "$(id -u)" -ne 0 ]; then
    mkdir closed && chmod 555 closed
    expect 75 zipnn batch src/a0 --output-dir closed/sub --manifest closed.jsonl
    check grep -q '"retry":true' closed.jsonl
fi

# A full disk: 75, and later all is done.
if unshare -m true 2>/dev/null; then
    mkdir -p disk
    full() {
        mount -t tmpfs -o size=64k none disk || exit 77
        for try in 1 2; do # the manifest is there, too
            zipnn batch --root src --filelist list --output-dir disk/o --manifest disk/m.jsonl -q --resume
            [ $? -eq 75 ] || exit 3
        done
        rm -rf disk/*
        zipnn batch --root src --filelist list --output-dir disk --manifest full.jsonl -q
        local code=$?
        mount -o remount,size=8m disk || exit 77
        zipnn batch --root src --filelist list --output-dir disk --manifest full.jsonl -q --resume || exit 1
        zipnn audit --output-dir disk full.jsonl || exit 2
        return $code
    }
    export -f full
    unshare -m bash -c full >"$home/out" 2>"$home/err"
    code=$?
    [ $code -eq 75 ] || [ $code -eq 77 ] || fail "a full disk gives $code"
    [ $code -eq 77 ] || check grep -q '"retry":true' full.jsonl
fi

# A changed root is not replaced before its family can do without; nor if one of the family is gone.
cp -a one changed && cp one.jsonl changed.jsonl && cp -a src saved
root=$(awk '$4 != "None" && $2 == "done" {print $4; exit}' one.status)
printf X | dd of=src/"$root" bs=1 seek=9000 conv=notrunc 2>"$home/err"
touch -d '2020-01-01' src/"$root"
expect 0 batch --output-dir changed --manifest changed.jsonl --families --resume
[ "$(restored changed changed.jsonl)" = "$n" ] || fail "a changed root"
expect 0 zipnn audit --output-dir changed changed.jsonl
cp -a one changed2 && cp one.jsonl changed2.jsonl
member=$(awk -v r="$root" '$4 == r && $2 == "done" {print $1; exit}' one.status)
rm src/"$member"
grep -v "/$member\$" list >fewer
expect 1 zipnn batch --root src --filelist fewer --output-dir changed2 --manifest changed2.jsonl --families --resume
says "is needed by that of a file that is gone"
check cmp <(zipnn -dc changed2/"$member".znn --base changed2/"$root".znn) saved/"$member"
rm -rf src && mv saved src

# gc: what no manifest names, but no base in use.
cp -a one gc && cp one.jsonl gc.jsonl
zipnn -q src/other -o gc/stray.znn
expect 0 zipnn gc --output-dir gc gc.jsonl
prints "would remove stray.znn"
[ "$(wc -l <"$home/out")" -eq 1 ] || fail "gc takes more than what is left over"
check test -e gc/stray.znn
expect 0 zipnn gc -f --output-dir gc gc.jsonl
prints "removed stray.znn"
contents gc | cmp - one.sums || fail "gc removed more"
grep -v "\"path\":\"$root\"" one.jsonl | grep -v "\"status\":\"copy\"" >noroot.jsonl
expect 0 zipnn gc -f --output-dir gc noroot.jsonl
says "another archive is made against it"
check test -e gc/"$root".znn
printf '\252' | dd of=gc/"$member".znn bs=1 seek=$(($(stat -c %s gc/"$member".znn) - 30)) conv=notrunc 2>"$home/err"
zipnn -q src/other -o gc/stray.znn
expect 3 zipnn gc -f --output-dir gc gc.jsonl
says "nothing is removed"
check test -e gc/stray.znn
expect 3 zipnn audit --output-dir gc gc.jsonl
: >empty.jsonl
expect 1 zipnn gc -f --output-dir gc empty.jsonl
expect 1 zipnn gc -f --output-dir gc nowhere.jsonl
check test -e gc/stray.znn
rm one/"$root".znn
expect 1 zipnn audit --output-dir one one.jsonl
no_temporaries
finish
