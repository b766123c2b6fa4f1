"""One case through an ensemble: from channels to maps on the grid of the input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.anatomy.sides import name_sides, sides_map
from musclefm.anatomy.signal import cleaned
from musclefm.anatomy.thighs import Thighs, find_thighs
from musclefm.errors import MuscleFMError
from musclefm.inference.field_notes import field_findings
from musclefm.inference.framing import Framing
from musclefm.inference.laterality import looks_mirrored
from musclefm.inference.posture import looks_upside_down
from musclefm.inference.predictor import EnsemblePredictor, Prediction, SliceObserver
from musclefm.inference.slices import SliceFraming
from musclefm.inference.thigh_tiles import ThighFraming
from musclefm.labels.sides import LEFT, RIGHT
from musclefm.models.bundle import Bundle
from musclefm.models.manifest import BundleCard, ThighTiles
from musclefm.uncertainty.maps import ClassStatistics, EnsembleMaps
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import CanonicalView, canonical_view
from musclefm.volumes.volume import Volume

LoneThigh = Callable[[Callable[[bool], ThighFraming]], bool]
"""Tells whether a thigh that is alone is to be mirrored, given what frames it either way."""


@dataclass(frozen=True)
class OrientedCase:
    """A case in the orientation of its framing, and the way there and back.

    Attributes
    ----------
    framing : Framing
        Of its slices.
    membership : ndarray
        ``(K, J, I) uint8``: the thigh, from 1, of each voxel, so oriented.
    view : CanonicalView or None
        The orientation; None where it is the input's own.
    """

    framing: Framing
    membership: npt.NDArray[np.uint8]
    view: CanonicalView | None


def run_case(
    channels: npt.NDArray[np.float32],
    grid: Grid,
    bundle: Bundle,
    predictor: EnsemblePredictor,
    observe: SliceObserver | None = None,
) -> EnsembleMaps:
    """Segment a case.

    Parameters
    ----------
    channels : ndarray
        ``(N, K, J, I) float32``: what the bundle's ``input.channels`` ask for.
    grid : Grid
        Of the input, in any orientation.
    bundle : Bundle
        The ensemble.
    predictor : EnsemblePredictor
        The same ensemble, loaded.
    observe : callable, optional
        Shown the mean probabilities of each slice, in the orientation that the
        network sees.

    Returns
    -------
    EnsembleMaps
        On the grid of the input, voxel for voxel.
    """
    view = canonical_view(grid)
    canonical = np.stack([np.ascontiguousarray(view.apply(channel)) for channel in channels])
    thighs = find_thighs(Volume(canonical[0], view.grid))
    lone_thigh = partial(looks_mirrored, predictor)
    oriented = orient_case(channels, canonical, view, thighs, bundle.manifest, lone_thigh)
    if isinstance(bundle.manifest.input.framing, ThighTiles):
        turned = thighs.upside_down()
        other = orient_case(channels, canonical, view, turned, bundle.manifest, lone_thigh)
        if looks_upside_down(predictor, oriented.framing, other.framing):
            thighs, oriented = turned, other
    prediction = predictor.predict(oriented.framing, oriented.membership, thighs.count, observe)

    def back(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return oriented.view.undo(array) if oriented.view else array

    labels = back(prediction.labels)
    sides = name_sides(thighs, view.apply(labels), bundle.scheme)
    findings = field_findings(thighs, sides, view.apply(labels), view)
    return EnsembleMaps(
        grid=grid,
        scheme=bundle.scheme,
        labels=labels,
        muscle=back(prediction.muscle),
        sides=view.undo(sides_map(thighs, sides)),
        total=back(prediction.total),
        aleatoric=back(prediction.aleatoric),
        epistemic=back(prediction.epistemic),
        variance=back(prediction.variance),
        error=back(prediction.error),
        statistics=_by_side(prediction, [RIGHT if s == "right" else LEFT for s in sides]),
        notes=findings.notes,
        beyond_thigh=findings.beyond_thigh,
    )


def orient_case(
    channels: npt.NDArray[np.float32],
    canonical: npt.NDArray[np.float32],
    view: CanonicalView,
    thighs: Thighs,
    card: BundleCard,
    lone_thigh: LoneThigh,
) -> OrientedCase:
    """Frame a case as a network is to see it, in use and in training alike.

    Parameters
    ----------
    channels, canonical : ndarray
        ``(N, K, J, I) float32``: as given, and in canonical orientation.
    view : CanonicalView
        From the one to the other.
    thighs : Thighs
        In canonical orientation.
    card : BundleCard
        Of the network.
    lone_thigh : callable
        Asked only where tiles are thighs and there is one.

    Raises
    ------
    MuscleFMError
        The card joins rules that do not fit.
    """
    rule, intensity = card.input.framing, card.input.intensity
    if intensity.for_tiles:
        canonical = np.stack([cleaned(channel) for channel in canonical])
    size = card.architecture.input_size
    if isinstance(rule, ThighTiles):
        if not intensity.for_tiles:
            raise MuscleFMError(
                f"model '{card.name}' joins thigh tiles with intensity rule '{intensity.kind}'",
                "use a model whose tiles are scaled by percentiles",
            )
        columns_mm, rows_mm, _ = view.grid.spacing

        def framing(mirrored: tuple[bool, ...]) -> ThighFraming:
            return ThighFraming(
                canonical, (rows_mm, columns_mm), thighs, mirrored, size, rule.spacing_mm, intensity
            )

        if thighs.count == 2:
            return OrientedCase(framing((False, True)), thighs.membership, view)
        mirrored = lone_thigh(lambda reverse: framing((reverse,)))
        return OrientedCase(framing((mirrored,)), thighs.membership, view)
    if rule.orientation == "stored":
        stored = SliceFraming(channels, size, intensity, rule.orientation)
        return OrientedCase(stored, view.undo(thighs.membership), None)
    whole = SliceFraming(canonical, size, intensity, rule.orientation)
    return OrientedCase(whole, thighs.membership, view)


def _by_side(prediction: Prediction, sides: list[int]) -> ClassStatistics:
    """Return the statistics with thighs put at their sides' places."""
    by_thigh = prediction.statistics
    moved = []
    for sums in (by_thigh.probability_mass, by_thigh.probability_inside, by_thigh.member_overlap):
        placed = np.zeros_like(sums)
        for thigh, side in enumerate(sides):
            placed[side - RIGHT] += sums[thigh]
        moved.append(placed)
    return ClassStatistics(*moved)
