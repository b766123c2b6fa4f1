"""How good a segmentation is against a reference."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.api.case import Case, table
from musclefm.api.evaluation.case_pairs import LabelInput, case_pair, read_segmentation
from musclefm.api.evaluation.fat_images import with_fat_fraction
from musclefm.errors import MuscleFMError
from musclefm.evaluation.calibration import CalibrationMetrics
from musclefm.evaluation.cohort.case_evaluation import CaseEvaluation, evaluate_case
from musclefm.labels.scheme import LabelScheme


@dataclass(frozen=True)
class Evaluation:
    """A segmentation against a reference.

    Attributes
    ----------
    details : CaseEvaluation
        All that was measured: distances, volumes and fat fractions by muscle and side,
        calibration in several places, error detection by each uncertainty, what the
        order of review is worth.
    notes : tuple of str
        What to know of the comparison, a line each.
    """

    details: CaseEvaluation
    notes: tuple[str, ...] = ()

    @property
    def scheme(self) -> LabelScheme:
        """What the labels mean."""
        return self.details.scheme

    @property
    def muscle_dice(self) -> npt.NDArray[np.float64]:
        """``(muscles,) float64`` in [0, 1], in the scheme's order, both sides together.

        NaN for a muscle that neither of the two shows, or that nobody annotated.
        """
        return self.details.muscle_dice

    @property
    def mean_dice(self) -> float:
        """Mean of ``muscle_dice`` over the muscles that either shows: each counts alike."""
        return self.details.mean_dice

    @property
    def pooled_dice(self) -> float:
        """One Dice of all muscles' voxels together: large muscles count for more."""
        return self.details.pooled_dice

    @property
    def wrong_voxels(self) -> int:
        """Voxels of another label than the reference's, in slices that show a muscle."""
        return self.details.wrong_voxels

    @property
    def voxels(self) -> int:
        """Voxels that count: of those slices, but for what the reference does not tell."""
        return self.details.voxels

    @property
    def calibration(self) -> CalibrationMetrics | None:
        """NLL (nats), Brier score and reliability (``.top_label.ece``) near muscles.

        That is within 10 mm; None without probabilities.
        """
        return self.details.calibration.near if self.details.calibration else None

    @property
    def muscles(self) -> Any:
        """The Dice by muscle: a pandas ``DataFrame`` where that is installed, else dicts."""
        return table(
            [
                {"label_id": label.id, "name": label.name, "dice": value}
                for label, value in zip(self.scheme.labels, self.muscle_dice.tolist(), strict=True)
            ]
        )

    @property
    def muscles_of_sides(self) -> Any:
        """Dice, HD95 and ASSD (mm), volumes (mL), fat fractions, by muscle and side.

        A table as :attr:`muscles`; empty where voxels have no size.
        """
        return table([muscle.row for muscle in self.details.muscles])


def evaluate(
    segmentation: Case | LabelInput,
    reference: LabelInput,
    *,
    probabilities: npt.NDArray[np.floating[Any]] | None = None,
    scheme: str | LabelScheme | None = None,
    mapping: str | os.PathLike[str] | None = None,
    annotated: Collection[str] | None = None,
    merged: Sequence[Collection[str]] = (),
    water: str | os.PathLike[str] | None = None,
    fat: str | os.PathLike[str] | None = None,
) -> Evaluation:
    """Hold a segmentation against reference labels.

    Only slices in which the reference shows a muscle count, and nothing counts as
    background that it does not tell: voxels of 255, muscles that it shows nowhere (see
    ``annotated``), and the other thigh where one alone is labelled.

    Parameters
    ----------
    segmentation : Case, path, Volume or ndarray
        A case or its results folder; or labels ``(K, J, I)``, integers: ids of the
        scheme, with or without sides. Files are labelmaps, ``.seg.nrrd`` or DICOM SEG.
    reference : path, Volume or ndarray
        Labels, on the same voxels; 255 marks voxels that are unknown.
    probabilities : ndarray, optional
        ``(C, K, J, I)``: of all classes, background first; for the calibration.
    scheme : str or LabelScheme, optional
        What the labels mean; by default that of the case, or ``"thigh-11"``.
    mapping : path, optional
        A mapping file for the values of a reference file of another program, or
        ``"musclemap"`` or ``"totalsegmentator"``.
    annotated : collection of str, optional
        Muscles, by name or abbreviation, that the reference would show if they were
        there; by default those that it shows.
    merged : sequence of collections of str
        Muscles that the reference does not tell apart, e.g. ``[("BFL", "BFS")]``: each
        group counts as one.
    water, fat : path, optional
        Images of the scan, for fat fractions; a case knows its own.

    Returns
    -------
    Evaluation
        Dice by muscle, ``mean_dice``, ``pooled_dice``, wrong voxels, calibration, and
        in ``details`` all else.

    Raises
    ------
    MuscleFMError
        The two lie on different grids, a label is not the scheme's, the reference has no
        label, or the probabilities do not sum to 1.

    Examples
    --------
    >>> import musclefm
    >>> case = musclefm.open_results("results")
    >>> found = musclefm.evaluate(case, musclefm.load_sample().labels)
    >>> 0.7 < found.mean_dice < 1 and 0.7 < found.pooled_dice < 1
    True
    >>> found.muscles.columns.tolist()
    ['label_id', 'name', 'dice']
    >>> 0.5 < found.details.detection["total"].auroc < 1
    True
    """
    given = read_segmentation(segmentation, scheme)
    # Imported late, as it is rarely needed.
    from musclefm.labels.mapping import merged_muscles, read_mapping

    meanings = None if mapping is None else read_mapping(Path(mapping), given.scheme)
    pair, notes = case_pair(given, reference, probabilities=probabilities, mapping=meanings)
    images = {name: Path(x) for name, x in (("water", water), ("fat", fat)) if x is not None}
    pair = with_fat_fraction(pair, images, given.grid)
    found = evaluate_case(
        pair,
        annotated=None if annotated is None else muscle_ids(annotated, given.scheme),
        merged=[
            *(muscle_ids(group, given.scheme) for group in merged),
            *merged_muscles(meanings),
        ],
    )
    return Evaluation(found, notes)


def muscle_ids(names: Collection[str], scheme: LabelScheme) -> set[int]:
    """Return the ids of muscles that are named in full or abbreviated.

    Raises
    ------
    MuscleFMError
        The scheme has no muscle of a name.
    """
    known = {
        name.casefold(): label.id
        for label in scheme.labels
        for name in (label.name, label.abbreviation)
    }
    for name in names:
        if name.strip().casefold() not in known:
            raise MuscleFMError(
                f"'{scheme.name}' has no muscle '{name.strip()}'",
                "use " + ", ".join(label.abbreviation for label in scheme.labels),
            )
    return {known[name.strip().casefold()] for name in names}
