# The checkpoints of a run as a chain of differences: every step comes back, whatever is dropped, moved or killed.
. "$(dirname "$0")/cli_lib.sh"

mkdir chain steps
model 300 steps/0
for i in 1 2 3 4 5 6; do
    cp steps/$((i - 1)) steps/$i
    printf "$i$i" | dd of=steps/$i bs=1 seek=$((2000 * i)) conv=notrunc 2>"$home/err"
done

# whole STEP...: exactly these are there, and each restores to its file.
whole() {
    local found
    found=$(zipnn chain chain list --json | sed 's/^{"step":\([0-9]*\).*/\1/' | tr '\n' ' ')
    [ "$found" = "$* " ] || fail "steps $found instead of $*"
    for n in "$@"; do
        check cmp steps/$((n - 1)) <(zipnn chain chain restore $n -c)
    done
}

expect 0 zipnn chain chain add steps/0 steps/1 steps/2 steps/3 steps/4 steps/5 --every 4
expect 0 zipnn chain chain add steps/6
whole 1 2 3 4 5 6 7
expect 0 zipnn chain chain list
prints "from 1"
prints "alone"
check test "$(zipnn chain chain list | grep -c alone)" -eq 2
check test "$(stat -c %s chain/00000003.2.znn)" -lt 1500

# The run is drawn: sums, what is made from what, a page.
expect 0 zipnn chain chain inspect
prints "7 steps: "
prints "2 stand alone; restoring one takes at most "
check test "$(zipnn chain chain inspect | grep -c '#')" -eq 7
expect 0 zipnn chain chain inspect --json
prints '"steps":7,'
prints '"alone":2,"damaged":0,'
expect 0 zipnn chain chain inspect --html run.html
check test "$(grep -c '<rect' run.html)" -eq 7
check test "$(grep -c '<path' run.html)" -eq 5
expect 1 zipnn chain chain inspect --html run.html
expect 0 zipnn chain chain inspect -f --html run.html
expect 1 zipnn chain chain inspect -f --html chain/00000001.0.znn
says "is a step of the chain"
expect 2 zipnn chain chain inspect 1
mkdir none
expect 0 zipnn chain none inspect
prints "0 steps"
expect 0 zipnn chain none inspect -f --html run.html

# A step that goes leaves those made from it whole: the first, one in the middle, the last.
expect 0 zipnn chain chain drop 1
whole 2 3 4 5 6 7
expect 0 zipnn chain chain drop 3 7
whole 2 4 5 6
expect 0 zipnn chain chain rebase 4
expect 0 zipnn chain chain rebase 6 2
whole 2 4 5 6
check sh -c 'zipnn chain chain list --json | grep -q "\"step\":6,.*\"base\":2}"'

# There are no cycles, no strangers, no overwriting.
expect 1 zipnn chain chain rebase 2 4
says "earlier"
expect 1 zipnn chain chain rebase 2 2
expect 1 zipnn chain chain restore 3 -o back
says "no step 3"
expect 1 zipnn chain chain restore x -o back
expect 1 zipnn chain nowhere list
expect 1 zipnn chain chain restore 2 -fo chain/00000002.1.znn
says "is a step of the chain"
whole 2 4 5 6
expect 0 zipnn chain chain restore 2
check cmp 1 steps/1
expect 1 zipnn chain chain restore 2
expect 0 sh -c 'cd steps && zipnn chain ../chain restore 2 -fo again && cmp again 1'

# A missing or damaged file is named, and harms those made from it alone.
mv chain/00000002.1.znn aside
expect 0 zipnn chain chain list
prints "base missing"
expect 0 zipnn chain chain inspect
prints "base missing"
expect 5 zipnn chain chain restore 6 -o back
says "00000002.1.znn"
check cmp steps/3 <(zipnn chain chain restore 4 -c)
mv aside chain/00000002.1.znn
cp chain/00000002.1.znn aside
printf '\377\377\377' | dd of=chain/00000002.1.znn bs=1 seek=5000 conv=notrunc 2>"$home/err"
expect 3 zipnn chain chain restore 6 -o back
check test ! -e back
# What cannot be read is not missing: its own trouble is told, and its status.
: >chain/00000002.1.znn
expect 3 zipnn chain chain restore 6 -o back
says "which step 2 may hold: "
expect 3 zipnn chain chain rebase 6
says "which step 2 may hold: "
mv aside chain/00000002.1.znn
whole 2 4 5 6

# A step that cannot be read may need any earlier one: none of those goes, for the trouble may pass.
cp chain/00000004.3.znn aside
: >chain/00000004.3.znn
expect 1 zipnn chain chain drop 2
says "not dropped: step 4 cannot be read"
check test -e chain/00000002.1.znn
mv chain/00000002.1.znn hidden && : >chain/00000002.1.znn
mv aside chain/00000004.3.znn
expect 1 zipnn chain chain drop 2
says "not dropped: step 6 lacks its base"
mv hidden chain/00000002.1.znn
whole 2 4 5 6

# Steps, and what is restored from them, are as private as what they were made from.
cp -r chain private
cp steps/6 secret
chmod 600 secret
expect 0 zipnn chain private add secret
expect 0 zipnn chain private rebase 7
expect 0 zipnn chain private restore 7 -o back
[ "$(stat -c %a private/00000007.secret.znn back | sort -u)" = 600 ] || fail "permissions of a step"
rm back

# What is named like a step and is none; numbers end.
cp -r chain odd
mkfifo odd/00000050.pipe.znn
mkdir odd/00000051.folder.znn
expect 0 timeout 10 zipnn chain odd list
refuted grep -q "folder" "$home/out"
cp odd/00000002.1.znn odd/18446744073709551615.last.znn
expect 1 zipnn chain odd add steps/6
says "the highest possible number"

# The folder is made for the first step; an archive is taken for what it is.
cp steps/0 first
expect 0 zipnn chain new add first
check cmp steps/0 <(zipnn chain new restore 1 -c)
zipnn first
expect 1 zipnn chain new add first.znn
says "restore it first"
expect 0 zipnn chain new add -f first.znn
check cmp first.znn <(zipnn chain new restore 2 -c)

# Whoever comes second waits.
for i in 1 2 3 4 5 6; do zipnn -q chain busy add steps/$i & done
wait
check test "$(zipnn chain busy list | grep -c alone)" -eq 1
for i in 1 2 3 4 5 6; do
    zipnn chain busy restore $i -fo back && grep -q . back || fail "step $i of those added at once"
    for k in 1 2 3 4 5 6; do cmp -s back steps/$k && touch came$k; done
done
check test "$(ls came? | wc -l)" -eq 6
rm -f back came?

# The same file again, next to it and later; states that return. All of it stays restorable while steps go.
mkdir again.steps
for i in 0 0 1 1 0 2 1 0; do expect 0 zipnn chain again add steps/$i --every 20; done
for gone in 1 4 2 8; do
    expect 0 zipnn chain again drop $gone
    expect 0 zipnn -tr again
    n=1
    for i in 0 0 1 1 0 2 1 0; do
        [ ! -e again/*$n.$i.znn ] || check cmp steps/$i <(zipnn chain again restore $n -c)
        n=$((n + 1))
    done
done

# -tr finds the bases in the chain, and tells when one is not there.
expect 0 zipnn -trv ./chain
refuted grep -q base "$home/err"
cp -r chain cut
rm cut/00000002.1.znn
expect 5 zipnn -tr cut
says "00000002.1.znn"
says "--base-dir"
expect 5 zipnn -t chain/00000006.5.znn
expect 0 zipnn -t --base-dir chain chain/00000006.5.znn

# A step whose base is gone goes with -f, though others are made from it.
rm -rf cut && mkdir cut
for i in 0 1 2 3; do expect 0 zipnn chain cut add steps/$i; done
rm cut/00000001.0.znn
expect 1 zipnn chain cut drop 2
says "-f"
expect 0 zipnn chain cut drop -f 2
check test ! -e cut/00000002.1.znn

# A step of several bases, which other commands make: all of them count.
python3 - <<'PYTHON'
import json, random, struct
random.seed(7)
def tensor(seed):
    r = random.Random(seed)
    return bytes(x for _ in range(30000) for x in (r.randrange(256), 60 + r.randrange(3)))
def save(name, tensors):
    at, head = 0, {}
    for key, data in tensors.items():
        head[key] = {"dtype": "BF16", "shape": [len(data) // 2], "data_offsets": [at, at + len(data)]}
        at += len(data)
    head = json.dumps(head).encode()
    open(name, "wb").write(struct.pack("<Q", len(head)) + head + b"".join(tensors.values()))
p, q = tensor(1), tensor(2)
save("p", {"p": p}), save("q", {"q": q}), save("m", {"p": p[:-2] + b"ab", "q": q[:-2] + b"cd"})
PYTHON
for gone in "" 1 2 "2 1" "1 2"; do
    rm -rf merged && cp m kept.m
    expect 0 zipnn chain merged add --every 1 p q
    expect 0 zipnn --rm --base merged/00000001.p.znn --base merged/00000002.q.znn kept.m -o merged/00000003.m.znn
    check sh -c 'zipnn chain merged list --json | grep -q "\"step\":3,.*\"bases\":\[[12],[12]\]"'
    expect 0 zipnn chain merged list
    prints "from "
    [ -z "$gone" ] || expect 0 zipnn chain merged drop $gone
    expect 0 zipnn chain merged restore 3 -fo back
    check cmp back m
done
expect 0 zipnn chain merged drop 3
rm -rf merged && cp m kept.m
expect 0 zipnn chain merged add --every 1 p q
expect 0 zipnn --base merged/00000001.p.znn --base merged/00000002.q.znn kept.m -o merged/00000003.m.znn
rm merged/00000002.q.znn
check sh -c 'zipnn chain merged list --json | grep -q "\"step\":3,.*\"missing\":\"00000002.q.znn\""'
expect 5 zipnn chain merged restore 3 -fo back
expect 5 zipnn chain merged drop 1
check test -e merged/00000001.p.znn
rm -f back kept.m

# Archives of the folder that are no steps, and steps with a lower number, need steps, too.
rm -rf odd && cp steps/1 best
expect 0 zipnn chain odd add steps/0
expect 0 zipnn --rm --base-dir odd best -o odd/best.znn
expect 1 zipnn chain odd drop 1
says "odd/00000001.0.znn is not removed: odd/best.znn is made from it"
check cmp steps/1 <(zipnn -dc --base-dir odd odd/best.znn)
expect 0 zipnn chain odd add --every 1 steps/0
expect 0 zipnn chain odd drop 1
expect 1 zipnn chain odd drop 2
mv odd/best.znn odd/00000001.best.znn
check cmp steps/1 <(zipnn chain odd restore 1 -c)
expect 0 zipnn chain odd add steps/2
expect 0 zipnn chain odd rebase 2
expect 0 zipnn chain odd drop 2
check cmp steps/1 <(zipnn chain odd restore 1 -c)
check cmp steps/2 <(zipnn chain odd restore 3 -c)

# Names that are no UTF-8 have their bytes in JSON.
name=$(printf 'n\377')
cp steps/0 "$name"
expect 0 zipnn chain bytes add "$name"
cp steps/1 "$name.2" && expect 0 zipnn chain bytes add "$name.2"
expect 0 zipnn chain bytes list --json
prints '"file_bytes":"62797465732f30303030303030312e6eff2e7a6e6e"'
rm bytes/00000001*
expect 0 zipnn chain bytes list --json
prints '"missing_bytes":"30303030303030312e6eff2e7a6e6e"'

# A run writes several files in turn: each follows its own. Small steps climb a ladder: one whole step of each file, and
# few files are read to restore any.
python3 - <<'PYTHON'
import json, random, struct
r = random.Random(3)
def words(n):
    return bytearray(x for _ in range(n) for x in (r.randrange(256), 60 + r.randrange(3)))
files = {"model": words(30000), "optimizer": words(50000)}
for step in range(22):
    for name, data in files.items():
        head = json.dumps({name: {"dtype": "BF16", "shape": [len(data) // 2], "data_offsets": [0, len(data)]}}).encode()
        open(f"{name}-{100 * step}.st", "wb").write(struct.pack("<Q", len(head)) + head + data)
        for _ in range(40):
            data[2 * r.randrange(len(data) // 2)] ^= 1
PYTHON
for i in $(seq 0 100 2100); do expect 0 zipnn chain both add model-$i.st optimizer-$i.st; done
zipnn chain both list --json >steps.json
check test "$(zipnn chain both list | grep -c alone)" -eq 2
python3 - <<'PYTHON' || fail "the ladder"
import json
steps = {s["step"]: s for s in map(json.loads, open("steps.json"))}
for n, s in steps.items():
    depth, at = 0, s
    while "base" in at:
        depth, at = depth + 1, steps[at["base"]]
    assert depth <= 9 and at["step"] == 2 - n % 2, (n, depth, at)
assert steps[3]["base"] == 1 and steps[9]["base"] == 1 and steps[11]["base"] == 9 and steps[33]["base"] == 1
PYTHON
expect 0 zipnn chain both verify
check cmp model-2100.st <(zipnn chain both restore model-2100.st -c)
check cmp optimizer-700.st <(zipnn chain both restore optimizer-700.st -c)
expect 1 zipnn chain both restore model-50.st -c
says "no step of a file"
expect 0 zipnn chain both drop 1-9 40
check test "$(zipnn chain both list --json | wc -l)" -eq 34
expect 0 zipnn chain both verify
check cmp model-500.st <(zipnn chain both restore 11 -c)
check cmp optimizer-2000.st <(zipnn chain both restore optimizer-2000.st -c)
expect 1 zipnn chain both drop 1-9
says "no step from 1 to 9"
printf '\377\377\377' | dd of=both/00000043.model-2100.st.znn bs=1 seek=200 conv=notrunc 2>"$home/err"
expect 3 zipnn chain both verify
says "00000043"

# Killed at any moment, it leaves every step restorable.
for i in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf kept && cp -r chain kept
    zipnn chain chain drop 4 >"$home/out" 2>"$home/err" &
    sleep 0.00$i
    kill -9 $! 2>"$home/err"
    wait $! 2>"$home/err"
    if [ -e chain/00000004.3.znn ]; then whole 2 4 5 6; else whole 2 5 6; fi
    rm -rf chain && mv kept chain
done
finish
