"""What several tests here ask for: ``musclefm info`` in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], dict]]:
    """Return a function that runs ``musclefm info`` on a path and tells how that went."""
    home = str(tmp_path_factory.mktemp("home"))
    environment = os.environ | {"MUSCLEFM_HOME": home, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("fork_server.py"))],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip

        def ask(path: Path) -> dict:
            server.stdin.write(json.dumps(str(path)) + "\n")
            server.stdin.flush()
            return json.loads(server.stdout.readline())

        yield ask
        server.stdin.close()
