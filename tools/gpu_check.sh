#!/bin/sh
# One run on a machine with a GPU of NVIDIA and its driver, of at most 8 minutes: what the GPU restores is compared with what the processor
# does, and its speed with copies on the device. Figures go to OUT (default build/gpu): check.json, one object a line, and check.md, a table.
#
#   make gpu                          # on a machine with nvcc
#   tools/gpu_check.sh [FILE...]      # there, or with tools/ and build/gpu/ on one with a driver, libzstd.so.1 and libjansson.so.4
#
# FILEs are archives, or models that are compressed first; without any, models of Gaussian bf16 are made: 19 to 620 MB.
set -eu
cd "$(dirname "$0")/.."
out=${OUT:-build/gpu}
for program in build/gpu/gpu_check build/gpu/make_model build/gpu/zipnn.fatbin; do
    [ -e $program ] && continue
    echo "gpu_check.sh: $program is missing: run \`make gpu\` where nvcc is" >&2
    exit 1
done
mkdir -p "$out"
if [ $# -eq 0 ]; then
    for layers in 1 4 16 38; do
        [ -e "$out/model_$layers.safetensors" ] || build/gpu/make_model "$out/model_$layers.safetensors" $layers
        set -- "$@" "$out/model_$layers.safetensors"
    done
fi
status=0
timeout 420 build/gpu/gpu_check build/gpu/zipnn.fatbin "$@" >"$out/check.json" || status=$?
{
    echo "| file | MB | decoded by the GPU | bytes are right | decode, GB/s | copy on the device, GB/s | load, GB/s |"
    echo "|---|---|---|---|---|---|---|"
    sed -E 's/.*"file": "([^"]*)", "bytes": ([0-9]+), "by_gpu": ([0-9]+), "kept": [0-9]+, "loaded_right": (true|false), "decoded_right": (true|false), "decode_gbs": ([0-9.]+), "copy_gbs": ([0-9.]+), "load_gbs": ([0-9.]+).*/\1 \2 \3 \4 \5 \6 \7 \8/' "$out/check.json" |
        awk '{ printf "| %s | %.0f | %.1f %% | %s | %s | %s | %s |\n", $1, $2 / 1e6, 100 * $3 / $2, $4 == "true" && $5 == "true" ? "yes" : "NO", $6, $7, $8 }'
} >"$out/check.md"
cat "$out/check.md"
exit $status
