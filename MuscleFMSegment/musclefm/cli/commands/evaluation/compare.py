"""``musclefm compare``: whether a new model may take an old one's place."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from musclefm.api.evaluation.cohorts import compare
from musclefm.cli.terminal.output import console
from musclefm.cli.terminal.running import add_device_options, add_progress_option, run_heavy
from musclefm.progress import Progress
from musclefm.storage.atomic import atomic_text
from musclefm.storage.targets import require_free

if TYPE_CHECKING:
    from musclefm.evaluation.comparison import Comparison, Verdict


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "compare",
        help="compare an old and a new model on reviewed cases",
        description="Compare two models on reviewed cases that neither has learned from: DSC, "
        "calibration and what is expected wrong, by muscle, with a paired test.",
    )
    parser.add_argument("old", metavar="OLD", help="name or folder of a model")
    parser.add_argument("new", metavar="NEW", help="name or folder of a model")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="a store of corrections or a MONAI datalist.json (default: the user's store)",
    )
    parser.add_argument(
        "--held-out",
        type=float,
        metavar="SHARE",
        help="only the subjects that 'musclefm train --held-out SHARE' held out (default: all)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="for the comparison as JSON")
    add_device_options(parser)
    add_progress_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Compare the models."""
    if arguments.out:
        require_free(arguments.out)
    comparison = run_heavy(arguments, lambda progress: _compare(arguments, progress))
    if arguments.progress != "json":
        print_comparison(comparison)


def print_comparison(comparison: Comparison) -> None:
    """Print a comparison as a table, with what follows from it."""
    terminal = console()
    old, new = comparison.old, comparison.new
    table = Table(title=f"{old.name} {old.version} against {new.name} {new.version}")
    table.add_column("Muscle", no_wrap=True)
    for heading in ("DSC old", "new", "ECE old", "new", "Wrong, mL old", "new", "p"):
        table.add_column(heading, justify="right")
    table.add_column("New is", no_wrap=True)
    for muscle in comparison.muscles:
        table.add_row(
            muscle.name,
            *map(_share, (muscle.old_dice, muscle.new_dice, muscle.old_ece, muscle.new_ece)),
            f"{muscle.old_expected_wrong_ml:.1f}",
            f"{muscle.new_expected_wrong_ml:.1f}",
            f"{muscle.p:.3f}",
            _verdict_text(muscle.verdict),
        )
    table.add_section()
    table.add_row(
        "all",
        *map(_share, (old.dice, new.dice, old.ece, new.ece)),
        f"{old.expected_wrong_ml:.1f}",
        f"{new.expected_wrong_ml:.1f}",
        f"{comparison.p:.3f}",
        _verdict_text(comparison.verdict),
    )
    terminal.print(table)
    terminal.print("DSC: of a muscle, over the volume; of all, the mean over muscles.")
    terminal.print("Wrong: volume of a case that the model expects to be wrong.")
    finding = f"On {comparison.cases} cases of {comparison.subjects} subjects the new model is"
    terminal.print(
        f"{finding} not worse."
        if comparison.not_worse
        else f"{finding} worse: {'; '.join(comparison.reasons)}."
    )


def _compare(arguments: argparse.Namespace, progress: Progress) -> Comparison:
    comparison = compare(
        arguments.old,
        arguments.new,
        data=arguments.data,
        held_out=arguments.held_out,
        device=arguments.device,
        precision=arguments.precision,
        progress=progress,
    )
    if arguments.out:
        atomic_text(arguments.out, comparison.model_dump_json(indent=2) + "\n", new=True)
    return comparison


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _verdict_text(verdict: Verdict) -> str:
    return "" if verdict == "not different" else verdict
