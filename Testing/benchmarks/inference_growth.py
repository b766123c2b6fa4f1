"""What time and memory grow with: slices, members and classes.

Networks are of thigh-demo's size with random weights and see whole slices of 256 x 256. Every row
is measured in a process of its own, loading left out: the least seconds of some runs, by the
clock of ``inference.py``, and how much the process' largest memory grew meanwhile. Run from the
repository's root, with musclefm installed::

    python Testing/benchmarks/inference_growth.py [--device cpu] [--plot growth.png]
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from inference import SCHEME, Clock, RandomBundle, random_bundle
from matplotlib.figure import Figure
from whole_case import sample_voxels

from musclefm.inference.device import choose_runtime
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.inference.slices import SliceFraming
from musclefm.models.intensity import PublishedIntensity
from musclefm.networks.architecture import THIGH_DEMO
from musclefm.progress import silent

EDGE = 256
SLICES, MEMBERS, CLASSES = 20, 5, 12
BY_SLICES = [(slices, MEMBERS, CLASSES) for slices in (10, 50, 100, 200)]
BY_MEMBERS = [(SLICES, members, CLASSES) for members in (1, 2, 5, 10)]
BY_CLASSES = [(SLICES, MEMBERS, classes) for classes in (11, 16, 24)]
Row = tuple[int, int, int]


def measure(row: Row, device: str, repeats: int) -> tuple[float, float]:
    """Return seconds of a case of so many slices, members and classes, and MiB that it took."""
    slices, members, classes = row
    torch.set_num_threads(1)
    runtime = choose_runtime(device)
    base = THIGH_DEMO.model_copy(update={"input_channels": 3})
    drawn = random_bundle("separate", members, base.input_size, base)
    labels = [SCHEME.labels[n % len(SCHEME.labels)] for n in range(classes - 1)]
    scheme = SCHEME.model_copy(update={"labels": tuple(labels)})
    bundle = RandomBundle(drawn.folder, drawn.manifest, scheme)
    voxels = sample_voxels((slices, EDGE, EDGE))
    framing = SliceFraming(voxels, base.input_size, PublishedIntensity(), "canonical")
    predictor = EnsemblePredictor(bundle, runtime, silent)
    thighs = np.ones(voxels.shape[1:], np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clock = Clock(runtime, runtime.device.type == "cuda", repeats)
    seconds = clock.seconds(lambda: predictor.predict(framing, thighs, 1))
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def plot(found: dict[Row, tuple[float, float]], path: Path) -> None:
    """Draw the seconds against slices, members and classes."""
    figure = Figure(figsize=(9, 2.4), layout="constrained")
    panels = (("slices", BY_SLICES), ("members", BY_MEMBERS), ("classes", BY_CLASSES))
    for number, (axes, (what, rows)) in enumerate(zip(figure.subplots(1, 3), panels, strict=True)):
        axes.plot([row[number] for row in rows], [found[row][0] for row in rows], "o-")
        axes.set(xlabel=what, xlim=(0, None), ylim=(0, None))
    figure.axes[0].set_ylabel("seconds")
    figure.savefig(path, dpi=80)


def main(given: Sequence[str] | None = None) -> None:
    """Measure all rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--at-most", type=int, default=200, metavar="SLICES")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args(given)
    rows = [row for row in BY_SLICES + BY_MEMBERS + BY_CLASSES if row[0] <= arguments.at_most]
    found: dict[Row, tuple[float, float]] = {}
    print("| slices | members | classes | seconds | memory, MiB |\n|---|---|---|---|---|")
    for row in rows:
        # A process of its own: the memory of one that has run before is its own largest.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found[row] = pool.submit(measure, row, arguments.device, arguments.repeats).result()
        print(f"| {' | '.join(map(str, row))} | {found[row][0]:.3g} | {found[row][1]:.0f} |")
    if arguments.plot:
        plot(found, arguments.plot)


if __name__ == "__main__":
    main()
