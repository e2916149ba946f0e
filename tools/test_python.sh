#!/bin/bash
# The Python package as its users get it: built by pip into an environment of its own, then tested. With torch (CPU) and
# transformers unless ZIPNN_TEST_TORCH=0; ZIPNN_TEST_RUN=0 only builds. One line says why when pip cannot reach its index.
#
#   tools/test_python.sh [PYTHON]
set -eu
cd "$(dirname "$0")/.."

python=${1:-python3}
folder=build/python
venv=$folder/venv
needs="pytest numpy ml_dtypes safetensors fsspec scikit-build-core>=0.10 cmake ninja"
[ "${ZIPNN_TEST_TORCH:-1}" = 0 ] || needs="$needs torch==2.13.0 transformers"

if ! "$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "skipped: the Python tests need Python 3.11 with venv"
    exit 0
fi
mkdir -p "$folder"
[ -x "$venv/bin/pip" ] || "$python" -m venv "$venv"
# shellcheck disable=SC2086
if ! "$venv/bin/pip" install -q --disable-pip-version-check $needs >"$folder/pip.log" 2>&1; then
    echo "skipped: pip cannot install $needs ($folder/pip.log)"
    exit 0
fi

# Libraries whose files tests/python/test_values.py compares with; what cannot be had is skipped there.
readers="h5py gguf onnx"
# shellcheck disable=SC2086
"$venv/bin/pip" install -q --disable-pip-version-check $readers >>"$folder/pip.log" 2>&1 ||
    echo "values of some formats are not compared: pip cannot install $readers ($folder/pip.log)"

# The distribution of another name that has the same files: see python/zipnn/beside.py.
"$venv/bin/pip" uninstall -q -y zipnn >>"$folder/pip.log" 2>&1

# Without isolation the build folder is used again, so that a second run compiles what changed.
PATH=$PWD/$venv/bin:$PATH "$venv/bin/pip" install -q --disable-pip-version-check --no-build-isolation --no-deps \
    --force-reinstall -C build-dir="$folder/cmake" .
# The driver that is none, for tests/python/test_gpu.py.
PATH=$PWD/$venv/bin:$PATH cmake --build "$folder/cmake" --target zipnn_fake_driver >"$folder/driver.log" 2>&1 ||
    echo "GPUs are not tested: the driver that is none does not compile here ($folder/driver.log)"
[ "${ZIPNN_TEST_RUN:-1}" = 0 ] || "$venv/bin/python" -W error -m pytest -q -p no:cacheprovider tests/python tests/bench
