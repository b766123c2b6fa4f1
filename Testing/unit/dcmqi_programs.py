"""Runs the programs of dcmqi's wheel, which lie beside the Python of the tests."""

import subprocess
import sys
from pathlib import Path


def run_dcmqi(program, *arguments):
    """Run a program of dcmqi; a failure shows what it said."""
    command = [Path(sys.executable).parent / program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
