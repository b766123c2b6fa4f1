"""From files of work that was done elsewhere to a corrected case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from musclefm.corrections.case import CorrectedCase, Reviewed
from musclefm.corrections.review_log import ReviewLog
from musclefm.defaults import DEFAULT_SCHEME
from musclefm.errors import MuscleFMError
from musclefm.exchange.read_labels import read_labels
from musclefm.labels.mapping import merged_muscles, read_mapping
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.labels.sided import IGNORE, ignoring_merged
from musclefm.results.files import SEGMENTATION_FILE, UNCERTAINTY_FILES
from musclefm.results.reading import read_provenance, require_unchanged
from musclefm.review.carry import carry_corrections
from musclefm.review.muscle_slices import MuscleSlices
from musclefm.volumes.channels import Channels
from musclefm.volumes.grid import Grid
from musclefm.volumes.stored import read_stored

_UNCERTAINTY_FILE = UNCERTAINTY_FILES["total"]


@dataclass(frozen=True)
class CorrectionFiles:
    """Where the parts of a corrected case lie.

    Attributes
    ----------
    labels : Path
        Corrected labels: a labelmap, ``.seg.nrrd`` or DICOM SEG.
    scheme : str or None
        Name of their label scheme; by default that of the results.
    mapping : Path or None
        What external labels mean, see :func:`read_mapping`.
    model_labels : Path or None
        The labels before they were corrected.
    results : Path or None
        In place of ``model_labels``, the folder of results that were corrected.
    """

    labels: Path
    scheme: str | None = None
    mapping: Path | None = None
    model_labels: Path | None = None
    results: Path | None = None


def read_corrected_case(
    channels: Channels,
    files: CorrectionFiles,
    reviewed: Callable[[LabelScheme, Grid], Reviewed],
    *,
    reader: str = "",
    parent: str | None = None,
) -> tuple[CorrectedCase, tuple[str, ...]]:
    """Read a corrected case.

    Parameters
    ----------
    channels : Channels
        Images of the case.
    files : CorrectionFiles
        Labels, and what they were made from.
    reviewed : callable
        Takes the label scheme and the grid of the images.
    reader : str
        The reader's pseudonym.
    parent : str, optional
        Id of the sample that the case corrects.

    Returns
    -------
    case : CorrectedCase
        Ready to be stored.
    notes : tuple of str
        What the user should know, a line each.

    Raises
    ------
    MuscleFMError
        A file cannot be read, does not fit the image, or holds unknown labels.
    """
    image = next(iter(channels.images.values()))
    provenance: Mapping[str, Any] = {}
    if files.results:
        provenance = read_provenance(files.results)
        require_unchanged(files.results, (SEGMENTATION_FILE, _UNCERTAINTY_FILE))
    scheme = load_scheme(files.scheme or _scheme_of(provenance))
    mapping = read_mapping(files.mapping, scheme) if files.mapping else None
    labels = read_labels(
        files.labels,
        scheme,
        image=image,
        mapping=mapping,
        numbered=bool(files.scheme or files.results),
        what="the corrected labels",
    )
    if labels.contradictions:
        raise MuscleFMError(
            f"sides of the corrected labels contradict one another: {labels.contradictions[0]}"
            + (f", and {len(labels.contradictions) - 1} more" if labels.contradictions[1:] else ""),
            "correct the labels or the mapping file"
            if mapping
            else "correct them, or say in a mapping file which muscle of which side each label is"
            " (--mapping)",
        )
    notes = [*channels.notes, *labels.notes]
    model_path = files.results / SEGMENTATION_FILE if files.results else files.model_labels
    model_labels = None
    if model_path:
        read = read_labels(
            model_path, scheme, image=image, mapping=mapping, what="the model's labels"
        )
        model_labels = read.volume
        notes.extend([*read.notes, *read.contradictions])
    uncertainty = None
    if files.results:
        uncertainty = read_stored(files.results / _UNCERTAINTY_FILE, "the uncertainty")
    case = CorrectedCase(
        channels=channels.images,
        labels=labels.volume.with_array(
            ignoring_merged(labels.volume.array, merged_muscles(mapping), scheme)
        ),
        reviewed=reviewed(scheme, image.grid),
        scheme=scheme.name,
        model_labels=model_labels,
        uncertainty=uncertainty,
        review=ReviewLog(reader=reader) if reader else None,
        provenance=provenance,
        parent=parent,
    )
    return case, tuple(dict.fromkeys(notes))


def carry_between_slices(case: CorrectedCase) -> tuple[CorrectedCase, tuple[str, ...]]:
    """Carry what was corrected in the reviewed slices to those between; they stay unreviewed.

    Parameters
    ----------
    case : CorrectedCase
        Of which slices were reviewed. In other slices that hold no label the
        model's stand.

    Returns
    -------
    case : CorrectedCase
        With the proposal in place of its labels.
    notes : tuple of str
        What was carried, in a line.

    Raises
    ------
    MuscleFMError
        The model's labels are not there, or the reviewed slices are as in those.
    """
    reviewed = case.reviewed
    if case.model_labels is None or reviewed.kind != "slices" or not reviewed.slices:
        raise MuscleFMError(
            "a correction is carried between reviewed slices, by what the model had labelled",
            "give both the slices and the results or labels of the model",
        )
    axis = 2 - reviewed.slice_axis
    model = case.model_labels.array
    labels = case.labels.array.copy()
    by_slice, of_model = np.moveaxis(labels, axis, 0), np.moveaxis(model, axis, 0)
    for index in set(range(len(by_slice))) - set(reviewed.slices):
        if not by_slice[index].any():
            by_slice[index] = of_model[index]
    known = list(reviewed.slices)
    differs = by_slice[known] != of_model[known]
    corrected = np.union1d(by_slice[known][differs], of_model[known][differs])
    muscles = [
        MuscleSlices(value, reviewed.slices, reviewed.slice_axis)
        for value in corrected.tolist()
        if value not in (0, IGNORE)
    ]
    if not muscles:
        raise MuscleFMError(
            "in the reviewed slices the labels are the model's, so there is nothing to carry",
            "give the corrected labels, and the slices that were corrected",
        )
    uncertainty = None if case.uncertainty is None else case.uncertainty.array
    carried = carry_corrections(labels, model, case.grid, muscles, uncertainty)
    slices = {index for muscle in carried.slices for index in muscle.slices}
    note = (
        f"{len(muscles)} corrected muscle{'s' if len(muscles) > 1 else ''} carried to "
        f"{len(slices)} other slice{'' if len(slices) == 1 else 's'}: a proposal, not marked as "
        "reviewed"
    )
    return replace(case, labels=case.labels.with_array(carried.labels)), (note,)


def _scheme_of(provenance: Mapping[str, Any]) -> str:
    return provenance["model"]["label_scheme"] if provenance else DEFAULT_SCHEME
