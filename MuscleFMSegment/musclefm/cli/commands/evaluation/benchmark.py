"""``musclefm benchmark``: train and compare several systems by a plan."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from musclefm.api.benchmarks import run_benchmark
from musclefm.cli.terminal import output
from musclefm.cli.terminal.running import add_device_options, add_progress_option, run_heavy

if TYPE_CHECKING:
    from musclefm.results.benchmark.table import Benchmark

_SHOWN = ("dsc_pooled", "dsc_mean", "ece", "nll")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "benchmark",
        help="train several systems on the same cases and compare them",
        description="Train the systems of a plan on the same folds of subjects, each fold within "
        "the same budget, and compare single folds and ensembles on other subjects: the table of "
        "Casali et al. 2025 on any labelled data. A run that was stopped is resumed by the same "
        "command.",
    )
    parser.add_argument(
        "plan", type=Path, metavar="PLAN", help="a JSON file: data, systems, folds, seed, budget"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="for all that is made and kept"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="folds at a time (default: %(default)s)"
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="of a Ray cluster whose machines reach DIR and the data by the same paths",
    )
    add_device_options(parser)
    add_progress_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the benchmark, and print its table."""
    benchmark = run_heavy(
        arguments,
        lambda progress: run_benchmark(
            arguments.plan,
            arguments.out,
            jobs=arguments.jobs,
            cluster=arguments.cluster,
            device=arguments.device,
            precision=arguments.precision,
            progress=progress,
        ),
        kept=lambda: _kept(arguments.out),
    )
    for note in benchmark.notes:
        output.note(f"note: {note}")
    if arguments.progress == "bar":
        _summarise(benchmark, arguments.out)


def _kept(out: Path) -> str:
    from musclefm.results.benchmark.files import kept_benchmark

    return kept_benchmark(out)


def _summarise(benchmark: Benchmark, out: Path) -> None:
    from musclefm.results.benchmark.files import BENCHMARK_PAGE
    from musclefm.results.benchmark.table import MEASURES

    table = Table(title="Means over test subjects", title_justify="left")
    for head in ("System", "", "Group", *(MEASURES[name].title for name in _SHOWN)):
        table.add_column(head)
    for row in benchmark.rows:
        for group, cells in row.cells.items():
            numbers = [cells[name].value for name in _SHOWN]
            shown = ["" if math.isnan(x) else f"{x:.3f}" for x in numbers]
            table.add_row(row.title, row.kind, group, *shown)
    output.console().print(table)
    output.say(f"Open {out / BENCHMARK_PAGE} in a browser.")
    output.console().print("Research use only. Not for clinical use.")
