#!/bin/bash
# ruff on all Python of the tree, mypy --strict on the package and the tools: rules in pyproject.toml. Both come from
# PyPI in these versions, into an environment of their own; one line says why when they cannot be had.
set -eu
cd "$(dirname "$0")/.."

venv=build/lint
packages="ruff==0.17.6 mypy==2.4.1 numpy==2.4.6 ml_dtypes==0.6.0"

if ! python3 -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "skipped: ruff and mypy need Python 3.11 with venv"
    exit 0
fi
mkdir -p build
[ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
# shellcheck disable=SC2086
if ! "$venv/bin/pip" install -q --disable-pip-version-check $packages >build/lint.log 2>&1; then
    echo "skipped: pip cannot install $packages (build/lint.log)"
    exit 0
fi
"$venv/bin/ruff" check --no-cache .
"$venv/bin/mypy" --cache-dir "$venv/mypy"
