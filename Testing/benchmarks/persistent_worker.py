"""How long the first and the later cases of a worker take; writes persistent_worker.md.

Arguments: the scan, by default the shared real one. The first case holds the start of the
process. Processor time says more than the clock where the machine does other things too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
SCAN = REPOSITORY.parent / "shared" / "scans" / "dixon" / "thigh-distal.nii.gz"
CASES = 3
TEXT = """# A worker's first case and its second

`python Testing/benchmarks/persistent_worker.py`: `musclefm worker` segments one scan {count} times
with `thigh-demo` on {cores} cores, file to files. The first case holds the start of the process
and its imports.

| Case | processor time | by the clock | until the networks run |
|---|---|---|---|
{rows}

The second case takes **{ratio:.2f} times** the processor time of the first (wanted: at most 0.5).
"""


def main(scan: Path) -> None:
    """Segment the scan again and again, and write down what that takes."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "MuscleFMSegment")}
    begun = time.perf_counter()
    worker = subprocess.Popen(
        [sys.executable, "-m", "musclefm", "worker"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdin and worker.stdout
    process, spent, rows = psutil.Process(worker.pid), 0.0, []
    computed: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(CASES):
            out = str(Path(folder) / str(number))
            words = ["segment", str(scan), "--out", out, "--device", "cpu", "--progress", "json"]
            print(json.dumps({"arguments": words}), file=worker.stdin, flush=True)
            loaded = begun
            while "ended" not in (event := json.loads(worker.stdout.readline())):
                if event["stage"] == "load":
                    loaded = time.perf_counter()
            assert event["ended"] == 0
            times, now = process.cpu_times(), time.perf_counter()
            everything = sum(times[:4])
            computed.append(everything - spent)
            seconds = (computed[-1], now - begun, loaded - begun)
            cells = [str(number + 1), *(f"{each:.1f} s" for each in seconds)]
            rows.append(f"| {' | '.join(cells)} |")
            spent, begun = everything, now
    worker.stdin.close()
    worker.wait()
    text = TEXT.format(
        count=CASES, cores=os.cpu_count(), rows="\n".join(rows), ratio=computed[1] / computed[0]
    )
    Path(__file__).with_suffix(".md").write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else SCAN)
