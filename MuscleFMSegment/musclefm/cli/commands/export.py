"""``musclefm export``: a case's results as files that other programs read."""

from __future__ import annotations

import argparse
from pathlib import Path

from musclefm.cli.terminal.inputs import choice_of
from musclefm.exchange.formats import FORMATS
from musclefm.results.reading import read_provenance


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
    from musclefm.exchange.source_series import find_source_series
    from musclefm.results.export import check_export_folder, export_case

    check_export_folder(arguments.out, arguments.format)
    source = None
    if FORMATS[arguments.format].needs_source and arguments.image:
        # Results of earlier versions do not say which images of a series they were made from.
        segmented = read_provenance(arguments.case)["input"].get("voxels_sha256", {}).values()
        source = find_source_series(arguments.image, choice_of(arguments), segmented)
    export_case(arguments.case, arguments.out, arguments.format, source)
