"""Labels of both thighs, drawn as boxes."""

from __future__ import annotations

import numpy as np

from musclefm.labels.scheme import load_scheme
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

SCHEME = load_scheme("thigh-11")


def drawn_labels(grid: Grid) -> Volume:
    """Return sided labels: a box for each muscle, the patient's right at smaller i."""
    labels = np.zeros(grid.shape, np.uint8)
    half, step = grid.shape[2] // 2, grid.shape[1] // 13
    for label in SCHEME.labels:
        rows = slice(label.id * step, (label.id + 1) * step)
        labels[:, rows, half // 4 : half // 2] = label.id
        labels[:, rows, half + half // 4 : half + half // 2] = label.id + len(SCHEME.labels)
    return Volume(labels, grid)
