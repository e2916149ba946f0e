#!/bin/bash
# GNU parallel: N shards, as many at once as there are processors, also on other machines (--sshlogin, with the folders at the
# same paths). A shard that fails or is killed is tried three times; the whole may be said again at any time.
#
#   find "$SRC" -type f -print0 >list0; SRC=... OUT=... ./parallel.sh 64
set -u
n=${1:?the number of shards}
export SRC OUT LIST=${LIST:-list0}
seq "$n" | parallel --retries 3 --joblog "$OUT.joblog" \
    zipnn batch -0 --filelist '"$LIST"' --root '"$SRC"' --output-dir '"$OUT"' --manifest '"$OUT".{#}.jsonl' \
    --families --resume --shard "auto/$n" -T1
