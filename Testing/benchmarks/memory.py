"""Peak memory of ``musclefm segment`` at the size that the project promises.

An ensemble of 5 ViT-B networks of random weights at 448 pixels (12 muscles,
whole slices, all weights of every member its own: the worst case) segments a
rendered volume of 512 x 512 voxels a slice. On a CPU, 60 slices take several
minutes; fewer take as much memory but for the maps, some 40 bytes a voxel.

Run from the repository's root, with musclefm installed; the bundle takes 1.9 GB
of disk meanwhile::

    python Testing/benchmarks/memory.py --slices 60
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from musclefm.demo.sample import sample_channels
from musclefm.models.bundle import save_bundle
from musclefm.models.manifest import BundleCard, ModelInput, WholeSlice
from musclefm.models.member_files import MemberState
from musclefm.networks.architecture import VIT_B
from musclefm.networks.sam import MultiClassSam
from musclefm.volumes.grid import Grid
from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

LIMIT_GIB = 4.0
SCHEME, CLASSES = "thigh-12", 13


def write_scan(path: Path, slices: int) -> None:
    """Write the shipped sample, resampled to 512 x 512 x slices."""
    water = read_volume(sample_channels()["water"]).volume
    shape = (slices, 512, 512)
    picked = [
        np.linspace(0, size - 1, wanted).round().astype(int)
        for size, wanted in zip(water.array.shape, shape, strict=True)
    ]
    array = water.array[np.ix_(*picked)].astype(np.int16)
    grid = Grid(shape, (0.8, 0.8, 5.0), (-204.0, -204.0, -150.0), water.grid.direction)
    write_volume(Volume(array, grid), path)


def write_ensemble(folder: Path, members: int) -> None:
    """Write a bundle of members that have no weight in common, stored as imports are."""
    card = BundleCard(
        name="memory",
        title="Random weights",
        version="1",
        description="For measuring memory.",
        architecture=VIT_B.model_copy(update={"trained_size": 448}),
        scheme=SCHEME,
        input=ModelInput(framing=WholeSlice(orientation="canonical")),
        training_data="none",
        licence="Apache-2.0",
    )
    with torch.device("meta"):
        shapes = MultiClassSam(card.architecture, CLASSES).state_dict()
    # Views of one storage: the members never lie in memory together.
    noise = torch.randn(8_000_000, generator=torch.Generator().manual_seed(0)) * 0.02
    states = [
        MemberState(
            {
                name: noise[member + 1 :][: tensor.numel()].reshape(tensor.shape)
                for name, tensor in shapes.items()
            }
        )
        for member in range(members)
    ]
    save_bundle(folder, card, states, precision="fp32")


def write_case(folder: Path, members: int, slices: int) -> None:
    """Write the ensemble and the scan."""
    write_ensemble(folder / "ensemble", members)
    write_scan(folder / "scan.nii.gz", slices)


def measure(command: list[str]) -> tuple[float, float]:
    """Run a command and return its own peak of resident memory in GiB, and its seconds."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"'{' '.join(command)}' failed")
    return usage.ru_maxrss / 1024**2, time.perf_counter() - started


def main() -> None:
    """Measure, and fail above the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=60)
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--precision", default="fp32", help="default: %(default)s, which is most")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--work", type=Path, help="folder with room for the ensemble")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.work) as name:
        folder = Path(name)
        # Apart from this process: a child's peak starts from its parent's.
        maker = get_context("spawn").Process(
            target=write_case, args=(folder, arguments.members, arguments.slices)
        )
        maker.start()
        maker.join()
        if maker.exitcode:
            sys.exit("the ensemble could not be made")
        command = [sys.executable, "-m", "musclefm", "segment", str(folder / "scan.nii.gz")]
        command += ["--model", str(folder / "ensemble"), "--out", str(folder / "out")]
        command += ["--device", arguments.device, "--precision", arguments.precision]
        peak, seconds = measure([*command, "--progress", "none"])
    print("| Volume | Members | Device, precision | Peak, GiB | Limit, GiB | seconds |")
    print("|---|---|---|---|---|---|")
    print(
        f"| 512 x 512 x {arguments.slices} | {arguments.members} x ViT-B at 448 | "
        f"{arguments.device}, {arguments.precision} | {peak:.2f} | {LIMIT_GIB:.2f} | "
        f"{seconds:.0f} |"
    )
    if peak > LIMIT_GIB:
        sys.exit("more memory than promised")


if __name__ == "__main__":
    main()
