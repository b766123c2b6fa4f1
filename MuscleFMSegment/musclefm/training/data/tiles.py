"""Tiles of all cases, on disk: cut once, read by every member and process.

::

    index.json          subjects, numbers of tiles, the label scheme; written last
    case-0-images.npy   (T, C, S, S) float16, normalised
    case-0-labels.npy   (T, S, S) uint8, 255 is to be ignored, 254 is NONE_OF_ABSENT
    case-0-absent.npy   (T, C) bool; of a case where 254 occurs
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel
from torch import Tensor

from musclefm.errors import MuscleFMError
from musclefm.labels.sided import IGNORE
from musclefm.models.manifest import BundleCard
from musclefm.progress import Progress
from musclefm.storage.atomic import atomic_bytes, atomic_text
from musclefm.storage.regular_file import read_regular
from musclefm.storage.user_data import make_private_folder

INDEX_FILE = "index.json"
"""Of a folder of tiles: written last."""
# Of a hundred thousand cases.
_LARGEST_INDEX = 64 << 20

NONE_OF_ABSENT = 254
"""A label in a tile: what is there is not known, but it is none of the tile's absent muscles."""

Tiles = npt.NDArray[np.intp]
"""Numbers of tiles, ``(n,)``."""


@dataclass(frozen=True)
class CaseTiles:
    """Tiles to learn from: of a case, or of anything else that shows one person.

    Attributes
    ----------
    subject : str
        The same for all of a person: folds keep them together. A pseudonym.
    images : ndarray
        ``(T, C, S, S) float32``, normalised as the network is to see them.
    labels : ndarray
        ``(T, S, S) uint8``; 255 is to be ignored, see also NONE_OF_ABSENT.
    pixel_mm : tuple of float
        Edges of a pixel along rows and columns in mm.
    absent : ndarray or None
        ``(T, C) bool``: classes that no pixel labelled NONE_OF_ABSENT shows.
    self_labelled : bool
        Whether a model gave the labels: then nothing is validated on them.
    """

    subject: str
    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    pixel_mm: tuple[float, float]
    absent: npt.NDArray[np.bool_] | None = None
    self_labelled: bool = False


class TrainingData(Protocol):
    """What an ensemble learns from."""

    @property
    def fingerprint(self) -> str:
        """Tells these data from others, and nothing of a patient."""
        ...

    def tiles(self, card: BundleCard, progress: Progress) -> Iterable[CaseTiles]:
        """Return all tiles as a network of this card is to see them, one case at a time.

        Raises
        ------
        MuscleFMError
            The data cannot be read, or do not fit the network.
        """
        ...


class _CaseEntry(BaseModel):
    subject: str
    tiles: int
    pixel_mm: tuple[float, float]
    self_labelled: bool = False


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
    self_labelled : ndarray
        ``(N,) bool``: whether a model gave its labels.
    pixel_mm : ndarray
        ``(N, 2)``: edges of its pixels along rows and columns.

    Raises
    ------
    MuscleFMError
        A file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._open(folder)
        except (OSError, EOFError, ValueError) as error:
            raise MuscleFMError(
                "the tiles of the training are missing or damaged",
                "remove its work folder and begin again",
            ) from error

    def _open(self, folder: Path) -> None:
        index = _Index.model_validate_json(read_regular(folder / INDEX_FILE, _LARGEST_INDEX))
        counts = np.array([entry.tiles for entry in index.cases], np.intp)
        self.cases: npt.NDArray[np.intp] = np.repeat(np.arange(len(counts)), counts)
        self.subjects = np.repeat(np.array([entry.subject for entry in index.cases]), counts)
        self.self_labelled: npt.NDArray[np.bool_] = np.repeat(
            np.array([entry.self_labelled for entry in index.cases], np.bool_), counts
        )
        self.pixel_mm = np.repeat([entry.pixel_mm for entry in index.cases], counts, axis=0)
        self._first = np.concatenate([[0], np.cumsum(counts)])
        self._images, self._labels = (
            [np.load(folder / _file(case, what), mmap_mode="r") for case in range(len(counts))]
            for what in ("images", "labels")
        )
        for images, labels, count in zip(self._images, self._labels, counts, strict=True):
            if not len(images) == len(labels) == count:
                raise ValueError("a case has other tiles than the index says")
        files = {case: folder / _file(case, "absent") for case in range(len(counts))}
        self._absent = {case: np.load(file) for case, file in files.items() if file.is_file()}

    def of(self, subjects: frozenset[str]) -> Tiles:
        """Return the tiles of subjects, in order."""
        return np.flatnonzero(np.isin(self.subjects, list(subjects)))

    def images(self, tiles: Tiles) -> Tensor:
        """Return ``(n, C, S, S) float32``."""
        return torch.from_numpy(self._stacked(self._images, tiles)).float()

    def labels(self, tiles: Tiles) -> Tensor:
        """Return ``(n, S, S) uint8``."""
        return torch.from_numpy(self._stacked(self._labels, tiles))

    def absent(self, tiles: Tiles) -> Tensor | None:
        """Return ``(n, C) bool``, see :class:`CaseTiles`; None where no case has any."""
        if not self._absent:
            return None
        none = np.zeros(next(iter(self._absent.values())).shape[1], bool)
        rows = [
            self._absent[case][tile - self._first[case]] if case in self._absent else none
            for case, tile in zip(self.cases[tiles], tiles, strict=True)
        ]
        return torch.from_numpy(np.stack(rows))

    def _stacked(self, stored: list[Any], tiles: Tiles) -> npt.NDArray[Any]:
        return np.stack(
            [stored[case][tile - self._first[case]] for case, tile in zip(
                self.cases[tiles], tiles, strict=True
            )]
        )  # fmt: skip


def write_tiles(cases: Iterable[CaseTiles], folder: Path) -> None:
    """Write tiles, one case at a time.

    Parameters
    ----------
    cases : iterable of CaseTiles
        Those without tiles are left out.
    folder : Path
        For the tiles.

    Raises
    ------
    MuscleFMError
        The disk is full.
    """
    make_private_folder(folder)
    entries: list[_CaseEntry] = []
    for case in cases:
        if count := len(case.images):
            number = len(entries)
            atomic_bytes(folder / _file(number, "images"), _npy(case.images.astype(np.float16)))
            atomic_bytes(folder / _file(number, "labels"), _npy(case.labels))
            if case.absent is not None:
                atomic_bytes(folder / _file(number, "absent"), _npy(case.absent))
            entry = _CaseEntry(
                subject=case.subject,
                tiles=count,
                pixel_mm=case.pixel_mm,
                self_labelled=case.self_labelled,
            )
            entries.append(entry)
    atomic_text(folder / INDEX_FILE, _Index(cases=entries).model_dump_json(indent=2) + "\n")


def known_labels(labels: Tensor) -> Tensor:
    """Return labels of tiles in which all whose class is not known is to be ignored."""
    return labels.masked_fill(labels == NONE_OF_ABSENT, IGNORE)


def _file(case: int, what: str) -> str:
    return f"case-{case}-{what}.npy"


def _npy(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
