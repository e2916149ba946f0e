#!/bin/bash
# zipnn batch under GNU parallel and under Slurm, by the examples of integrations/batch: shards together do what one run does, also
# when tasks are killed. Slurm runs here, as root on the loopback device, with all of its files in a temporary folder.
#   clusters.sh ZIPNN parallel|slurm
set -u
zipnn=$(realpath "$1")
examples=$(realpath "$(dirname "$0")/../../integrations/batch")
place=$(mktemp -d)
mkdir "$place/bin"
ln -s "$zipnn" "$place/bin/zipnn"
export PATH=$place/bin:$PATH
cd "$place" || exit 1
trap 'stop_slurm; umount "$place/small" 2>/dev/null; rm -rf "$place"' EXIT

fail() {
    echo "FAILED: $*"
    exit 1
}

# Sixty files: families of five, copies, small and odd ones.
make_models() {
    python3 - <<'PYTHON'
import json, os, random, struct
r = random.Random(3)
for kin in range(10):
    root = [0x3C00 + r.getrandbits(9) for _ in range(64 * (100 + kin))]
    for i in range(5):
        words = [w ^ (i > 0 and not r.getrandbits(7)) for w in root]
        head = json.dumps({"w": {"dtype": "BF16", "shape": [100 + kin, 64], "data_offsets": [0, 2 * len(words)]}}).encode()
        os.makedirs(f"models/{kin}", exist_ok=True)
        for name in (f"models/{kin}/{i}.safetensors", *[f"models/{kin}/a copy"] * (i == 3)):
            with open(name, "wb") as f:
                f.write(struct.pack("<Q", len(head)) + head + struct.pack(f"<{len(words)}H", *words))
PYTHON
    find models -type f -print0 >list0
    zipnn batch -q -0 --filelist list0 --root models --output-dir one --manifest one.jsonl --families || fail "one run"
}

# holds OUT: the archives are those of one run, and what the manifests say is right.
holds() {
    diff -r one "$1" || fail "$1: other archives than those of one run"
    [ "$(cat "$1".*.jsonl | python3 -c 'import json, sys
last = {}
for line in sys.stdin:
    try: last[json.loads(line)["path"]] = json.loads(line)["status"]
    except ValueError: pass
print(sum(status != "failed" for status in last.values()))')" -eq 60 ] || fail "$1: the manifests do not name all"
    zipnn audit -q --output-dir "$1" "$1".*.jsonl || fail "$1: audit"
}

export SRC=models OUT LIST=list0

try_parallel() {
    OUT=par
    "$examples/parallel.sh" 5 || fail "parallel: $?"
    holds par
    # A task that kills itself is tried again; then all of it is said again.
    cat >bin/dying <<EOF
#!/bin/bash
[ -e "\$PWD/died.\$PARALLEL_SEQ" ] && exec "$zipnn" "\$@"
touch "\$PWD/died.\$PARALLEL_SEQ"
timeout -s KILL 0.05 "$zipnn" "\$@"
kill -9 \$\$
EOF
    chmod +x bin/dying
    mv bin/dying bin/zipnn
    OUT=killed
    "$examples/parallel.sh" 5 || fail "parallel after kills: $?"
    ln -sf "$zipnn" bin/zipnn
    [ "$(ls died.* | wc -l)" -eq 5 ] || fail "five tasks die"
    holds killed
    "$examples/parallel.sh" 5 || fail "parallel again: $?"
    holds killed
    echo "parallel: five shards are one run, also after each was killed"
}

start_slurm() {
    host=$(hostname -s)
    mkdir -p slurm/{spool,state}
    mkdir -m 700 slurm/munge
    head -c 1024 /dev/urandom >slurm/munge/key
    chmod 400 slurm/munge/key
    (
        cd slurm/munge || exit 1
        munged --force --key-file="$PWD/key" --socket="$PWD/socket" --pid-file="$PWD/pid" --log-file="$PWD/log" \
            --seed-file="$PWD/seed"
    ) || fail "munged does not start"
    cat >slurm/slurm.conf <<EOF
ClusterName=zipnn
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${SLURM_TEST_PORT:-16817}
SlurmdPort=$((${SLURM_TEST_PORT:-16817} + 1))
AuthType=auth/munge
AuthInfo=socket=$place/slurm/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$place/slurm/state
SlurmdSpoolDir=$place/slurm/spool
SlurmctldPidFile=$place/slurm/slurmctld.pid
SlurmdPidFile=$place/slurm/slurmd.pid
SlurmctldLogFile=$place/slurm/slurmctld.log
SlurmdLogFile=$place/slurm/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
MinJobAge=3600
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
EOF
    export SLURM_CONF=$place/slurm/slurm.conf
    slurmctld -c -f "$SLURM_CONF" && slurmd -f "$SLURM_CONF" || fail "Slurm does not start"
    for _ in $(seq 60); do
        sinfo -h -o %T 2>/dev/null | grep -q idle && return
        sleep 1
    done
    cat slurm/*.log
    fail "Slurm's node does not become idle"
}

stop_slurm() {
    local pid
    [ -d slurm ] || return 0
    [ -e slurm/slurmctld.pid ] && scontrol shutdown 2>/dev/null
    for pid in slurm/slurmctld.pid slurm/slurmd.pid slurm/munge/pid; do
        [ -e "$pid" ] && kill "$(cat "$pid")" 2>/dev/null
    done
    sleep 1
}

# queue OPTION...: puts the array into the queue and waits for its end.
queue() {
    sbatch --wait --export=ALL -o slurm/out.%a "$@" "$examples/slurm.sh"
}

try_slurm() {
    start_slurm
    OUT=slurmed
    queue --array=0-3 || { cat slurm/out.*; fail "the array"; }
    holds slurmed
    # Each task dies in the middle once; then two of four are tried again, then all.
    OUT=killed
    for i in 0 1 2 3; do
        SLURM_ARRAY_TASK_ID=$i timeout -s KILL 0.03 zipnn batch -q -0 --filelist list0 --root models --output-dir killed \
            --manifest killed.$i.jsonl --families --shard auto/4 --resume
    done 2>slurm/killed.log
    SHARDS=4 queue --array=1,3 || { cat slurm/out.*; fail "two tasks of four"; }
    queue --array=0-3 || { cat slurm/out.*; fail "the array again"; }
    holds killed
    # A full disk: the task gives 75, goes back to the queue once (which takes Slurm two minutes), and ends with 75.
    mkdir small && mount -t tmpfs -o size=64k none small || fail "no small disk"
    OUT=small/out
    RETRIES=1 queue --array=0-0
    code=$?
    umount small
    [ $code -eq 75 ] || { cat slurm/out.*; fail "a full disk: $code"; }
    echo "slurm: four tasks are one run, also after kills; a full disk is told"
}

make_models
"try_$2"
