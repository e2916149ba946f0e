#!/bin/bash
# Installs what `make bench` compares with: zstd, lz4 and hyperfine through apt-get; numpy, torch, safetensors, gguf,
# ml_dtypes, onnx and the Python zipnn into build/bench-venv. What cannot be had is named in one line and left out; never fails.
set -u
cd "$(dirname "$0")/.."

venv=build/bench-venv
packages="numpy safetensors torch==2.13.0 zipnn gguf ml_dtypes onnx"
log=build/bench-install.log
mkdir -p build
: >"$log"

sudo=
[ "$(id -u)" -eq 0 ] || sudo="sudo -n"

# apt PACKAGE...: quietly; the list of packages is fetched once.
apt() {
    command -v apt-get >/dev/null || return 1
    if [ -z "${updated:-}" ]; then
        $sudo apt-get update >>"$log" 2>&1 </dev/null
        updated=1
    fi
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y --no-install-recommends "$@" >>"$log" 2>&1 </dev/null
}

for tool in zstd lz4 hyperfine; do
    command -v "$tool" >/dev/null || apt "$tool" || echo "bench: $tool cannot be installed and is left out ($log)"
done

have_packages() {
    [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import gguf, ml_dtypes, numpy, onnx, zipnn' >>"$log" 2>&1
}

make_venv() {
    command -v python3 >/dev/null || apt python3 || return 1
    python3 -m venv "$venv" >>"$log" 2>&1 || { apt python3-venv && python3 -m venv "$venv" >>"$log" 2>&1; } || return 1
    # shellcheck disable=SC2086
    "$venv/bin/pip" install -q $packages >>"$log" 2>&1
}

have_packages && exit 0
echo "bench: installing the Python zipnn and what it needs into $venv, about 1 GB"
make_venv && have_packages && exit 0
rm -rf "$venv"
echo "bench: the Python zipnn cannot be installed and is left out ($log)"
