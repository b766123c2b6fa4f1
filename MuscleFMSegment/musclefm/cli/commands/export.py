"""``musclefm export``: a case's results as files that other programs read."""

from __future__ import annotations

import argparse
from pathlib import Path

from musclefm.api.exports import export_results
from musclefm.exchange.formats import FORMATS


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "export", help="export a case as NIfTI, .seg.nrrd or DICOM", description=__doc__
    )
    parser.add_argument(
        "--case", type=Path, required=True, metavar="DIR", help="results of 'musclefm segment'"
    )
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        required=True,
        help="dicom is a DICOM SEG and a Parametric Map of each uncertainty, which belong to the "
        "patient and study of --image and hold their identity",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for files")
    parser.add_argument(
        "--image", type=Path, metavar="DICOM", help="the series that was segmented, for dicom"
    )
    parser.add_argument("--series", type=int, metavar="N", help="which series of --image, from 1")
    parser.add_argument("--echo", type=int, metavar="N", help="which echo of it, from 1")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Export the case."""
    export_results(
        arguments.case,
        arguments.out,
        arguments.format,
        image=arguments.image,
        series=arguments.series,
        echo=arguments.echo,
    )
