"""Results folders as ``musclefm segment`` writes them, of made-up thighs, without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from musclefm.exchange.seg_nrrd import write_seg_nrrd
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.labels.sided import with_sides
from musclefm.labels.sides import LEFT, RIGHT
from musclefm.results.tables import muscles_table, regions_document
from musclefm.review.muscles import summarise_muscles
from musclefm.review.regions import flag_regions
from musclefm.uncertainty.maps import ClassStatistics, EnsembleMaps
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

THIGH_RADIUS_MM = 60.0
THIGHS_APART_MM = 75.0
"""Distance of a thigh's axis from the patient's middle plane."""

AXIAL = Grid(
    shape=(12, 64, 96),
    spacing=(3.0, 3.0, 8.0),
    origin=(-142.5, -94.5, -44.0),
    direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
)


def made_maps(grid: Grid, scheme: LabelScheme) -> EnsembleMaps:
    """Return what an ensemble could say of two thighs that run along the patient's axis.

    Muscles are sectors of a circle about each thigh's axis, mirrored at the
    middle plane. Uncertainty is high between the first two muscles of the right thigh
    and between the last two of the left, in the upper half.
    """
    lps = _positions(grid)
    # LPS: the patient's right is where x is negative.
    sides = np.where(lps[0] < 0, RIGHT, LEFT).astype(np.uint8)
    lateral = np.abs(lps[0]) - THIGHS_APART_MM
    radius = np.hypot(lateral, lps[1])
    turn = (np.arctan2(lps[1], lateral) / (2 * np.pi)) % 1.0
    count = len(scheme.labels)
    muscle = (np.minimum(turn * count, count - 1e-6).astype(np.uint8) + 1).astype(np.uint8)
    inside = (radius < THIGH_RADIUS_MM) & (radius > 12.0)
    edge = np.where(sides == RIGHT, 1 / count, (count - 1) / count)
    apart_mm = np.abs(turn - edge) * 2 * np.pi * radius
    uncertain = inside & (lps[2] > 0)
    # A network is nowhere quite sure, and its files are not easily compressed.
    total = np.random.default_rng(3).uniform(0.0, 0.04, grid.shape) * (radius < THIGH_RADIUS_MM)
    total += np.where(uncertain, np.exp(-((apart_mm / 9.0) ** 2)) * 0.5, 0.0)
    total = total.astype(np.float32)
    nats = np.float32(np.log(scheme.class_count))
    statistics = ClassStatistics(
        probability_mass=np.ones((2, scheme.class_count)),
        probability_inside=np.ones((2, scheme.class_count)),
        member_overlap=np.ones((2, scheme.class_count, 2, 2)),
    )
    return EnsembleMaps(
        grid=grid,
        scheme=scheme,
        labels=np.where(inside, muscle, 0).astype(np.uint8),
        top_muscle=muscle,
        sides=sides,
        total=total * nats,
        aleatoric=total * nats * np.float32(0.7),
        epistemic=total * nats * np.float32(0.3),
        variance=total,
        least_confidence=total,
        statistics=statistics,
    )


def made_image(maps: EnsembleMaps) -> Volume:
    """Return an image of the thighs: fat bright, each muscle a little different."""
    rng = np.random.default_rng(5)
    image = np.where(maps.labels > 0, 300 + 20 * maps.labels.astype(np.float32), 0)
    lps = _positions(maps.grid)
    radius = np.hypot(np.abs(lps[0]) - THIGHS_APART_MM, lps[1])
    image = np.where((maps.labels == 0) & (radius < THIGH_RADIUS_MM + 8), 700, image)
    noise = rng.normal(0, 15, image.shape)
    return Volume(np.abs(image + noise).astype(np.int16), maps.grid)


def write_results(folder: Path, maps: EnsembleMaps, *, fat: bool = True) -> None:
    """Write the files that the Slicer module reads, with the library's own writers."""
    folder.mkdir(parents=True, exist_ok=True)
    regions = flag_regions(maps)
    fat_fraction = np.where(maps.labels > 0, 0.1, np.nan).astype(np.float32) if fat else None
    images: dict[str, npt.NDArray[np.generic]] = {
        "labels": maps.labels,
        "regions": regions.labelmap,
        "uncertainty": maps.total / np.float32(maps.max_entropy),
        "aleatoric": maps.aleatoric / np.float32(maps.max_entropy),
        "epistemic": maps.epistemic / np.float32(maps.max_entropy),
    }
    if fat_fraction is not None:
        images["fat_fraction"] = fat_fraction
    for name, array in images.items():
        write_volume(Volume(array, maps.grid), folder / f"{name}.nii.gz")
    sided = with_sides(maps.labels, maps.sides, maps.scheme)
    write_seg_nrrd(folder / "labels.seg.nrrd", Volume(sided, maps.grid), maps.scheme)
    (folder / "regions.json").write_text(regions_document(maps, regions).model_dump_json())
    muscles = summarise_muscles(maps, regions.queue, fat_fraction)
    (folder / "muscles.csv").write_text(muscles_table(muscles))
    provenance = {
        "model": {"sha256": "0" * 64, "label_scheme": maps.scheme.name},
        "input": {"sha256": "1" * 64},
    }
    (folder / "provenance.json").write_text(json.dumps(provenance))


def made_results(folder: Path, grid: Grid = AXIAL, scheme: str = "thigh-12") -> EnsembleMaps:
    """Write a results folder on a grid and return what it says."""
    maps = made_maps(grid, load_scheme(scheme))
    write_results(folder, maps)
    return maps


def sided(maps: EnsembleMaps) -> npt.NDArray[np.uint8]:
    """Return the sided labels ``(K, J, I)`` that the results stand for."""
    left = (maps.labels > 0) & (maps.sides == LEFT)
    return (maps.labels + left * len(maps.scheme.labels)).astype(np.uint8)


def addVolume(scene: Any, volume: Volume, name: str = "thighs") -> Any:
    """Add an image to the scene, as loading a file would."""
    image = vtk.vtkImageData()
    image.SetDimensions(volume.array.shape[::-1])
    scalars = numpy_to_vtk(np.ascontiguousarray(volume.array).ravel(), deep=True)
    image.GetPointData().SetScalars(scalars)
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(volume.grid.ijk_to_ras.ravel().tolist())
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetIJKToRASMatrix(matrix)
    node.SetAndObserveImageData(image)
    node.CreateDefaultDisplayNodes()
    return node


def _positions(grid: Grid) -> npt.NDArray[np.float64]:
    """Return the position ``(3, K, J, I)`` of every voxel in mm, LPS."""
    k, j, i = np.meshgrid(*(np.arange(size) for size in grid.shape), indexing="ij", sparse=True)
    matrix = grid.ijk_to_lps
    return np.stack([row[0] * i + row[1] * j + row[2] * k + row[3] for row in matrix[:3]])
