"""Reads the command line, and refuses what cannot be meant."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from musclefm.cli.terminal.log import add_log_options
from musclefm.errors import MuscleFMError
from musclefm.plain_text import printable

_LONGEST_MESSAGE = 400


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors hold no control characters, and whose paths are not empty.

    Parsers of subcommands are of the same class, and so take the options of the log, too.
    """

    def __init__(self, **options: Any) -> None:
        # A command's description is the docstring of its module, which is marked up.
        if description := options.get("description"):
            options["description"] = " ".join(description.replace("``", "").split())
        super().__init__(**options)
        self.register("type", Path, _path)
        add_log_options(self)

    def error(self, message: str) -> NoReturn:
        """Print how the command is used and what is wrong, and end with exit code 2."""
        super().error(printable(message, _LONGEST_MESSAGE))


def check_arguments(arguments: Sequence[str]) -> None:
    """Refuse arguments that no file name and no option can hold.

    Raises
    ------
    MuscleFMError
        One holds a NUL or a character that the file system's encoding lacks.
    """
    for argument in arguments:
        try:
            usable = b"\0" not in os.fsencode(argument)
        except UnicodeEncodeError:
            usable = False
        if not usable:
            raise MuscleFMError(
                f"the argument '{argument}' holds characters that no name can hold",
                "write it anew",
            )


def _path(text: str) -> Path:
    if not text:
        raise MuscleFMError("an empty path was given", "name a file or folder, or . for this one")
    return Path(text)
