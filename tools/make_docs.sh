#!/bin/bash
# The reference of the Python package from its docstrings, into build/docs: mkdocs in an environment of its own. Warnings
# and links that lead nowhere are errors; one line says why when the packages cannot be had.
set -eu
cd "$(dirname "$0")/.."

venv=build/docs-venv
packages="mkdocs==1.6.1 mkdocstrings==1.0.8 mkdocstrings-python==2.0.11"
[ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
# shellcheck disable=SC2086
if ! "$venv/bin/pip" install -q --disable-pip-version-check $packages >build/docs.log 2>&1; then
    echo "skipped: pip cannot install $packages (build/docs.log)"
    exit 0
fi
"$venv/bin/mkdocs" build --quiet --strict
"$venv/bin/python" tools/docs_blocks.py build/docs
