"""Everything that a report tells, gathered before it is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.review.findings import FlaggedRegion, MuscleSummary
from musclefm.uncertainty.maps import EnsembleMaps
from musclefm.volumes.volume import Volume


@dataclass(frozen=True)
class ReportCase:
    """One segmented scan.

    Nothing in it may name the patient or a file: all of it is printed.

    Attributes
    ----------
    title : str
        Headline, e.g. ``"Thigh muscles on MR"``.
    created : str
        When, as ISO text.
    image : Volume
        ``(K, J, I) float32``: what is drawn under outlines and heat; of several
        channels the first. Voxels that are not finite are drawn black.
    maps : EnsembleMaps
        Labels and uncertainty on the grid of the image.
    regions : tuple of FlaggedRegion
        The reader's queue, by rank.
    region_labels : ndarray
        ``(K, J, I) uint16``: id of the region, 0 for none.
    muscles : tuple of MuscleSummary
        The muscle table, in any order.
    model_title, model_version : str
        Of the bundle.
    model_sha256 : str
        Hash of the bundle, hexadecimal.
    device : str
        What it ran on, e.g. ``"CPU, float32"``.
    notes : tuple of str
        Warnings to the reader, a sentence each.

    Raises
    ------
    ValueError
        The arrays lie on different grids: a programming error, not the user's.
    """

    title: str
    created: str
    image: Volume
    maps: EnsembleMaps
    regions: tuple[FlaggedRegion, ...]
    region_labels: npt.NDArray[np.uint16]
    muscles: tuple[MuscleSummary, ...]
    model_title: str
    model_version: str
    model_sha256: str
    device: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.image.grid.matches(self.maps.grid):
            raise ValueError("image and maps lie on different grids")
        if self.region_labels.shape != self.image.grid.shape:
            raise ValueError(f"region labels {self.region_labels.shape} do not fit the image")
