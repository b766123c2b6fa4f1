"""Reference labels of any program, in the sided values of a label scheme."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musclefm.anatomy.scheme import Label, LabelScheme, Side
from musclefm.anatomy.sides import name_sides, sides_map
from musclefm.anatomy.thighs import find_thighs
from musclefm.errors import MuscleFMError
from musclefm.exchange.foreign_labels import ForeignLabels, ForeignSegment
from musclefm.exchange.label_mapping import LabelMapping, Target, parse_target
from musclefm.exchange.placement import place_on
from musclefm.exchange.reading_dicom_seg import read_dicom_seg
from musclefm.exchange.reading_labelmap import read_labelmap
from musclefm.exchange.reading_seg_nrrd import read_seg_nrrd
from musclefm.exchange.sided_labels import IGNORE, check_sided_labels
from musclefm.uncertainty.maps import LEFT
from musclefm.volumes.dicom_frames import is_dicom
from musclefm.volumes.orientation import to_canonical
from musclefm.volumes.volume import Volume

_LISTED = 8


@dataclass(frozen=True)
class ReadLabels:
    """Labels that were read, and what to tell about them.

    Attributes
    ----------
    volume : Volume
        ``(K, J, I) uint8``: sided values, see
        :meth:`LabelScheme.labels_of_sides`; 0 background, 255 to be ignored.
    notes : tuple of str
        What the user should know, a line each.
    """

    volume: Volume
    notes: tuple[str, ...]


def read_labels(
    path: Path,
    scheme: LabelScheme,
    *,
    image: Volume | None = None,
    source: LabelScheme | None = None,
    mapping: LabelMapping | None = None,
    what: str = "the labelmap",
) -> ReadLabels:
    """Read a labelmap (NIfTI, NRRD, MetaImage), a ``.seg.nrrd`` or a DICOM SEG file.

    Segments are known by their codes, or else by their names; values that
    nothing explains are those of ``source``, with sides where any is beyond its
    number of labels. Where the file does not say the side, each voxel's place
    does: right and left thigh are told apart as in the segmentation.

    Parameters
    ----------
    path : Path
        A file.
    scheme : LabelScheme
        In which the labels are returned. Muscles that only ``source`` knows
        become background.
    image : Volume, optional
        The image that was labelled: the labels are put onto its grid and the
        sides found in it. Without, they keep their own grid.
    source : LabelScheme, optional
        That the file was made with; without, ``scheme``.
    mapping : LabelMapping, optional
        For foreign labels; values and names that it holds go before all else,
        and values that nothing explains must be in it.
    what : str
        What the labels are called in messages.

    Raises
    ------
    MuscleFMError
        The file cannot be read, its segments overlap, a label is not known, or
        the labels lie on another grid than the image.
    """
    foreign = _read(path, what)
    origin = source or scheme
    sided = max((segment.value for segment in foreign.segments), default=0) > len(origin.labels)
    targets: dict[int, Target] = {}
    unknown: list[ForeignSegment] = []
    lost: set[str] = set()
    for segment in foreign.segments:
        found = _mapped(segment, mapping)
        if found is None and (segment.described or mapping is None):
            named = _named(segment, (scheme, origin), sided)
            if named is not None:
                label = _counterpart(named[0], scheme)
                lost |= {named[0].name} if label is None else set()
                found = Target(0) if label is None else Target(label.id, named[1])
        if found is None:
            unknown.append(segment)
        else:
            targets[segment.value] = found
    if unknown:
        raise _unknown_error(unknown, scheme, what)
    labels = place_on(foreign.volume, image.grid) if image else foreign.volume
    read = labels.with_array(_sided(labels, targets, scheme, image))
    check_sided_labels(read.array, scheme)
    notes = [f"'{scheme.name}' does not know {name}: it became background" for name in sorted(lost)]
    return ReadLabels(read, tuple(notes))


def _read(path: Path, what: str) -> ForeignLabels:
    if path.name.lower().endswith(".seg.nrrd"):
        return read_seg_nrrd(path, what)
    if is_dicom(path):
        return read_dicom_seg(path, what)
    return read_labelmap(path, what)


def _mapped(segment: ForeignSegment, mapping: LabelMapping | None) -> Target | None:
    if mapping is None:
        return None
    by_value = None if segment.described else mapping.get(str(segment.value))
    return by_value or mapping.get(segment.name.strip().lower())


def _named(
    segment: ForeignSegment, schemes: tuple[LabelScheme, LabelScheme], sided: bool
) -> tuple[Label, Side | None] | None:
    """Return the label of a segment in the first scheme that knows it, and its side."""
    if not segment.described:
        value, origin = segment.value, schemes[-1]
        if sided:
            side, label = origin.labels_of_sides().get(value, (None, None))
            return None if label is None else (label, side)
        return (origin.label(value), None) if value >= 1 else None
    for scheme in schemes:
        by_name = parse_target(segment.name, scheme)
        side = segment.side or (by_name.side if by_name else None)
        for label in scheme.labels:
            if segment.code == (label.code.scheme, label.code.value):
                return label, side
        if by_name and 0 < by_name.label_id < IGNORE:
            return scheme.label(by_name.label_id), side
    return None


def _counterpart(label: Label, scheme: LabelScheme) -> Label | None:
    return next((other for other in scheme.labels if other.code == label.code), None)


def _unknown_error(unknown: list[ForeignSegment], scheme: LabelScheme, what: str) -> MuscleFMError:
    told = [f"'{segment.name}'" if segment.name else str(segment.value) for segment in unknown]
    more = f" and {len(told) - _LISTED} more" if len(told) > _LISTED else ""
    return MuscleFMError(
        f"{what} holds {', '.join(told[:_LISTED])}{more}, which '{scheme.name}' does not know",
        "say in a mapping file what they are, or name the label scheme they were made with",
    )


def _sided(
    labels: Volume, targets: dict[int, Target], scheme: LabelScheme, image: Volume | None
) -> npt.NDArray[np.uint8]:
    """Return sided values for foreign ones, ``(K, J, I) uint8``."""
    values = np.array([0, *targets])
    order = np.argsort(values)
    index = order[np.searchsorted(values, labels.array, sorter=order)]
    ids = np.array([0, *(target.label_id for target in targets.values())])
    muscle = (ids > 0) & (ids < IGNORE)
    sides = np.array(["right", *(target.side or "" for target in targets.values())])
    count = len(scheme.labels)
    right = ids.astype(np.uint8)
    right[muscle & (sides == "left")] += count
    if not (muscle & (sides == "")).any():
        return np.asarray(right[index])
    left = right.copy()
    left[muscle & (sides == "")] += count
    muscles = np.where(muscle, ids, 0).astype(np.uint8)[index]
    at_left = _places(labels.with_array(muscles), scheme, image) == LEFT
    return np.where(at_left, left[index], right[index])


def _places(muscles: Volume, scheme: LabelScheme, image: Volume | None) -> npt.NDArray[np.uint8]:
    """Return the side of every voxel, ``(K, J, I) uint8``: RIGHT or LEFT.

    Without an image the muscles themselves are looked at: together they have
    the shape of thighs.
    """
    shape = image or muscles.with_array((muscles.array > 0).astype(np.float32))
    canonical, view = to_canonical(shape)
    thighs = find_thighs(canonical)
    sides = name_sides(thighs, view.apply(muscles.array), scheme)
    return view.undo(sides_map(thighs, sides))
