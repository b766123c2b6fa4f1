"""Anatomies of our own: both thighs, drawn at random from mean muscle shapes.

Every muscle is one or more elliptic lobes whose centre and covariance are
interpolated along the thigh; a pixel belongs to the muscle of the lobe that is
nearest in Mahalanobis distance. A person's size, proportions and atrophy move
and shrink the lobes, and a smooth field bends the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from musclefm.demo.phantom.fields import smooth_field
from musclefm.demo.phantom.legs import Sections
from musclefm.labels.scheme import LabelScheme
from musclefm.storage.resources import resource_folder
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

# A uniform ellipse reaches to two standard deviations; a little more makes
# neighbours meet.
_REACH = 4.0 * 1.1
_FEMUR_RADIUS_MM = 13.0
# Of the part of a thigh that is drawn, from the knee to the hip.
_LENGTH_MM = 310.0
# Softness of the minimum over a muscle's lobes, in squared Mahalanobis
# distance: high enough to bridge them.
_BRIDGING = 3.5


class _Section(BaseModel):
    """A muscle at one height: lobes ``[x, y, xx, xy, yy]`` in mm and mm²."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: float
    presence: float
    lobes: tuple[tuple[float, float, float, float, float], ...]


class _ThighShape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    muscles: dict[str, tuple[_Section, ...]]


@dataclass(frozen=True)
class Person:
    """One random person.

    Attributes
    ----------
    size : float
        Scale of the muscles' cross-sections, 1 for the mean.
    seed : int
        Of the proportions and the bending.
    atrophy : dict of int to float
        Scale of each muscle's own width, by label id.
    """

    size: float
    seed: int
    atrophy: dict[int, float]

    @staticmethod
    def draw(scheme: LabelScheme, rng: np.random.Generator) -> Person:
        """Draw a person; half of them have atrophied muscles."""
        atrophied = rng.random() < 0.5
        atrophy = {
            label.id: float(
                np.clip(rng.normal(0.85, 0.15) if atrophied else rng.normal(1.0, 0.06), 0.4, 1.2)
            )
            for label in scheme.labels
        }
        return Person(
            float(np.clip(rng.normal(1.0, 0.12), 0.7, 1.35)), int(rng.integers(2**31)), atrophy
        )


class ParametricThigh:
    """Right thighs of random persons, slice by slice.

    Parameters
    ----------
    scheme : LabelScheme
        Muscles to draw; those without a known shape are left out.
    """

    def __init__(self, scheme: LabelScheme) -> None:
        path = resource_folder() / "Phantom" / "thigh-shape.json"
        shape = _ThighShape.model_validate_json(path.read_text("utf-8"))
        self._sections = {
            label.id: shape.muscles[label.abbreviation]
            for label in scheme.labels
            if label.abbreviation in shape.muscles
        }

    def draw(
        self, person: Person, height: float, pixel_mm: float, canvas: int
    ) -> npt.NDArray[np.uint8]:
        """Return the labels ``(canvas, canvas) uint8`` of a right thigh.

        Rows run from anterior to posterior, columns from lateral to medial;
        the femur lies a little before the middle.

        Parameters
        ----------
        person : Person
            Build of the thigh.
        height : float
            From 0 at the knee to 1 at the hip.
        pixel_mm : float
            Edge of a pixel in mm.
        canvas : int
            Edge of the slice in pixels.
        """
        # The same seed at each height: a person's features continue along the leg.
        rng = np.random.default_rng(person.seed)
        axis = (np.arange(canvas) - canvas / 2) * pixel_mm
        y, x = np.meshgrid(axis + 12.0, axis + 8.0, indexing="ij")
        angle = rng.normal(0, 0.12)
        x, y = np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y
        bend = rng.uniform(0, 4.0)
        x = x + bend * smooth_field((canvas, canvas), 45.0 / pixel_mm, rng)
        y = y + bend * smooth_field((canvas, canvas), 45.0 / pixel_mm, rng)
        x, y = x / person.size, y / person.size
        nearest = np.full((canvas, canvas), _REACH)
        labels = np.zeros((canvas, canvas), np.uint8)
        for label, sections in self._sections.items():
            nudge = rng.normal(0, 2.2, 2)
            stretch = np.exp(rng.normal(0, 0.1))
            presence, lobes = _interpolate(sections, height)
            if presence < rng.uniform(0.3, 0.7):
                continue
            near = np.zeros((canvas, canvas))
            for lobe in lobes:
                dx, dy = x - lobe[0] - nudge[0], y - lobe[1] - nudge[1]
                width = person.atrophy[label] ** 2
                xx, xy, yy = lobe[2] * width * stretch, lobe[3] * width, lobe[4] * width / stretch
                determinant = max(xx * yy - xy**2, 1e-3 * xx * yy)
                near += np.exp(
                    (2 * xy * dx * dy - yy * dx**2 - xx * dy**2) / (determinant * _BRIDGING)
                )
            distance = -_BRIDGING * np.log(np.maximum(near, 1e-12))
            closer = distance < nearest
            nearest[closer] = distance[closer]
            labels[closer] = label
        labels[np.hypot(x, y) < _FEMUR_RADIUS_MM] = 0
        return labels

    def sections(
        self, rng: np.random.Generator, scheme: LabelScheme, distance_mm: float | None
    ) -> Sections:
        """Return a section of a random person's thigh, for training.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        scheme : LabelScheme
            Of the labels.
        distance_mm : float or None
            Of the neighbours; None draws none.
        """
        person, height = Person.draw(scheme, rng), float(rng.uniform(0, 1))
        drawn: list[npt.NDArray[np.uint8] | None] = []
        for side in (0, -1, 1):
            place = height + side * (distance_mm or 0) / (_LENGTH_MM * person.size)
            labels = None
            if side == 0 or (distance_mm is not None and 0 <= place <= 1):
                labels = self.draw(person, place, 1.4, 152)
            drawn.append(labels if labels is not None and labels.any() else None)
        own, below, above = drawn
        if own is None:
            return self.sections(rng, scheme, distance_mm)
        return Sections(own, below, above, (1.4, 1.4), height, person.size)


def _interpolate(
    sections: tuple[_Section, ...], height: float
) -> tuple[float, npt.NDArray[np.float64]]:
    """Return a muscle's presence and lobes ``(lobes, 5)`` at a height."""
    heights = [section.height for section in sections]
    inside = heights[0] - 0.15 <= height <= heights[-1] + 0.15
    presence = float(np.interp(height, heights, [section.presence for section in sections]))
    lobes = np.array([section.lobes for section in sections])
    mixed = np.array(
        [
            [np.interp(height, heights, lobes[:, lobe, value]) for value in range(5)]
            for lobe in range(lobes.shape[1])
        ]
    )
    return (presence if inside else 0.0), mixed


def parametric_labelmap(scheme: LabelScheme, rng: np.random.Generator, *, grid: Grid) -> Volume:
    """Return the labels ``(K, J, I) uint8`` of both thighs of a random person.

    Parameters
    ----------
    scheme : LabelScheme
        Of the labels; both thighs carry the same ids.
    rng : numpy.random.Generator
        Source of randomness.
    grid : Grid
        In canonical orientation, with square pixels; the thighs stand side by
        side around its middle, and fill it from the knee to the hip.
    """
    thigh = ParametricThigh(scheme)
    person = Person.draw(scheme, rng)
    slices, rows, columns = grid.shape
    half = columns // 2
    canvas = max(rows, half)
    labels = np.zeros(grid.shape, np.uint8)
    for k in range(slices):
        height = k / max(slices - 1, 1)
        drawn = thigh.draw(person, height, grid.spacing[0], canvas)
        top, side = (canvas - rows) // 2, (canvas - half) // 2
        right = drawn[top : top + rows, side : side + half]
        labels[k, :, :half] = right
        labels[k, :, columns - half :] = right[:, ::-1]
    return Volume(labels, grid)
