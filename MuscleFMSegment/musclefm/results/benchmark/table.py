"""What was measured of several systems, and the rows of the table in the paper's form."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from musclefm.evaluation.cohort.summary import CohortEvaluation, GroupSummary, PairedScore
from musclefm.evaluation.statistics import mean_of
from musclefm.results.benchmark.examples import Example


@dataclass(frozen=True)
class ComparedSystem:
    """A system on the test cases.

    Attributes
    ----------
    key, title : str
        Name in the plan, and in the table.
    folds : tuple of CohortEvaluation
        Of each fold alone.
    ensemble : CohortEvaluation
        Of the mean of the folds' probabilities.
    logits : CohortEvaluation or None
        Of the mean of the folds' logits, where that is the system's own way.
    paired : tuple of PairedScore
        The ensemble against that of the first system; of the first none.
    facts : mapping of str to object
        Time of training, temperatures, hashes.
    """

    key: str
    title: str
    folds: tuple[CohortEvaluation, ...]
    ensemble: CohortEvaluation
    logits: CohortEvaluation | None
    paired: tuple[PairedScore, ...]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Benchmark:
    """Systems that learned from the same cases, on the same test cases.

    Attributes
    ----------
    systems : tuple of ComparedSystem
        In the plan's order.
    facts : mapping of str to object
        Plan, split, versions, machine.
    notes : tuple of str
        What to know of the whole, a line each.
    examples : tuple of Example
        Slices to look at.
    """

    systems: tuple[ComparedSystem, ...]
    facts: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()

    @property
    def rows(self) -> tuple[TableRow, ...]:
        """Of each system its single folds and its ensemble."""
        return tuple(row for system in self.systems for row in _rows(system))


@dataclass(frozen=True)
class Cell:
    """A number of a row: for folds their mean, lowest and highest, else with its interval."""

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class TableRow:
    """A row of the table.

    Attributes
    ----------
    key, title, kind : str
        Of the system; and what of it: ``"single folds"``, ``"ensemble"`` or
        ``"ensemble of logits"``.
    cells : mapping of str to mapping of str to Cell
        By group, ``"all"`` first, and measure.
    """

    key: str
    title: str
    kind: str
    cells: Mapping[str, Mapping[str, Cell]]


@dataclass(frozen=True)
class Measure:
    """A column of the table in each group.

    Attributes
    ----------
    title : str
        Short, for its head.
    read : callable
        Its cell of a group.
    authors : bool
        Whether it is one of Casali et al. 2025, to stand beside their numbers alone.
    """

    title: str
    read: Callable[[GroupSummary], Cell]
    authors: bool = False


def _score(name: str) -> Callable[[GroupSummary], Cell]:
    def read(group: GroupSummary) -> Cell:
        estimate = group.scores[name]
        return Cell(estimate.mean, estimate.low, estimate.high)

    return read


MEASURES: dict[str, Measure] = {
    "dsc_pooled": Measure("DSC pooled over muscles", _score("pooled_dice")),
    "dsc_mean": Measure("DSC mean over muscles", _score("mean_dice")),
    "ece": Measure("ECE", _score("ece")),
    "nll": Measure("NLL", _score("nll")),
    "ece_before_temperature": Measure("ECE before temperature", _score("ece_before_temperature")),
    "nll_before_temperature": Measure("NLL before temperature", _score("nll_before_temperature")),
    "dsc_pooled_over_cases": Measure(
        "DSC pooled over muscles and cases", lambda group: Cell(group.pooled_dice), True
    ),
    "ece_boxes_flipped": Measure(
        "ECE in boxes, low bins flipped",
        lambda group: Cell(group.boxes.top_label.ece_casali if group.boxes else math.nan),
        True,
    ),
    "nll_boxes": Measure(
        "NLL in boxes", lambda group: Cell(group.boxes.nll if group.boxes else math.nan), True
    ),
}
"""Columns by name; calibration within 10 mm of a muscle but where boxes are named."""


def benchmark_table(benchmark: Benchmark) -> str:
    """Return all rows as CSV, a line for each group; undefined cells are empty."""
    text = io.StringIO()
    bounds = [f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["system", "title", "kind", "group", *bounds])
    for row in benchmark.rows:
        for group, cells in row.cells.items():
            numbers = [x for cell in cells.values() for x in (cell.value, cell.low, cell.high)]
            shown = ["" if math.isnan(x) else f"{x:.6g}" for x in numbers]
            writer.writerow([row.key, row.title, row.kind, group, *shown])
    return text.getvalue()


def _rows(system: ComparedSystem) -> list[TableRow]:
    parts: list[tuple[str, Sequence[CohortEvaluation]]] = [
        ("single folds", system.folds),
        ("ensemble", [system.ensemble]),
        *([("ensemble of logits", [system.logits])] if system.logits else []),
    ]
    names = [group.name for group in system.ensemble.groups]
    return [
        TableRow(
            system.key,
            system.title,
            kind,
            {
                name: {
                    measure: _together([known.read(cohort.groups[place]) for cohort in cohorts])
                    for measure, known in MEASURES.items()
                }
                for place, name in enumerate(names)
            },
        )
        for kind, cohorts in parts
    ]


def _together(cells: Sequence[Cell]) -> Cell:
    if len(cells) == 1:
        return cells[0]
    values = np.array([cell.value for cell in cells])
    known = values[~np.isnan(values)]
    return Cell(mean_of(values), *((known.min(), known.max()) if known.size else ()))
