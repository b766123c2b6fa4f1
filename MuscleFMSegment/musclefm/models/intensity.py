"""Intensity rules: how raw MR values become a network's input; the one place to add another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(-1, 1, 1)
_IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32).reshape(-1, 1, 1)

Floats = npt.NDArray[np.float32]


class IntensityRule(BaseModel, ABC):
    """A rule and its parameters, as they stand in ``model.json``.

    Attributes
    ----------
    kind : str
        Its name in :data:`INTENSITY_RULES`.
    for_tiles : bool
        Whether it also suits tiles of one thigh, which hold background of value 0, and
        images whose air outside the body was cleaned; else whole slices as stored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    for_tiles: ClassVar[bool] = True

    kind: str

    @abstractmethod
    def scale(self, image: Floats) -> npt.NDArray[Any]:
        """Return one channel ``(rows, columns)`` of a slice or tile on the rule's scale.

        Float32 is resampled to the network's size by an antialiased bilinear filter,
        uint8 by Pillow's.
        """

    @abstractmethod
    def normalise(self, image: npt.NDArray[Any]) -> Floats:
        """Return what the network sees, ``(channels, S, S) float32``, of scaled channels."""

    def sees(self, images: Floats) -> bool:
        """Tell whether the rule is defined for channels ``(N, rows, columns)`` of a slice.

        Where it is not, the slice is background.
        """
        return True


class PercentileIntensity(IntensityRule):
    """Clip to percentiles of the tile's pixels, scale to [0, 1], then (x - 0.5) / 0.25.

    Attributes
    ----------
    low, high : float
        Percentiles, 0 to 100.
    """

    kind: Literal["percentile"] = "percentile"
    low: float = Field(default=0.5, ge=0.0, lt=100.0)
    high: float = Field(default=99.5, gt=0.0, le=100.0)

    @model_validator(mode="after")
    def _low_is_below_high(self) -> PercentileIntensity:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self

    def scale(self, image: Floats) -> Floats:
        """Return the image in [0, 1] between its percentiles; zeros where they coincide."""
        return percentile_scale(image, self.low, self.high)

    def normalise(self, image: npt.NDArray[Any]) -> Floats:
        """Return the image with about zero mean and unit variance."""
        normalised: Floats = (image - np.float32(0.5)) / np.float32(0.25)
        return normalised


class UnitIntensity(IntensityRule):
    """Clip to percentiles of the tile's pixels and scale to [0, 1], as LiteMedSAM was shown MR."""

    kind: Literal["unit"] = "unit"

    def scale(self, image: Floats) -> Floats:
        """Return the image in [0, 1] between its percentiles; zeros where they coincide."""
        return percentile_scale(image)

    def normalise(self, image: npt.NDArray[Any]) -> Floats:
        """Return the image as it is."""
        return image.astype(np.float32)


class PublishedIntensity(IntensityRule):
    """The published pipeline: min-max of the slice to uint8, then SAM's or MedSAM's rule.

    Attributes
    ----------
    normalisation : str
        ``"sam"`` (ImageNet mean and deviation) or ``"medsam"`` (min-max).
    """

    for_tiles: ClassVar[bool] = False

    kind: Literal["published"] = "published"
    normalisation: Literal["sam", "medsam"] = "sam"

    def scale(self, image: Floats) -> npt.NDArray[np.uint8]:
        """Return the image from its minimum and maximum to 0..255, cut to whole numbers."""
        bottom = image.min()
        # The small term is the published one; all of it stays float32, as there.
        scaled = (image - bottom) / (image.max() - bottom + np.float32(1e-8)) * np.float32(255)
        cut: npt.NDArray[np.uint8] = scaled.astype(np.uint8)
        return cut

    def normalise(self, image: npt.NDArray[Any]) -> Floats:
        """Return the image by SAM's rule, or in [0, 1] over all channels by MedSAM's."""
        scaled: Floats = image.astype(np.float32) / np.float32(255)
        if self.normalisation == "sam":
            normalised: Floats = (scaled - _IMAGENET_MEAN) / _IMAGENET_DEVIATION
            return normalised
        bottom, top = scaled.min(), scaled.max()
        return (scaled - bottom) / (top - bottom) if top > bottom else np.zeros_like(scaled)

    def sees(self, images: Floats) -> bool:
        """Tell whether there is anything to divide by.

        MedSAM's normalisation of a constant slice is 0 / 0 in the published pipeline,
        and the label of the resulting NaN is background.
        """
        constant = bool((images.max(axis=(1, 2)) == images.min(axis=(1, 2))).all())
        return not (constant and self.normalisation == "medsam")


INTENSITY_RULES: dict[str, type[IntensityRule]] = {
    "percentile": PercentileIntensity,
    "published": PublishedIntensity,
    "unit": UnitIntensity,
}
"""Rules by their ``kind``."""


def percentile_scale(image: Floats, low: float = 0.5, high: float = 99.5) -> Floats:
    """Scale an image to [0, 1] between two of its percentiles, clipped.

    Parameters
    ----------
    image : ndarray
        ``(…) float32``, finite.
    low, high : float
        Percentiles, 0 to 100.

    Returns
    -------
    ndarray
        As ``image``; zeros where the percentiles coincide.
    """
    bottom, top = np.percentile(image, (low, high))
    if top <= bottom:
        return np.zeros_like(image)
    scaled: Floats = np.clip((image - bottom) / (top - bottom), 0, 1)
    return scaled.astype(np.float32)
