"""How long the first and the later cases of a worker take; writes persistent_worker.md.

Arguments: the scan, by default the shared real one. The first case holds the start of the
process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
SCAN = REPOSITORY.parent / "shared" / "scans" / "dixon" / "thigh-distal.nii.gz"
CASES = 3
STAGES = ("read", "load", "segment", "review", "write")
TEXT = """# A worker's first case and its second

`python Testing/benchmarks/persistent_worker.py`: `musclefm worker` segments one scan {count} times
with `thigh-demo`, file to files. Processor time of one thread, as threads that wait for each other
count too. Reading holds the start of the process and its imports, loading that of PyTorch.

| Case | {stages} | in all |
|---|---|---|---|---|---|---|
{rows}

The second case takes **{ratio:.2f} times** the processor time of the first (wanted: at most 0.5).
What stays is what it shares with the first: the networks, in one thread, and writing.
"""


def main(scan: Path) -> None:
    """Segment the scan again and again, and write down what that takes."""
    environment = os.environ | {
        "PYTHONPATH": str(REPOSITORY / "MuscleFMSegment"),
        "OMP_NUM_THREADS": "1",
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "musclefm", "worker"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdin and worker.stdout
    process = psutil.Process(worker.pid)
    before, rows, computed = 0.0, [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(CASES):
            out = str(Path(folder) / str(number))
            words = ["segment", str(scan), "--out", out, "--device", "cpu", "--progress", "json"]
            print(json.dumps({"arguments": words}), file=worker.stdin, flush=True)
            # When each stage ended: at its last event, the last stage with the case.
            ends = {}
            while "ended" not in (event := json.loads(worker.stdout.readline())):
                ends[event["stage"]] = sum(process.cpu_times()[:4])
            assert event["ended"] == 0
            ends["write"] = sum(process.cpu_times()[:4])
            times = [ends[stage] for stage in STAGES]
            spent = [end - start for start, end in zip([before, *times], times, strict=False)]
            computed.append(times[-1] - before)
            cells = [str(number + 1), *(f"{each:.1f} s" for each in (*spent, computed[-1]))]
            rows.append(f"| {' | '.join(cells)} |")
            before = times[-1]
    worker.stdin.close()
    worker.wait()
    text = TEXT.format(
        count=CASES,
        stages=" | ".join(STAGES),
        rows="\n".join(rows),
        ratio=computed[1] / computed[0],
    )
    Path(__file__).with_suffix(".md").write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else SCAN)
