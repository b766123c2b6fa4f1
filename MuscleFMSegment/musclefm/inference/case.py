"""One case through an ensemble: from channels to maps on the grid of the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.anatomy.sides import name_sides, sides_map
from musclefm.anatomy.thighs import Thighs, find_thighs
from musclefm.errors import MuscleFMError
from musclefm.inference.framing import Framing
from musclefm.inference.laterality import looks_mirrored
from musclefm.inference.predictor import EnsemblePredictor, Prediction, SliceObserver
from musclefm.inference.slices import SliceFraming
from musclefm.inference.thigh_tiles import ThighFraming
from musclefm.models.bundle import Bundle
from musclefm.models.manifest import PercentileIntensity, ThighTiles
from musclefm.uncertainty.maps import LEFT, RIGHT, ClassStatistics, EnsembleMaps
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import CanonicalView, canonical_view
from musclefm.volumes.volume import Volume


@dataclass(frozen=True)
class _Oriented:
    """A case in the orientation of its framing, and the way back.

    ``undo`` is None where the framing keeps the input's own orientation.
    """

    framing: Framing
    membership: npt.NDArray[np.uint8]
    undo: CanonicalView | None


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
    oriented = _orient(channels, canonical, view, thighs, bundle, predictor)
    prediction = predictor.predict(oriented.framing, oriented.membership, thighs.count, observe)

    def back(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return oriented.undo.undo(array) if oriented.undo else array

    labels = back(prediction.labels)
    sides = name_sides(thighs, view.apply(labels), bundle.scheme)
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
    )


def _orient(
    channels: npt.NDArray[np.float32],
    canonical: npt.NDArray[np.float32],
    view: CanonicalView,
    thighs: Thighs,
    bundle: Bundle,
    predictor: EnsemblePredictor,
) -> _Oriented:
    rule, intensity = bundle.manifest.input.framing, bundle.manifest.input.intensity
    size = bundle.manifest.architecture.input_size
    if isinstance(rule, ThighTiles):
        if not isinstance(intensity, PercentileIntensity):
            raise MuscleFMError(
                f"model '{bundle.manifest.name}' joins thigh tiles with intensity rule"
                f" '{intensity.kind}'",
                "use a model whose tiles are scaled by percentiles",
            )
        columns_mm, rows_mm, _ = view.grid.spacing

        def framing(mirrored: tuple[bool, ...]) -> ThighFraming:
            return ThighFraming(
                canonical, (rows_mm, columns_mm), thighs, mirrored, size, rule.spacing_mm, intensity
            )

        if thighs.count == 2:
            return _Oriented(framing((False, True)), thighs.membership, view)
        mirrored = looks_mirrored(predictor, lambda reverse: framing((reverse,)))
        return _Oriented(framing((mirrored,)), thighs.membership, view)
    if rule.orientation == "stored":
        stored = SliceFraming(channels, size, intensity, rule.orientation)
        return _Oriented(stored, view.undo(thighs.membership), None)
    whole = SliceFraming(canonical, size, intensity, rule.orientation)
    return _Oriented(whole, thighs.membership, view)


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
