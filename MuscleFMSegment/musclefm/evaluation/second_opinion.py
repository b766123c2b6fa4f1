"""Another program's labels of the same scan, and where they are not the ensemble's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.exchange.external_labels import ExternalLabels
from musclefm.labels.scheme import LabelScheme
from musclefm.labels.sided import IGNORE
from musclefm.storage.regular_file import is_file, sha256_of
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import canonical_view
from musclefm.volumes.volume import Volume


@dataclass(frozen=True)
class SecondOpinion:
    """Labels of another program or reader.

    Attributes
    ----------
    labels : Volume
        ``(K, J, I) uint8`` on the image's grid: sided values, IGNORE where nothing is said.
    merged : tuple of tuple of int
        Ids of muscles that they do not tell apart; all have the label of the lowest.
    sha256 : str
        Of the file.
    mapping : str
        Name of the mapping that was shipped, or hash of the user's; empty without one.
    notes : tuple of str
        What the user should know of them, a line each.
    """

    labels: Volume
    merged: tuple[tuple[int, ...], ...] = ()
    sha256: str = ""
    mapping: str = ""
    notes: tuple[str, ...] = ()

    @property
    def record(self) -> dict[str, object]:
        """What provenance tells of it; the file's name may be a patient's."""
        return {"sha256": self.sha256, "mapping": self.mapping or None}


def read_second_opinion(
    source: Path | ExternalLabels, scheme: LabelScheme, grid: Grid, mapping: Path | None = None
) -> SecondOpinion:
    """Read labels of another program, and put them onto an image's grid.

    Each voxel of the image takes the nearest voxel's label; what the file does not cover
    is background. Names and values become muscles as in every other file of labels, see
    :func:`musclefm.exchange.read_labels.read_labels`.

    Parameters
    ----------
    source : Path or ExternalLabels
        NIfTI, NRRD, MetaImage, ``.seg.nrrd`` or DICOM SEG, of any geometry; or what such a
        file would hold.
    scheme : LabelScheme
        Of the ensemble.
    grid : Grid
        Of the image.
    mapping : Path, optional
        What its values mean: a mapping file, or the name of one that is shipped.

    Raises
    ------
    MuscleFMError
        A file cannot be read, a label is not known, or no muscle lies within the image.
    """
    # Imported late: it knows DICOM.
    from musclefm.exchange.alignment import nearest_on_grid
    from musclefm.exchange.read_labels import read_labels
    from musclefm.labels.mapping import merged_muscles, read_mapping

    meanings = None if mapping is None else read_mapping(mapping, scheme)
    read = read_labels(source, scheme, mapping=meanings, what="the second opinion")
    labels = nearest_on_grid(read.volume, grid)
    if not np.any((labels.array > 0) & (labels.array != IGNORE)):
        raise MuscleFMError(
            "the second opinion shows no muscle within the image", "give labels of this very scan"
        )
    return SecondOpinion(
        labels=labels,
        merged=tuple(tuple(sorted(group)) for group in merged_muscles(meanings)),
        sha256=_sha256(source),
        mapping=mapping_text(mapping),
        notes=tuple(f"second opinion: {line}" for line in (*read.notes, *read.contradictions)),
    )


def mapping_text(mapping: Path | None) -> str:
    """Return the name of a mapping that is shipped, or the hash of a user's; empty without one."""
    if mapping is None:
        return ""
    return sha256_of(mapping) if is_file(mapping) else str(mapping)


def _sha256(source: Path | ExternalLabels) -> str:
    if isinstance(source, Path):
        return sha256_of(source)
    digest = hashlib.sha256(repr((source.segments, source.volume.grid)).encode())
    digest.update(source.volume.array.tobytes())
    return digest.hexdigest()


def find_disagreement(
    opinion: SecondOpinion, labels: npt.NDArray[np.uint8], scheme: LabelScheme
) -> npt.NDArray[np.uint8]:
    """Return the muscle in question wherever a second opinion is another than labels.

    Only muscles are compared, not sides. What a second opinion cannot know is no
    disagreement: muscles that it shows nowhere on a side, muscles that it does not tell
    apart, slices in which it shows none of a side, and voxels that it leaves out.

    Parameters
    ----------
    opinion : SecondOpinion
        On the grid of the labels.
    labels : ndarray
        ``(K, J, I) uint8``: sided values.
    scheme : LabelScheme
        What the labels mean.

    Returns
    -------
    ndarray
        ``(K, J, I) uint8``: the sided value of the labels' muscle, or of the second
        opinion's where the labels are background; 0 where nothing is in question.
    """
    count = len(scheme.labels)
    plain = np.arange(IGNORE + 1) % IGNORE
    plain[count + 1 : 2 * count + 1] -= count
    for group in opinion.merged:
        plain[np.isin(plain, group)] = min(group)
    theirs = opinion.labels.array
    named = (theirs > 0) & (theirs != IGNORE)
    in_question = np.where(labels > 0, labels, np.where(named, theirs, np.uint8(0)))
    in_question[(plain[labels] == plain[theirs]) | (theirs == IGNORE)] = 0
    # Of each side, the muscles and the slices that they show.
    slices = canonical_view(opinion.labels.grid).axes[0]
    plane = tuple(axis for axis in range(3) if axis != slices)
    shape = [1, 1, 1]
    shape[slices] = -1
    for values in (range(1, count + 1), range(count + 1, 2 * count + 1)):
        of_side = named & (theirs >= values[0]) & (theirs <= values[-1])
        shown = set(plain[np.unique(theirs[of_side])].tolist())
        unknown = np.zeros(IGNORE + 1, bool)
        unknown[[value for value in values if plain[value] not in shown]] = True
        here = (in_question >= values[0]) & (in_question <= values[-1])
        unlabelled = ~of_side.any(axis=plane).reshape(shape)
        in_question[here & (unlabelled | unknown[labels])] = 0
    return in_question
