#!/bin/sh
# One run on a machine with a GPU of NVIDIA and its driver, of at most 8 minutes: what the GPU restores is compared with what the processor
# does, and its speed with copies on the device. Figures go to OUT (default build/gpu): check.json, one object a line, and check.md, a table
# for doc/benchmarks.md.
#
#   make gpu                          # on a machine with nvcc
#   tools/gpu_check.sh [FILE...]      # there, or with tools/, tests/golden/ and build/gpu/ on one with a driver, libzstd.so.1 and libjansson.so.4
#
# FILEs are archives, or models that are compressed first. Golden archives are compared where they are; made weights of several types and
# sizes are compared and timed. compute-sanitizer, where it is on the path, watches a small run. With PYTHON, an interpreter that has zipnn
# with kernels, torch with CUDA and safetensors, loading is timed beside safetensors.
set -eu
cd "$(dirname "$0")/.."
out=${OUT:-build/gpu}
check=${GPU_CHECK:-build/gpu/gpu_check}
kernels=${KERNELS:-build/gpu/zipnn.fatbin}
for file in "$check" "$kernels"; do
    [ -e "$file" ] && continue
    echo "gpu_check.sh: $file is missing: run \`make gpu\` where nvcc is" >&2
    exit 1
done
mkdir -p "$out"
# One layer of Llama 3.1 8B has 436 MB.
made=${MADE:-bf16:1:3 bf16:8:3 bf16:64:3 bf16:416:3 bf16:512:3 bf16:2048:3 fp16:512:3 fp32:512:3 fp8:512:3 int8:512:3 bf16:512:6 fp32:512:6}
set -- "$@" -q
for file in tests/golden/*.znn tests/golden/*/*.znn; do
    [ -e "$file" ] && set -- "$@" "$file"
done
status=0
# shellcheck disable=SC2086  # words of a list
timeout 300 "$check" "$kernels" $made "$@" >"$out/check.json" || status=$?

: >"$out/sanitizer.log"
if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck synccheck; do
        timeout 40 compute-sanitizer --tool $tool --error-exitcode 9 "$check" "$kernels" bf16:1:3 fp32:1:6 fp8:1:3 \
            >>"$out/sanitizer.log" 2>&1 || { echo "gpu_check.sh: compute-sanitizer --tool $tool: $out/sanitizer.log" >&2; status=1; }
    done
else
    echo "compute-sanitizer is not here" | tee "$out/sanitizer.log"
fi
{
    echo "| weights | MB | decoded by the GPU | bytes are right | decode, GB/s | of a copy on the device | decode, ms | load, GB/s |"
    echo "|---|---|---|---|---|---|---|---|"
    sed -nE 's/.*"file": "([^"]*)", "bytes": ([0-9]+), "by_gpu": ([0-9]+), "kept": [0-9]+, "loaded_right": (true|false), "decoded_right": (true|false), "decode_gbs": ([0-9.]+), "copy_gbs": ([0-9.]+), "load_gbs": ([0-9.]+), "decode_ms": ([0-9.]+).*/\1 \2 \3 \4 \5 \6 \7 \8 \9/p' "$out/check.json" |
        awk '{ printf "| %s | %.0f | %.1f %% | %s | %s | %.2f | %s | %s |\n", $1, $2 / 1e6, 100 * $3 / $2, $4 == "true" && $5 == "true" ? "yes" : "NO", $6, $6 / ($7 > 0 ? $7 : 1), $9, $8 }'
    sed -nE 's/.*"compared": ([0-9]+), "refused_by_both": ([0-9]+), "no_archives": ([0-9]+), "wrong": ([0-9]+).*/\nOther archives: \1 are the same, \2 are refused with the same words, \3 do not open, \4 are wrong./p' "$out/check.json"
} >"$out/check.md"
if [ -n "${PYTHON:-}" ]; then
    timeout 120 "$PYTHON" tools/gpu_torch.py "$out" | tee -a "$out/check.md" || status=1
fi
cat "$out/check.md"
exit $status
