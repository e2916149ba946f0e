# zipnn chain with folders as steps: model, optimizer and generator of each step of a run, restored by name, dropped as a whole.
. "$(dirname "$0")/cli_lib.sh"

mkdir run
python3 - <<'PYTHON'
import json, os, random, struct
r = random.Random(2)
def model(path, words):
    head = json.dumps({"w": {"dtype": "BF16", "shape": [len(words)], "data_offsets": [0, 2 * len(words)]}}).encode()
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "wb").write(struct.pack("<Q", len(head)) + head + struct.pack("<%dH" % len(words), *words))
a = [0x3C00 + r.getrandbits(9) for _ in range(8000)]
b = [0x3800 + r.getrandbits(10) for _ in range(9000)]
for step in range(100, 1100, 100):
    model(f"run/step-{step}/model.safetensors", a)
    model(f"run/step-{step}/optim/adam.safetensors", b)
    open(f"run/step-{step}/rng.bin", "wb").write(r.randbytes(300))
    for words in (a, b):
        for _ in range(50): words[r.randrange(len(words))] ^= 1
PYTHON

# whole CHAIN STEP...: exactly these are there, and each folder comes back.
whole() {
    local chain=$1 found step
    shift
    found=$(ls "$chain" | sed 's/.*\.step-//' | sort -n | tr '\n' ' ')
    [ "$found" = "$* " ] || fail "$chain: steps $found instead of $*"
    for step in "$@"; do
        check zipnn -q chain "$chain" restore "step-$step" -o "back-$step"
        check diff -r "back-$step" "run/step-$step"
        rm -rf "back-$step"
    done
}

expect 0 zipnn chain ck add run/step-100 run/step-200/ ./run/step-300 "$PWD/run/step-400"
expect 0 zipnn -v chain ck add run/step-500
whole ck 100 200 300 400 500
expect 0 zipnn chain ck list
prints "step-200/optim/adam.safetensors.znn"
[ "$(grep -c 'from ' "$home/out")" -eq 8 ] || fail "eight files are differences"
check test "$(stat -c %s ck/00000002.step-200/optim/adam.safetensors.znn)" -lt 4000
expect 0 zipnn chain ck list --json
[ "$(grep -c '"step":3,' "$home/out")" -eq 3 ] || fail "three files have the number 3"
expect 0 zipnn chain ck verify
expect 0 zipnn chain ck inspect --html page.html

# Other commands find the bases, also when the chain has moved.
mv ck moved
expect 0 zipnn -tr moved
check cmp <(zipnn -dc moved/00000004.step-400/model.safetensors.znn) run/step-400/model.safetensors
mv moved ck

# By number, by name, the last; to a place of its own, never over anything.
expect 0 zipnn chain ck restore 2
check diff -r step-200 run/step-200
expect 1 zipnn chain ck restore 2
says "already exists"
expect 1 zipnn chain ck restore -f 2
expect 0 zipnn chain ck restore last -o deep/
check diff -r deep run/step-500
expect 1 zipnn chain ck restore 2 -c
says "is a folder"
expect 1 zipnn chain ck restore step-20
says "there is no step of a file"
expect 1 zipnn chain ck rebase 2
says "is a folder"

# Steps go as a whole, and what was made from them stands.
expect 0 zipnn chain ck drop 1-3
whole ck 400 500
expect 0 zipnn chain ck add run/step-600 run/step-700
expect 0 zipnn chain ck drop step-600
whole ck 400 500 700
expect 1 zipnn chain ck drop 1-3
expect 0 zipnn -tr ck

# Single files stand beside folders.
expect 0 zipnn chain ck add run/step-800/model.safetensors
check cmp run/step-800/model.safetensors <(zipnn chain ck restore last -c)
expect 0 zipnn chain ck add run/step-900
expect 0 zipnn chain ck drop model.safetensors
whole ck 400 500 700 900

# What is no step: nothing, links, archives without -f, a folder of that number.
mkdir empty linked archives
ln -s ../run/step-100/rng.bin linked/link
zipnn -q run/step-100/rng.bin -o archives/x.znn
for bad in empty linked archives nowhere . run/step-100/..; do expect 1 zipnn chain ck add $bad; done
whole ck 400 500 700 900
expect 0 zipnn chain kept add -f archives
expect 0 zipnn chain kept restore 1 -o unpacked
check diff -r unpacked archives
mkdir ck/00000009.step-901
cp ck/00000004.step-400/rng.bin.znn ck/00000009.step-901
cp -r ck/00000009.step-901 ck/00000009.step-902
expect 1 zipnn chain ck list
says "two files have the number 9"
rm -r ck/00000009.step-90?

# A file of a step that is damaged harms what is made from it alone.
cp -r ck hurt
printf '\377\377\377' | dd of=hurt/00000004.step-400/model.safetensors.znn bs=1 seek=5000 conv=notrunc 2>"$home/err"
expect 3 zipnn chain hurt restore step-500 -o torn
check test ! -e torn
expect 3 zipnn chain hurt verify
check test "$(ls -A hurt | grep -c zipnn)" -eq 0

# Killed anywhere while steps come and go: each that is there is whole.
for delay in 0 0.02 0.05 0.1 0.2 0.4; do
    rm -rf killed
    check python3 -c 'import subprocess, sys, time
for words in ("add run/step-100 run/step-200 run/step-300 run/step-400", "drop 1 2"):
    run = subprocess.Popen(["zipnn", "-q", "chain", "killed", *words.split()], stderr=subprocess.DEVNULL)
    time.sleep(float(sys.argv[1]))
    run.kill()
    run.wait()' $delay
    [ -d killed ] || continue
    steps=$(ls killed | sed 's/.*\.step-//' | sort -n)
    # shellcheck disable=SC2086
    [ -z "$steps" ] || whole killed $steps
    expect 0 zipnn chain killed add run/step-1000
    [ -z "$(ls -A killed | grep '^\.zipnn')" ] || fail "what was left of a kill stays"
    expect 0 zipnn chain killed verify
done
finish
