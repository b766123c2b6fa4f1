"""A few hundred damaged and hostile files of every format, each read by the command itself.

The same ones every time. Each ends in a result or in one line, soon and within
the memory, and leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fork_server import CPU_SECONDS
from mutations import FORMATS, mutate, sample_volume

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks to be fast")

FILES_OF_FORMAT = 22
MEGABYTES_AT_MOST = 500
LINES_AT_MOST = 30


def content_of(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.mark.parametrize("kind", FORMATS)
def test_a_damaged_file_ends_in_a_result_or_in_one_line(
    kind: str, info: Callable[[Path], dict], tmp_path: Path
) -> None:
    volume = sample_volume()
    codes: Counter[int] = Counter()
    seconds = megabytes = 0.0
    failures = []
    for number in range(FILES_OF_FORMAT):
        folder = tmp_path / f"{number}" / "Doe-Jane"
        folder.mkdir(parents=True)
        path = FORMATS[kind](folder, volume)
        seed = int.from_bytes(hashlib.sha256(f"{kind} {number}".encode()).digest()[:8], "big")
        change = mutate(path, np.random.default_rng(seed)) if number else "unchanged"
        before = content_of(folder.parent)
        answer = info(path)
        codes[answer["code"]] += 1
        seconds = max(seconds, answer["seconds"])
        megabytes = max(megabytes, answer["megabytes"])
        if faults := faults_of(answer, before == content_of(folder.parent)):
            failures.append((number, change, faults, answer["output"][-500:]))
    print(
        f"{kind}: {FILES_OF_FORMAT} files, {codes[0]} read, {codes[2]} refused,"
        f" at most {seconds:.2f} s of CPU and {megabytes:.0f} MB"
    )
    assert not failures
    assert codes[0] and codes[2]


def faults_of(answer: dict, untouched: bool) -> list[str]:
    output = answer["output"]
    return [
        fault
        for fault, found in {
            "exit code": answer["code"] not in (0, 2),
            "more than one line": answer["code"] == 2 and output.count("\n") != 1,
            "many lines": output.count("\n") > LINES_AT_MOST,
            "traceback": "Traceback" in output,
            "name of a patient": "Doe" in output or "Jane" in output,
            "time": answer["seconds"] > CPU_SECONDS,
            "memory": answer["megabytes"] > MEGABYTES_AT_MOST,
            "control characters": any(ord(c) < 32 and c != "\n" for c in output),
            "files were changed": not untouched,
        }.items()
        if found
    ]
