"""Where an NRRD header says that voxels lie, as ITK understands it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.volumes.affine import check_spacing
from musclefm.volumes.checks import damaged_error, unplaced_note, unscaled_note

_TO_LPS = {
    "right-anterior-superior": (-1.0, -1.0, 1.0), "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0), "las": (1.0, -1.0, 1.0),
    "left-posterior-superior": (1.0, 1.0, 1.0), "lps": (1.0, 1.0, 1.0),
}  # fmt: skip
_OTHER_SPACES = {
    "scanner-xyz", "3d-right-handed", "3d-left-handed",
    "scanner-xyz-time", "3d-right-handed-time", "3d-left-handed-time",
}  # fmt: skip


def matrix_of(
    fields: Mapping[str, Any], axes: Sequence[int], what: str
) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """Return the matrix from ``(i, j, k, 1)`` to LPS in mm, ``(4, 4)``, and what to tell of it.

    Parameters
    ----------
    fields : mapping
        A header as pynrrd parses it.
    axes : sequence of int
        Which axes of the file are I, J and K.
    what : str
        What the image is called in messages.

    Raises
    ------
    MuscleFMError
        The header contradicts itself, or a spacing is impossible.
    ValueError, IndexError, TypeError
        A field has another type or size than it should.
    """
    space = str(fields.get("space", "")).lower()
    with_time = space.removesuffix("-time") if space.endswith("-time") else space.removesuffix("t")
    to_lps = _TO_LPS.get(space) or _TO_LPS.get(with_time)
    if space and to_lps is None and space not in _OTHER_SPACES:
        raise damaged_error(what)
    directions = fields.get("space directions")
    vectors = None if directions is None else np.array([directions[axis][:3] for axis in axes])
    matrix = np.eye(4)
    if vectors is None or np.isnan(vectors).all():
        matrix[:3], notes = _upright(fields, axes, what)
        return matrix, (unplaced_note(what), *notes)
    matrix[:3, :3] = vectors.T
    matrix[:3, 3] = _origin(fields)
    matrix[:3] *= np.reshape(to_lps or (1.0, 1.0, 1.0), (3, 1))
    return matrix, () if to_lps else (unplaced_note(what),)


def _origin(fields: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    origin = fields.get("space origin")
    if origin is None or np.isnan(origin).all():
        return np.zeros(3)
    return np.asarray(origin, np.float64)[:3]


def _upright(
    fields: Mapping[str, Any], axes: Sequence[int], what: str
) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """Return ``(3, 4)`` for axes that only have a spacing and perhaps a least coordinate."""
    given = fields.get("spacings")
    spacing = np.ones(3) if given is None else np.array([given[axis] for axis in axes], np.float64)
    check_spacing(spacing, what)
    origin = _origin(fields)
    least = fields.get("axis mins", fields.get("axismins"))
    if least is not None and not np.isnan([least[axis] for axis in axes]).any():
        centres = fields.get("centers", fields.get("centerings", ()))
        centres = centres.split() if isinstance(centres, str) else centres
        # The least coordinate is that of the first voxel's edge, or of its middle.
        on_edge = [axis >= len(centres) or centres[axis] != "node" for axis in axes]
        origin = np.array([least[axis] for axis in axes]) + np.where(on_edge, spacing / 2, 0.0)
    matrix = np.column_stack((np.diag(spacing), origin))
    return matrix, (unscaled_note(what),) if given is None else ()
