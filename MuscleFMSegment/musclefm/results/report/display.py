"""A case as a radiologist sees it: axial, the patient's right on the viewer's left."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.anatomy.body import find_body
from musclefm.results.report.case import ReportCase
from musclefm.review.findings import FlaggedRegion
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import canonical_view
from musclefm.volumes.volume import Volume

_MARGIN_MM = 8.0
# Percentiles of what is shown: air is dark, and neither a vessel nor the fat
# beside a surface coil darkens the rest.
_DARKEST, _BRIGHTEST = 1.0, 99.5
_SAMPLES = 400_000
# A region's context are shown too: its extent times this.
_ROOM = 1.4


@dataclass(frozen=True)
class Window:
    """A rectangle of a canonical slice in voxels, ends excluded.

    Attributes
    ----------
    top, bottom : int
        Rows.
    left, right : int
        Columns.
    """

    top: int
    bottom: int
    left: int
    right: int

    def cut(self, plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the part of a slice ``(J, I)``."""
        return plane[self.top : self.bottom, self.left : self.right]


class CaseDisplay:
    """A case's arrays in canonical orientation, seen slice by slice.

    Parameters
    ----------
    case : ReportCase
        What the report shows.

    Attributes
    ----------
    case : ReportCase
        What the report shows.
    grid : Grid
        The canonical grid.
    labels, least_confidence, region_ids : ndarray
        ``(K, J, I)``: canonical views of the case's arrays, not copied.
    """

    def __init__(self, case: ReportCase) -> None:
        self._view = canonical_view(case.image.grid)
        self.case = case
        self.grid: Grid = self._view.grid
        self.labels = self._view.apply(case.maps.labels)
        self.least_confidence = self._view.apply(case.maps.least_confidence)
        self.region_ids = self._view.apply(case.region_labels)
        self._image = self._view.apply(case.image.array)
        self._total = self._view.apply(case.maps.total)

    @property
    def slice_axis(self) -> str:
        """The input's axis that runs along the leg: ``"i"``, ``"j"`` or ``"k"``."""
        return "kji"[self._view.axes[0]]

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Distance of rows and of columns in mm."""
        return self.grid.spacing[1], self.grid.spacing[0]

    def input_index(self, k: int) -> int:
        """Return the index along the input's slice axis of a canonical slice."""
        return self.grid.shape[0] - 1 - k if self._view.flips[0] else k

    def position(self, k: int) -> str:
        """Return where the middle of a slice lies, e.g. ``"S 12.5 mm"`` or ``"I 3.0 mm"``."""
        _, rows, columns = self.grid.shape
        middle = self.grid.ijk_to_ras @ ((columns - 1) / 2, (rows - 1) / 2, k, 1.0)
        return position(float(middle[2]))

    @property
    def uncertainty(self) -> npt.NDArray[np.float32]:
        """Total uncertainty ``(K, J, I)`` in [0, 1] on the input grid."""
        return self.case.maps.total / np.float32(self.case.maps.max_entropy)

    def heat(self, k: int) -> npt.NDArray[np.float32]:
        """Return the total uncertainty ``(J, I)`` of a slice, normalised to [0, 1]."""
        return self._total[k] / np.float32(self.case.maps.max_entropy)

    def grey(self, k: int) -> npt.NDArray[np.uint8]:
        """Return a slice ``(J, I)`` in the display window, 0 to 255."""
        low, high = self._intensity_range
        finite = np.where(np.isfinite(self._image[k]), self._image[k], low)
        return np.rint(np.clip((finite - low) / (high - low), 0.0, 1.0) * 255).astype(np.uint8)

    @cached_property
    def _intensity_range(self) -> tuple[float, float]:
        flat = self.case.image.array.ravel(order="K")
        sample = flat[:: max(1, flat.size // _SAMPLES)]
        sample = sample[np.isfinite(sample)]
        if sample.size == 0:
            return 0.0, 1.0
        low, high = np.percentile(sample, [_DARKEST, _BRIGHTEST])
        return float(low), float(high if high > low else low + 1)

    def spread_slices(self, at_most: int) -> list[int]:
        """Return canonical slices spread evenly from inferior to superior."""
        count = min(at_most, self.grid.shape[0])
        return [int((n + 0.5) * self.grid.shape[0] / count) for n in range(count)]

    def body_window(self, slices: list[int]) -> Window:
        """Return the window around body, labels and regions of some slices."""
        _, rows, columns = self.grid.shape
        shown = Grid(
            (len(slices), rows, columns), self.grid.spacing, self.grid.origin, self.grid.direction
        )
        body = find_body(Volume(self._image[slices], shown))
        marked = (self.labels[slices] > 0) | (self.region_ids[slices] > 0)
        used: npt.NDArray[np.bool_] = np.logical_or.reduce(marked, axis=0)
        outline = body.outline.any(axis=0).repeat(body.factors[0], 0).repeat(body.factors[1], 1)
        used[: outline.shape[0], : outline.shape[1]] |= outline
        if not used.any():
            return Window(0, rows, 0, columns)
        margins = [int(np.ceil(_MARGIN_MM / step)) for step in self.pixel_mm]
        ends = [np.flatnonzero(used.any(axis=1 - axis))[[0, -1]] for axis in (0, 1)]
        return Window(
            top=max(0, int(ends[0][0]) - margins[0]),
            bottom=min(rows, int(ends[0][1]) + 1 + margins[0]),
            left=max(0, int(ends[1][0]) - margins[1]),
            right=min(columns, int(ends[1][1]) + 1 + margins[1]),
        )

    def most_uncertain_slice(self, region: FlaggedRegion) -> int:
        """Return the canonical slice that holds most of a region's expected wrong voxels."""
        i0, i1, j0, j1, k0, k1 = region.bounds_ijk
        bounds = ((k0, k1), (j0, j1), (i0, i1))
        box = []
        for axis, flip, size in zip(
            self._view.axes, self._view.flips, self.grid.shape, strict=True
        ):
            first, last = bounds[axis]
            if flip:
                first, last = size - 1 - last, size - 1 - first
            box.append(slice(first, last + 1))
        inside = self.region_ids[tuple(box)] == region.id
        wrong = np.where(inside, self.least_confidence[tuple(box)], 0).sum(axis=(1, 2))
        return box[0].start + int(np.argmax(wrong))

    def region_window(self, region: FlaggedRegion, k: int, least_mm: float) -> Window:
        """Return a square around a region's part of a slice, of at least ``least_mm``."""
        rows, columns = np.nonzero(self.region_ids[k] == region.id)
        step_j, step_i = self.pixel_mm
        extent = max(np.ptp(rows) * step_j, np.ptp(columns) * step_i)
        side = max(least_mm, _ROOM * float(extent))
        top, bottom = _around(float(rows.mean()), side / step_j, self.grid.shape[1])
        left, right = _around(float(columns.mean()), side / step_i, self.grid.shape[2])
        return Window(top, bottom, left, right)


def position(superior_mm: float) -> str:
    """Return a place along the leg, from S of RAS in mm, e.g. ``"S 12.5 mm"``."""
    height = round(superior_mm, 1)
    return f"{'I' if height < 0 else 'S'} {abs(height):.1f} mm"


def _around(centre: float, length: float, size: int) -> tuple[int, int]:
    """Return the ends of a stretch around a centre, moved into ``size`` voxels."""
    voxels = min(size, max(1, round(length)))
    first = min(max(0, round(centre - (voxels - 1) / 2)), size - voxels)
    return first, first + voxels
