"""The one exception and the one warning that a user is meant to read."""

import logging
import warnings

from musclefm.plain_text import printable

_log = logging.getLogger(__name__)
_LONGEST_PART = 400


class MuscleFMError(Exception):
    """Something the user can fix.

    The message is one line that names the cause, then the remedy. The command
    line prints it and exits with code 2; the Slicer module shows it as it is.

    Parameters
    ----------
    cause : str
        What is wrong, without a full stop. May quote names out of files: what
        cannot be shown in it is replaced.
    remedy : str
        What the user can do about it, as a full clause.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        self.cause = _line(cause)
        self.remedy = _line(remedy)
        super().__init__(f"{self.cause}: {self.remedy}")


class MuscleFMWarning(UserWarning):
    """Something that the user should know of work that goes on all the same, in one line."""


def warn(line: str) -> None:
    """Warn the user by a :class:`MuscleFMWarning`, and log it."""
    _log.warning("%s", line)
    warnings.warn(line, MuscleFMWarning, stacklevel=3)


def _line(text: str) -> str:
    return " ".join(printable(text, _LONGEST_PART).split())
