"""One case through an ensemble: from channels to maps on the grid of the input."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.anatomy.sides import name_sides, sides_map
from musclefm.anatomy.signal import cleaned
from musclefm.anatomy.thighs import Thighs, find_thighs
from musclefm.errors import MuscleFMError
from musclefm.inference.device import Runtime
from musclefm.inference.field_notes import (
    MUSCLES_UPSIDE_DOWN,
    PRONE,
    TURNED_AS_STORED,
    field_findings,
    lie_upside_down,
)
from musclefm.inference.framing import Framing
from musclefm.inference.nnunet_predictor import NnUNetPredictor, VolumeFraming
from musclefm.inference.posture import lone_pose, looks_upside_down
from musclefm.inference.predictor import EnsemblePredictor, Prediction, SliceObserver
from musclefm.inference.slices import SliceFraming
from musclefm.inference.thigh_tiles import ThighFraming
from musclefm.labels.sides import LEFT, RIGHT
from musclefm.models.bundle import Bundle
from musclefm.models.framing_rules import NnUNetVolume, ThighTiles
from musclefm.models.manifest import BundleCard
from musclefm.progress import Progress
from musclefm.uncertainty.maps import ClassStatistics, EnsembleMaps
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import CanonicalView, canonical_view
from musclefm.volumes.volume import Volume

LoneThigh = Callable[[Thighs, Callable[[bool, float], ThighFraming]], tuple[bool, float]]
"""Tells whether a thigh that is alone is to be mirrored, and its roll, given what frames it so."""


@dataclass(frozen=True)
class OrientedCase:
    """A case in the orientation of its framing, and the way back.

    Attributes
    ----------
    framing : Framing
        Of its slices.
    thighs : Thighs
        As found in the orientation of ``view``.
    view : CanonicalView
        From the input to how the patient lies.
    stored : bool
        Whether the framing keeps the input's own orientation instead.
    """

    framing: Framing
    thighs: Thighs
    view: CanonicalView
    stored: bool = False

    @property
    def membership(self) -> npt.NDArray[np.uint8]:
        """The thigh, from 1, of each voxel, ``(K, J, I) uint8``, as the framing is oriented."""
        members = self.thighs.membership
        return self.view.undo(members) if self.stored else members

    def from_input(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return an array ``(K, J, I)`` of the input's grid as the framing is oriented."""
        return array if self.stored else self.view.apply(array)

    def to_input(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return an array ``(K, J, I)`` oriented as the framing is on the input's grid."""
        return array if self.stored else self.view.undo(array)


def load_predictor(bundle: Bundle, runtime: Runtime, progress: Progress) -> EnsemblePredictor:
    """Load the members of a bundle as its manifest says that they are run.

    Parameters
    ----------
    bundle, runtime, progress
        As of :class:`EnsemblePredictor`.

    Raises
    ------
    MuscleFMError
        As of :class:`EnsemblePredictor`; or a package that they need is not installed.
    """
    volumes = isinstance(bundle.manifest.input.framing, NnUNetVolume)
    return (NnUNetPredictor if volumes else EnsemblePredictor)(bundle, runtime, progress)


def run_case(
    channels: npt.NDArray[np.float32],
    grid: Grid,
    bundle: Bundle,
    predictor: EnsemblePredictor,
    observer: Callable[[OrientedCase], SliceObserver] | None = None,
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
    observer : callable, optional
        Given the case in the orientation that the network sees, it returns what is shown
        the probabilities of each slice in that orientation.

    Returns
    -------
    EnsembleMaps
        On the grid of the input, voxel for voxel.
    """

    def lone_thigh(
        _: Thighs, framing_of: Callable[[bool, float], ThighFraming]
    ) -> tuple[bool, float]:
        with one_at_a_time:
            return lone_pose(predictor, framing_of)

    def oriented(upside_down: bool) -> OrientedCase:
        return orient_case(channels, grid, bundle.manifest, lone_thigh, upside_down)

    one_at_a_time = Lock()
    # nnU-Net learned from mirrored images, too: it is as sure either way, and its labels tell.
    whole = isinstance(bundle.manifest.input.framing, NnUNetVolume)
    # Most of it lets go of Python's lock: two cores need half the time.
    with ThreadPoolExecutor() as pool:
        case, *others = pool.map(oriented, (False,) if whole else (False, True))
    turned = any(looks_upside_down(predictor, case.framing, other.framing) for other in others)
    case = others[0] if turned else case
    thighs, view = case.thighs, case.view
    observe = observer(case) if observer else None
    prediction = predictor.predict(case.framing, case.membership, thighs.count, observe)
    labels = case.to_input(prediction.labels)
    sides = name_sides(thighs, view.apply(labels), bundle.scheme)
    findings = field_findings(thighs, sides, view.apply(labels), view)
    notes = findings.notes
    if turned:
        notes = (TURNED_AS_STORED if case.stored else PRONE, *notes)
    if whole and lie_upside_down(view.apply(labels), bundle.scheme):
        notes = (MUSCLES_UPSIDE_DOWN, *notes)
    return EnsembleMaps(
        grid=grid,
        scheme=bundle.scheme,
        labels=labels,
        top_muscle=case.to_input(prediction.top_muscle),
        sides=view.undo(sides_map(thighs, sides)),
        total=case.to_input(prediction.total),
        aleatoric=case.to_input(prediction.aleatoric),
        epistemic=case.to_input(prediction.epistemic),
        variance=case.to_input(prediction.variance),
        least_confidence=case.to_input(prediction.least_confidence),
        statistics=_by_side(prediction, [RIGHT if s == "right" else LEFT for s in sides]),
        notes=notes,
        beyond_thigh=findings.beyond_thigh,
    )


def orient_case(
    channels: npt.NDArray[np.float32],
    grid: Grid,
    card: BundleCard,
    lone_thigh: LoneThigh,
    upside_down: bool = False,
) -> OrientedCase:
    """Frame a case as a network is to see it, in use and in training alike.

    Parameters
    ----------
    channels : ndarray
        ``(N, K, J, I) float32``, as given.
    grid : Grid
        Of the channels, in any orientation.
    card : BundleCard
        Of the network.
    lone_thigh : callable
        Asked only where tiles are thighs and there is one.
    upside_down : bool
        Whether the network sees the slices turned by 180 degrees. The patient
        then is turned with them, so that what is found is exactly what a scan
        stored the right way gives; not so for a network that sees slices as
        they are stored, since files of one patient are stored in many ways.

    Raises
    ------
    MuscleFMError
        The card joins rules that do not fit.
    """
    rule, intensity = card.input.framing, card.input.intensity
    size = card.architecture.input_size
    as_stored = not isinstance(rule, ThighTiles) and rule.orientation == "stored"
    view = canonical_view(grid)
    if upside_down and not as_stored:
        view = view.upside_down()
    canonical = np.stack([np.ascontiguousarray(view.apply(channel)) for channel in channels])
    signal = np.stack([cleaned(channel) for channel in canonical]) if intensity.for_tiles else None
    thighs = find_thighs(Volume(canonical[0], view.grid), None if signal is None else signal[0])
    if isinstance(rule, NnUNetVolume):
        seen, spacing = (channels, grid.spacing) if as_stored else (canonical, view.grid.spacing)
        volume = VolumeFraming(seen, spacing[::-1], turned=not as_stored)
        return OrientedCase(volume, thighs, view, as_stored)
    if as_stored:
        framing = SliceFraming(channels, size, intensity, "stored", upside_down)
        return OrientedCase(framing, thighs, view, stored=True)
    canonical = canonical if signal is None else signal
    if not isinstance(rule, ThighTiles):
        return OrientedCase(SliceFraming(canonical, size, intensity, "canonical"), thighs, view)
    if not intensity.for_tiles:
        raise MuscleFMError(
            f"model '{card.name}' joins thigh tiles with intensity rule '{intensity.kind}'",
            "use a model whose tiles are scaled by percentiles",
        )

    def framed(found: Thighs, mirrored: tuple[bool, ...]) -> ThighFraming:
        return ThighFraming(
            canonical, view.grid.spacing[::-1], found, mirrored, size, rule, intensity
        )

    if thighs.count == 2:
        return OrientedCase(framed(thighs, (False, True)), thighs, view)
    mirrored, turn = lone_thigh(
        thighs, lambda reverse, turn: framed(replace(thighs, turn_degrees=turn), (reverse,))
    )
    thighs = replace(thighs, turn_degrees=turn)
    return OrientedCase(framed(thighs, (mirrored,)), thighs, view)


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
