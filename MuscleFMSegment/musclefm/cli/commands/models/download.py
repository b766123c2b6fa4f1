"""``musclefm models download``: only on the user's yes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from musclefm.cli.terminal.confirmation import confirm_download
from musclefm.cli.terminal.running import add_progress_option, run_heavy
from musclefm.defaults import DEFAULT_SCHEME, PUBLISHED_SCHEME
from musclefm.errors import MuscleFMError

if TYPE_CHECKING:
    from musclefm.models.imports.sam import OfficialCheckpoint


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "model",
        metavar="NAME",
        help="sam-vit-b, sam-vit-l, sam-vit-h, medsam-vit-b or lite-medsam",
    )
    parser.add_argument("--yes", action="store_true", help="download without asking")
    parser.add_argument(
        "--from",
        dest="folder",
        type=Path,
        metavar="DIR",
        help="take the file from a folder instead of the web",
    )
    add_scheme_option(parser)
    add_progress_option(parser)
    parser.set_defaults(run=_run)


def add_scheme_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--scheme``."""
    parser.add_argument(
        "--scheme",
        default=PUBLISHED_SCHEME,
        help="label scheme that a pretrained checkpoint shall learn, that of the corrections or "
        f"data to train on, or that of an nnU-Net's muscles, e.g. {DEFAULT_SCHEME} (default: "
        "%(default)s)",
    )


def _run(arguments: argparse.Namespace) -> None:
    checkpoint = _chosen(arguments.model)
    if not (arguments.folder or arguments.yes):
        ask_for(checkpoint)
    from musclefm.models.imports.pretrained import obtain_pretrained

    run_heavy(
        arguments,
        lambda progress: obtain_pretrained(
            checkpoint, progress, arguments.folder, arguments.scheme
        ),
    )


def ask_for(checkpoint: OfficialCheckpoint) -> None:
    """Have the user accept the licence and the size of a checkpoint.

    Raises
    ------
    MuscleFMError
        The answer is no, or nobody is there to give one.
    """
    remote = checkpoint.remote
    confirm_download(
        f"{checkpoint.title}, {remote.bytes / 1e6:.0f} MB, from {remote.host}",
        checkpoint.page,
        "give a folder that holds the file to 'musclefm models download --from'",
    )


def _chosen(name: str) -> OfficialCheckpoint:
    from musclefm.models.imports.sam import OFFICIAL_CHECKPOINTS

    for checkpoint in OFFICIAL_CHECKPOINTS:
        if checkpoint.name == name:
            return checkpoint
    names = ", ".join(checkpoint.name for checkpoint in OFFICIAL_CHECKPOINTS)
    raise MuscleFMError(f"there is no download named '{name}'", f"choose one of {names}")
