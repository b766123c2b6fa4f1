"""Regions in which a second opinion disagrees with the labels, ranked with the others.

Where two opinions differ, one is wrong at least, and without a reference nothing tells
which: the labels are taken to be wrong there with a probability of a half, or more where
the model says so itself. By that sum of probabilities, in mL, all regions are ranked alike.
Rims and small groups are treated as uncertain ones are, see :class:`FlagRule`, only more
of them are left out: two programs never draw quite the same border.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.evaluation.second_opinion import SecondOpinion, find_disagreement
from musclefm.labels.scheme import SIDES, LabelScheme
from musclefm.labels.sides import LEFT, RIGHT
from musclefm.results.case import CaseResults
from musclefm.review.groups import connected_groups, join_small_groups
from musclefm.review.regions import MeasuredMaps, Regions, disc, named_muscles, ranked
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import canonical_view

# Of the rule's numbers for uncertain voxels: rims below 6 mm and regions below 1 mL of
# expected errors are left out by default.
_OPENING, _LEAST_WRONG = 1.5, 10 / 3


def flag_disagreement(
    regions: Regions,
    in_question: npt.NDArray[np.uint8],
    uncertainty: npt.NDArray[np.float32],
    scheme: LabelScheme,
    grid: Grid,
    wrong: npt.NDArray[np.float32] | None = None,
) -> Regions:
    """Add the regions in which a second opinion disagrees with the labels.

    What is flagged already keeps its id, side and muscles, and may grow by what is too
    small on its own; new regions follow, by rank.

    Parameters
    ----------
    regions : Regions
        Of the ensemble alone.
    in_question : ndarray
        ``(K, J, I) uint8``: the muscle's sided value where the two disagree, see
        :func:`musclefm.evaluation.second_opinion.find_disagreement`.
    uncertainty : ndarray
        ``(K, J, I) float32``: total uncertainty, in [0, 1].
    scheme : LabelScheme
        What the labels mean.
    grid : Grid
        Of all arrays.
    wrong : ndarray, optional
        ``(K, J, I) float32``: 1 - max p; by default the mean of each region, 0 elsewhere.
    """
    rule, count = regions.rule, len(regions.queue)
    if wrong is None:
        means = [region.expected_wrong_voxels / region.voxels for region in regions.queue]
        wrong = np.array([0.0, *means], np.float32)[regions.labelmap]
    view = canonical_view(grid)
    columns_mm, rows_mm, slices_mm = view.grid.spacing
    spacing = (slices_mm, rows_mm, columns_mm)
    slices_at_most = max(1, int(rule.height_mm / slices_mm))
    flagged = np.ascontiguousarray(view.apply(regions.labelmap))
    values = np.ascontiguousarray(view.apply(in_question))
    opening = disc(_OPENING * rule.opening_mm, (rows_mm, columns_mm))
    found = ndimage.binary_opening(values > 0, opening) & (flagged == 0)
    raised = raised_errors(wrong, in_question > 0)
    weights = np.where(found | (flagged > 0), view.apply(raised), np.float32(0))
    keys = np.where(found, values, np.uint8(0)).astype(np.uint16)
    groups = connected_groups(keys, weights, spacing, rule.gap_mm, slices_at_most)
    groups[groups > 0] += count
    np.copyto(groups, flagged, where=flagged > 0)
    sides = np.where(values > len(scheme.labels), np.uint8(LEFT), np.uint8(RIGHT))
    of_regions = [RIGHT, *(RIGHT + SIDES.index(region.side) for region in regions.queue)]
    np.copyto(sides, np.array(of_regions, np.uint8)[flagged], where=flagged > 0)
    least_weight = _LEAST_WRONG * rule.least_wrong_mm3 / grid.voxel_volume_mm3
    became = join_small_groups(
        groups, sides, weights, spacing, rule.gap_mm, slices_at_most, least_weight
    )
    became[: count + 1] = np.arange(count + 1)
    groups = became[groups]
    new = np.where(groups > count, groups - count, 0)
    ranks = ranked(new.ravel(), weights.ravel(), rule.regions_at_most).reshape(new.shape)
    labelmap = np.where(ranks > 0, ranks + count, np.where(groups > count, 0, groups))
    labelmap = labelmap.astype(np.uint16)
    measured = MeasuredMaps(view, grid, uncertainty, raised, in_question > 0)
    table = np.arange(256, dtype=np.uint8)
    table[len(scheme.labels) + 1 :] -= len(scheme.labels)
    queue = []
    for region_id, at in enumerate(measured.places(labelmap), start=1):
        if region_id <= count:
            known = regions.queue[region_id - 1]
            side, named = known.side, tuple(zip(known.label_ids, known.muscles, strict=True))
        else:
            of_voxels = in_question[at]
            side = SIDES[int(of_voxels[0] > len(scheme.labels))]
            named = named_muscles(table[of_voxels], scheme, rule.least_share)
        queue.append(measured.describe(region_id, side, named, at))
    return Regions(rule=rule, queue=tuple(queue), labelmap=view.undo(labelmap))


def with_second_opinion(results: CaseResults, opinion: SecondOpinion) -> Regions:
    """Return the regions of results, and after them those in which a second opinion disagrees.

    Results keep no probabilities: a flagged voxel has the mean of its region.
    """
    regions = Regions(results.document.rule, results.regions, results.region_labels)
    in_question = find_disagreement(opinion, results.sided_labels, results.scheme)
    uncertainty = results.uncertainty["total"]
    return flag_disagreement(regions, in_question, uncertainty, results.scheme, results.grid)


def raised_errors(
    wrong: npt.NDArray[np.float32], disagrees: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Return the probabilities that labels are wrong, at least a half where opinions differ."""
    return np.where(disagrees, np.maximum(wrong, np.float32(0.5)), wrong)


def by_rank(regions: Regions) -> Regions:
    """Return regions with ids anew, most expected wrong voxels first."""
    order = sorted(regions.queue, key=lambda region: (-region.expected_wrong_voxels, region.id))
    table = np.zeros(len(order) + 1, np.uint16)
    for rank, region in enumerate(order, start=1):
        table[region.id] = rank
    queue = tuple(replace(region, id=rank) for rank, region in enumerate(order, start=1))
    return Regions(rule=regions.rule, queue=queue, labelmap=table[regions.labelmap])
