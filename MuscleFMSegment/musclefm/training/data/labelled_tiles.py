"""Tiles of labelled cases, cut as inference cuts them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musclefm.anatomy.sides import name_sides
from musclefm.anatomy.thighs import Thighs
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.inference.case import OrientedCase, orient_case
from musclefm.labels.scheme import SIDES, Side, load_scheme
from musclefm.labels.sided import IGNORE
from musclefm.models.manifest import BundleCard, ThighTiles
from musclefm.progress import Progress, ProgressEvent
from musclefm.training.data.dataset import read_cases
from musclefm.training.data.tiles import NONE_OF_ABSENT, CaseTiles
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
    absence = _Absence(case, oriented, card) if case.absent else None
    absent = [np.empty((0, case.scheme.class_count), bool)]
    images = [np.empty((0, card.architecture.input_channels, size, size), np.float32)]
    labels = [np.empty((0, size, size), np.uint8)]
    for k in range(framing.slice_count):
        shown = framing.label_tiles(k, reference)
        if absence:
            ruled_out = absence.mark(k, shown)
        trainable = (shown != IGNORE).any(axis=(1, 2))
        if trainable.any():
            images.append(framing.tiles(k).numpy()[trainable])
            labels.append(shown[trainable])
            if absence:
                absent.append(ruled_out[trainable])
    pixel_mm = _pixel_mm(card, case.labels.grid if oriented.stored else oriented.view.grid)
    return CaseTiles(
        case.subject,
        np.concatenate(images),
        np.concatenate(labels),
        pixel_mm,
        np.concatenate(absent) if absence else None,
    )


class _Absence:
    """Where muscles are known not to be, as the tiles of a case show it.

    A tile that shows both thighs lacks a muscle where that of neither side is.
    """

    def __init__(self, case: LabelledCase, oriented: OrientedCase, card: BundleCard) -> None:
        self._framing, self._classes = oriented.framing, case.scheme.class_count
        thighs = oriented.thighs
        two = thighs.count == len(SIDES)
        sides: tuple[Side, ...] = SIDES if two else (_lone_side(case, thighs),)
        alone = two and isinstance(card.input.framing, ThighTiles)
        tiles = [(side,) for side in sides] if alone else [sides]
        arrays = {id(array): array for array in case.absent.values()}
        turned = {name: oriented.from_input(array) for name, array in arrays.items()}
        self._where = np.zeros(next(iter(turned.values())).shape, np.uint8)
        values = {(side, x.id): v for v, (side, x) in case.scheme.labels_of_sides().items()}
        # For each tile, the arrays of each class; it is absent where all of them hold.
        self._tiles = [
            {
                label.id: [turned[id(case.absent[values[side, label.id]])] for side in shown]
                for label in case.scheme.labels
                if all(values[side, label.id] in case.absent for side in shown)
            }
            for shown in tiles
        ]

    def mark(self, k: int, labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Mark pixels in the tiles of a slice, and return the absent classes, ``(T, C)``."""
        ruled_out = np.zeros((len(labels), self._classes), bool)
        for tile, arrays in enumerate(self._tiles):
            masks = {
                label: np.logical_and.reduce([array[k] for array in of_sides])
                for label, of_sides in arrays.items()
            }
            found = {label: mask for label, mask in masks.items() if mask.any()}
            if found:
                self._where[k] = np.logical_and.reduce(list(found.values()))
                shown = self._framing.label_tiles(k, self._where)[tile] == 1
                labels[tile][shown & (labels[tile] == IGNORE)] = NONE_OF_ABSENT
                ruled_out[tile, list(found)] = True
        return ruled_out


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
