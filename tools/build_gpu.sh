#!/bin/sh
# Compiles the GPU's kernels by nvcc (CUDA 13 or newer): build/gpu/zipnn.fatbin, with machine code for compute capabilities
# 8.0 to 12.0 and PTX for those that follow; and the programs of tools/gpu_check.sh. Fails when a kernel spills registers to memory or takes more than its budget.
set -eu
cd "$(dirname "$0")/.."
command -v nvcc >/dev/null || {
    echo "make gpu: nvcc is not on the path; it comes with NVIDIA's CUDA toolkit, 13.0 or newer. Nothing else needs it." >&2
    exit 1
}
mkdir -p build/gpu
targets=""
for cc in 80 86 89 90 100 120; do targets="$targets -gencode arch=compute_$cc,code=sm_$cc"; done
# shellcheck disable=SC2086  # one word a target
nvcc -std=c++17 -O3 -t0 -Isrc -Xptxas -v $targets -gencode arch=compute_80,code=compute_80 -fatbin --compress-mode=size \
    -o build/gpu/zipnn.fatbin src/gpu/decode.cu 2>build/gpu/ptxas.log || { cat build/gpu/ptxas.log >&2; exit 1; }
python3 tools/check_gpu_registers.py build/gpu/ptxas.log
# What it is made of: a build puts the kernels into the library if these are its sources (cmake/gpu_kernels.cmake).
sha256sum src/gpu/cuda.cuh src/gpu/decode.cu src/gpu/decode_tpl.h src/gpu/device.h src/gpu/shapes.def >build/gpu/zipnn.fatbin.sources
# What tools/gpu_check.sh runs.
cmake --preset release >/dev/null
cmake --build build --target gpu_check >/dev/null
cp build/tools/gpu_check build/gpu/
echo "build/gpu/zipnn.fatbin: $(wc -c <build/gpu/zipnn.fatbin) bytes"
