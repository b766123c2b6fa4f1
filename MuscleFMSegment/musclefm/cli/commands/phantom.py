"""``musclefm phantom``: a rendered Dixon scan with its labels, to try things on."""

from __future__ import annotations

import argparse
from pathlib import Path

from musclefm.cli.terminal.output import say
from musclefm.demo.phantom.severity import SEVERITIES
from musclefm.demo.sample import render_case
from musclefm.storage.atomic import check_folder


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("phantom", help="render a case", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--severity", choices=SEVERITIES, default="severe")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Render the case."""
    check_folder(arguments.out)
    render_case(arguments.severity, arguments.seed, arguments.out)
    say(f"Wrote water, fat and labels to {arguments.out}.")
