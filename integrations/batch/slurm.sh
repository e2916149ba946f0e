#!/bin/bash
# An array of Slurm: each task compresses its shard of the list. The queue may kill a task and start it again (--requeue), and
# `sbatch --array=0-63 slurm.sh` may be said again at any time: what is done is left out.
#
#   find "$SRC" -type f -print0 >list0; SRC=... OUT=... sbatch --array=0-63 slurm.sh
#   zipnn audit --output-dir "$OUT" "$OUT".*.jsonl
#
# To try some tasks once more, keep the number of all: SHARDS=64 sbatch --array=5,17 slurm.sh
#SBATCH --requeue
#SBATCH --open-mode=append
set -u
shards=${SHARDS:-$SLURM_ARRAY_TASK_COUNT}
zipnn batch -0 --filelist "${LIST:-list0}" --root "$SRC" --output-dir "$OUT" --manifest "$OUT.$SLURM_ARRAY_TASK_ID.jsonl" \
    --families --resume --shard "auto/$shards" -T "${SLURM_CPUS_PER_TASK:-1}"
code=$?
# 75: what failed may pass later, such as on a full disk. The task goes back to the queue, RETRIES times (3).
if [ $code -eq 75 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt "${RETRIES:-3}" ] &&
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"; then
    exit 0
fi
exit $code
