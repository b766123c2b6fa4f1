"""Reference labels of any program, in the sided values of a label scheme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musclefm.anatomy.sides import name_sides, sides_map
from musclefm.anatomy.thighs import find_thighs
from musclefm.errors import MuscleFMError
from musclefm.exchange.alignment import align_to_grid
from musclefm.exchange.external_labels import ExternalLabels
from musclefm.exchange.formats import read_external_labels
from musclefm.exchange.label_mapping import contradicting_sides, find_meanings
from musclefm.labels.mapping import LabelMapping, Target
from musclefm.labels.scheme import SIDES, LabelScheme, Side
from musclefm.labels.sided import IGNORE, check_sided_labels, with_sides
from musclefm.labels.sides import LEFT, RIGHT
from musclefm.volumes.orientation import to_canonical
from musclefm.volumes.volume import Volume


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
    contradictions : tuple of str
        Where sides contradict one another, a line each: a name says another side than
        its code, or than the place of its voxels in the patient.
    """

    volume: Volume
    notes: tuple[str, ...]
    contradictions: tuple[str, ...] = ()


def read_labels(
    path: Path | ExternalLabels,
    scheme: LabelScheme,
    *,
    image: Volume | None = None,
    source: LabelScheme | None = None,
    mapping: LabelMapping | None = None,
    numbered: bool = True,
    what: str = "the labelmap",
) -> ReadLabels:
    """Read a labelmap (NIfTI, NRRD, MetaImage), a ``.seg.nrrd`` or a DICOM SEG file.

    Segments are known by their codes, or else by their names. The values of a plain
    labelmap are those of ``source``, with sides where any is beyond its number of
    labels, and 255 to be ignored. Where the file does not say the
    side, each voxel's place does: right and left thigh are found as in the
    segmentation.

    Parameters
    ----------
    path : Path or ExternalLabels
        The file of labels, or what one would hold.
    scheme : LabelScheme
        In which the labels are returned. Muscles that only ``source`` knows
        become background.
    image : Volume, optional
        The image that was labelled: the labels are put onto its grid and the
        sides found in it. Without, they keep their own grid.
    source : LabelScheme, optional
        That the file was made with; without, ``scheme``.
    mapping : LabelMapping, optional
        For labels of other programs; values and names that it holds go before all
        else, and values that nothing explains must be in it.
    numbered : bool
        Whether the values of a plain labelmap are those of ``source``; else they must be
        in ``mapping``.
    what : str
        What the labels are called in messages.

    Raises
    ------
    MuscleFMError
        The file cannot be read, its segments overlap, a label is not known, or
        the labels lie on another grid than the image.
    """
    external = _read(path, what) if isinstance(path, Path) else path
    meanings, notes = find_meanings(
        external, scheme, source or scheme, mapping, what, numbered=numbered
    )
    labels = align_to_grid(external.volume, image.grid) if image else external.volume
    array = _sided(labels, meanings, scheme, image)
    check_sided_labels(array, scheme)
    sided = labels.with_array(array.astype(np.uint8))
    misplaced = () if image is None else _misplaced(sided, scheme, image)
    return ReadLabels(sided, notes, contradicting_sides(external, mapping) + misplaced)


def shown_muscles(
    path: Path,
    scheme: LabelScheme,
    *,
    source: LabelScheme | None = None,
    mapping: LabelMapping | None = None,
    what: str = "the labelmap",
) -> frozenset[int]:
    """Return the ids of the scheme's muscles that a file of labels shows.

    Parameters and errors are those of :func:`read_labels`, which reads more.
    """
    meanings, _ = find_meanings(_read(path, what), scheme, source or scheme, mapping, what)
    return frozenset(target.label_id for target in meanings.values()) - {0, IGNORE}


def with_sides_of_places(labels: Volume, scheme: LabelScheme) -> npt.NDArray[np.uint8]:
    """Return sided values for the scheme's ids ``(K, J, I) uint8``, by where muscles lie."""
    return with_sides(labels.array, _places(labels, scheme, None), scheme)


def _read(path: Path, what: str) -> ExternalLabels:
    if not path.is_file():
        raise MuscleFMError(f"{what} is not a file that exists", "check the path")
    try:
        return read_external_labels(path, what)
    except OSError as error:
        raise MuscleFMError(
            f"{what} cannot be opened ({error.strerror or 'input or output error'})",
            "check the path and its access rights",
        ) from error


def _sided(
    labels: Volume, meanings: Mapping[int, Target], scheme: LabelScheme, image: Volume | None
) -> npt.NDArray[np.int64]:
    """Return sided values for external ones, ``(K, J, I) int64``."""
    values = np.array(sorted({0, *meanings}))
    index = np.searchsorted(values, labels.array)
    targets = [meanings.get(value, Target(0)) for value in values.tolist()]
    right, left = (np.array([_value(target, side, scheme) for target in targets]) for side in SIDES)
    if (right == left).all():
        return np.asarray(right[index])
    ids = np.array([target.label_id % IGNORE for target in targets], np.uint8)
    muscles = labels.with_array(ids[index])
    at_left = _places(muscles, scheme, image) == LEFT
    return np.where(at_left, left[index], right[index])


def _value(target: Target, place: Side, scheme: LabelScheme) -> int:
    """Return the sided value of a target in a voxel that lies on a side."""
    if target.label_id in (0, IGNORE) or (target.side or place) == "right":
        return target.label_id
    return target.label_id + len(scheme.labels)


def _misplaced(labels: Volume, scheme: LabelScheme, image: Volume) -> tuple[str, ...]:
    """Return the muscles of which most voxels lie on the patient's other side, a line each.

    Only where two thighs are seen: a thigh alone has no other side to compare with.
    """
    canonical, view = to_canonical(image)
    thighs = find_thighs(canonical)
    if thighs.count != 2:
        return ()
    places = view.undo(sides_map(thighs, ("right", "left")))
    lines = []
    for value, (side, label) in scheme.labels_of_sides().items():
        found = places[labels.array == value]
        expected = LEFT if side == "left" else RIGHT
        if found.size and np.count_nonzero(found == expected) < found.size / 2:
            other = "right" if side == "left" else "left"
            lines.append(f"{side} {label.name} lies on the patient's {other}")
    return tuple(lines)


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
