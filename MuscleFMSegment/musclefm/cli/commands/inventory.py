"""``musclefm inventory``: models and devices as JSON, for programs such as the Slicer module."""

from __future__ import annotations

import argparse

from musclefm.cli.terminal.output import say_json


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "inventory", help="print models and devices as JSON", description=__doc__
    )
    parser.add_argument(
        "--time",
        metavar="NAME|DIR",
        help="measure a model instead: seconds that a slice of two thighs takes on the CPU",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print one line of JSON."""
    from musclefm.inference.inventory import seconds_per_slice, take_inventory
    from musclefm.models.registry import find_bundle

    if arguments.time:
        say_json({"seconds_per_slice": seconds_per_slice(find_bundle(arguments.time))})
    else:
        say_json(take_inventory().model_dump(mode="json"))
