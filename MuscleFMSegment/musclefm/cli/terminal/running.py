"""Options that every command with heavy work shares, and how it is run."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from musclefm.cli.terminal.interruption import Result, run_interruptibly
from musclefm.cli.terminal.progress_output import PROGRESS_STYLES, progress_output
from musclefm.defaults import DEFAULT_DEVICE
from musclefm.progress import Progress


def add_progress_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--progress``."""
    parser.add_argument(
        "--progress",
        choices=PROGRESS_STYLES,
        default="bar",
        help="a bar, one JSON object a line for other programs, or nothing (default: %(default)s)",
    )


def add_device_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--device`` and ``--precision``."""
    parser.add_argument(
        "--device", default=DEFAULT_DEVICE, help="auto, cpu, cuda or cuda:N (default: %(default)s)"
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16"),
        default="auto",
        help="auto is bf16 where the hardware computes in it (default: %(default)s)",
    )


def run_heavy(
    arguments: argparse.Namespace,
    work: Callable[[Progress], Result],
    kept: Callable[[], str] | None = None,
) -> Result:
    """Run work that tells its progress and ends soon after it is interrupted.

    Parameters
    ----------
    arguments : Namespace
        Of the command; ``progress`` says how progress is shown, and a worker's ``cancelled``,
        an event, that its owner has no more use for the results.
    work : callable
        Takes the progress that it has to tell.
    kept : callable, optional
        Returns what is kept of work that was interrupted, an empty text for nothing.
    """
    with progress_output(arguments.progress) as progress:
        return run_interruptibly(work, progress, kept, getattr(arguments, "cancelled", None))
