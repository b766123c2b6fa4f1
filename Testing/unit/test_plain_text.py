"""Text of any origin becomes one line that nothing obeys; numbers are short."""

import sys
import unicodedata

import pytest

from musclefm.errors import MuscleFMError
from musclefm.plain_text import REPLACEMENT, figures, printable

HARMFUL = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
JOINERS = "\u200c\u200d"


def test_no_character_that_a_terminal_obeys_is_left_of_all_that_exist():
    left = [
        hex(code)
        for code in range(sys.maxunicode + 1)
        if any(
            unicodedata.category(shown) in HARMFUL and shown not in JOINERS
            for shown in printable(chr(code))
        )
    ]
    assert left == []


@pytest.mark.parametrize(
    "text",
    ["", "Oberschenkel, außen", "股四頭肌", "بسم", "नी\u200dक", "mm³ × 2", "37\u202f%", "👍"],
)
def test_words_of_any_script_stay(text):
    assert printable(text) == text


def test_what_is_replaced_leaves_a_mark_and_a_break_leaves_a_space():
    assert printable("a\x1b[31mb\r\nc\td\u2028e") == f"a{REPLACEMENT}[31mb  c d e"
    assert printable("\x9b31m\u202egnp.exe\udcff") == REPLACEMENT + "31m" + (
        f"{REPLACEMENT}gnp.exe{REPLACEMENT}"
    )


def test_of_a_long_text_both_ends_stay():
    assert printable("x" * 50 + "end", 20) == "xxxxxxxxx...xxxxxend"
    assert printable("short", 20) == "short"


def test_an_error_is_one_short_line_whatever_it_quotes():
    error = MuscleFMError(f"model '\x1b]0;owned\x07{'y' * 10_000}' is\n\nodd", "give\tanother")
    assert str(error).isprintable() and len(str(error)) < 500
    assert str(error).startswith("model '") and str(error).endswith("is odd: give another")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (-0.0, "0"), (7, "7"), (1234, "1234"), (12345, "12340"), (99999, "100000"),
        (0.1 + 0.2, "0.3"), (10.94, "10.94"), (312.256, "312.3"), (-2.00001, "-2"),
        (1.234567e-6, "0.000001235"), (1e-30, "1e-30"), (1e30, "1e+30"), (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)  # fmt: skip
def test_a_number_has_at_most_four_significant_digits(value, text):
    assert figures(value) == text
