#!/bin/bash
# Installs what the benchmarks compare with: zstd, lz4 and hyperfine through apt-get; numpy, torch, safetensors, gguf,
# ml_dtypes, onnx and other coders of weights from PyPI into build/bench-venv. What cannot be had is named in one line
# and left out; never fails.
set -u
cd "$(dirname "$0")/.."

venv=build/bench-venv
packages="numpy safetensors torch==2.13.0 gguf ml_dtypes onnx"
peers="zipnn==0.5.4 openzl==0.3.0 lmzip==1.3.0 z4ai==0.2.0 bigsmall==4.0.0 blosc2==4.14.1"
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
    [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import gguf, ml_dtypes, numpy, onnx, safetensors, torch' >>"$log" 2>&1
}

make_venv() {
    command -v python3 >/dev/null || apt python3 || return 1
    python3 -m venv "$venv" >>"$log" 2>&1 || { apt python3-venv && python3 -m venv "$venv" >>"$log" 2>&1; } || return 1
    # shellcheck disable=SC2086
    "$venv/bin/pip" install -q $packages >>"$log" 2>&1
}

# Each peer by itself, so that one which cannot be had takes none with it.
install_peers() {
    local peer
    for peer in $peers; do
        "$venv/bin/python" -c "import importlib.metadata as m; m.version('${peer%%=*}')" 2>>"$log" && continue
        "$venv/bin/pip" install -q "$peer" >>"$log" 2>&1 && continue
        echo "bench: $peer cannot be installed and is left out: $(grep '^ERROR' "$log" | tail -n 1)"
    done
}

if ! have_packages; then
    echo "bench: installing what the benchmarks need into $venv, about 1 GB"
    if ! make_venv || ! have_packages; then
        rm -rf "$venv"
        echo "bench: torch and others cannot be installed; what needs them is left out ($log)"
        exit 0
    fi
fi
install_peers
