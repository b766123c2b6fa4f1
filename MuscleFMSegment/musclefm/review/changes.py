"""Which flagged regions an edit has touched."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from musclefm.review.muscle_slices import MuscleSlices


def changed_regions(
    before: npt.NDArray[np.uint8],
    after: npt.NDArray[np.uint8],
    regions: npt.NDArray[np.uint16],
    unseen: Iterable[MuscleSlices] = (),
) -> frozenset[int]:
    """Return the regions in which any voxel has another label.

    Against the model's labels this is what the reader has corrected, and a
    region drops out when its edits are undone. Milliseconds on 512 x 512 x 60
    voxels, so that no caller needs to keep track of where an edit was.

    Parameters
    ----------
    before, after : ndarray
        ``(K, J, I) uint8``: sided labels, see ``LabelScheme.labels_of_sides``.
    regions : ndarray
        ``(K, J, I) uint16``: ids of regions, 0 for none.
    unseen : iterable of MuscleSlices
        Where a correction was carried to and the reader has not looked yet: a region
        with such a change is left out, so that it is not taken for corrected.

    Raises
    ------
    ValueError
        The shapes differ: a programming error, not the user's.
    """
    if not before.shape == after.shape == regions.shape:
        raise ValueError(f"shapes differ: {before.shape}, {after.shape}, {regions.shape}")
    changed = before != after
    found = _ids(regions[changed])
    for muscle in unseen:
        at = muscle.slices_first(changed)
        own = muscle.slices_first(before) == muscle.value
        own |= muscle.slices_first(after) == muscle.value
        found -= _ids(muscle.slices_first(regions)[at & own])
    return found


def _ids(regions: npt.NDArray[np.uint16]) -> frozenset[int]:
    return frozenset(np.flatnonzero(np.bincount(regions)).tolist()) - {0}
