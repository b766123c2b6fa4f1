"""What all tests may ask for: the shared data, and volumes of any orientation."""

import logging
import signal
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

REPOSITORY = Path(__file__).resolve().parents[1]
# Before any command ran: fixtures of whole files run some before a test's own fixtures begin.
HANDLERS = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}


@pytest.fixture(autouse=True)
def process_as_before():
    """Give back what a command changes of its process, as that one ends and the tests' does not.

    Signals that stay ignored are so for all processes that later tests start, which then
    cannot be ended: a pool of nnU-Net's now and then waits for its own for ever.
    """
    disabled = logging.root.manager.disable
    _restore_signals()
    yield
    _restore_signals()
    logging.disable(disabled)


def _restore_signals():
    for number, handler in HANDLERS.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def shared():
    """Return the folder of real data beside the repository."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "README.md").is_file():
        pytest.skip("the real data (../shared beside the repository) is not here")
    return folder


@pytest.fixture
def oblique_volume():
    """Return an anisotropic volume of noise, nearly axial, far off centre, without symmetry."""
    rng = np.random.default_rng(11)
    tilt, turn = np.radians(12.0), np.radians(-17.0)
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]]
    )
    about_z = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    grid = Grid(
        shape=(7, 17, 23),
        spacing=(0.9, 1.3, 6.5),
        origin=(-312.25, 148.5, -871.75),
        direction=tuple((about_z @ about_x).ravel().tolist()),
    )
    return Volume(rng.gamma(2.0, 100.0, grid.shape).astype(np.float32), grid)


@pytest.fixture
def stored_48_ways():
    """Return a function that stores a volume in all 48 axis orders and directions.

    Every voxel stays where it is in the patient.
    """

    def store(volume):
        for axes, flips in product(permutations(range(3)), product((False, True), repeat=3)):
            yield _stored(volume, axes, flips)

    return store


def _stored(volume, axes, flips):
    """Store a volume with its index axes (i, j, k) permuted, then flipped."""
    old = volume.grid.ijk_to_lps
    old_size = volume.array.shape[::-1]
    new_to_old = np.zeros((4, 4))
    new_to_old[3, 3] = 1
    for new, (axis, flip) in enumerate(zip(axes, flips, strict=True)):
        new_to_old[axis, new] = -1 if flip else 1
        new_to_old[axis, 3] = old_size[axis] - 1 if flip else 0
    matrix = old @ new_to_old
    array = volume.array.transpose(2, 1, 0).transpose(axes)
    array = array[tuple(slice(None, None, -1 if flip else 1) for flip in flips)].transpose(2, 1, 0)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    grid = Grid(
        shape=array.shape,
        spacing=tuple(spacing.tolist()),
        origin=tuple(matrix[:3, 3].tolist()),
        direction=tuple((matrix[:3, :3] / spacing).ravel().tolist()),
    )
    return Volume(np.ascontiguousarray(array), grid)
