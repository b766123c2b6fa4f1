"""The labels of a data set in a label scheme; what they do not tell is to be ignored."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musclefm.anatomy.thighs import find_thighs
from musclefm.datasets.catalogue import Dataset
from musclefm.errors import MuscleFMError, warn
from musclefm.exchange.alignment import align_to_grid
from musclefm.exchange.external_labels import ExternalLabels, ExternalSegment, whole_numbers
from musclefm.exchange.formats import read_external_labels
from musclefm.exchange.label_mapping import find_meanings
from musclefm.labels.mapping import OTHERS, LabelMapping, Target, parse_mapping
from musclefm.labels.scheme import SIDES, LabelScheme, Side
from musclefm.labels.sided import IGNORE
from musclefm.volumes.orientation import canonical_view, to_canonical
from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume

# Of a voxel that two masks claim.
_CONTESTED = 1 << 16
_LISTED = 8


def dataset_mapping(dataset: Dataset, scheme: LabelScheme) -> LabelMapping:
    """Return what the labels of a data set are in a scheme; other muscles are background."""
    return parse_mapping(dataset.labels, scheme, others_are_background=True)


def read_reference(
    dataset: Dataset, files: Mapping[str, Path], image: Volume, scheme: LabelScheme, what: str
) -> Volume:
    """Read the labels of a case onto the voxels of its image.

    Parameters
    ----------
    dataset : Dataset
        Whose case it is.
    files : mapping of str to Path
        A file of labels by an empty name, or masks by their names.
    image : Volume
        That was labelled.
    scheme : LabelScheme
        In which the labels are wanted.
    what : str
        What the labels are called in messages.

    Returns
    -------
    Volume
        ``(K, J, I) uint8``: ids of the scheme, sided values where one thigh alone was
        labelled; IGNORE in slices without a label, in the other thigh, and where masks
        overlap.

    Raises
    ------
    MuscleFMError
        A file cannot be read, holds values that nobody has said the meaning of, or lies on
        another grid than the image.
    """
    mapping = dict(dataset_mapping(dataset, scheme))
    if "" in files:
        external = _labelmap(files[""], dataset.grey_levels, what)
    else:
        external = _masks(files, image, what)
        mapping = {name.lower(): _of_mask(name, mapping) for name in files}
    values = [str(segment.value) for segment in external.segments if not segment.described]
    if unknown := [value for value in values if not mapping.keys() & {value, OTHERS}]:
        raise MuscleFMError(
            f"{what} holds {', '.join(unknown[:_LISTED])}, which '{dataset.name}' does not name",
            "write what they are into a file of the data set, or leave the case out",
        )
    meanings, _ = find_meanings(external, scheme, scheme, mapping, what, numbered=False)
    array = align_to_grid(external.volume, image.grid).array
    labels = np.zeros(array.shape, np.uint8)
    for value, target in meanings.items():
        labels[array == value] = target.label_id
    labels[array == _CONTESTED] = IGNORE
    shown = (labels > 0) & (labels != IGNORE)
    by_slice = canonical_view(image.grid).apply(labels)
    empty = ~canonical_view(image.grid).apply(shown).any(axis=(1, 2))
    by_slice[empty] = IGNORE
    if dataset.side:
        side = _keep_one_thigh(labels, shown, image, dataset.side)
        if side != dataset.side:
            warn(f"{what} shows the patient's {side} thigh by its place, not the {dataset.side}")
        labels[shown] += np.uint8(len(scheme.labels) if side == "left" else 0)
    return image.with_array(labels)


def _labelmap(path: Path, grey_levels: bool, what: str) -> ExternalLabels:
    if not grey_levels:
        return read_external_labels(path, what)
    volume = read_volume(path, what=what, labels=True).volume
    values = whole_numbers(volume.array, what)
    segments = tuple(ExternalSegment(value) for value in np.unique(values).tolist() if value)
    return ExternalLabels(volume.with_array(values), segments)


def _masks(files: Mapping[str, Path], image: Volume, what: str) -> ExternalLabels:
    """Return masks as labels of one volume, each with a number of its own."""
    values = np.zeros(image.array.shape, np.int64)
    for number, path in enumerate(files.values(), start=1):
        mask = read_volume(path, what=what, labels=True).volume
        inside = align_to_grid(mask, image.grid).array > 0
        values[inside] = np.where(values[inside] > 0, _CONTESTED, number)
    segments = (ExternalSegment(number, name) for number, name in enumerate(files, start=1))
    return ExternalLabels(image.with_array(values), tuple(segments))


def _of_mask(name: str, mapping: LabelMapping) -> Target:
    found = (target for pattern, target in mapping.items() if fnmatchcase(name.lower(), pattern))
    # Nobody knows what a mask of another name shows.
    return next(found, Target(IGNORE))


def _keep_one_thigh(
    labels: npt.NDArray[np.uint8], shown: npt.NDArray[np.bool_], image: Volume, side: Side
) -> Side:
    """Ignore the thigh that shows fewer labels, in place, and return the side of the other."""
    canonical, view = to_canonical(image)
    thighs = find_thighs(canonical)
    if thighs.count < len(SIDES):
        return side
    membership = view.undo(thighs.membership)
    most = int(np.bincount(membership[shown], minlength=3)[1:].argmax())
    labels[(membership != most + 1) & ~shown] = IGNORE
    return SIDES[most]
