"""The images of one scan: a single contrast, or the channels of a Dixon scan.

Water W and fat F are related to the in-phase and out-of-phase magnitudes of
two-point Dixon (Dixon 1984, doi 10.1148/radiology.153.1.6089263) by
IP = W + F and OP = |W - F|.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.progress import Progress, silent
from musclefm.volumes.affine import largest_distance_mm
from musclefm.volumes.formats.decoded import SeriesChoice
from musclefm.volumes.grid import Grid
from musclefm.volumes.reading import ReadVolume, read_volume
from musclefm.volumes.volume import Volume

CHANNEL_NAMES = ("image", "in-phase", "out-of-phase", "fat", "water")
"""What a channel may be called; ``"image"`` is any contrast."""

# Below this share of the brightest percent of water + fat, the fraction of a voxel is noise.
_NOISE_FLOOR = 0.05


@dataclass(frozen=True)
class Channels:
    """Images of one scan on one grid.

    Attributes
    ----------
    images : mapping of str to Volume
        ``(K, J, I) float32`` each, by names of :data:`CHANNEL_NAMES`.
    notes : tuple of str
        What the user should know, a line each.
    sha256 : str
        Of the names and the voxels and geometry of all images.
    has_gaps : bool
        Whether the slices are known to be much thinner than they lie apart.

    Raises
    ------
    MuscleFMError
        The grids differ.
    ValueError
        There is no image, or one of another name: a programming error.
    """

    images: Mapping[str, Volume]
    notes: tuple[str, ...]
    sha256: str
    has_gaps: bool = False

    def __post_init__(self) -> None:
        if not self.images or not set(self.images) <= set(CHANNEL_NAMES):
            raise ValueError(f"channels {list(self.images)} are not among {CHANNEL_NAMES}")
        first, *others = self.images
        for other in others:
            _check_same_grid(first, self.images[first].grid, other, self.images[other].grid)

    @property
    def grid(self) -> Grid:
        """The grid of all images."""
        return next(iter(self.images.values())).grid

    @property
    def has_fat_and_water(self) -> bool:
        """Whether a fat fraction can be computed."""
        return {"fat", "water"} <= set(self.images)

    def provide(self, names: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the channels that a model needs, derived where they were not given.

        In-phase is W + F and out-of-phase |W - F|. From in-phase and
        out-of-phase, water is (IP + OP) / 2 and fat is (IP - OP) / 2, at least
        0: magnitudes do not tell which of the two prevails, so they are swapped
        where fat does; :meth:`derivation_notes` says so. ``"image"`` is the
        image of that name, the only one, or else the first that was given of
        in-phase and water: W + F shows muscle and fat almost alike.

        Parameters
        ----------
        names : sequence of str
            Names of :data:`CHANNEL_NAMES`, in the model's order.

        Returns
        -------
        ndarray
            ``(N, K, J, I) float32``.

        Raises
        ------
        MuscleFMError
            A channel was not given and cannot be derived.
        """
        found = [self._channel(name) for name in names]
        if missing := [name for name, array in zip(names, found, strict=True) if array is None]:
            raise MuscleFMError(
                f"the model needs {_and(names)}, and {_and(missing)}"
                f" cannot be derived from {_and(list(self.images))}",
                "give "
                + " ".join(f"--channel {name}=PATH" for name in names)
                + " or choose another model",
            )
        return np.stack([array for array in found if array is not None])

    def derivation_notes(self, names: Sequence[str]) -> tuple[str, ...]:
        """Say what :meth:`provide` cannot know when it derives ``names``, a line each."""
        derived = [name for name in ("water", "fat") if name in names and name not in self.images]
        if not derived or self._channel(derived[0]) is None:
            return ()
        return (
            f"{_and(derived)} computed from in-phase and out-of-phase magnitudes:"
            " water and fat are swapped where fat prevails",
        )

    def fat_fraction(self) -> npt.NDArray[np.float32] | None:
        """Return fat / (fat + water), or None unless both were given.

        In-phase and out-of-phase magnitudes give none: beyond one half they
        cannot tell fat from water, and that is where severe infiltration lies.

        Returns
        -------
        ndarray or None
            ``(K, J, I) float32`` in [0, 1]; NaN where fat + water is below 5 %
            of its 99th percentile, i.e. in air and cortical bone.
        """
        if not self.has_fat_and_water:
            return None
        fat = np.maximum(self.images["fat"].array, np.float32(0))
        total = fat + np.maximum(self.images["water"].array, np.float32(0))
        signal = total > _NOISE_FLOOR * np.percentile(total, 99)
        fraction = np.full(total.shape, np.nan, dtype=np.float32)
        np.divide(fat, total, out=fraction, where=signal)
        return fraction

    def _channel(self, name: str) -> npt.NDArray[np.float32] | None:
        given: dict[str, npt.NDArray[np.float32]] = {
            key: volume.array for key, volume in self.images.items()
        }
        if name in given:
            return given[name]
        if name == "image":
            if len(given) == 1:
                return next(iter(given.values()))
            return next(given[other] for other in ("in-phase", "water", *given) if other in given)
        if self.has_fat_and_water:
            water, fat = given["water"], given["fat"]
            return {"in-phase": water + fat, "out-of-phase": np.abs(water - fat)}.get(name)
        if {"in-phase", "out-of-phase"} <= set(given):
            total, difference = given["in-phase"], given["out-of-phase"]
            fat = np.maximum((total - difference) / 2, np.float32(0))
            return {"water": (total + difference) / 2, "fat": fat}.get(name)
        return None


def read_channels(
    paths: Mapping[str, Path],
    *,
    choices: Mapping[str, SeriesChoice] | None = None,
    progress: Progress = silent,
) -> Channels:
    """Read the images of one scan.

    Parameters
    ----------
    paths : mapping of str to Path
        A file or folder for each channel, by names of :data:`CHANNEL_NAMES`.
    choices : mapping of str to SeriesChoice, optional
        Which series or echo to take for a channel.
    progress : Progress
        As of :func:`~musclefm.volumes.reading.read_volume`.

    Raises
    ------
    MuscleFMError
        An image cannot be read, see :func:`~musclefm.volumes.reading.read_volume`;
        there is none or one of an unknown name; or the grids differ.
    """
    check_channel_names(paths)
    read: dict[str, ReadVolume] = {}
    for name, path in paths.items():
        what = "the image" if name == "image" else f"the {name} image"
        choice = (choices or {}).get(name) or SeriesChoice()
        choice = replace(choice, channel=name)
        read[name] = read_volume(path, choice=choice, what=what, progress=progress)
    return judged_channels(read)


def judged_channels(read: Mapping[str, ReadVolume]) -> Channels:
    """Return images as the channels of one scan.

    Parameters
    ----------
    read : mapping of str to ReadVolume
        By names of :data:`CHANNEL_NAMES`.

    Raises
    ------
    MuscleFMError
        The grids differ, or two are the same image.
    """
    _check_distinct(read)
    digest = hashlib.sha256()
    for name in sorted(read):
        digest.update(f"{name} {read[name].sha256}\n".encode())
    return Channels(
        images={name: image.volume for name, image in read.items()},
        notes=tuple(dict.fromkeys(note for image in read.values() for note in image.notes)),
        sha256=digest.hexdigest(),
        has_gaps=any(image.has_gaps for image in read.values()),
    )


def check_channel_names(names: Collection[str]) -> None:
    """Require that there are channels, all of names that are known.

    Raises
    ------
    MuscleFMError
        There is none, or one of another name.
    """
    unknown = [name for name in names if name not in CHANNEL_NAMES]
    if unknown or not names:
        raise MuscleFMError(
            f"there is no channel called {_and(unknown)}" if unknown else "no image was given",
            f"give {', '.join(CHANNEL_NAMES[1:])}, or one image without a channel's name",
        )


def _check_distinct(read: Mapping[str, ReadVolume]) -> None:
    seen: dict[str, str] = {}
    for name, image in read.items():
        other = seen.setdefault(image.sha256, name)
        if other != name:
            raise MuscleFMError(
                f"the {other} image and the {name} image are the same image",
                "give another file or series for each channel, or choose with --echo",
            )


def _check_same_grid(one: str, grid: Grid, other: str, other_grid: Grid) -> None:
    if grid.matches(other_grid):
        return
    compared = [(_size(grid.shape), _size(other_grid.shape), "voxels")]
    compared.append((_mm(grid.spacing), _mm(other_grid.spacing), "mm a voxel"))
    differences = [f"{a} against {b} {unit}" for a, b, unit in compared if a != b]
    if not differences:
        apart = largest_distance_mm(grid.ijk_to_lps, other_grid.ijk_to_lps, grid.shape)
        differences = [f"the same voxel is up to {apart:.2g} mm apart"]
    raise MuscleFMError(
        f"{one} and {other} lie on different grids ({', '.join(differences)})",
        "give channels of the same scan, or resample one to the other first",
    )


def _size(shape: Sequence[int]) -> str:
    return " x ".join(str(size) for size in reversed(shape))


def _mm(spacing: Sequence[float]) -> str:
    return " x ".join(f"{value:.4g}" for value in spacing)


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)
