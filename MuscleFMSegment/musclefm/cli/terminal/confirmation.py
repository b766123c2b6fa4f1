"""A download's question to the user."""

from __future__ import annotations

import sys

from musclefm.cli.terminal.output import say
from musclefm.errors import MuscleFMError


def confirm_download(what: str, licence: str, remedy: str) -> None:
    """Ask whether something may be downloaded.

    Parameters
    ----------
    what : str
        What it is, how large, and from where.
    licence : str
        Of it, or where to read it.
    remedy : str
        What to do in place of ``--yes``.

    Raises
    ------
    MuscleFMError
        The answer is no, or nobody is there to give one.
    """
    if not sys.stdin.isatty():
        raise MuscleFMError(
            "a download needs confirmation",
            f"confirm with --yes ({what}; licence: {licence}), or {remedy}",
        )
    say(f"Download {what}?")
    if input(f"Its licence: {licence} [y/N] ").strip().lower() not in ("y", "yes"):
        raise MuscleFMError("nothing was downloaded", "answer y to download")
