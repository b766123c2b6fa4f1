"""``musclefm demo``: the whole way, on the rendered severe case that is shipped."""

from __future__ import annotations

import argparse
from pathlib import Path

from musclefm.cli.running import add_device_options, add_progress_option, run_heavy
from musclefm.cli.segment import summarise
from musclefm.progress import Progress


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("demo", help="segment the shipped sample", description=__doc__)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("musclefm-demo"),
        metavar="DIR",
        help="folder for results (default: %(default)s)",
    )
    add_device_options(parser)
    add_progress_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Segment the sample."""
    return run_heavy(arguments, lambda progress: _demo(arguments, progress))


def _demo(arguments: argparse.Namespace, progress: Progress) -> int:
    from musclefm.inference.device import choose_runtime
    from musclefm.models.registry import find_bundle
    from musclefm.volumes.channels import read_channels
    from musclefm.workflows.sample import sample_channels
    from musclefm.workflows.segment import segment_case, write_case

    channels = read_channels(sample_channels())
    runtime = choose_runtime(arguments.device, arguments.precision)
    case = segment_case(channels, find_bundle("thigh-demo"), runtime, progress)
    write_case(case, arguments.out, progress)
    if arguments.progress == "bar":
        summarise(case, arguments.out)
    return 0
