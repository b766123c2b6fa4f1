"""The ``musclefm`` command."""

from __future__ import annotations

import argparse
import logging
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from musclefm import __version__
from musclefm.cli.terminal.interruption import InterruptedWork, end_process, raise_on_signals
from musclefm.cli.terminal.log import command_log
from musclefm.cli.terminal.output import note, open_streams, silence_libraries
from musclefm.cli.terminal.parser import CommandParser, check_arguments
from musclefm.errors import MuscleFMError
from musclefm.out_of_memory import is_out_of_memory, out_of_memory_error
from musclefm.storage.staging import clear_leftovers_of_user_data
from musclefm.storage.user_data import user_data_folder

_log = logging.getLogger(__name__)

# What any command takes of address space, and a large library. Some libraries neither
# fail nor end, or end the process, where they do not get it.
_TO_BEGIN_BYTES = 300_000_000
_FOR_A_LIBRARY_BYTES = 100_000_000
COMMANDS = {
    "demo": "demo",
    "phantom": "phantom",
    "train-demo": "train_demo",
    "segment": "segment",
    "worklist": "worklist",
    "export": "export",
    "evaluate": "evaluation.evaluate",
    "compare": "evaluation.compare",
    "benchmark": "evaluation.benchmark",
    "corrections": "corrections.corrections",
    "datasets": "datasets",
    "info": "info",
    "inventory": "inventory",
    "learn": "learn",
    "models": "models.models",
    "train": "train",
    "worker": "worker",
}
"""Commands, and the modules of ``cli/commands`` that have them; in the order of the help."""

_EPILOG = "Research use only. Not for clinical use."


def build_parser(given: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """Return the parser of the commands.

    Parameters
    ----------
    given : sequence of str, optional
        Arguments that it will parse: where they name a command, the others, whose
        libraries take longer to import than many a command to run, are left out.
    """
    parser = CommandParser(
        prog="musclefm",
        description="Deep ensembles of Segment Anything models for thigh muscles on MR, "
        "with voxelwise uncertainty and a ranked list of what to check.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"musclefm {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    named = COMMANDS.get(_command_of(given or ()))
    for module in [named] if named else dict.fromkeys(COMMANDS.values()):
        # Imported late: signals that come meanwhile are heeded already.
        import_module(f"musclefm.cli.commands.{module}").add_parser(commands)
    return parser


def _command_of(given: Sequence[str]) -> str:
    """Return the command that arguments name, or what stands in its place."""
    parser = CommandParser(prog="musclefm", add_help=False)
    parser.add_argument("command", nargs="?", default="")
    return str(parser.parse_known_args(given)[0].command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns
    -------
    int
        0 on success, 2 on an error that the user can fix, 1 on a fault of the
        program itself; both are printed as one line. On Ctrl-C or SIGTERM the
        process ends with 128 + the signal's number.
    """
    open_streams()
    silence_libraries()
    try:
        raise_on_signals()
        return run_command(sys.argv[1:] if arguments is None else list(arguments))
    except InterruptedWork as interrupted:
        end_process(interrupted)


def run_command(given: Sequence[str], **settings: object) -> int:
    """Run a command in a process that is ready for it.

    Parameters
    ----------
    given : sequence of str
        Name and arguments.
    settings : object
        What the command is to find beside its arguments, whatever it would set itself.

    Returns
    -------
    int
        As of :func:`main`.

    Raises
    ------
    InterruptedWork
        It was asked to end.
    """
    try:
        if not _is_memory_for(_TO_BEGIN_BYTES):
            raise MemoryError
        check_arguments(given)
        parsed = build_parser(given).parse_args(given)
        vars(parsed).update(settings)
        with command_log(parsed):
            _run(parsed)
        sys.stdout.flush()
    except ModuleNotFoundError:
        # The Slicer module reads the name of the package from the traceback.
        raise
    except Exception as error:
        refusal = _refusal(error)
        if refusal is None and sys.flags.dev_mode:
            raise
        note(f"musclefm: {refusal or _fault(error)}")
        return 2 if refusal else 1
    return 0


def _run(parsed: argparse.Namespace) -> None:
    """Run a command that was parsed, and log how it ended."""
    _log.info("musclefm %s: %s", __version__, parsed.command)
    try:
        clear_leftovers_of_user_data(user_data_folder())
        parsed.run(parsed)
    except InterruptedWork:
        _log.warning("stopped")
        raise
    except Exception as error:
        _log.error("%s", _refusal(error) or _fault(error))
        raise
    _log.info("done")


def _refusal(error: Exception) -> MuscleFMError | None:
    """Return the error that the user reads, or None where it is a fault of the program."""
    if isinstance(error, MuscleFMError):
        return error
    if is_out_of_memory(error):
        return out_of_memory_error()
    if isinstance(error, OSError):
        # The path is not named: it may name a patient.
        return MuscleFMError(
            f"a file or folder cannot be used ({error.strerror or type(error).__name__})",
            "check the paths that were given, their access rights and the disk",
        )
    # Libraries fail in odd ways where memory ends while they are imported.
    return None if _is_memory_for(_FOR_A_LIBRARY_BYTES) else out_of_memory_error()


def _is_memory_for(size: int) -> bool:
    """Return whether so many bytes can be reserved; none of them is touched."""
    try:
        bytearray(size)
    except MemoryError:
        return False
    return True


def _fault(error: Exception) -> MuscleFMError:
    """Return where the program failed; what the error says may hold a path or a name."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "musclefm" in Path(frame.filename).parts] or frames
    place = f"{Path(ours[-1].filename).name}, line {ours[-1].lineno}"
    return MuscleFMError(
        f"unexpected {type(error).__name__} in {place}",
        "report this line; 'python -X dev -m musclefm' shows more",
    )
