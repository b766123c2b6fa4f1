"""Rendered slices as a network is shown them, a chunk for each process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from musclefm.demo.phantom.fields import StreakTexture
from musclefm.demo.phantom.legs import Labels, Leg
from musclefm.demo.phantom.neighbours import SliceDistances
from musclefm.demo.phantom.parametric import ParametricThigh
from musclefm.demo.rendering import Images, SliceRecipe, SliceRenderer
from musclefm.labels.scheme import LabelScheme

# Persons drawn at random are split as if they were so many subjects.
_DRAWN_SUBJECTS = 60
# Share of plain slices that lie far apart, as label maps are sliced.
_FAR = 0.5


def own_slice_scale(images: Images) -> Images:
    """Scale a slice and its neighbours by the percentiles of the slice itself.

    One scale for all: what is brighter in a neighbour is shown brighter, and
    neighbours do not change how the slice itself is shown.

    Parameters
    ----------
    images : ndarray
        ``(C, S, S) float32``, C odd: the slice lies in the middle.

    Returns
    -------
    ndarray
        In [0, 1], clipped; zeros where the percentiles coincide.
    """
    bottom, top = np.percentile(images[len(images) // 2], (0.5, 99.5))
    if top <= bottom:
        return np.zeros_like(images)
    scaled: Images = np.clip((images - bottom) / (top - bottom), 0, 1)
    return scaled.astype(np.float32)


ChunkTask = tuple[Sequence[Leg], LabelScheme, SliceRecipe, np.random.SeedSequence, int, int]


def render_chunk(task: ChunkTask) -> tuple[Labels, Labels, npt.NDArray[np.str_]]:
    """Render some slices: images ``(n, C, S, S) uint8``, labels ``(n, S, S) uint8``, and whom.

    The legs are densely labelled. A process that renders imports this file alone,
    and thus not torch.
    """
    legs, scheme, recipe, seed, start, count = task
    rng = np.random.default_rng(seed)
    renderer = SliceRenderer(scheme, recipe.size, recipe.pixel_mm, StreakTexture(rng))
    thigh = ParametricThigh(scheme)
    by_subject: dict[str, list[tuple[Leg, int]]] = {}
    for leg in legs:
        by_subject.setdefault(leg.subject, []).extend((leg, int(k)) for k in leg.usable())
    known = [by_subject[subject] for subject in sorted(by_subject)]
    images = np.empty((count, recipe.channels, recipe.size, recipe.size), np.uint8)
    labels = np.empty((count, recipe.size, recipe.size), np.uint8)
    subjects = []
    for index in range(count):
        plain = bool(rng.random() < recipe.plain)
        distances = None
        if recipe.neighbours_mm is not None:
            distances = SliceDistances.draw(recipe.neighbours_mm, rng, _FAR if plain else 0.0)
        next_mm = None if distances is None else distances.next_mm
        if not known or rng.random() < recipe.parametric:
            sections = thigh.sections(rng, scheme, next_mm)
            subjects.append(f"drawn-{(start + index) % _DRAWN_SUBJECTS}")
        else:
            own = known[rng.integers(len(known))]
            leg, k = own[rng.integers(len(own))]
            sections = leg.sections(k, next_mm)
            subjects.append(leg.subject)
        shown, labels[index] = renderer.render(sections, distances, rng, plain)
        images[index] = np.round(own_slice_scale(shown) * 255)
    return images, labels, np.array(subjects)
