"""The page of a benchmark: one HTML file that needs nothing but a browser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from musclefm import __version__
from musclefm.evaluation.cohort.scores import SCORES
from musclefm.plain_text import figures
from musclefm.results.benchmark.examples import example_pictures
from musclefm.results.benchmark.table import MEASURES, Benchmark, Cell, ComparedSystem, TableRow
from musclefm.results.evaluation.charts import SIZE, Chart, reliability_chart
from musclefm.results.evaluation.page import PRINTED, short
from musclefm.results.report.page_template import page_template

_DASH = "—"
_COLOURS = (
    "#0b5cad", "#c25700", "#2b7a3d", "#9c3587", "#5a5a00", "#00798c", "#b3001b", "#5b3ea6",
    "#7a5230", "#444c56",
)  # fmt: skip


@dataclass(frozen=True)
class ShownTable:
    """A table of the page.

    Attributes
    ----------
    groups : tuple of str
        Heads that each span the measures.
    measures : tuple of str
        Heads below each group.
    rows : tuple
        Title, kind and cells of each row: a number and its bounds, which may be empty.
    """

    groups: tuple[str, ...]
    measures: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]


def render_benchmark(benchmark: Benchmark) -> str:
    """Return the page as HTML; style and plots are inside, and it asks for nothing.

    Parameters
    ----------
    benchmark : Benchmark
        What was measured.
    """
    everyone = benchmark.systems[0].ensemble.groups[0]
    return page_template("benchmark").render(
        benchmark=benchmark,
        everyone=everyone,
        version=__version__,
        shown_facts=_shown_facts(benchmark),
        ours=_table(benchmark.rows, authors=False),
        authors=_table(benchmark.rows, authors=True),
        printed=[(group, *numbers) for group, numbers in PRINTED.items()],
        paired=[
            (system.title, SCORES[row.name].title, row)
            for system in benchmark.systems
            for row in system.paired
        ],
        made=[
            (system.key, system.title, _seconds(system), _temperature(system))
            for system in benchmark.systems
        ],
        charts=_charts(benchmark),
        examples=[example_pictures(example) for example in benchmark.examples],
        size=SIZE,
    )


def _table(rows: Sequence[TableRow], *, authors: bool) -> ShownTable:
    groups = tuple(name for name in rows[0].cells if name != "all") or ("all",)
    names = [
        name
        for name, measure in MEASURES.items()
        if measure.authors == authors
        and any(not math.isnan(row.cells[group][name].value) for row in rows for group in groups)
    ]
    return ShownTable(
        groups,
        tuple(MEASURES[name].title for name in names),
        tuple(
            (
                row.title,
                row.kind,
                tuple(_cell(row.cells[g][name]) for g in groups for name in names),
            )
            for row in rows
        ),
    )


def _cell(cell: Cell) -> tuple[str, str]:
    if math.isnan(cell.value):
        return _DASH, ""
    bounds = "" if math.isnan(cell.low) else f"{short(cell.low)} to {short(cell.high)}"
    return short(cell.value), bounds


def _shown_facts(benchmark: Benchmark) -> list[tuple[str, object]]:
    plan, split = benchmark.facts["plan"], benchmark.facts["split"]
    amount = next(f"{count:g} {what}" for what, count in plan["budget"].items() if count)
    return [
        ("Subjects to learn from", sum(len(fold) for fold in split["folds"])),
        ("Folds", plan["folds"]),
        ("Budget of a fold", amount),
        ("Seed", plan["seed"]),
        ("Machine", benchmark.facts["machine"]),
    ]


def _seconds(system: ComparedSystem) -> str:
    taken = [fold["seconds"] for fold in system.facts["training"]]
    return ", ".join(_DASH if x is None else figures(x) for x in taken)


def _temperature(system: ComparedSystem) -> str:
    known = system.facts["temperatures"]
    return _DASH if known is None else short(known["ensemble"])


def _charts(benchmark: Benchmark) -> list[Chart]:
    """Return a reliability diagram for each group, a line for each ensemble."""
    charts = []
    for place, group in enumerate(benchmark.systems[0].ensemble.groups):
        series = []
        for number, system in enumerate(benchmark.systems):
            near = system.ensemble.groups[place].near
            if near is not None:
                colour = _COLOURS[number % len(_COLOURS)]
                drawn = reliability_chart(near.top_label, "", colour).series[0]
                series.append(replace(drawn, name=system.title))
        title = f"Reliability of the ensembles, top label within 10 mm, {group.name}"
        if series:
            charts.append(
                Chart(title, "confidence", "share that is right", tuple(series), diagonal=True)
            )
    return charts
