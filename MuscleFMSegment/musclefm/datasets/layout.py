"""Which files of a data set belong to which case."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from musclefm.datasets.catalogue import Dataset
from musclefm.errors import MuscleFMError
from musclefm.evaluation.cohort.severity import Severity
from musclefm.plain_text import figures

# Of macOS, which puts them into zip files.
_NOT_OF_THE_SET = ("__MACOSX", ".")
_SINGLE = ""


@dataclass(frozen=True)
class CaseFiles:
    """The files of a case.

    Attributes
    ----------
    number : int
        In the order of names, from 1.
    key, subject : str
        Names of letters, digits and hyphens: of the case, and of whose it is. Those of a
        data set that is not public are numbers, as its own may name patients.
    references : dict of str to Path
        Labels: a file by an empty name, or masks by their names.
    channels : dict of str to Path
        Images by channel.
    severity : str or None
        As its folder says.
    held_out : bool or None
        Whether its subject is not to be learned from; None where the layout says nothing.
    """

    number: int
    key: str
    subject: str
    references: Mapping[str, Path]
    channels: Mapping[str, Path]
    severity: Severity | None
    held_out: bool | None


def find_case_files(dataset: Dataset, folder: Path) -> tuple[CaseFiles, ...]:
    """Return the files of all cases with labels, in the order of their names.

    Raises
    ------
    MuscleFMError
        There is no case, or one lacks an image.
    """
    names = [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(_NOT_OF_THE_SET) for part in path.relative_to(folder).parts)
    ]
    found: dict[tuple[str, ...], dict[str, Path]] = {}
    fields: dict[tuple[str, ...], dict[str, str]] = {}
    pattern = re.compile(_regex(dataset.reference))
    for name in names:
        if match := pattern.fullmatch(name):
            known = match.groupdict()
            mask = known.pop("mask", _SINGLE)
            case = tuple(known.values())
            found.setdefault(case, {})[mask] = folder / name
            fields[case] = known
    if not found:
        raise MuscleFMError(
            f"the folder holds no labels in the layout of '{dataset.name}'",
            f"give the folder that holds {dataset.reference}",
        )
    cases = []
    for number, case in enumerate(found, start=1):
        known = fields[case]
        channels = {}
        for channel, image in dataset.channels.items():
            images = [x for x in names if re.fullmatch(_regex(image, known), x)]
            if len(images) != 1:
                raise MuscleFMError(
                    f"case {number} of {len(found)} in order of name has"
                    f" {figures(len(images)) if images else 'no'} {channel} images",
                    f"each case needs one, {image}",
                )
            channels[channel] = folder / images[0]
        person = "the one" if dataset.one_subject else known["subject"]
        part = known.get("part", "") if dataset.is_public else str(number)
        cases.append(
            CaseFiles(
                number=number,
                key=_slug(f"{known['subject']}-{part}") if dataset.is_public else f"case-{part}",
                subject=_slug(person),
                references=found[case],
                channels=channels,
                severity=dataset.severities.get(known.get("severity", "")),
                held_out=known["split"] == dataset.held_out if "split" in known else None,
            )
        )
    return _without_names(cases) if not dataset.is_public else tuple(cases)


def _without_names(cases: list[CaseFiles]) -> tuple[CaseFiles, ...]:
    """Return cases of subjects that are numbers."""
    numbers = {name: n for n, name in enumerate(dict.fromkeys(x.subject for x in cases), start=1)}
    return tuple(replace(case, subject=f"subject-{numbers[case.subject]}") for case in cases)


def _regex(pattern: str, known: Mapping[str, str] | None = None) -> str:
    """Return a regular expression for a pattern, in any folder or where others were found."""
    root = "(?P<root>(?:.*/)?)" if known is None else re.escape(known["root"])
    parts: list[str] = [root]
    named: set[str] = set()
    for text in re.split(r"(\{\w+\}|\*)", pattern):
        field = text.strip("{}")
        if text == "*":
            parts.append("[^/]*")
        elif not text.startswith("{"):
            parts.append(re.escape(text))
        elif known is not None:
            parts.append(re.escape(known[field]))
        else:
            parts.append(f"(?P={field})" if field in named else f"(?P<{field}>[^/]+?)")
            named.add(field)
    return "".join(parts)


def _slug(name: str) -> str:
    return re.sub("[^A-Za-z0-9]+", "-", name).strip("-") or "x"
