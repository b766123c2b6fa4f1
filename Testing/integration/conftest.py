"""The command as a user runs it: child processes, a small real scan, a tiny ensemble."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from musclefm.demo.sample import sample_channels
from musclefm.demo.train import DemoRecipe, demo_card
from musclefm.models.bundle import save_bundle
from musclefm.models.member_files import MemberState
from musclefm.networks.architecture import SamArchitecture
from musclefm.networks.sam import MultiClassSam
from musclefm.volumes.grid import Grid
from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

TINY = SamArchitecture(
    input_size=64,
    trained_size=64,
    input_channels=1,
    patch_size=8,
    embed_dim=32,
    depth=1,
    heads=2,
    global_blocks=(),
    window=0,
    relative_positions=False,
    stem=(8, 16),
    decoder_dim=32,
    decoder_depth=1,
    decoder_heads=2,
    decoder_mlp=32,
)


@pytest.fixture(scope="session")
def command() -> tuple[str, ...]:
    """Return what starts the ``musclefm`` command."""
    return sys.executable, "-m", "musclefm"


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Return the environment of commands: no models of the user's own, one thread."""
    home = tmp_path_factory.mktemp("home")
    return os.environ | {"MUSCLEFM_HOME": str(home), "OMP_NUM_THREADS": "1", "COLUMNS": "100"}


@pytest.fixture(scope="session")
def musclefm(
    command: tuple[str, ...], environment: Mapping[str, str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs a command and returns what came of it."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *map(str, arguments)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            **options,
        )

    return run


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle of two small networks of random weights."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    card = demo_card(DemoRecipe(), False, {}).model_copy(
        update={"name": "tiny", "architecture": TINY}
    )
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        network = MultiClassSam(TINY, 12)
        # Weights as they are drawn give every class the same probability.
        states.append(
            MemberState(
                {
                    name: tensor * 8 if "output_hypernetworks" in name else tensor
                    for name, tensor in network.state_dict().items()
                }
            )
        )
    save_bundle(folder, card, states)
    return folder


@pytest.fixture(scope="session")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of a Dixon scan of a few oblique slices: water.nii.gz and fat.nii.gz."""
    folder = tmp_path_factory.mktemp("scan") / "Doe-Jane-1971"
    folder.mkdir()
    for name, path in sample_channels().items():
        array = np.ascontiguousarray(read_volume(path).volume.array[8:14])
        tilt = np.radians(9.0)
        grid = Grid(
            shape=array.shape,
            spacing=(2.0, 2.0, 12.0),
            origin=(-240.5, -61.25, 315.75),
            direction=(
                1.0, 0.0, 0.0,
                0.0, float(np.cos(tilt)), float(-np.sin(tilt)),
                0.0, float(np.sin(tilt)), float(np.cos(tilt)),
            ),
        )  # fmt: skip
        write_volume(Volume(array, grid), folder / f"{name}.nii.gz")
    return folder
