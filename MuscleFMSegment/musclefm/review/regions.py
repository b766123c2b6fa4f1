"""Which parts of a segmentation a reader should look at, most wrong voxels first.

The boundary of every muscle is a little uncertain, so that a plain threshold
gives one shell through the whole leg. The rule (:class:`FlagRule`) is therefore:

1. a voxel is uncertain from a threshold of the normalised total uncertainty on;
2. an opening in the axial plane removes rims: what no disc of its radius fits in;
3. uncertain voxels of one side and one likeliest muscle are connected through
   their faces, over gaps in the plane up to the merge distance, and from slice
   to slice only where slices lie close together;
4. a tall group is cut between the slices where it holds the fewest wrong voxels;
5. a group of too few expected wrong voxels joins the group of its side that it
   touches most, unless that would make it too tall; without one it is dropped.

It works on the canonical view of the volume and in mm, so that the same scan
gives the same regions whichever way its axes are stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.defaults import UNCERTAIN_FROM
from musclefm.labels.scheme import SIDES, LabelScheme, Side
from musclefm.labels.sides import RIGHT
from musclefm.review.findings import FlaggedRegion
from musclefm.review.groups import connected_groups, join_small_groups
from musclefm.uncertainty.maps import EnsembleMaps
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import CanonicalView, canonical_view

_Index = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]


@dataclass(frozen=True)
class FlagRule:
    """What makes a region; the module says how the numbers are used.

    Attributes
    ----------
    threshold : float
        Least total uncertainty of an uncertain voxel, normalised to [0, 1] by
        ln(classes). With 12 classes, the default is a chance of 1 in 3 for one other class.
    opening_mm : float
        Radius in mm of the disc that must fit in the plane: rims of less than
        twice this width are removed.
    merge_mm : float
        Groups of one muscle count as one over gaps in the plane up to this.
    gap_mm : float
        Voxels connect along axes of at most this spacing in mm.
    height_mm : float
        Regions are at most this tall along inferior-superior.
    least_wrong_mm3 : float
        Least expected wrong volume of a region: its sum of 1 - max p, in mm³.
    least_share : float
        Least share of a region's voxels for which a muscle is named beside the
        one that has most.
    regions_at_most : int
        The queue ends here; at most 65535, the largest id of the labelmap.
    """

    threshold: float = UNCERTAIN_FROM
    opening_mm: float = 2.0
    merge_mm: float = 3.0
    gap_mm: float = 15.0
    height_mm: float = 60.0
    least_wrong_mm3: float = 300.0
    least_share: float = 0.1
    regions_at_most: int = 50


DEFAULT_RULE = FlagRule()


@dataclass(frozen=True)
class Regions:
    """The reader's queue and where it lies.

    Attributes
    ----------
    rule : FlagRule
        The rule that made it.
    queue : tuple of FlaggedRegion
        By rank.
    labelmap : ndarray
        ``(K, J, I) uint16`` on the input grid: the region's id, 0 for none.
    """

    rule: FlagRule
    queue: tuple[FlaggedRegion, ...]
    labelmap: npt.NDArray[np.uint16]


def flag_regions(maps: EnsembleMaps, rule: FlagRule = DEFAULT_RULE) -> Regions:
    """Find the regions that a reader should look at.

    Parameters
    ----------
    maps : EnsembleMaps
        Labels and uncertainty of a volume.
    rule : FlagRule
        What makes a region.

    Returns
    -------
    Regions
        Ranked by expected wrong voxels; equal ones by side and muscle.
    """
    view = canonical_view(maps.grid)
    columns_mm, rows_mm, slices_mm = view.grid.spacing
    plane = (rows_mm, columns_mm)
    spacing = (slices_mm, rows_mm, columns_mm)
    slices_at_most = max(1, int(rule.height_mm / slices_mm))

    uncertain = np.ascontiguousarray(view.apply(maps.total)) >= rule.threshold * maps.max_entropy
    labelmap = np.zeros(uncertain.shape, np.uint16)
    nearby = disc(rule.merge_mm / 2, plane)
    box = _box(uncertain, nearby.shape)
    uncertain = ndimage.binary_opening(uncertain[box], disc(rule.opening_mm, plane))
    wrong = np.where(uncertain, view.apply(maps.least_confidence)[box], np.float32(0))
    sides = np.ascontiguousarray(view.apply(maps.sides)[box])
    muscles = view.apply(maps.top_muscle)[box]
    keys = (sides.astype(np.uint16) - RIGHT) * len(maps.scheme.labels) + muscles
    keys[~ndimage.binary_dilation(uncertain, nearby)] = 0

    groups = connected_groups(keys, wrong, spacing, rule.gap_mm, slices_at_most)
    least_weight = rule.least_wrong_mm3 / maps.grid.voxel_volume_mm3
    became = join_small_groups(
        groups, sides, wrong, spacing, rule.gap_mm, slices_at_most, least_weight
    )
    voxels = np.flatnonzero(uncertain)
    ids = ranked(became[groups.ravel()[voxels]], wrong.ravel()[voxels], rule.regions_at_most)
    inside = np.zeros(uncertain.shape, np.uint16)
    inside.ravel()[voxels] = ids
    labelmap[box] = inside
    measured = MeasuredMaps(
        view, maps.grid, maps.total, maps.least_confidence, largest=maps.max_entropy
    )
    queue = []
    for region_id, at in enumerate(measured.places(labelmap), start=1):
        named = named_muscles(maps.top_muscle[at], maps.scheme, rule.least_share)
        side = SIDES[maps.sides[at][0] - RIGHT]
        queue.append(measured.describe(region_id, side, named, at))
    return Regions(rule=rule, queue=tuple(queue), labelmap=view.undo(labelmap))


def _box(mask: npt.NDArray[np.bool_], margins: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the smallest box around a mask with a margin on each side, or the whole."""
    found = ndimage.find_objects(mask.view(np.uint8))
    if not found:
        return (slice(None),) * mask.ndim
    pairs = zip(found[0], margins, strict=True)
    return tuple(slice(max(edge.start - more, 0), edge.stop + more) for edge, more in pairs)


def disc(radius_mm: float, plane: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Return a disc in the plane, ``(1, rows, columns) bool``; its pixels' edges are in mm."""
    rows, columns = (int(radius_mm / edge) for edge in plane)
    row, column = np.ogrid[-rows : rows + 1, -columns : columns + 1]
    inside = (row * plane[0]) ** 2 + (column * plane[1]) ** 2 <= radius_mm**2
    return np.asarray(inside[None])


def ranked(
    groups: npt.NDArray[np.int32], wrong: npt.NDArray[np.float32], at_most: int
) -> npt.NDArray[np.int32]:
    """Return each voxel's rank from 1 for its group from 1, 0 for no group or beyond the queue."""
    weight = np.bincount(groups, wrong, minlength=1)
    weight[0] = 0.0
    order = np.argsort(-weight, kind="stable")[: min(at_most, np.count_nonzero(weight))]
    ranks = np.zeros(len(weight), np.int32)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks[groups]


def _in_input_order(view: CanonicalView, voxels: npt.NDArray[np.intp]) -> _Index:
    """Return where voxels of the canonical view, as flat indices, lie in the input array."""
    positions = list(np.unravel_index(voxels, view.grid.shape))
    for axis, flipped in enumerate(view.flips):
        if flipped:
            positions[axis] = view.grid.shape[axis] - 1 - positions[axis]
    k, j, i = (positions[axis] for axis in np.argsort(view.axes))
    return k, j, i


def named_muscles(
    muscles: npt.NDArray[np.uint8], scheme: LabelScheme, least_share: float
) -> tuple[tuple[int, str], ...]:
    """Return ids and names of the muscles that voxels are of, that of most voxels first."""
    share = np.bincount(muscles, minlength=scheme.class_count) / len(muscles)
    likeliest, *others = np.argsort(-share, kind="stable").tolist()
    named = [likeliest, *(label for label in others if share[label] >= least_share)]
    return tuple((label, scheme.label(label).name) for label in named)


@dataclass(frozen=True)
class MeasuredMaps:
    """What a region is measured from; arrays are ``(K, J, I)`` as the input is stored.

    Attributes
    ----------
    view : CanonicalView
        Of the input.
    grid : Grid
        Of the input.
    uncertainty : ndarray
        float32, from 0 to ``largest``.
    wrong : ndarray
        float32: probability that the label is wrong.
    disagrees : ndarray or None
        bool: where a second opinion does.
    largest : float
        By which the uncertainty is normalised.
    """

    view: CanonicalView
    grid: Grid
    uncertainty: npt.NDArray[np.float32]
    wrong: npt.NDArray[np.float32]
    disagrees: npt.NDArray[np.bool_] | None = None
    largest: float = 1.0

    def places(self, labelmap: npt.NDArray[np.uint16]) -> Iterator[_Index]:
        """Yield where the voxels of each region from 1 lie in the input array."""
        voxels = np.flatnonzero(labelmap)
        ids = labelmap.ravel()[voxels].astype(np.int64)
        order = np.argsort(ids, kind="stable")
        starts = np.searchsorted(ids[order], np.arange(1, ids.max(initial=0) + 2))
        for start, stop in pairwise(starts):
            yield _in_input_order(self.view, voxels[order[start:stop]])

    def describe(
        self, region_id: int, side: Side, named: tuple[tuple[int, str], ...], at: _Index
    ) -> FlaggedRegion:
        """Measure the region of the voxels ``at`` of the input array."""
        ijk = np.stack(at[::-1])
        centre = ijk.mean(axis=1)
        ras = self.grid.ijk_to_ras @ np.append(centre, 1.0)
        first, last = ijk.min(axis=1).tolist(), ijk.max(axis=1).tolist()
        uncertainty = self.uncertainty[at].astype(np.float64) / self.largest
        voxels = len(uncertainty)
        slice_axis = 2 - self.view.axes[0]
        return FlaggedRegion(
            id=region_id,
            side=side,
            muscles=tuple(name for _, name in named),
            label_ids=tuple(label for label, _ in named),
            voxels=voxels,
            volume_mm3=voxels * self.grid.voxel_volume_mm3,
            centroid_ras=(float(ras[0]), float(ras[1]), float(ras[2])),
            centroid_ijk=(float(centre[0]), float(centre[1]), float(centre[2])),
            bounds_ijk=(first[0], last[0], first[1], last[1], first[2], last[2]),
            slices=(first[slice_axis], last[slice_axis]),
            slice_axis=slice_axis,
            mean_uncertainty=float(uncertainty.mean()),
            max_uncertainty=float(uncertainty.max()),
            expected_wrong_voxels=float(self.wrong[at].sum(dtype=np.float64)),
            disagreement=0.0 if self.disagrees is None else float(self.disagrees[at].mean()),
        )
