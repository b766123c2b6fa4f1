"""The renderer of the hard test shares nothing with the one that training slices come from."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from hard_thighs import (  # noqa: E402
    HardThigh,
    Labels,
    acquired,
    sections_at,
    sequence_signal,
)


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    names |= {one.name for node in nodes if isinstance(node, ast.Import) for one in node.names}
    return names


def test_neither_renderer_uses_the_other() -> None:
    of_hard = imported(BENCHMARKS / "hard_thighs.py")
    assert not [name for name in of_hard if name.startswith("musclefm")]
    library = BENCHMARKS.parents[1] / "MuscleFMSegment" / "musclefm"
    for path in library.rglob("*.py"):
        assert not [name for name in imported(path) if "hard_" in name], path


def section() -> Labels:
    """Return a ring of muscle around the femur, and one muscle beside it."""
    y, x = np.ogrid[:90, :90]
    away = np.hypot(y - 45, x - 40)
    labels = np.where((away > 10) & (away < 24), 4, 0).astype(np.uint8)
    labels[(np.hypot(y - 45, x - 74) < 8)] = 7
    return labels


@pytest.mark.parametrize("severity", ["early", "moderate", "severe"])
def test_muscles_hold_more_fat_and_are_thinner_the_graver_the_disease(severity: str) -> None:
    fat_of, kept_of = [], []
    for seed in range(6):
        thigh = HardThigh(1.8, severity, np.random.default_rng(seed))
        kept = thigh.atrophied(section())
        assert ((kept == section()) | (kept == 0)).all() and kept.any()
        tissue, fat = thigh.tissues(section(), kept, 0.4)
        assert (tissue[kept > 0] == kept[kept > 0]).all()
        fat_of.append(fat[kept == 4].mean())
        kept_of.append((kept > 0).sum() / (section() > 0).sum())
        # Air lies around, skin and fat between it and the muscles.
        assert (fat[[0, -1]] == -1).all() and (fat[kept > 0] >= 0).all()
        signal = sequence_signal("t1", tissue, fat, np.random.default_rng(seed))
        image = acquired(signal, 0.3, 0.02, 0.8, np.random.default_rng(seed))
        assert image.shape == (90, 90) and np.isfinite(image).all()
        assert image[fat >= 0].mean() > 5 * image[fat < 0].mean()
    low, high = {"early": (0, 0.4), "moderate": (0.3, 0.7), "severe": (0.5, 0.95)}[severity]
    assert low < np.mean(fat_of) < high
    assert np.mean(kept_of) < {"early": 1.01, "moderate": 1.0, "severe": 0.98}[severity]


def test_a_muscle_moves_between_slices_and_labelled_slices_stay() -> None:
    labels = np.zeros((2, 60, 60), np.uint8)
    labels[0, 20:36, 20:36] = labels[1, 20:36, 26:42] = 3
    between = sections_at(labels, 24.0, np.array([0.0, 6.0, 18.0, 24.0]))
    np.testing.assert_array_equal(between[[0, 3]], labels)
    columns = [np.nonzero(one)[1].mean() for one in between]
    assert columns[0] < columns[1] < columns[2] < columns[3]
