"""How long ``musclefm segment`` takes from files to files, and how much of it its networks take.

Part of ``inference.py``. Every command runs in a process of its own, with modules compiled
once, as where it is installed; its networks are timed in the same run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from musclefm.api.segmentation import segment
from musclefm.demo.sample import sample_channels
from musclefm.volumes.grid import Grid
from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

VOLUMES = ((40, 256, 256), (60, 512, 512))

# What runs in a process of its own: the command, and how long its networks took in it.
COMMAND = """
import json, sys, time
from musclefm.inference.predictor import EnsemblePredictor
spent, plain = [0.0, 0.0], EnsemblePredictor.probabilities
def timed(self, tiles):
    before = time.perf_counter(), time.thread_time()
    answers = plain(self, tiles)
    spent[0] += time.perf_counter() - before[0]
    spent[1] += time.thread_time() - before[1]
    return answers
EnsemblePredictor.probabilities = timed
from musclefm.cli.main import main
code = main(sys.argv[2:])
open(sys.argv[1], "w").write(json.dumps(spent))
sys.exit(code)
"""


def sample_voxels(shape: tuple[int, int, int]) -> np.ndarray:
    """Return the shipped sample's fat and water ``(2, K, J, I) float32``, of another size."""
    channels = []
    for path in (sample_channels()[name] for name in ("fat", "water")):
        array = read_volume(path).volume.array
        at = [
            np.linspace(0, size - 1, wanted).round().astype(int)
            for size, wanted in zip(array.shape, shape, strict=True)
        ]
        channels.append(array[np.ix_(*at)].astype(np.float32))
    return np.stack(channels)


def write_dixon_pair(folder: Path, shape: tuple[int, int, int]) -> list[str]:
    """Write the sample's fat and water at another size; return the command's arguments."""
    arguments = []
    sample = read_volume(sample_channels()["water"]).volume.grid
    # As large in mm, so that both thighs are found.
    steps = zip(sample.spacing, sample.shape[::-1], shape[::-1], strict=True)
    spacing = tuple(step * size / wanted for step, size, wanted in steps)
    grid = Grid(shape, spacing, sample.origin, sample.direction)
    for name, array in zip(("fat", "water"), sample_voxels(shape), strict=True):
        write_volume(Volume(array.astype(np.int16), grid), folder / f"{name}.nii.gz")
        arguments += ["--channel", f"{name}={folder / name}.nii.gz"]
    return arguments


def time_files(scans: list[Path], device: str, threads: int, repeats: int, at_most: int) -> None:
    """Print how long ``musclefm segment`` with thigh-demo takes, and its networks of it.

    Then how long the second case takes in one process, and whether what only names commands
    imports torch. Dixon pairs have at most so many slices.
    """
    print("| files to files | wall s | networks | ratio | CPU s | networks | ratio | GiB |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {
            **{key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"},
            "OMP_NUM_THREADS": str(threads),
            # Compiled once, as where it is installed.
            "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
        }
        inputs = {f"`{scan.name.split('.')[0]}`": [str(scan)] for scan in scans}
        for slices, j, i in VOLUMES:
            k = min(slices, at_most)
            (made := folder / f"{j}").mkdir()
            inputs[f"Dixon pair {j} x {i} x {k}"] = write_dixon_pair(made, (k, j, i))
        for number, (title, given) in enumerate(inputs.items()):
            best = [float("inf")] * 5
            for run in range(repeats):
                command = [sys.executable, "-c", COMMAND, str(folder / "spent.json"), "segment"]
                command += [*given, "--out", str(folder / f"out-{number}-{run}")]
                command += ["--device", device, "--progress", "none"]
                start = time.perf_counter()
                process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
                _, status, usage = os.wait4(process.pid, 0)
                wall = time.perf_counter() - start
                if os.waitstatus_to_exitcode(status):
                    sys.exit(f"'musclefm segment' failed on {title}")
                networks = json.loads((folder / "spent.json").read_text())
                took = [wall, networks[0], usage.ru_utime + usage.ru_stime, networks[1]]
                took.append(usage.ru_maxrss / 2**20)
                best = list(map(min, best, took))
            cells = [*best[:2], best[0] / best[1], *best[2:4], best[2] / best[3], best[4]]
            print(f"| {title} | " + " | ".join(f"{cell:.3g}" for cell in cells) + " |")
        second = f"case in one process: {title}"
        channels = dict(word.split("=", 1) for word in given if "=" in word)
        for run in ("first", "second"):
            start = time.perf_counter()
            segment(channels, device=device, out=folder / run)
            print(f"\n{run} {second}: {time.perf_counter() - start:.2f} s of wall")
        print()
        for what, code in (
            ("`import musclefm`", "import musclefm"),
            ("`musclefm --help`", "import musclefm.cli.main as cli; cli.build_parser()"),
        ):
            code = f"import sys, time; {code}; print('torch' in sys.modules, time.process_time())"
            for _ in range(2):
                printed = subprocess.check_output([sys.executable, "-c", code], env=environment)
            loaded, seconds = printed.split()
            print(f"{what}: {float(seconds):.2f} s of CPU, torch imported: {loaded.decode()}\n")
