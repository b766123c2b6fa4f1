"""Which reference belongs to which segmentation: by name, or as a data list says."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from musclefm.errors import MuscleFMError
from musclefm.evaluation.cohort.summary import BY_FAT_FRACTION
from musclefm.plain_text import figures
from musclefm.results.reading import holds_results
from musclefm.storage.regular_file import is_file, read_regular
from musclefm.volumes.files_by_name import case_name, files_by_name, is_image_or_labels

if TYPE_CHECKING:
    from musclefm.exchange.datalist import DataList

SINGLE = "case"
"""Name of the only case, where files are named one by one."""

_PROBABILITIES = ".npz"
_LARGEST_TABLE = 16 << 20


@dataclass(frozen=True)
class MatchedCase:
    """Two paths that are of one scan.

    Attributes
    ----------
    name, subject : str
        Of the case, after its file; and of whom it is.
    segmentation : Path
        A results folder or a file of labels.
    reference : Path
        A file of labels.
    probabilities : Path or None
        The file beside a file of labels that holds its probabilities, as nnU-Net writes it.
    group : str or None
        As the user's table says.
    images : mapping of str to Path
        Of the scan, by channel, as far as a data list names them.
    """

    name: str
    subject: str
    segmentation: Path
    reference: Path
    probabilities: Path | None = None
    group: str | None = None
    images: Mapping[str, Path] = field(default_factory=dict)


def match_cases(
    segmentations: Path, references: Path, groups: Mapping[str, str]
) -> tuple[tuple[MatchedCase, ...], tuple[str, ...]]:
    """Match segmentations with references.

    Parameters
    ----------
    segmentations : Path
        A results folder or a file of labels; or a folder of these, each named after its
        case.
    references : Path
        A file of labels, a folder of them with the same names, or a ``datalist.json``.
    groups : mapping of str to str
        By case or subject; they go before the severities that a data list says.

    Returns
    -------
    tuple
        The cases by name; and what was left out, a line each.

    Raises
    ------
    MuscleFMError
        Nothing matches, or one is a folder and the other is not.
    """
    truth = _references(references)
    if is_file(segmentations) or holds_results(segmentations):
        if truth is not None and not is_file(references):
            raise MuscleFMError(
                "one segmentation is given with a folder of references",
                "give its reference, or a folder of segmentations",
            )
        if truth is not None:
            found = {case_name(segmentations): segmentations}
            return _matched(found, truth, groups)
        group = groups.get(SINGLE) or groups.get(case_name(segmentations))
        beside = _beside(segmentations)
        return (MatchedCase(SINGLE, SINGLE, segmentations, references, beside, group),), ()
    if not segmentations.is_dir():
        raise MuscleFMError(
            "there is no segmentation at the path given", "give a results folder or labels"
        )
    if truth is None:
        raise MuscleFMError(
            "a folder of segmentations is given with one reference",
            "give a folder of references, or a datalist.json",
        )
    found = files_by_name(
        (x for x in segmentations.iterdir() if is_image_or_labels(x) or holds_results(x)),
        "segmentations",
    )
    return _matched(found, truth, groups)


def read_groups(path: Path) -> dict[str, str]:
    """Read a table of groups: CSV with ``case`` or ``subject``, and ``group`` or ``severity``.

    Raises
    ------
    MuscleFMError
        It cannot be read or has other columns.
    """
    remedy = "write CSV with the columns case (or subject) and group (or severity)"
    try:
        text = read_regular(path, _LARGEST_TABLE).decode("utf-8-sig")
        rows = list(csv.DictReader(text.splitlines()))
    except (OSError, ValueError, csv.Error) as error:
        raise MuscleFMError("the table of groups cannot be read", remedy) from error
    columns = set(rows[0]) if rows else set()
    key = next((name for name in ("case", "subject") if name in columns), None)
    value = next((name for name in ("group", "severity") if name in columns), None)
    if key is None or value is None:
        raise MuscleFMError("the table of groups has other columns", remedy)
    return {row[key]: row[value] for row in rows if row[key] and row[value]}


def data_list_at(path: Path) -> DataList | None:
    """Read the data list at a path, or return None where there is another thing."""
    if not (path.name.lower().endswith(".json") and is_file(path)):
        return None
    # Imported late: it writes images.
    from musclefm.exchange.datalist import read_datalist

    return read_datalist(path)


@dataclass(frozen=True)
class _References:
    """Files by the names of their cases, and what a data list says of these."""

    files: dict[str, Path]
    subjects: dict[str, str]
    groups: dict[str, str]
    images: dict[str, dict[str, Path]] = field(default_factory=dict)


def _references(path: Path) -> _References | None:
    """Return references by name, or None for one alone."""
    if listed := data_list_at(path):
        cases = {path.parent / case.label: case for case in listed.cases()}
        # What follows from the fat fraction follows from it here, too, by the limits asked for.
        given = listed.severity_rule != BY_FAT_FRACTION
        return _References(
            files_by_name(cases, "references"),
            {case_name(file): case.subject for file, case in cases.items() if case.subject},
            {case_name(f): case.severity for f, case in cases.items() if given and case.severity},
            {case_name(f): listed.images(case, path.parent) for f, case in cases.items()},
        )
    if is_file(path):
        return None
    if not path.is_dir():
        raise MuscleFMError("there is no reference at the path given", "check the path")
    return _References(
        files_by_name(filter(is_image_or_labels, path.iterdir()), "references"), {}, {}
    )


def _matched(
    found: Mapping[str, Path], references: _References, groups: Mapping[str, str]
) -> tuple[tuple[MatchedCase, ...], tuple[str, ...]]:
    cases, truth = [], references.files
    for name in sorted(found.keys() & truth.keys()):
        subject = references.subjects.get(name, name)
        group = groups.get(name) or groups.get(subject) or references.groups.get(name)
        cases.append(
            MatchedCase(
                name,
                subject,
                found[name],
                truth[name],
                _beside(found[name]),
                group,
                references.images.get(name, {}),
            )
        )
    if not cases:
        raise MuscleFMError(
            "no segmentation has the name of a reference",
            "name each results folder or file of labels as the reference's file",
        )
    notes = [
        f"{figures(len(named) - len(cases))} of {figures(len(named))} {what} left out:"
        f" no {other} of the same name"
        for named, what, other in (
            (found, "segmentations", "reference"),
            (truth, "references", "segmentation"),
        )
        if len(named) > len(cases)
    ]
    return tuple(cases), tuple(notes)


def _beside(labels: Path) -> Path | None:
    beside = labels.with_name(case_name(labels) + _PROBABILITIES)
    return beside if is_file(labels) and is_file(beside) else None
