"""Which series and echo each case of a worklist is read from, where the user chose."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.pipeline.find_cases import CaseFiles
from musclefm.storage.regular_file import read_regular
from musclefm.volumes.formats.decoded import SeriesChoice

CHOICES_FILE = "worklist.csv"
"""In the folder of scans: is read where no other file is given."""

# Of a hundred thousand cases.
_LARGEST_FILE = 64 << 20
_COLUMNS = {"case", "series", "echo"}
_REMEDY = (
    "write a header 'case,series,echo' and a line a case: its path in the folder of scans, and "
    "numbers from 1 or nothing"
)


def choose_series(
    cases: Iterable[CaseFiles], folder: Path, common: SeriesChoice, file: Path | None = None
) -> tuple[CaseFiles, ...]:
    """Return cases with the series and echo that the user chose for them.

    Parameters
    ----------
    cases : iterable of CaseFiles
        As they were found.
    folder : Path
        The folder of scans.
    common : SeriesChoice
        Holds where the file says nothing.
    file : Path, optional
        A CSV of the columns ``case``, ``series`` and ``echo``; by default ``worklist.csv``
        in the folder, where there is one.

    Raises
    ------
    MuscleFMError
        The file cannot be read, or names a case that is not there.
    """
    if file is None and (folder / CHOICES_FILE).is_file():
        file = folder / CHOICES_FILE
    chosen = _read(file) if file else {}
    found = []
    for case in cases:
        series, echo = chosen.pop(case.path.relative_to(folder).as_posix(), (None, None))
        choice = replace(common, series=series or common.series, echo=echo or common.echo)
        found.append(replace(case, choice=choice))
    if chosen:
        raise MuscleFMError(
            f"the file of choices names {len(chosen)} case{'s' if len(chosen) > 1 else ''} that "
            "the folder of scans does not hold",
            "name each by its path in the folder, with / and the file's ending",
        )
    return tuple(found)


def choice_text(choice: SeriesChoice) -> str:
    """Return a choice in words, e.g. ``"series 2, echo 1"``; nothing where none was made."""
    parts = {"series": choice.series, "echo": choice.echo}
    return ", ".join(f"{name} {number}" for name, number in parts.items() if number is not None)


def _read(file: Path) -> dict[str, tuple[int | None, int | None]]:
    try:
        text = read_regular(file, _LARGEST_FILE).decode("utf-8-sig")
        lines = text.splitlines()
        # Spreadsheets of many countries write semicolons.
        delimiter = ";" if lines and ";" in lines[0] else ","
        rows = csv.DictReader(lines, delimiter=delimiter, strict=True)
        if "case" not in (rows.fieldnames or ()) or not set(rows.fieldnames or ()) <= _COLUMNS:
            raise ValueError("other columns")
        chosen = {}
        for number, row in enumerate(rows, start=2):
            if None in row:
                raise ValueError("more columns than the header")
            name = (row["case"] or "").strip().replace("\\", "/").removesuffix("/")
            if not name or name in chosen:
                raise MuscleFMError(
                    f"line {number} of the file of choices names no case, or one for a second time",
                    _REMEDY,
                )
            chosen[name] = (_number(row.get("series")), _number(row.get("echo")))
    except OSError as error:
        raise MuscleFMError(
            f"the file of choices cannot be read ({error.strerror or 'input or output error'})",
            "check that it is there and its access rights",
        ) from error
    except (ValueError, csv.Error) as error:
        raise MuscleFMError("the file of choices cannot be understood", _REMEDY) from error
    return chosen


def _number(text: str | None) -> int | None:
    if not text or not text.strip():
        return None
    number = int(text)
    if number < 1:
        raise ValueError("series and echoes count from 1")
    return number
