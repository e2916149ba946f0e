"""A few rounds of stress.py; tools/trust.sh python has many."""

import os
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("numpy")
pytest.importorskip("safetensors")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors by /proc")
def test_rounds():
    script = pathlib.Path(__file__).with_name("stress.py")
    done = subprocess.run([sys.executable, script, "4"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
