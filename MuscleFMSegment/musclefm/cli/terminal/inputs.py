"""The options that name the images to read."""

from __future__ import annotations

import argparse
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.volumes.channels import CHANNEL_NAMES
from musclefm.volumes.formats.decoded import SeriesChoice


def add_input_options(parser: argparse.ArgumentParser, *, channels: bool = True) -> None:
    """Add the input and what chooses within it."""
    parser.add_argument(
        "input",
        type=Path,
        nargs="?",
        metavar="INPUT",
        help="NIfTI, NRRD or MHA file, DICOM folder or file",
    )
    add_image_choices(parser, channels=channels)


def add_image_choices(parser: argparse.ArgumentParser, *, channels: bool = True) -> None:
    """Add what chooses within an input that is named ``input`` in the arguments."""
    if channels:
        parser.add_argument(
            "--channel",
            action="append",
            default=[],
            metavar="NAME=PATH",
            help=f"for a Dixon scan, in place of one image: {', '.join(CHANNEL_NAMES[1:])}",
        )
    add_series_options(parser)


def add_series_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--series`` and ``--echo``."""
    parser.add_argument(
        "--series", type=int, metavar="N", help="which series of a DICOM folder, from 1"
    )
    parser.add_argument(
        "--echo",
        type=int,
        metavar="N",
        help="which of several images at the same place, from 1: an echo, a time point, "
        "a volume of a 4-D file",
    )


def add_second_opinion_options(parser: argparse.ArgumentParser, metavar: str, what: str) -> None:
    """Add ``--second-opinion`` and ``--mapping``."""
    parser.add_argument(
        "--second-opinion",
        type=Path,
        metavar=metavar,
        help=f"{what}: where they disagree is to be checked, too",
    )
    parser.add_argument(
        "--mapping",
        type=Path,
        metavar="FILE",
        help="what its values mean: JSON or CSV, 'musclemap' or 'totalsegmentator'",
    )


def choice_of(arguments: argparse.Namespace) -> SeriesChoice:
    """Return which of several images the arguments ask for."""
    return SeriesChoice(series=arguments.series, echo=arguments.echo)


def input_paths(arguments: argparse.Namespace) -> dict[str, Path]:
    """Return the images that the arguments name, by channel.

    Raises
    ------
    MuscleFMError
        No image is named, or too many.
    """
    if bool(arguments.input) == bool(arguments.channel):
        raise MuscleFMError(
            "one input is needed", "give either an image, or --channel NAME=PATH for each channel"
        )
    if arguments.input:
        return {"image": arguments.input}
    paths: dict[str, Path] = {}
    for given in arguments.channel:
        name, separator, path = given.partition("=")
        if not separator or not path:
            raise MuscleFMError(
                f"'--channel {name}' names no file", "write it as --channel fat=PATH"
            )
        if name in paths:
            raise MuscleFMError(f"channel {name} is given twice", "give each channel once")
        paths[name] = Path(path)
    return paths
