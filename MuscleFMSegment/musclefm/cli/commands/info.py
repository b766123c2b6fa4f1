"""``musclefm info``: what an image is, before anything is done with it."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from musclefm.anatomy.thighs import find_thighs
from musclefm.cli.terminal.inputs import add_input_options, choice_of
from musclefm.cli.terminal.output import say
from musclefm.errors import MuscleFMError
from musclefm.plain_text import figures
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import to_canonical
from musclefm.volumes.reading import read_volume

_FROM_LPS = (("right", "left"), ("anterior", "posterior"), ("inferior", "superior"))


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "info", help="print size, spacing and series of an image", description=__doc__
    )
    add_input_options(parser, channels=False)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the image's geometry, range and what is known of its content."""
    path: Path | None = arguments.input
    if path is None:
        raise MuscleFMError("no image is named", "give a file or a DICOM folder")
    read = read_volume(path, choice=choice_of(arguments))
    volume, grid = read.volume, read.volume.grid
    slices, rows, columns = grid.shape
    canonical, _ = to_canonical(volume)
    percentiles = np.percentile(volume.array, (1, 50, 99)).tolist()
    centre = grid.ijk_to_ras @ [(columns - 1) / 2, (rows - 1) / 2, (slices - 1) / 2, 1]
    facts = {
        "Size (i, j, k)": f"{columns} x {rows} x {slices}",
        "Spacing": " x ".join(figures(value) for value in grid.spacing) + " mm",
        "Axes run to": ", ".join(_axis_direction(grid, axis) for axis in range(3)),
        "Centre (RAS)": ", ".join(map(figures, np.round(centre[:3], 1).tolist())) + " mm",
        "Modality": read.modality or "not stated",
        "Intensity (1, 50, 99 %)": ", ".join(map(figures, percentiles)),
        "Thighs found": str(find_thighs(canonical).count),
        "sha256": read.sha256,
    }
    lines = [
        *facts.items(),
        *(("Series", str(series)) for series in read.series),
        *(("Note", note) for note in read.notes),
    ]
    # Plain lines, whole at any width, so that a hash can be copied.
    for name, value in lines:
        say(f"{name:<24} {value}")


def _axis_direction(grid: Grid, axis: int) -> str:
    """Return the anatomical direction that a grid axis is closest to."""
    cosines = np.reshape(grid.direction, (3, 3))[:, axis]
    world = int(np.argmax(np.abs(cosines)))
    return _FROM_LPS[world][int(cosines[world] > 0)]
