"""A case to report: what three members say of a phantom's thighs, stored in any orientation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from musclefm.demo.phantom.parametric import parametric_labelmap
from musclefm.labels.scheme import load_scheme
from musclefm.labels.sides import LEFT, RIGHT
from musclefm.results.report.case import ReportCase
from musclefm.review.muscles import summarise_muscles
from musclefm.review.regions import FlagRule, flag_regions
from musclefm.uncertainty.maps import ClassStatistics, EnsembleMaps
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

SCHEME = load_scheme("thigh-11")
AXIAL = Grid((9, 72, 140), (2.5, 2.5, 12.0), (-175.0, -90.0, -300.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
RULE = FlagRule(opening_mm=2.5)


def turned(grid: Grid) -> Grid:
    """Tilt a grid by angles as a technician does, about its origin."""
    a, b = np.deg2rad([9.0, -6.0])
    tilt = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    direction = tilt @ turn @ np.reshape(grid.direction, (3, 3))
    return replace(grid, direction=tuple(direction.ravel().tolist()))


def stored(maps: EnsembleMaps, image: Volume, axes, flips) -> tuple[EnsembleMaps, Volume]:
    """Store a case with its axes permuted and flipped, each voxel where it was in the patient.

    ``axes`` and ``flips`` are for array axes (K, J, I).
    """
    grid = image.grid
    direction = np.reshape(grid.direction, (3, 3))
    origin = np.array(grid.origin)
    columns, spacing = [], []
    for axis, flip in reversed(list(zip(axes, flips, strict=True))):
        world = direction[:, 2 - axis]
        step = grid.spacing[2 - axis]
        if flip:
            origin = origin + world * step * (grid.shape[axis] - 1)
        columns.append(-world if flip else world)
        spacing.append(step)
    stored = Grid(
        tuple(grid.shape[axis] for axis in axes),
        tuple(spacing),
        tuple(origin.tolist()),
        tuple(np.stack(columns, axis=1).ravel().tolist()),
    )

    def move(array):
        flipped = np.flip(array.transpose(axes), [n for n, flip in enumerate(flips) if flip])
        return np.ascontiguousarray(flipped)

    fields = (
        "labels",
        "top_muscle",
        "sides",
        "total",
        "aleatoric",
        "epistemic",
        "variance",
        "least_confidence",
    )
    moved = {name: move(getattr(maps, name)) for name in fields}
    return replace(maps, grid=stored, **moved), Volume(move(image.array), stored)


def ensemble(seed: int = 4) -> tuple[EnsembleMaps, Volume]:
    """Return what three members say of a phantom's thighs, and its image.

    They disagree about the left vastus lateralis, whose far part one of them misses.
    """
    rng = np.random.default_rng(seed)
    grid = turned(AXIAL)
    truth = parametric_labelmap(SCHEME, rng, grid=AXIAL).array
    classes = SCHEME.class_count
    column = np.arange(AXIAL.shape[2])
    sides = np.where(column < AXIAL.shape[2] // 2, RIGHT, LEFT).astype(np.uint8)
    sides = np.broadcast_to(sides, AXIAL.shape).copy()
    members = []
    for missing in (0.1, 0.4, 0.9):
        hot = (np.arange(classes)[:, None, None, None] == truth).astype(np.float32)
        lateral = np.where((truth == 3) & (column > 115), np.float32(missing), np.float32(0))
        hot[0] += lateral
        hot[3] -= lateral
        soft = ndimage.gaussian_filter(hot, (0, 0, 0.6, 0.6)) + 1e-3
        members.append(soft / soft.sum(axis=0))
    p = np.stack(members)
    mean = p.mean(axis=0)
    total = -(mean * np.log(mean)).sum(axis=0)
    aleatoric = -(p * np.log(p)).sum(axis=1).mean(axis=0)
    labels = mean.argmax(axis=0).astype(np.uint8)
    votes = p.argmax(axis=1)
    mass, inside = np.zeros((2, classes)), np.zeros((2, classes))
    overlap = np.zeros((2, classes, 3, 3))
    for at, side in enumerate((RIGHT, LEFT)):
        here = sides == side
        mass[at] = mean[:, here].sum(axis=1)
        for c in range(classes):
            inside[at, c] = mean[c][here & (labels == c)].sum()
            votes_for = (votes == c) & here
            overlap[at, c] = np.einsum("akji,bkji->ab", votes_for, votes_for, dtype=float)
    body = ndimage.binary_dilation(truth > 0, ndimage.generate_binary_structure(3, 1), iterations=4)
    image = np.where(truth > 0, 300.0, np.where(body, 900.0, 0.0))
    image = np.hypot(image + 25 * rng.standard_normal(image.shape), 25.0).astype(np.float32)
    maps = EnsembleMaps(
        grid=grid,
        scheme=SCHEME,
        labels=labels,
        top_muscle=(mean[1:].argmax(axis=0) + 1).astype(np.uint8),
        sides=sides,
        total=total.astype(np.float32),
        aleatoric=aleatoric.astype(np.float32),
        epistemic=(total - aleatoric).astype(np.float32),
        variance=p.var(axis=0).mean(axis=0).astype(np.float32),
        least_confidence=(1 - mean.max(axis=0)).astype(np.float32),
        statistics=ClassStatistics(mass, inside, overlap),
    )
    return maps, Volume(image, grid)


def report_case(maps: EnsembleMaps, image: Volume, rule: FlagRule = RULE) -> ReportCase:
    regions = flag_regions(maps, rule)
    return ReportCase(
        title="Thigh muscles on MR",
        created="2026-01-02T03:04:05+00:00",
        image=image,
        maps=maps,
        regions=regions.queue,
        region_labels=regions.labelmap,
        muscles=summarise_muscles(maps, regions.queue),
        model_title="Phantom ensemble",
        model_version="2.1.0",
        model_sha256="c0ffee" * 10,
        device="CPU, float32",
        notes=("Fat & water were given, <checked>.",),
    )
