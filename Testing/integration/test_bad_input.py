"""An image that cannot be segmented is refused in one line, and nothing is left behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from refusals import NAMED, Refused, Run

from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

PIXDIM = 76


@pytest.fixture
def water(scan: Path) -> Volume:
    return read_volume(scan / "water.nii.gz").volume


def missing(path: Path, water: Volume) -> Path:
    return path.with_suffix(".nii.gz")


def empty(path: Path, water: Volume) -> Path:
    path.with_suffix(".nii.gz").touch()
    return path.with_suffix(".nii.gz")


def truncated_nifti(path: Path, water: Volume) -> Path:
    return cut(written(path, ".nii", water))


def truncated_gzip(path: Path, water: Volume) -> Path:
    return cut(written(path, ".nii.gz", water))


def truncated_nrrd(path: Path, water: Volume) -> Path:
    return cut(written(path, ".nrrd", water))


def truncated_metaimage(path: Path, water: Volume) -> Path:
    return cut(written(path, ".mha", water))


def no_image(path: Path, water: Volume) -> Path:
    path.with_suffix(".txt").write_text("a letter")
    return path.with_suffix(".txt")


def letter_called_nifti(path: Path, water: Volume) -> Path:
    path.with_suffix(".nii").write_text("a letter " * 100)
    return path.with_suffix(".nii")


def folder_without_series(path: Path, water: Volume) -> Path:
    path.mkdir()
    (path / "letter.txt").write_text("a letter")
    return path


def four_dimensions(path: Path, water: Volume) -> Path:
    image = sitk.GetImageFromArray(water.array)
    sitk.WriteImage(sitk.JoinSeries([image, image]), path.with_suffix(".nii.gz"))
    return path.with_suffix(".nii.gz")


def colour(path: Path, water: Volume) -> Path:
    image = sitk.Cast(sitk.GetImageFromArray(water.array), sitk.sitkUInt8)
    sitk.WriteImage(sitk.Compose([image] * 3), path.with_suffix(".nrrd"))
    return path.with_suffix(".nrrd")


def one_pixel(path: Path, water: Volume) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((1, 1, 1), np.int16)), path.with_suffix(".nii"))
    return path.with_suffix(".nii")


def constant(path: Path, water: Volume) -> Path:
    return written(path, ".nii.gz", water.with_array(np.full_like(water.array, 7)))


def nan_inside(path: Path, water: Volume) -> Path:
    array = water.array.copy()
    k, j, i = np.unravel_index(array.argmax(), array.shape)
    array[k, j, i] = np.nan
    return written(path, ".nii.gz", water.with_array(array))


def infinite(path: Path, water: Volume) -> Path:
    array = water.array.copy()
    array[0, 0, 0] = np.inf
    return written(path, ".nrrd", water.with_array(array))


def written(path: Path, suffix: str, volume: Volume) -> Path:
    write_volume(volume, path.with_suffix(suffix))
    return path.with_suffix(suffix)


def cut(path: Path) -> Path:
    os.truncate(path, path.stat().st_size * 2 // 3)
    return path


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (missing, "does not exist"),
        (empty, "empty"),
        (truncated_nifti, "truncated"),
        (truncated_gzip, "damaged"),
        (truncated_nrrd, "damaged"),
        (truncated_metaimage, "damaged"),
        (no_image, "format"),
        (letter_called_nifti, "not a NIfTI"),
        (folder_without_series, "no DICOM series"),
        (four_dimensions, "4-D"),
        (colour, "several values a voxel"),
        (one_pixel, "1 x 1 x 1"),
        (constant, "constant"),
        (nan_inside, "NaN"),
        (infinite, "infinite"),
    ],
)
def test_an_image_that_is_none_is_refused(
    make: Callable[[Path, Volume], Path],
    cause: str,
    water: Volume,
    model: Path,
    refused: Refused,
    tmp_path: Path,
) -> None:
    image = make(tmp_path / NAMED, water)
    assert cause in refused("segment", image, "--model", model, "--out", "new/out")
    assert cause in refused("info", image)


def test_several_series_are_a_choice(shared: Path, model: Path, refused: Refused) -> None:
    folder = shared / "dicom-robustness" / "orientation"
    said = refused("segment", folder, "--model", model, "--out", "out")
    assert "series" in said and "--series N" in said


def test_channels_must_fit_together(
    water: Volume, scan: Path, model: Path, refused: Refused, tmp_path: Path
) -> None:
    other = written(tmp_path / "fat", ".nii.gz", Volume(water.array[:, 2:], water.grid.__class__(
        (6, water.array.shape[1] - 2, water.array.shape[2]),
        water.grid.spacing, water.grid.origin, water.grid.direction,
    )))  # fmt: skip
    given = ("--channel", f"water={scan / 'water.nii.gz'}")
    rest = ("--model", model, "--out", "out")
    fat = f"fat={other}"
    assert "different grids" in refused("segment", *given, "--channel", fat, *rest)
    assert "twice" in refused("segment", *given, *given, *rest)
    assert "names no file" in refused("segment", *given, "--channel", "fat", *rest)
    assert "no channel called" in refused("segment", "--channel", f"t3={other}", *rest)
    assert "one input" in refused("segment", other, *given, *rest)
    assert "one input" in refused("segment", *rest)
    assert "cannot be derived" not in refused("segment", other, "--echo", 5, *rest)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["segment", "image.nii.gz"],
        ["segment", "image.nii.gz", "--out", "out", "--progress", "xml"],
        ["segment", "image.nii.gz", "--out", "out", "--echo", "two"],
        ["models"],
    ],
    ids=" ".join,
)
def test_a_command_that_is_not_understood_says_how_it_is_used(
    arguments: list[str], in_process: Run, tmp_path: Path
) -> None:
    code, out, said = in_process(arguments)
    assert (code, out) == (2, "")
    assert said.startswith("usage: musclefm") and "error: " in said
    assert not list(tmp_path.iterdir())
