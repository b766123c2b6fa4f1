"""The command as a user runs it: child processes, a small real scan, a tiny ensemble."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from corrections_runs import case, corrections, run_here  # noqa: F401 (fixtures)
from refusals import Refused, Run, said_in_one_line

from musclefm.cli.main import main
from musclefm.demo.sample import sample_channels
from musclefm.demo.train import DemoRecipe, demo_card
from musclefm.models.bundle import save_bundle
from musclefm.models.manifest import ModelInput, ThighTiles
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
    """Return the environment of commands: no models of the user's own, one thread.

    There is no torchvision in it, which segment-anything as a whole would import.
    """
    home, lacking = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("lacking")
    (lacking / "torchvision.py").write_text("raise ModuleNotFoundError('torchvision')\n")
    path = os.pathsep.join(filter(None, (str(lacking), os.environ.get("PYTHONPATH"))))
    own = {"MUSCLEFM_HOME": str(home), "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    return os.environ | own | {"PYTHONPATH": path}


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
        update={
            "name": "tiny",
            "architecture": TINY,
            "input": ModelInput(framing=ThighTiles(spacing_mm=1.4)),
        }
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


@pytest.fixture
def in_process(
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Return a function that runs a command in the process of the tests, which is faster.

    It returns the exit code and what was printed.
    """
    monkeypatch.chdir(tmp_path)
    for name in ("MUSCLEFM_HOME", "COLUMNS"):
        monkeypatch.setenv(name, environment[name])

    def run(arguments: list[str]) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def refused(in_process: Run, tmp_path: Path) -> Refused:
    """Return a function that runs a command that is to be refused, and returns its one line."""
    return lambda *arguments: said_in_one_line(in_process, arguments, tmp_path)


@pytest.fixture
def refused_process(
    musclefm: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> Refused:
    """Return the same for a process of its own."""

    def run(*arguments: object, **options: object) -> str:
        def in_child(words: list[str]) -> tuple[int, str, str]:
            done = musclefm(*words, cwd=tmp_path, **options)
            return done.returncode, done.stdout, done.stderr

        return said_in_one_line(in_child, arguments, tmp_path)

    return run


@pytest.fixture
def unprivileged(command: tuple[str, ...], environment: dict[str, str]) -> tuple[str, ...]:
    """Return what starts the command without root's power over access rights."""
    if os.geteuid() != 0:
        return command
    if not shutil.which("setpriv"):
        pytest.skip("root may write anywhere, and setpriv is not here")
    rights = "-dac_override,-dac_read_search"
    return ("setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", *command)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a disk of 48 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(disk)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)
