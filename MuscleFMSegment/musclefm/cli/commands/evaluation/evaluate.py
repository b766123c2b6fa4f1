"""``musclefm evaluate``: how good segmentations are against reference labels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from musclefm.api.evaluation.cohort_evaluation import evaluate_cohort
from musclefm.cli.terminal import output
from musclefm.cli.terminal.running import add_progress_option, run_heavy
from musclefm.defaults import DEFAULT_SCHEME
from musclefm.evaluation.cohort.scores import SCORES
from musclefm.evaluation.cohort.severity import DEFAULT_LIMITS
from musclefm.plain_text import figures
from musclefm.results.evaluation.files import PAGE_FILE

if TYPE_CHECKING:
    from musclefm.api.evaluation.cohort_evaluation import Cohort
    from musclefm.evaluation.statistics import Estimate

_SHOWN = (
    "mean_dice", "pooled_dice", "hd95_mm", "assd_mm", "volume_error_percent",
    "fat_fraction_error_percent", "ece", "nll", "auroc_total", "review_worth",
)  # fmt: skip


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "evaluate",
        help="hold segmentations against reference labels",
        description="Hold segmentations against reference labels: Dice, distances, volumes, "
        "calibration, and whether the uncertainty lies where the errors are; per patient first, "
        "then by group.",
    )
    parser.add_argument(
        "segmentation",
        type=Path,
        metavar="SEGMENTATION",
        help="a results folder, a file of labels, or a folder of these named after the cases",
    )
    parser.add_argument(
        "reference",
        type=Path,
        metavar="REFERENCE",
        help="a file of labels, a folder of files with the same names, or a datalist.json",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="new folder for tables and the page"
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="SEGMENTATION",
        help="other segmentations of the same cases: a paired test over subjects",
    )
    parser.add_argument(
        "--scheme",
        metavar="NAME",
        help=f"label scheme of label files (default: {DEFAULT_SCHEME}; results say their own)",
    )
    parser.add_argument(
        "--reference-scheme",
        metavar="NAME",
        help="label scheme of the references (default: that of the segmentations)",
    )
    parser.add_argument(
        "--mapping",
        type=Path,
        metavar="FILE|NAME",
        help="what the references' values mean: JSON, CSV, musclemap or totalsegmentator",
    )
    parser.add_argument(
        "--annotated",
        type=_names,
        metavar="VL,VM,...",
        help="muscles that the references would show if they were there (default: those that any "
        "of them shows); others are not judged",
    )
    parser.add_argument(
        "--merge",
        type=_merged,
        action="append",
        default=[],
        metavar="BFL+BFS",
        help="muscles that the references do not tell apart: they count as one",
    )
    parser.add_argument(
        "--groups",
        type=Path,
        metavar="FILE",
        help="CSV with case or subject, and group or severity (default: by fat fraction)",
    )
    for channel in ("water", "fat"):
        parser.add_argument(
            f"--{channel}",
            type=Path,
            metavar="PATH",
            help=f"{channel} image, or a folder of them named after the cases: for fat fractions "
            "of label files",
        )
    parser.add_argument(
        "--severity-limits",
        type=float,
        nargs=2,
        default=DEFAULT_LIMITS,
        metavar=("MODERATE", "SEVERE"),
        help="fat fractions from which on severity is moderate, and severe; not the paper's rule "
        "(default: {} {})".format(*DEFAULT_LIMITS),
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the bootstrap (default: %(default)s)"
    )
    add_progress_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Evaluate, write everything, and tell what was found."""
    cohort = run_heavy(
        arguments,
        lambda progress: evaluate_cohort(
            arguments.segmentation,
            arguments.reference,
            against=arguments.against,
            scheme=arguments.scheme,
            reference_scheme=arguments.reference_scheme,
            mapping=arguments.mapping,
            annotated=arguments.annotated,
            merged=arguments.merge,
            groups=arguments.groups,
            water=arguments.water,
            fat=arguments.fat,
            limits=(arguments.severity_limits[0], arguments.severity_limits[1]),
            seed=arguments.seed,
            out=arguments.out,
            progress=progress,
        ),
    )
    for note in cohort.notes:
        output.note(f"note: {note}")
    if arguments.progress == "bar":
        summarise(cohort, arguments.out)


def summarise(cohort: Cohort, out: Path) -> None:
    """Print the main scores by group, and where all of them are."""
    groups = cohort.evaluation.groups
    table = Table(title="Means over subjects (95 % interval)", title_justify="left")
    table.add_column("Score")
    for group in groups:
        table.add_column(f"{group.name} ({group.subjects})", justify="right")
    for name in _SHOWN:
        if groups[0].scores[name].subjects:
            table.add_row(SCORES[name].title, *(_cell(group.scores[name]) for group in groups))
    console = output.console()
    console.print(table)
    for row in cohort.paired:
        console.print(
            f"{SCORES[row.name].title}: {row.difference.mean:+.3f} against the other"
            f" (p {figures(row.p)}, Wilcoxon, Holm)"
        )
    output.say(f"Open {out / PAGE_FILE} in a browser.")
    console.print("Research use only. Not for clinical use.")


def _cell(estimate: Estimate) -> str:
    if not estimate.subjects:
        return ""
    mean, low, high = (f"{x:.3f}" for x in (estimate.mean, estimate.low, estimate.high))
    return f"{mean} ({low}-{high})" if estimate.subjects > 1 else mean


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name.strip()]


def _merged(text: str) -> list[str]:
    return [name for name in text.split("+") if name.strip()]
