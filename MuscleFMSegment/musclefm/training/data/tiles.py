"""Tiles of all cases, on disk: cut once, read by every member and process.

::

    index.json          subjects, numbers of tiles, the label scheme; written last
    case-0-images.npy   (T, C, S, S) float16, normalised
    case-0-labels.npy   (T, S, S) uint8, 255 is to be ignored
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel
from torch import Tensor

from musclefm.anatomy.sides import name_sides
from musclefm.anatomy.thighs import Thighs
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.inference.case import orient_case
from musclefm.labels.scheme import Side
from musclefm.labels.sided import IGNORE
from musclefm.models.manifest import BundleCard
from musclefm.progress import Progress, ProgressEvent
from musclefm.storage.atomic import atomic_bytes, atomic_text
from musclefm.storage.user_data import make_private_folder
from musclefm.volumes.orientation import canonical_view

_INDEX_FILE = "index.json"

Tiles = npt.NDArray[np.intp]
"""Numbers of tiles, ``(n,)``."""


class _CaseEntry(BaseModel):
    subject: str
    tiles: int


class _Index(BaseModel):
    cases: list[_CaseEntry]


class TileFolder:
    """Tiles that were cut, by number; their voxels are read when they are asked for.

    Parameters
    ----------
    folder : Path
        As :func:`write_tiles` left it.

    Attributes
    ----------
    cases : ndarray
        ``(N,) intp``: the number of each tile's case.
    subjects : ndarray
        ``(N,) str``: its subject.
    """

    def __init__(self, folder: Path) -> None:
        index = _Index.model_validate_json((folder / _INDEX_FILE).read_bytes())
        counts = np.array([entry.tiles for entry in index.cases], np.intp)
        self.cases: npt.NDArray[np.intp] = np.repeat(np.arange(len(counts)), counts)
        self.subjects = np.repeat(np.array([entry.subject for entry in index.cases]), counts)
        self._first = np.concatenate([[0], np.cumsum(counts)])
        self._images, self._labels = (
            [np.load(folder / _file(case, what), mmap_mode="r") for case in range(len(counts))]
            for what in ("images", "labels")
        )

    def of(self, subjects: frozenset[str]) -> Tiles:
        """Return the tiles of subjects, in order."""
        return np.flatnonzero(np.isin(self.subjects, list(subjects)))

    def images(self, tiles: Tiles) -> Tensor:
        """Return ``(n, C, S, S) float32``."""
        return torch.from_numpy(self._stacked(self._images, tiles)).float()

    def labels(self, tiles: Tiles) -> Tensor:
        """Return ``(n, S, S) uint8``."""
        return torch.from_numpy(self._stacked(self._labels, tiles))

    def _stacked(self, stored: list[Any], tiles: Tiles) -> npt.NDArray[Any]:
        return np.stack(
            [stored[case][tile - self._first[case]] for case, tile in zip(
                self.cases[tiles], tiles, strict=True
            )]
        )  # fmt: skip


def write_tiles(
    cases: Iterable[LabelledCase], card: BundleCard, folder: Path, progress: Progress
) -> None:
    """Cut the tiles of cases that a network will be shown; those with nothing to learn are left.

    Parameters
    ----------
    cases : iterable of LabelledCase
        Taken one at a time.
    card : BundleCard
        Of the network to be.
    folder : Path
        For the tiles.
    progress : Progress
        Called for each case.

    Raises
    ------
    MuscleFMError
        A case lacks a channel that the network needs, or the disk is full.
    """
    make_private_folder(folder)
    entries: list[_CaseEntry] = []
    for case in cases:
        images, labels = cut_tiles(case, card)
        if len(images):
            number = len(entries)
            atomic_bytes(folder / _file(number, "images"), _npy(images.astype(np.float16)))
            atomic_bytes(folder / _file(number, "labels"), _npy(labels))
            entries.append(_CaseEntry(subject=case.subject, tiles=len(images)))
        progress(ProgressEvent("read", len(entries), 0, f"{len(entries)} cases"))
    atomic_text(folder / _INDEX_FILE, _Index(cases=entries).model_dump_json(indent=2) + "\n")


def cut_tiles(
    case: LabelledCase, card: BundleCard
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Return the tiles of a case that hold anything to learn.

    Parameters
    ----------
    case : LabelledCase
        In any orientation.
    card : BundleCard
        Of the network.

    Returns
    -------
    images : ndarray
        ``(T, C, S, S) float32``, normalised.
    labels : ndarray
        ``(T, S, S) uint8``; 255 is to be ignored.

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
        lambda thighs, _: _lone_side(case, thighs) == "left",
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
    return np.concatenate(images), np.concatenate(labels)


def _lone_side(case: LabelledCase, thighs: Thighs) -> Side:
    if case.side is not None:
        return case.side
    reference = canonical_view(case.channels.grid).apply(case.labels.array)
    muscles = np.where(reference == IGNORE, np.uint8(0), reference)
    return name_sides(thighs, muscles, case.scheme)[0]


def _file(case: int, what: str) -> str:
    return f"case-{case}-{what}.npy"


def _npy(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
