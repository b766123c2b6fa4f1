"""Siemens mosaics: all slices of a volume as tiles of one large DICOM image.

Functional and diffusion series of Siemens scanners come like this. The header
gives the place of the large image; that of each slice follows from it. Which
way the slices run is stated only in the CSA header, a private attribute that
some anonymisation removes.

Both layouts are described in nibabel's documentation ("Siemens format DICOM with
CSA header", "DICOM mosaic"); the tests check them against real series and
their conversion by another program.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np
import pydicom

CSA_HEADER = 0x00291010
"""Private attribute: the CSA image header."""

_MOST_SLICES = 1024
_NEEDED = ("NumberOfImagesInMosaic", "SliceNormalVector")


@dataclass(frozen=True)
class Mosaic:
    """How a mosaic is cut.

    Attributes
    ----------
    slices : int
        Tiles that hold a slice, row by row.
    tiles : int
        Tiles along each edge.
    shape : tuple of int
        ``(J, I)`` of a tile.
    normal : tuple of float
        LPS unit vector from a slice to the next.
    """

    slices: int
    tiles: int
    shape: tuple[int, int]
    normal: tuple[float, ...]

    def origins(
        self,
        position: tuple[float, ...],
        orientation: tuple[float, ...],
        spacing: tuple[float, float],
        step_mm: float,
    ) -> list[tuple[float, ...]]:
        """Return the centre of the first pixel of each slice in mm, LPS.

        The header places the large image so that its centre is that of the
        first slice.

        Parameters
        ----------
        position : tuple of float
            Of the first pixel of the large image, in mm, LPS.
        orientation : tuple of float
            LPS unit vectors along a row, then along a column.
        spacing : tuple of float
            ``(I, J)`` in mm.
        step_mm : float
            From slice to slice.
        """
        margin = (self.tiles - 1) / 2
        along_row = np.asarray(orientation[:3]) * spacing[0] * self.shape[1] * margin
        along_column = np.asarray(orientation[3:]) * spacing[1] * self.shape[0] * margin
        first = np.asarray(position) + along_row + along_column
        step = np.asarray(self.normal) * step_mm
        return [tuple((first + step * index).tolist()) for index in range(self.slices)]


def read_mosaic(header: pydicom.Dataset) -> Mosaic:
    """Return how a mosaic is cut.

    Raises
    ------
    ValueError
        The private attributes that say so are missing or damaged.
    """
    if CSA_HEADER not in header:
        raise ValueError("no CSA header")
    fields = _csa_fields(bytes(header[CSA_HEADER].value))
    slices = int(fields["NumberOfImagesInMosaic"][0])
    normal = tuple(float(value) for value in fields["SliceNormalVector"])
    if not 1 <= slices <= _MOST_SLICES or len(normal) != 3:
        raise ValueError("the CSA header does not say how the mosaic is cut")
    tiles = math.ceil(math.sqrt(slices))
    return Mosaic(slices, tiles, (int(header.Rows) // tiles, int(header.Columns) // tiles), normal)


def _csa_fields(data: bytes) -> dict[str, list[str]]:
    """Return the non-empty items of each field that a mosaic needs, as text.

    Layout (version "SV10"): magic and 4 bytes, count of fields, 4 bytes; a
    field is a name of 64 bytes, four integers of which the last counts its
    items, and 4 bytes; an item is four integers of which the second is its
    length, and its text filled up to a multiple of 4 bytes.
    """
    found: dict[str, list[str]] = {name: [] for name in _NEEDED}
    if data[:4] != b"SV10":
        raise ValueError("a CSA header of another version")
    try:
        (count,) = struct.unpack_from("<I", data, 8)
        at = 16
        for _ in range(count):
            name = data[at : at + 64].split(b"\0", 1)[0].decode("latin-1")
            (items,) = struct.unpack_from("<i", data, at + 76)
            at += 84
            for _ in range(items):
                (length,) = struct.unpack_from("<I", data, at + 4)
                text = data[at + 16 : at + 16 + length].split(b"\0", 1)[0].decode("latin-1")
                if name in found and text.strip():
                    found[name].append(text.strip())
                at += 16 + -(-length // 4) * 4
    except struct.error as error:
        raise ValueError("a damaged CSA header") from error
    if not all(found.values()):
        raise ValueError("the CSA header does not say how the mosaic is cut")
    return found
