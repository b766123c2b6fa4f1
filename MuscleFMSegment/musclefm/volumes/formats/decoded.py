"""What readers of file formats take and hand on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Decoded:
    """Voxels and geometry as a file states them, not yet judged.

    Attributes
    ----------
    array : ndarray
        ``(K, J, I) float32``.
    ijk_to_lps : ndarray
        ``(4, 4)``, homogeneous ``(i, j, k, 1)`` to LPS in mm; may be sheared.
    notes : tuple of str
        What the user should know, a line each.
    modality : str
        DICOM's code, e.g. ``"MR"``; empty where the file does not say.
    has_gaps : bool
        Whether the slices are known to be much thinner than they lie apart.
    """

    array: npt.NDArray[np.float32]
    ijk_to_lps: npt.NDArray[np.float64]
    notes: tuple[str, ...] = ()
    modality: str = ""
    has_gaps: bool = False


@dataclass(frozen=True)
class SeriesChoice:
    """What the user chose where there are several images.

    Attributes
    ----------
    series : int or None
        Number of the series in a DICOM folder, from 1, as it is listed.
    echo : int or None
        Which of several images at the same place, from 1: an echo, image type
        or time point of a DICOM series, a volume of a 4-D file.
    channel : str or None
        Which image of a Dixon scan is meant, where nothing else was chosen.
    """

    series: int | None = None
    echo: int | None = None
    channel: str | None = None


@dataclass(frozen=True)
class SeriesDescription:
    """What may be reported of a series without naming a patient.

    Attributes
    ----------
    number : int
        By which the user chooses it, from 1.
    modality : str
        DICOM's code.
    plane : str
        ``"axial"``, ``"coronal"`` or ``"sagittal"``, whichever is closest.
    columns, rows, slices : int
        Size of an image.
    stacks : tuple of str
        What tells the images at the same place apart; empty where there is one.
    kind : str
        What these are, e.g. ``"echoes"``.
    """

    number: int
    modality: str
    plane: str
    columns: int
    rows: int
    slices: int
    stacks: tuple[str, ...]
    kind: str

    def __str__(self) -> str:
        described = (
            f"{self.number}: {self.modality} {self.plane} {self.columns} x {self.rows},"
            f" {self.slices} slice{'s' if self.slices > 1 else ''}"
        )
        if not self.stacks:
            return described
        return f"{described}, {len(self.stacks)} {self.kind}"
