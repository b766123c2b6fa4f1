"""The ``musclefm`` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from musclefm import __version__
from musclefm.cli import demo, info, models, phantom, segment, train_demo
from musclefm.errors import MuscleFMError

_EPILOG = "Research use only. Not for clinical use."


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="musclefm",
        description="Deep ensembles of Segment Anything models for thigh muscles on MR, "
        "with voxelwise uncertainty and a ranked list of what to check.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"musclefm {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (demo, segment, info, models, phantom, train_demo):
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns
    -------
    int
        0 on success, 2 on an error that the user can mend, which is printed as
        one line; 128 + the signal's number when interrupted.
    """
    parsed = build_parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except MuscleFMError as error:
        print(f"musclefm: {error}", file=sys.stderr)  # noqa: T201
        return 2
