"""Tiles of labelled cases, cut as inference cuts them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musclefm.anatomy.sides import name_sides
from musclefm.anatomy.thighs import Thighs
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.inference.case import orient_case
from musclefm.labels.scheme import Side, load_scheme
from musclefm.labels.sided import IGNORE
from musclefm.models.manifest import BundleCard, ThighTiles
from musclefm.progress import Progress, ProgressEvent
from musclefm.training.data.dataset import read_cases
from musclefm.training.data.tiles import CaseTiles
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import canonical_view


@dataclass(frozen=True)
class LabelledCases:
    """A store of corrections or a data list as data to learn from.

    Attributes
    ----------
    path : Path
        See :func:`musclefm.training.data.dataset.read_cases`.
    """

    path: Path

    @property
    def fingerprint(self) -> str:
        """Hash of the path, which may name a patient."""
        return hashlib.sha256(str(self.path.resolve()).encode()).hexdigest()

    def tiles(self, card: BundleCard, progress: Progress) -> Iterator[CaseTiles]:
        """Return the tiles of all cases, see :class:`TrainingData`."""
        cases = read_cases(self.path, load_scheme(card.scheme))
        for number, case in enumerate(cases, start=1):
            yield cut_tiles(case, card)
            progress(ProgressEvent("read", number, 0, f"{number} cases"))


def cut_tiles(case: LabelledCase, card: BundleCard) -> CaseTiles:
    """Return the tiles of a case that hold anything to learn.

    Parameters
    ----------
    case : LabelledCase
        In any orientation.
    card : BundleCard
        Of the network.

    Raises
    ------
    MuscleFMError
        The case lacks a channel that the network needs.
    """
    channels = case.channels.provide(card.input.channels)
    oriented = orient_case(
        channels,
        case.channels.grid,
        card,
        lambda thighs, _: (_lone_side(case, thighs) == "left", 0.0),
    )
    reference = np.ascontiguousarray(oriented.from_input(case.labels.array))
    framing, size = oriented.framing, card.architecture.input_size
    images = [np.empty((0, card.architecture.input_channels, size, size), np.float32)]
    labels = [np.empty((0, size, size), np.uint8)]
    for k in range(framing.slice_count):
        shown = framing.label_tiles(k, reference)
        trainable = (shown != IGNORE).any(axis=(1, 2))
        if trainable.any():
            images.append(framing.tiles(k).numpy()[trainable])
            labels.append(shown[trainable])
    pixel_mm = _pixel_mm(card, case.labels.grid if oriented.stored else oriented.view.grid)
    return CaseTiles(case.subject, np.concatenate(images), np.concatenate(labels), pixel_mm)


def _pixel_mm(card: BundleCard, grid: Grid) -> tuple[float, float]:
    """Return the edges of a tile's pixel along its rows and columns, of slices on a grid."""
    framing, size = card.input.framing, card.architecture.input_size
    if isinstance(framing, ThighTiles):
        return framing.spacing_mm, framing.spacing_mm
    rows, columns = (
        count * spacing / size
        for count, spacing in zip(grid.shape[1:], grid.spacing[1::-1], strict=True)
    )
    # A slice as stored is seen with its first index axis along the rows.
    return (columns, rows) if framing.orientation == "stored" else (rows, columns)


def _lone_side(case: LabelledCase, thighs: Thighs) -> Side:
    if case.side is not None:
        return case.side
    reference = canonical_view(case.channels.grid).apply(case.labels.array)
    muscles = np.where(reference == IGNORE, np.uint8(0), reference)
    return name_sides(thighs, muscles, case.scheme)[0]
