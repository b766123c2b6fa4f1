"""From the files of a data set to a data list with subjects held out and severities."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musclefm.datasets.catalogue import Dataset
from musclefm.datasets.layout import CaseFiles, find_case_files
from musclefm.datasets.references import dataset_mapping, read_reference
from musclefm.errors import MuscleFMError
from musclefm.evaluation.cohort.severity import (
    Severity,
    severity_of,
    volume_weighted_fat_fraction,
)
from musclefm.evaluation.cohort.summary import BY_COLUMN, BY_FAT_FRACTION
from musclefm.evaluation.statistics import held_out_subjects
from musclefm.exchange.datalist import Item, write_datalist
from musclefm.exchange.training_case import TrainingCase
from musclefm.labels.mapping import merged_muscles
from musclefm.labels.scheme import LabelScheme
from musclefm.labels.sided import IGNORE, value_names
from musclefm.progress import Progress, ProgressEvent
from musclefm.volumes.channels import read_channels

# Share of the subjects of each severity that is held out, and of how few none is.
_HELD_OUT = 0.2
_FEW = 3


@dataclass(frozen=True)
class PreparedDataset:
    """A data set that was prepared.

    Attributes
    ----------
    path : Path
        The data list.
    cases, subjects, held_out : int
        How many cases, of how many subjects, how many of whom are held out.
    severities : mapping of str to int
        Subjects by severity; ``"unknown"`` where none is known.
    rule : str
        What the severities follow from.
    merged : tuple of tuple of str
        Muscles that the labels do not tell apart.
    missing : tuple of str
        Muscles of the scheme that were not labelled.
    """

    path: Path
    cases: int
    subjects: int
    held_out: int
    severities: Mapping[str, int]
    rule: str
    merged: tuple[tuple[str, ...], ...]
    missing: tuple[str, ...]


def prepare_dataset(
    dataset: Dataset, folder: Path, out: Path, scheme: LabelScheme, progress: Progress
) -> PreparedDataset:
    """Write the cases of a data set as NIfTI files and a data list.

    Parameters
    ----------
    dataset : Dataset
        What the folder holds.
    folder : Path
        Its files.
    out : Path
        New or empty; it appears as a whole.
    scheme : LabelScheme
        Of the labels that are written.
    progress : Progress
        Called for each case.

    Raises
    ------
    MuscleFMError
        The folder holds no case, or one cannot be used: its number, in order of name, stands
        before the cause.
    """
    files = find_case_files(dataset, folder)
    fat_fractions: dict[str, list[float]] = defaultdict(list)
    mapping = dataset_mapping(dataset, scheme)
    merged = merged_muscles(mapping)
    known = {target.label_id for target in mapping.values()}.union(*merged)
    names = value_names(scheme, sided=False)
    annotated = [label.id for label in scheme.labels if label.id in known]
    if not annotated:
        raise MuscleFMError(
            f"'{dataset.name}' has no muscle of '{scheme.name}'", "choose another scheme"
        )
    result: list[PreparedDataset] = []

    def finish(items: list[Item]) -> Item:
        severity = {
            case.subject: case.severity or severity_of(_mean(fat_fractions[case.subject]))
            for case in files
        }
        named = frozenset(case.subject for case in files if case.held_out)
        if all(case.held_out is None for case in files):
            named = held_out_by_severity(severity)
        for item, case in zip(items, files, strict=True):
            fraction = _mean(fat_fractions[case.subject])
            item |= {"severity": severity[case.subject]} if severity[case.subject] else {}
            item |= {} if fraction is None else {"fat_fraction": round(fraction, 4)}
        training = [x for x, c in zip(items, files, strict=True) if c.subject not in named]
        test = [x for x, c in zip(items, files, strict=True) if c.subject in named]
        counts: dict[str, int] = defaultdict(int)
        for value in severity.values():
            counts[value or "unknown"] += 1
        rule = BY_COLUMN if dataset.severities else BY_FAT_FRACTION
        groups = tuple(tuple(names[i] for i in sorted(group)) for group in merged)
        missing = tuple(x.name for x in scheme.labels if x.id not in annotated)
        result.append(
            PreparedDataset(
                out / "datalist.json", len(files), len(severity), len(named), counts, rule,
                groups, missing,
            )
        )  # fmt: skip
        return {
            "description": f"{dataset.title}, {scheme.title}; {dataset.licence}",
            "training": training,
            "numTraining": len(training),
            "test": test,
            "numTest": len(test),
            "severity_rule": rule,
            "merged": [list(group) for group in groups],
        } | ({"annotated": [names[i] for i in annotated]} if missing else {})

    def cases() -> Iterator[TrainingCase]:
        for case in files:
            progress(ProgressEvent("prepare", case.number - 1, len(files), "cases"))
            try:
                yield _read(dataset, case, scheme, fat_fractions)
            except MuscleFMError as error:
                where = f"case {case.number} of {len(files)} in order of name"
                raise MuscleFMError(f"{where}: {error.cause}", error.remedy) from error

    write_datalist(cases(), out, sided=dataset.side is not None, finish=finish)
    return result[0]


def held_out_by_severity(severities: Mapping[str, Severity | None]) -> frozenset[str]:
    """Return who is not to be learned from, of each severity that is not rare the same share.

    Parameters
    ----------
    severities : mapping of str to str or None
        Of each subject.
    """
    groups: dict[Severity | None, list[str]] = defaultdict(list)
    for subject, severity in severities.items():
        groups[severity].append(subject)
    of_groups = [held_out_subjects(x, _HELD_OUT) for x in groups.values() if len(x) >= _FEW]
    return frozenset().union(*of_groups) or held_out_subjects(severities, _HELD_OUT)


def _read(
    dataset: Dataset, case: CaseFiles, scheme: LabelScheme, fat_fractions: dict[str, list[float]]
) -> TrainingCase:
    channels = read_channels(case.channels)
    image = next(iter(channels.images.values()))
    labels = read_reference(dataset, case.references, image, scheme, "the reference")
    if not np.any((labels.array > 0) & (labels.array != IGNORE)):
        raise MuscleFMError(
            "the reference shows no muscle of the scheme", "leave the case out of the folder"
        )
    fraction = channels.fat_fraction()
    if fraction is not None:
        mean = volume_weighted_fat_fraction(labels.array, fraction)
        fat_fractions[case.subject] += [] if mean is None else [mean]
    return TrainingCase(case.key, case.subject, channels.images, labels, scheme)


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
