"""Between which bounds a muscle lies, from its labels and the uncertainty alone.

Results keep no probabilities of single muscles. What they keep tells this much:

- *surely* the muscle: voxels labelled as it whose uncertainty is below the threshold;
- *possibly* the muscle: all voxels labelled as it, and the uncertain ones connected
  to them that lie within a few mm or in a flagged region that concerns the muscle.

An uncertain voxel elsewhere may be any muscle, so it is none of this one's. At the
default threshold *surely* means a chance of about 2 in 3 or better, see ``FlagRule``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

REACH_MM = 3.0
"""How far from a muscle's labels, outside of flagged regions, it may still be."""


def muscle_bounds(
    muscle: npt.NDArray[np.bool_],
    uncertainty: npt.NDArray[np.float32],
    flagged: npt.NDArray[np.bool_],
    threshold: float,
    spacing: tuple[float, float, float],
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return where a muscle surely is, and where it may be; the one lies within the other.

    Parameters
    ----------
    muscle : ndarray
        ``(K, J, I) bool``: the voxels labelled as it.
    uncertainty : ndarray
        ``(K, J, I) float32`` in [0, 1].
    flagged : ndarray
        ``(K, J, I) bool``: the flagged regions that concern it.
    threshold : float
        Least uncertainty of an uncertain voxel.
    spacing : tuple of float
        Along I, J and K in mm.

    Returns
    -------
    tuple of ndarray
        Two ``(K, J, I) bool``.
    """
    uncertain = uncertainty >= threshold
    steps = [int(REACH_MM / step) for step in reversed(spacing)]
    k, j, i = np.ogrid[tuple(slice(-n, n + 1) for n in steps)]
    ball = np.square(k * spacing[2]) + np.square(j * spacing[1]) + np.square(i * spacing[0])
    near = ndimage.binary_dilation(muscle, ball <= REACH_MM**2)
    parts, count = ndimage.label(muscle | (uncertain & (near | flagged)))
    of_muscle = np.zeros(count + 1, bool)
    of_muscle[parts[muscle]] = True
    return muscle & ~uncertain, of_muscle[parts]
