"""Plots of an evaluation as lines and points of an inline SVG."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from musclefm.evaluation.calibration import Reliability
from musclefm.evaluation.cohort.summary import REVIEW_WAYS, CohortEvaluation, GroupSummary
from musclefm.evaluation.statistics import Numbers

SIZE = 240.0
"""Of the plot's square area, in the SVG's units."""

_COLOURS = ("#0b5cad", "#9c3587", "#c25700", "#2b7a3d")
_KINDS = ("total", "aleatoric", "epistemic", "variance")
_WAY_NAMES = {"queue": "review order", "best": "best order"}


@dataclass(frozen=True)
class Series:
    """Points in the SVG's units, from the plot's upper left.

    Attributes
    ----------
    name, colour : str
        For the legend.
    points : tuple of tuple of float
        ``(x, y)`` each.
    line : bool
        Whether they are joined.
    """

    name: str
    colour: str
    points: tuple[tuple[float, float], ...]
    line: bool = True

    @property
    def path(self) -> str:
        """As SVG's ``points``."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True)
class Chart:
    """A square plot.

    Attributes
    ----------
    title, across, up : str
        Headline and names of the axes.
    series : tuple of Series
        What is drawn.
    top : float
        Value at the upper edge; the right edge is 1, or 100 %.
    diagonal : bool
        Whether a line of equal values is drawn.
    """

    title: str
    across: str
    up: str
    series: tuple[Series, ...]
    top: float = 1.0
    diagonal: bool = False


def reliability_chart(diagram: Reliability, title: str, colour: str = _COLOURS[0]) -> Chart:
    """Return a reliability diagram: accuracy against confidence, bin by bin."""
    filled = diagram.counts > 0
    points = zip(diagram.confidence[filled], diagram.accuracy[filled], strict=True)
    series = Series("", colour, _placed(points, 1.0))
    return Chart(title, "confidence", "share that is right", (series,), diagonal=True)


def retention_chart(group: GroupSummary) -> Chart | None:
    """Return the error-retention curves of all uncertainties; None without any."""
    curves = {kind: group.curves.get(f"retained_errors_{kind}") for kind in _KINDS}
    known = {kind: curve for kind, curve in curves.items() if curve is not None}
    if not known:
        return None
    top = float(max(np.nanmax(curve) for curve in known.values())) or 1.0
    return Chart(
        "Errors left when the most uncertain voxels are put right",
        "share of voxels kept",
        "wrong voxels left",
        tuple(
            Series(kind, _COLOURS[_KINDS.index(kind)], _curve(curve, top))
            for kind, curve in known.items()
        ),
        top=top,
    )


def review_chart(group: GroupSummary) -> Chart | None:
    """Return how soon each way through a case finds the wrong voxels; None without any."""
    known = [way for way in REVIEW_WAYS if f"review_{way}" in group.curves]
    series = tuple(
        Series(
            _WAY_NAMES.get(way, way.replace("_", " ")),
            _COLOURS[REVIEW_WAYS.index(way)],
            _curve(group.curves[f"review_{way}"], 1.0),
        )
        for way in known
    )
    what = "Wrong voxels found by looking at one muscle in one slice after another"
    return Chart(what, "share of looks", "wrong voxels found", series) if series else None


def forecast_chart(cohort: CohortEvaluation) -> Chart | None:
    """Return expected against real Dice, a point a muscle and side; None without any."""
    points = [
        (float(expected), float(real))
        for case in cohort.cases
        for expected, real in zip(
            case.evaluation.expected_dice, case.evaluation.real_dice, strict=True
        )
    ]
    if not points:
        return None
    series = Series("", _COLOURS[0], _placed(points, 1.0), line=False)
    what = "Dice of each muscle and side: expected by the model, and real"
    return Chart(what, "expected", "real", (series,), diagonal=True)


def _curve(values: Numbers, top: float) -> tuple[tuple[float, float], ...]:
    across = np.linspace(0, 1, len(values))
    return _placed(zip(across, values, strict=True), top)


def _placed(points: Iterable[tuple[float, float]], top: float) -> tuple[tuple[float, float], ...]:
    return tuple(
        (round(SIZE * float(x), 2), round(SIZE * (1 - float(y) / top), 2)) for x, y in points
    )
