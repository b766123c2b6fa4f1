"""How good a segmentation is against a reference."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.api.case import Case, table
from musclefm.defaults import DEFAULT_SCHEME
from musclefm.errors import MuscleFMError
from musclefm.evaluation.calibration import CalibrationAccumulator, CalibrationMetrics, near_muscle
from musclefm.evaluation.dice import dice, pooled_dice
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.labels.sided import IGNORE, check_sided_labels, without_sides
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume


@dataclass(frozen=True)
class Evaluation:
    """A segmentation against a reference; both sides of a muscle together.

    Attributes
    ----------
    scheme : LabelScheme
        What the labels mean.
    muscle_dice : ndarray
        ``(muscles,) float64`` in [0, 1], in the scheme's order; NaN for a muscle that
        neither of the two shows.
    mean_dice : float
        Mean of ``muscle_dice`` over the muscles that either shows: each counts alike.
    pooled_dice : float
        One Dice of all muscles' voxels together: large muscles count for more.
    wrong_voxels, voxels : int
        Voxels of another label than the reference's, and voxels in all; those that the
        reference marks as unknown do not count.
    calibration : CalibrationMetrics or None
        NLL (nats), Brier score and reliability (``.top_label.ece``) within 10 mm of a
        muscle; None without probabilities.
    """

    scheme: LabelScheme
    muscle_dice: npt.NDArray[np.float64]
    mean_dice: float
    pooled_dice: float
    wrong_voxels: int
    voxels: int
    calibration: CalibrationMetrics | None

    @property
    def muscles(self) -> Any:
        """The Dice by muscle: a pandas ``DataFrame`` where that is installed, else dicts."""
        return table(
            [
                {"label_id": label.id, "name": label.name, "dice": value}
                for label, value in zip(self.scheme.labels, self.muscle_dice.tolist(), strict=True)
            ]
        )


def evaluate(
    segmentation: Case | str | os.PathLike[str] | Volume | npt.NDArray[np.integer[Any]],
    reference: str | os.PathLike[str] | Volume | npt.NDArray[np.integer[Any]],
    *,
    probabilities: npt.NDArray[np.floating[Any]] | None = None,
    scheme: str | LabelScheme | None = None,
) -> Evaluation:
    """Hold a segmentation against reference labels.

    Parameters
    ----------
    segmentation : Case, path, Volume or ndarray
        ``(K, J, I)``, integers: ids of the scheme, with or without sides. Files are
        labelmaps, ``.seg.nrrd`` or DICOM SEG.
    reference : path, Volume or ndarray
        The same, on the same grid; 255 marks voxels that are unknown.
    probabilities : ndarray, optional
        ``(C, K, J, I)``: of all classes, background first; for the calibration.
    scheme : str or LabelScheme, optional
        What the labels mean; by default that of the case, or ``"thigh-11"``.

    Returns
    -------
    Evaluation
        Dice by muscle, ``mean_dice``, ``pooled_dice``, wrong voxels and calibration.

    Raises
    ------
    MuscleFMError
        The two lie on different grids, or a label is not the scheme's.

    Examples
    --------
    >>> import musclefm
    >>> case = musclefm.open_results("results")
    >>> found = musclefm.evaluate(case, musclefm.load_sample().labels)
    >>> 0.7 < found.mean_dice < 1 and 0.7 < found.pooled_dice < 1
    True
    >>> found.muscles.columns.tolist()
    ['label_id', 'name', 'dice']
    """
    if isinstance(segmentation, Case):
        scheme = scheme or segmentation.scheme
        segmentation = Volume(segmentation.sided_labels, segmentation.grid)
    if not isinstance(scheme, LabelScheme):
        scheme = load_scheme(scheme or DEFAULT_SCHEME)
    labels, grid = _labels(segmentation, scheme, "the segmentation")
    truth, other_grid = _labels(reference, scheme, "the reference")
    if labels.shape != truth.shape or labels.ndim != 3:
        raise MuscleFMError(
            f"segmentation and reference have shapes {labels.shape} and {truth.shape}",
            "give two labelmaps (K, J, I) of the same scan",
        )
    if grid and other_grid and not grid.matches(other_grid):
        raise MuscleFMError(
            "segmentation and reference lie on different grids",
            "resample the reference to the image first",
        )
    known = truth != IGNORE
    classes = scheme.class_count
    by_muscle = dice(labels[known], truth[known], classes)[1:]
    shown = by_muscle[~np.isnan(by_muscle)]
    calibration = None
    if probabilities is not None:
        calibration = _calibration(probabilities, truth, grid or other_grid)
    return Evaluation(
        scheme=scheme,
        muscle_dice=by_muscle,
        mean_dice=float(shown.mean()) if shown.size else float("nan"),
        pooled_dice=pooled_dice(labels[known], truth[known], classes),
        wrong_voxels=int(np.count_nonzero(labels[known] != truth[known])),
        voxels=int(known.sum()),
        calibration=calibration,
    )


def _labels(
    given: str | os.PathLike[str] | Volume | npt.NDArray[np.integer[Any]],
    scheme: LabelScheme,
    what: str,
) -> tuple[npt.NDArray[np.uint8], Grid | None]:
    """Return ids of the scheme ``(K, J, I) uint8``, both sides alike, and their grid if known."""
    grid = None
    if isinstance(given, str | os.PathLike):
        # Imported late: it knows DICOM.
        from musclefm.exchange.read_labels import read_labels

        given = read_labels(Path(given), scheme, what=what).volume
    if isinstance(given, Volume):
        grid = given.grid
    array = np.asarray(given.array if isinstance(given, Volume) else given)
    if array.dtype.kind not in "iu":
        raise MuscleFMError(f"{what} holds {array.dtype}", "give integers")
    check_sided_labels(array, scheme)
    return without_sides(array.astype(np.uint8), scheme), grid


def _calibration(
    probabilities: npt.NDArray[np.floating[Any]], truth: npt.NDArray[np.uint8], grid: Grid | None
) -> CalibrationMetrics:

    if grid is None:
        raise MuscleFMError(
            "the calibration counts voxels near a muscle, and arrays have no spacing",
            "give the segmentation or the reference as a musclefm.Volume",
        )
    if probabilities.ndim != 4 or probabilities.shape[1:] != truth.shape:
        raise MuscleFMError(
            f"probabilities have shape {probabilities.shape}", "give them as (classes, K, J, I)"
        )
    chosen = near_muscle(truth, grid.spacing[::-1])
    calibration = CalibrationAccumulator(len(probabilities))
    calibration.add(probabilities[:, chosen], truth[chosen])
    return calibration.metrics()
