"""Text as it may be shown anywhere: one line, no control characters, short numbers.

Names, descriptions and headers come from files that anybody may have made. What a
terminal, a log or a browser would obey instead of show is replaced where the text
leaves the program, by :func:`printable`.
"""

from __future__ import annotations

import math
from unicodedata import category

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Stands for each character that is not shown."""

SIGNIFICANT_DIGITS = 4

# Scripts such as Persian and Hindi are not written rightly without them.
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
_ELLIPSIS = "..."


def printable(text: str, most: int | None = None) -> str:
    """Return text as one line that no terminal, log or browser takes for a command.

    Line breaks and tabs become spaces. Control characters (C0, C1,
    and so ANSI and OSC sequences), bidirectional and other format characters, lone
    surrogates, private and unassigned characters become U+FFFD.

    Parameters
    ----------
    text : str
        Text that a file or a user gave.
    most : int, optional
        Characters that are kept of a longer text, its middle being left out.
    """
    if most is not None and len(text) > most:
        kept = most - len(_ELLIPSIS)
        text = text[: kept - kept // 2] + _ELLIPSIS + text[len(text) - kept // 2 :]
    # Nearly always so, and pictures in reports are megabytes of text.
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def figures(value: float) -> str:
    """Return a number with at most four significant digits, e.g. ``"12350"`` or ``"0.9"``."""
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return f"{value:g}"
    decimals = SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value)))
    if not -12 < decimals < 12:
        return f"{value:.{SIGNIFICANT_DIGITS}g}"
    rounded = round(value, decimals)
    text = f"{rounded:.{max(decimals, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _shown(character: str) -> str:
    if character.isprintable() or character in _JOINERS or category(character) == "Zs":
        return character
    return " " if character.isspace() else REPLACEMENT
