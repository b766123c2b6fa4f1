"""``musclefm demo``: segment the rendered case that is shipped."""

from __future__ import annotations

import argparse
from pathlib import Path

from musclefm.cli.commands import segment
from musclefm.cli.terminal.running import add_device_options, add_progress_option
from musclefm.defaults import DEFAULT_MODEL
from musclefm.demo.sample import sample_channels


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "demo",
        help="segment the shipped sample",
        description="The whole way, on the rendered severe case that is shipped.",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("musclefm-demo"),
        metavar="DIR",
        help="folder for results (default: %(default)s)",
    )
    add_device_options(parser)
    add_progress_option(parser)
    parser.set_defaults(run=segment_sample)


def segment_sample(arguments: argparse.Namespace) -> None:
    """Segment the sample with the shipped ensemble."""
    arguments.input, arguments.series, arguments.echo = None, None, None
    arguments.save_probabilities = arguments.keep_loaded = False
    arguments.second_opinion = arguments.mapping = None
    arguments.channel = [f"{name}={path}" for name, path in sample_channels().items()]
    arguments.model = DEFAULT_MODEL
    segment.run(arguments)
