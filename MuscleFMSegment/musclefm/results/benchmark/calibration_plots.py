"""Calibration plots under the names, and by the definitions, of Casali et al. 2025."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from musclefm.evaluation.calibration import CalibrationMetrics
from musclefm.evaluation.cohort.summary import CohortEvaluation
from musclefm.storage.atomic import staged_file


def write_calibration_plots(folder: Path, cohort: CohortEvaluation) -> None:
    """Write ``overall_calibration_plot.png``, and ``calibration_plot_class_i.png`` of each class.

    Accuracy against confidence in boxes around the muscles, a line a group whose cases are
    pooled. Nothing is written without probabilities.

    Parameters
    ----------
    folder : Path
        There already.
    cohort : CohortEvaluation
        What is drawn.

    Raises
    ------
    MuscleFMError
        The folder cannot be written.
    """
    groups = [(group.name, group.boxes) for group in cohort.groups if group.boxes]
    if not groups:
        return
    labels = cohort.cases[0].evaluation.scheme.labels
    names = ("background", *(label.name for label in labels))
    _draw(folder / "overall_calibration_plot.png", "top label", groups, None)
    for place, name in enumerate(names):
        _draw(folder / f"calibration_plot_class_{place}.png", name, groups, place)


def _draw(
    path: Path, title: str, groups: list[tuple[str, CalibrationMetrics]], place: int | None
) -> None:
    figure = Figure(figsize=(4, 4))
    figure.subplots_adjust(left=0.15, bottom=0.13, right=0.97, top=0.92)
    axes = figure.add_subplot(xlabel="confidence", ylabel="accuracy", title=title)
    axes.plot([0, 1], [0, 1], "--", color="grey", linewidth=1)
    for name, metrics in groups:
        diagram = metrics.top_label if place is None else metrics.classes[place]
        filled = diagram.counts > 0
        axes.plot(
            diagram.confidence[filled],
            diagram.accuracy[filled],
            "o-",
            markersize=3,
            label=f"{name}, ECE {diagram.ece:.1%}",
        )
    axes.legend(fontsize=7)
    with staged_file(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)
