"""``musclefm inventory``: models and devices as JSON, for programs such as the Slicer module."""

from __future__ import annotations

import argparse

from musclefm.cli.terminal.output import say_json


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "inventory", help="print models and devices as JSON", description=__doc__
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print one line of JSON."""
    from musclefm.inference.inventory import take_inventory

    say_json(take_inventory().model_dump(mode="json"))
