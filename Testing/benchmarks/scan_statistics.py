"""Measures how real thigh scans look, for the ranges that renderings are drawn from.

Reads ``../shared`` in place and writes ``scan_statistics.md`` beside this file: numbers alone,
no voxel. Run it as ``python Testing/benchmarks/scan_statistics.py SHARED``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

Array = npt.NDArray[np.float64]
COLUMNS = (
    "scan", "zeros in air", "noise in air", "noise in muscle", "lag 1", "grain 2 mm", "4 mm",
    "8 mm", "fat : muscle", "skin : muscle", "slope AP", "slope LR", "bias",
)  # fmt: skip
NOTES = """Relative to the median of the muscles where not said otherwise. *zeros in air*: share of
exact zeros outside the body. *noise*: standard deviation of each quadrature channel, from the
mean in air that is not zero, and from differences of neighbouring pixels deep in muscle (the
quietest third of it). *lag 1*: correlation of that noise between neighbouring pixels, 0 for
white noise. *grain*: standard deviation deep in muscle at scales (differences of Gaussians).
*fat*, *skin*: medians 4 to 8 mm and 0 to 2 mm under the surface. *slope*: logarithm of the
muscles' gain over 100 mm, within one thigh. *bias*: standard deviation of its logarithm beyond
the slope, at scales over 20 mm.
"""


def slices(shared: Path) -> Iterator[tuple[str, list[Array], float]]:
    """Yield each scan's name, some of its slices ``(J, I)`` and its pixel in mm."""
    for path in sorted((shared / "scans" / "dixon").glob("*.nii.gz")):
        if "labels" in path.name or "4d" in path.name:
            continue
        image = sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS")
        array = sitk.GetArrayFromImage(image).astype(float)
        chosen = np.linspace(2, len(array) - 3, 9).astype(int)
        yield path.name.removesuffix(".nii.gz"), list(array[chosen]), image.GetSpacing()[0]
    echoes: dict[float, list[Array]] = {}
    pixel_mm = 1.0
    for path in sorted((shared / "scans" / "thigh-mese-dicom").rglob("*")):
        if path.is_file() and path.suffix != ".txt":
            reader = sitk.ImageFileReader()
            reader.SetFileName(str(path))
            try:
                image = reader.Execute()
            except RuntimeError:
                continue
            echo = float(reader.GetMetaData("0018|0081"))
            pixel_mm = image.GetSpacing()[0]
            echoes.setdefault(echo, []).append(sitk.GetArrayFromImage(image)[0].astype(float))
    for echo in sorted(echoes)[::5]:
        yield f"thigh-mese, echo at {echo:.0f} ms", echoes[echo], pixel_mm


def thighs(image: Array, pixel_mm: float) -> Iterator[npt.NDArray[np.bool_]]:
    """Yield the body's large parts, two at most: each thigh, or both where they touch."""
    smooth = ndimage.gaussian_filter(image, 1.0 / pixel_mm)
    body = smooth > 0.1 * np.percentile(smooth, 97)
    body = ndimage.binary_closing(body, iterations=4)
    body = ndimage.binary_fill_holes(ndimage.binary_opening(body, iterations=3))
    parts, count = ndimage.label(body)
    sizes = np.bincount(parts.ravel())[1:] * pixel_mm**2
    for part in np.argsort(sizes)[::-1][:2]:
        if count and sizes[part] > 6000:
            yield parts == part + 1


def statistics(image: Array, pixel_mm: float) -> list[list[float]]:
    """Return a row of :data:`COLUMNS` for each thigh of a slice."""
    rows = []
    anywhere = np.zeros(image.shape, bool)
    found = list(thighs(image, pixel_mm))
    for part in found:
        anywhere |= part
    air = image[~ndimage.binary_dilation(anywhere, iterations=8)]
    for part in found:
        depth = ndimage.distance_transform_edt(part) * pixel_mm
        deep = part & (depth > 14)
        mean = ndimage.uniform_filter(image, 5)
        spread = np.sqrt(np.maximum(ndimage.uniform_filter(image**2, 5) - mean**2, 0))
        if deep.sum() < 1500:
            continue
        usual = np.median(mean[deep])
        quiet = deep & (np.abs(np.log(np.maximum(mean, 1e-6) / usual)) < 0.5)
        if quiet.sum() < 800:
            continue
        level = float(np.median(image[quiet]))
        uneven = spread / np.maximum(mean, 1e-6)
        quiet &= uneven < np.quantile(uneven[quiet], 0.33)
        fine = image - ndimage.gaussian_filter(image, 1.5)
        noise = float(fine[quiet].std()) / 0.93 / level
        next_to = quiet & np.roll(quiet, -1, axis=1)
        lag = float(np.corrcoef(fine[next_to], np.roll(fine, -1, axis=1)[next_to])[0, 1])
        # White noise has this much after the filter.
        lag += 0.05
        grains = []
        for scale_mm in (2.0, 4.0, 8.0):
            sigma = scale_mm / 2 / pixel_mm
            band = ndimage.gaussian_filter(image, sigma / 1.4) - ndimage.gaussian_filter(
                image, sigma * 1.4
            )
            grains.append(float(band[quiet].std()) / level)
        fat = float(np.median(image[part & (depth > 4) & (depth < 8)])) / level
        skin = float(np.median(image[part & (depth < 2)])) / level
        row, column = np.nonzero(deep & (np.abs(np.log(np.maximum(mean, 1e-6) / usual)) < 0.7))
        logs = np.log(mean[row, column])
        design = np.stack([row, column, np.ones(len(row))], axis=1) * (pixel_mm / 100)
        solution, *_ = np.linalg.lstsq(design, logs, rcond=None)
        rest = np.zeros(image.shape)
        weight = np.zeros(image.shape)
        rest[row, column], weight[row, column] = logs - design @ solution, 1.0
        sigma = 20.0 / pixel_mm
        smooth = ndimage.gaussian_filter(rest, sigma) / np.maximum(
            ndimage.gaussian_filter(weight, sigma), 1e-6
        )
        zeros = float((air == 0).mean()) if len(air) else np.nan
        positive = air[air > 0]
        in_air = float(np.median(positive)) / 1.177 / level if len(positive) > 500 else np.nan
        rows.append(
            [zeros, in_air, noise, lag, *grains, fat, skin, solution[0], solution[1],
             float(smooth[row, column].std())]
        )  # fmt: skip
    return rows


def main(shared: Path) -> None:
    """Measure every scan and write the table: the median of its slices, and their range."""
    lines = ["# How real thigh scans look", "", NOTES, "| " + " | ".join(COLUMNS) + " |"]
    lines.append("|" + " --- |" * len(COLUMNS))
    for name, images, pixel_mm in slices(shared):
        rows = np.array([row for image in images for row in statistics(image, pixel_mm)])
        if len(rows):
            low, middle, high = np.nanpercentile(np.nan_to_num(rows, nan=0.0), (10, 50, 90), axis=0)
            cells = [
                f"{m:.3f} ({a:.3f} to {b:.3f})" for a, m, b in zip(low, middle, high, strict=True)
            ]
            lines.append(f"| {name}, {pixel_mm:.3g} mm | " + " | ".join(cells) + " |")
            print(lines[-1])
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
