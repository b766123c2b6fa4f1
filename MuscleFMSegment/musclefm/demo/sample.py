"""Rendered cases: the one that is shipped, and as many more as are wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from musclefm.defaults import DEFAULT_SCHEME
from musclefm.demo.phantom.artefacts import Scanner
from musclefm.demo.phantom.contrast import ContrastName, draw_contrast
from musclefm.demo.phantom.parametric import parametric_labelmap
from musclefm.demo.phantom.severity import draw_fat_fractions
from musclefm.demo.phantom.volumes import Patient, render_volume
from musclefm.evaluation.cohort.severity import Severity
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.storage.atomic import staged_folder
from musclefm.storage.resources import resource_folder
from musclefm.volumes.grid import Grid
from musclefm.volumes.stored import read_stored
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

SAMPLE_NAME = "severe-thighs"
SAMPLE_SEED = 11

_FULL_SCALE = 1000.0
_FILE = "{}.nii.gz"


def sample_channels() -> Mapping[str, Path]:
    """Return the shipped sample's files, by channel."""
    folder = resource_folder() / "Samples" / SAMPLE_NAME
    return {name: folder / _FILE.format(name) for name in ("water", "fat")}


def sample_labels() -> tuple[Volume, LabelScheme]:
    """Return the shipped sample's labels ``(K, J, I) uint8``, and what they mean."""
    path = resource_folder() / "Samples" / SAMPLE_NAME / _FILE.format("labels")
    labels = read_stored(path, "the labels of the sample")
    return labels.with_array(labels.array.astype(np.uint8)), load_scheme(DEFAULT_SCHEME)


def render_case(
    severity: Severity, seed: int, out: Path, scheme_name: str = DEFAULT_SCHEME
) -> None:
    """Render a Dixon scan of both thighs of a random person, with its labels.

    Writes ``water.nii.gz``, ``fat.nii.gz`` (int16) and ``labels.nii.gz`` (uint8).

    Parameters
    ----------
    severity : {"early", "moderate", "severe"}
        Of the fatty infiltration.
    seed : int
        Of the person, the disease and the scanner.
    out : Path
        Folder for the files.
    scheme_name : str
        Label scheme.

    Raises
    ------
    MuscleFMError
        The folder cannot be written.
    """
    scheme = load_scheme(scheme_name)
    rng = np.random.default_rng(seed)
    labelmap = parametric_labelmap(scheme, rng, grid=thighs_grid(26, 2.0))
    images = render_scan(labelmap, scheme, severity, ("water", "fat"), rng, seed)
    with staged_folder(out) as folder:
        for name, image in images.items():
            write_volume(image, folder / _FILE.format(name))
        write_volume(labelmap, folder / _FILE.format("labels"))


def render_scan(
    labelmap: Volume,
    scheme: LabelScheme,
    severity: Severity,
    names: Sequence[ContrastName],
    rng: np.random.Generator,
    seed: int,
) -> dict[str, Volume]:
    """Render a scan of a random disease on a random scanner, as it is stored.

    Parameters
    ----------
    labelmap, scheme
        As of :func:`render_volume`.
    severity : {"early", "moderate", "severe"}
        Of the fatty infiltration.
    names : sequence of str
        Contrasts.
    rng : numpy.random.Generator
        Of the disease and the scanner.
    seed : int
        Of the textures and the noise.

    Returns
    -------
    dict of str to Volume
        ``(K, J, I) int16`` by contrast, the brightest pure tissue at about 1000.
    """
    patient = Patient.draw(draw_fat_fractions(scheme, severity, rng), rng)
    contrasts = [draw_contrast(name, rng) for name in names]
    images = render_volume(labelmap, scheme, patient, contrasts, Scanner.draw(rng), seed)
    return {
        name: Volume(np.round(image.array * _FULL_SCALE).astype(np.int16), image.grid)
        for name, image in zip(names, images, strict=True)
    }


def thighs_grid(slices: int, pixel_mm: float) -> Grid:
    """Return a grid of both thighs from the knee to the hip, 416 x 208 x 312 mm."""
    rows = round(208 / pixel_mm)
    columns = 2 * rows
    return Grid(
        shape=(slices, rows, columns),
        spacing=(pixel_mm, pixel_mm, 312.0 / slices),
        origin=(-(columns - 1) * pixel_mm / 2, -(rows - 1) * pixel_mm / 2, -450.0),
        direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    )
