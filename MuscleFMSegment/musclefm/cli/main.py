"""The ``musclefm`` command."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence

from musclefm import __version__
from musclefm.cli.interruption import InterruptedWork, end_process, raise_on_signals
from musclefm.errors import MuscleFMError
from musclefm.storage.staging import clear_leftovers_of_user_data
from musclefm.user_data import user_data_folder

_EPILOG = "Research use only. Not for clinical use."


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    # Imported late: signals that come meanwhile are heeded already.
    from musclefm.cli import (
        compare,
        corrections,
        demo,
        export,
        info,
        inventory,
        learn,
        models,
        phantom,
        segment,
        train,
        train_demo,
        worklist,
    )

    parser = argparse.ArgumentParser(
        prog="musclefm",
        description="Deep ensembles of Segment Anything models for thigh muscles on MR, "
        "with voxelwise uncertainty and a ranked list of what to check.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"musclefm {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (
        demo,
        segment,
        worklist,
        export,
        compare,
        corrections,
        info,
        inventory,
        learn,
        models,
        phantom,
        train,
        train_demo,
    ):
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns
    -------
    int
        0 on success, 2 on an error that the user can mend, which is printed as
        one line. On Ctrl-C or SIGTERM the process ends with 128 + the signal's
        number.
    """
    if not sys.warnoptions:
        # Those of libraries, which are for developers and may hold paths.
        warnings.simplefilter("ignore")
    try:
        raise_on_signals()
        parsed = build_parser().parse_args(arguments)
        clear_leftovers_of_user_data(user_data_folder())
        parsed.run(parsed)
        sys.stdout.flush()
    except MuscleFMError as error:
        return _refused(error)
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        # The path is not named: it may name a patient.
        return _refused(
            MuscleFMError(
                f"a file or folder cannot be used ({error.strerror or type(error).__name__})",
                "check the paths that were given, their access rights and the disk",
            )
        )
    except MemoryError:
        return _refused(
            MuscleFMError("there is too little memory", "close other programs or crop the image")
        )
    except InterruptedWork as interrupted:
        end_process(interrupted)
    return 0


def _refused(error: MuscleFMError) -> int:
    print(f"musclefm: {error}", file=sys.stderr)  # noqa: T201
    return 2
