"""A segmentation and a reference, in any form that a user has them, made comparable."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.api.case import Case, open_results
from musclefm.defaults import DEFAULT_SCHEME
from musclefm.errors import MuscleFMError
from musclefm.evaluation.cohort.case_pair import CasePair, Probabilities
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.labels.sided import IGNORE, check_sided_labels, without_sides
from musclefm.results.probabilities import read_probabilities
from musclefm.results.reading import holds_results
from musclefm.review.queue import ReviewQueue
from musclefm.uncertainty.maps import ClassProbabilities
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import canonical_view
from musclefm.volumes.volume import Volume

if TYPE_CHECKING:
    from musclefm.labels.mapping import LabelMapping

LabelInput = str | os.PathLike[str] | Volume | npt.NDArray[np.integer[Any]]
"""Labels ``(K, J, I)``: a file, or integers with or without a grid."""

# Of the voxels that both call muscle: fewer of the same side means that one has no sides.
_SAME_SIDE = 0.9


@dataclass(frozen=True)
class Segmentation:
    """What is held against a reference.

    Attributes
    ----------
    labels : ndarray
        ``(K, J, I) uint8``: sided values, 0 background.
    grid : Grid or None
        None of an array alone.
    scheme : LabelScheme
        What the labels mean.
    case : Case or None
        All else that is known of it.
    notes : tuple of str
        What the user should know, a line each.
    """

    labels: npt.NDArray[np.uint8]
    grid: Grid | None
    scheme: LabelScheme
    case: Case | None = None
    notes: tuple[str, ...] = ()

    @property
    def spacing(self) -> tuple[float, float, float] | None:
        """Of the axes of the array, in their order, in mm."""
        if self.grid is None:
            return None
        i, j, k = self.grid.spacing
        return k, j, i


def read_segmentation(
    given: Case | LabelInput, scheme: str | LabelScheme | None = None
) -> Segmentation:
    """Return a segmentation: a case, its results folder, a file of labels, or voxels.

    Raises
    ------
    MuscleFMError
        It cannot be read, or holds what the scheme does not name.
    """
    if isinstance(given, str | os.PathLike) and holds_results(Path(given)):
        given = open_results(given)
    if isinstance(given, Case):
        # A scheme of another name would give its values another meaning.
        _require_scheme(given, scheme)
        return Segmentation(given.sided_labels, given.grid, given.scheme, given)
    known = scheme if isinstance(scheme, LabelScheme) else load_scheme(scheme or DEFAULT_SCHEME)
    labels, grid, notes = _labels(given, known, "the segmentation")
    if grid is not None and not _has_sides(labels, known):
        from musclefm.exchange.read_labels import with_sides_of_places

        labels = with_sides_of_places(Volume(labels, grid), known)
    return Segmentation(labels, grid, known, notes=notes)


def case_pair(
    segmentation: Segmentation,
    reference: LabelInput,
    *,
    probabilities: Probabilities | Path | None = None,
    reference_scheme: LabelScheme | None = None,
    mapping: LabelMapping | None = None,
) -> tuple[CasePair, tuple[str, ...]]:
    """Put a reference onto the voxels of a segmentation.

    Parameters
    ----------
    segmentation : Segmentation
        Of which the labels are judged.
    reference : path, Volume or ndarray
        Reference labels, 255 where nothing is known.
    probabilities : ndarray or Path, optional
        ``(C, K, J, I)``, or the file that holds them; by default those of the results.
    reference_scheme : LabelScheme, optional
        That a reference file was made with; by default the segmentation's.
    mapping : LabelMapping, optional
        For a reference file of another program.

    Returns
    -------
    tuple
        The pair, and what the user should know of it, a line each.

    Raises
    ------
    MuscleFMError
        The two lie on different grids, or a label is not known.
    """
    scheme, labels = segmentation.scheme, segmentation.labels
    truth, grid, notes = _labels(
        reference, scheme, "the reference", source=reference_scheme, mapping=mapping
    )
    if labels.ndim != 3 or (not (grid and segmentation.grid) and labels.shape != truth.shape):
        raise MuscleFMError(
            f"segmentation and reference have shapes {labels.shape} and {truth.shape}",
            "give two labelmaps (K, J, I) of the same scan",
        )
    if grid and segmentation.grid:
        truth = _on_grid(Volume(truth, grid), segmentation.grid)
    spacing = segmentation.spacing or (Segmentation(truth, grid, scheme).spacing if grid else None)
    sided = segmentation.grid is not None or _has_sides(labels, scheme)
    if not sided:
        truth = without_sides(truth, scheme)
    elif _other_sides(labels, truth, scheme):
        if _has_sides(truth, scheme):
            notes = (*notes, "the reference's sides are not the segmentation's: taken by place")
        truth = _sides_of_nearest(truth, labels, spacing or (1.0, 1.0, 1.0), scheme)
    if probabilities is not None and spacing is None:
        raise MuscleFMError(
            "the calibration counts voxels near a muscle, and arrays have no spacing",
            "give the segmentation or the reference as a musclefm.Volume",
        )
    known = _probabilities(segmentation, probabilities)
    known_grid = segmentation.grid or grid
    pair = CasePair(
        labels=labels,
        reference=truth,
        scheme=scheme,
        sided=sided,
        spacing=spacing,
        slice_axis=canonical_view(known_grid).axes[0] if known_grid else 0,
        probabilities=known.mean if known else None,
        untempered=known.untempered if known else None,
        **_of_case(segmentation.case),
    )
    return pair, (*segmentation.notes, *notes)


def _of_case(case: Case | None) -> dict[str, Any]:
    """Return what results tell beside the labels."""
    if case is None:
        return {}
    value = {(side, label.id): v for v, (side, label) in case.scheme.labels_of_sides().items()}
    maps = {
        "total": case.uncertainty,
        "aleatoric": case.aleatoric,
        "epistemic": case.epistemic,
        "variance": case.variance,
    }
    return {
        "uncertainty": {kind: values for kind, values in maps.items() if values is not None},
        "fat_fraction": case.fat_fraction,
        "expected_dice": {
            value[muscle.side, muscle.label_id]: muscle.expected_dice
            for muscle in case.muscle_summaries
            if not np.isnan(muscle.expected_dice)
        },
        # As the reader is led through them.
        "regions": [
            (*entry.region.slices, {value[entry.region.side, x] for x in entry.region.label_ids})
            for entry in ReviewQueue(case.regions).entries
        ],
    }


def _require_scheme(case: Case, scheme: str | LabelScheme | None) -> None:
    wanted = scheme.name if isinstance(scheme, LabelScheme) else scheme
    if wanted is not None and wanted != case.scheme.name:
        raise MuscleFMError(
            f"the results are of the label scheme '{case.scheme.name}', not '{wanted}'",
            "name no scheme: results say their own",
        )


def _labels(
    given: LabelInput,
    scheme: LabelScheme,
    what: str,
    *,
    source: LabelScheme | None = None,
    mapping: LabelMapping | None = None,
) -> tuple[npt.NDArray[np.uint8], Grid | None, tuple[str, ...]]:
    """Return sided values ``(K, J, I) uint8``, their grid if known, and notes."""
    grid: Grid | None = None
    notes: tuple[str, ...] = ()
    if isinstance(given, str | os.PathLike):
        # Imported late: it knows DICOM.
        from musclefm.exchange.read_labels import read_labels

        read = read_labels(Path(given), scheme, source=source, mapping=mapping, what=what)
        given, notes = read.volume, (*read.notes, *read.contradictions)
    if isinstance(given, Volume):
        grid = given.grid
    array = np.asarray(given.array if isinstance(given, Volume) else given)
    if array.dtype.kind not in "iu":
        raise MuscleFMError(f"{what} holds {array.dtype}", "give integers")
    check_sided_labels(array, scheme)
    return array.astype(np.uint8), grid, notes


def _on_grid(reference: Volume, grid: Grid) -> npt.NDArray[np.uint8]:
    from musclefm.exchange.alignment import align_to_grid

    try:
        return np.asarray(align_to_grid(reference, grid).array)
    except MuscleFMError as error:
        raise MuscleFMError(
            f"segmentation and reference lie on different grids ({error.cause})",
            "resample the reference to the voxels of the scan first, by nearest neighbour",
        ) from error


def _probabilities(
    segmentation: Segmentation, given: Probabilities | Path | None
) -> ClassProbabilities | None:
    shape = (segmentation.scheme.class_count, *segmentation.labels.shape)
    if isinstance(given, Path):
        return read_probabilities(given, shape)
    if given is None:
        return segmentation.case.probabilities if segmentation.case else None
    if given.shape != shape:
        raise MuscleFMError(
            f"probabilities have shape {given.shape}, not {shape}",
            "give them as (classes, K, J, I), background first, on the segmentation's voxels",
        )
    return ClassProbabilities(given)


def _has_sides(labels: npt.NDArray[np.uint8], scheme: LabelScheme) -> bool:
    return bool(np.any((labels > len(scheme.labels)) & (labels != IGNORE)))


def _other_sides(
    labels: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8], scheme: LabelScheme
) -> bool:
    """Tell whether too few voxels that both call muscle are of the same side in both."""
    both = (labels > 0) & (truth > 0) & (truth != IGNORE)
    count = len(scheme.labels)
    same = (labels[both] > count) == (truth[both] > count)
    return bool(same.size and same.mean() < _SAME_SIDE)


def _sides_of_nearest(
    truth: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    spacing: tuple[float, float, float],
    scheme: LabelScheme,
) -> npt.NDArray[np.uint8]:
    """Return a reference in which every voxel has the side of the nearest muscle of another."""
    count = len(scheme.labels)
    nearest = ndimage.distance_transform_edt(
        labels == 0, sampling=spacing, return_distances=False, return_indices=True
    )
    left = (labels > count)[tuple(nearest)]
    plain = without_sides(truth, scheme)
    muscle = (plain > 0) & (plain != IGNORE)
    return np.asarray(plain + np.where(muscle & left, np.uint8(count), np.uint8(0)), np.uint8)
