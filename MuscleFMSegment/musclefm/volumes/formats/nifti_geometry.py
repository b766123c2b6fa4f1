"""Where a NIfTI header says that voxels lie, of the several places that it can name.

The rules are those of ITK 5.4 (``NiftiImageIO::SetImageIOOrientationFromNIfTI``),
for 3D Slicer reads with it: directions and position come from one of the two
matrices, the spacing always from ``pixdim``.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from nibabel.analyze import AnalyzeHeader
from nibabel.nifti1 import Nifti1Header

from musclefm.volumes.affine import check_spacing, largest_distance_mm
from musclefm.volumes.checks import in_figures, unplaced_note

LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""NIfTI's world is RAS, that of a grid LPS."""

_MILLIMETRES = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}

# ITK's own threshold, for cosines.
_ROUNDING = 1e-6
_RIGHT_ANGLES = 1e-4

Matrix = npt.NDArray[np.float64]


def matrix_of(
    header: AnalyzeHeader, shape: tuple[int, int, int], what: str
) -> tuple[Matrix, tuple[str, ...]]:
    """Return the matrix from ``(i, j, k, 1)`` to LPS in mm, ``(4, 4)``, and what to tell about it.

    Parameters
    ----------
    header : AnalyzeHeader
        Of NIfTI, or of Analyze, which names no place at all.
    shape : tuple of int
        ``(K, J, I)``.
    what : str
        What the image is called in messages.

    Raises
    ------
    MuscleFMError
        No spacing that a scan can have is in the header.
    """
    places = isinstance(header, Nifti1Header)
    unit = _MILLIMETRES.get(int(header["xyzt_units"]) & 7, 1.0) if places else 1.0
    spacing = np.asarray(header["pixdim"][1:4], np.float64) * unit
    sform = _sform(header, unit) if places else None
    has_qform = places and int(header["qform_code"]) > 0 and _has_quaternion(header)
    has_spacing = bool((np.isfinite(spacing) & (spacing > 0)).all())
    if sform is not None and not has_spacing:
        check_spacing(np.linalg.norm(sform[:3, :3], axis=0), what)
        return sform, (
            f"the header of {what} has a spacing (pixdim) that is not above zero: its position"
            " (sform) was taken, and 3D Slicer may show the image elsewhere or mirrored",
        )
    if sform is not None and (
        not has_qform or (header["sform_code"] == 1 and _is_rectangular(sform))
    ):
        return _spaced(sform, spacing, shape, what)
    check_spacing(spacing, what)
    if not has_qform:
        return np.diag([*spacing, 1.0]), (unplaced_note(what),)
    qform = _qform(header, spacing, unit)
    apart = 0.0 if sform is None else largest_distance_mm(qform, sform, shape)
    if apart < spacing.min():
        return qform, ()
    return qform, (
        f"the two positions in the header of {what} (sform and qform) are up to"
        f" {in_figures(float(f'{apart:.0f}'))} mm apart: the qform was taken",
    )


def _sform(header: AnalyzeHeader, unit: float) -> Matrix | None:
    rows = np.array([header[f"srow_{axis}"] for axis in "xyz"], np.float64) * unit
    usable = bool(np.isfinite(rows).all() and np.linalg.norm(rows[:, :3], axis=0).all())
    if int(header["sform_code"]) <= 0 or not usable:
        return None
    return LPS_OF_RAS @ np.vstack((rows, (0.0, 0.0, 0.0, 1.0)))


def _has_quaternion(header: AnalyzeHeader) -> bool:
    values = [header[name] for name in ("quatern_b", "quatern_c", "quatern_d")]
    values += [header[f"qoffset_{axis}"] for axis in "xyz"]
    return bool(np.isfinite(values).all())


def _spaced(
    sform: Matrix, spacing: npt.NDArray[np.float64], shape: tuple[int, int, int], what: str
) -> tuple[Matrix, tuple[str, ...]]:
    """Return the sform with the spacing of ``pixdim``; with its own where it is sheared.

    ITK refuses sheared axes, so there 3D Slicer shows no other place.
    """
    lengths = np.linalg.norm(sform[:3, :3], axis=0)
    check_spacing(lengths, what)
    # Both are float32: where they agree, the sform as it stands gives itself when written again.
    if not _is_rectangular(sform) or np.allclose(lengths, spacing, rtol=_ROUNDING, atol=0.0):
        return sform, ()
    spaced = sform.copy()
    spaced[:3, :3] *= spacing / lengths
    check_spacing(spacing, what)
    if largest_distance_mm(spaced, sform, shape) < lengths.min():
        return spaced, ()
    pixdim, other = (" x ".join(map(in_figures, values)) for values in (spacing, lengths))
    return spaced, (
        f"the header of {what} gives two spacings, {pixdim} mm (pixdim) and {other} mm (sform):"
        " the first was taken, as 3D Slicer does; volumes are wrong if the second is right",
    )


def _is_rectangular(matrix: Matrix) -> bool:
    cosines = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    return bool(np.abs(cosines.T @ cosines - np.eye(3)).max() < _RIGHT_ANGLES)


def _qform(header: AnalyzeHeader, spacing: npt.NDArray[np.float64], unit: float) -> Matrix:
    """Return the matrix of the header's quaternion to LPS in mm ("method 2" of nifti1.h)."""
    b, c, d = (float(header[name]) for name in ("quatern_b", "quatern_c", "quatern_d"))
    square = b * b + c * c + d * d
    if square > 1.0 - 1e-7:
        # Rounded to more than a unit quaternion.
        b, c, d = (value / math.sqrt(square) for value in (b, c, d))
        square = 1.0
    a = math.sqrt(1.0 - square)
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    matrix = np.eye(4)
    handed = -1.0 if header["pixdim"][0] < 0 else 1.0
    matrix[:3, :3] = rotation * spacing * (1.0, 1.0, handed)
    matrix[:3, 3] = [float(header[f"qoffset_{axis}"]) * unit for axis in "xyz"]
    return LPS_OF_RAS @ matrix
