"""``musclefm segment``: labels, uncertainty and what to check, of one case."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.table import Table

from musclefm.api.case import Case
from musclefm.api.segmentation import segment
from musclefm.cli.terminal import output
from musclefm.cli.terminal.inputs import add_input_options, add_second_opinion_options, input_paths
from musclefm.cli.terminal.running import add_device_options, add_progress_option, run_heavy
from musclefm.defaults import DEFAULT_MODEL
from musclefm.results.files import REPORT_FILE
from musclefm.storage.staging import published_count

_SHOWN = 10


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("segment", help="segment an MR of the thighs", description=__doc__)
    add_input_options(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for results")
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME|DIR",
        help="an installed model or a bundle's folder (default: %(default)s)",
    )
    parser.add_argument(
        "--save-probabilities",
        action="store_true",
        help="write those of all classes too, for 'musclefm evaluate'; they are large",
    )
    add_second_opinion_options(parser, "FILE", "labels of the scan by another program")
    add_device_options(parser)
    add_progress_option(parser)
    # Only a worker segments another case afterwards.
    parser.set_defaults(run=run, keep_loaded=False)


def run(arguments: argparse.Namespace) -> None:
    """Segment the input, write the results and tell what was found."""
    before = published_count()
    case = run_heavy(
        arguments,
        lambda progress: segment(
            input_paths(arguments),
            model=arguments.model,
            device=arguments.device,
            precision=arguments.precision,
            series=arguments.series,
            echo=arguments.echo,
            out=arguments.out,
            keep_probabilities=arguments.save_probabilities,
            keep_loaded=arguments.keep_loaded,
            second_opinion=arguments.second_opinion,
            mapping=arguments.mapping,
            progress=progress,
        ),
        kept=lambda: "after all results were written" if published_count() > before else "",
    )
    for note in case.notes:
        output.note(f"note: {note}")
    if arguments.progress == "bar":
        summarise(case, arguments.out)


def summarise(case: Case, out: Path) -> None:
    """Print what was found and where to look."""
    console = output.console()
    table = Table(title="What to check first", title_justify="left")
    table.add_column("#", justify="right")
    table.add_column("Region")
    for heading in ("Slices", "Volume, mL", "Expected wrong, mL", "Voxels"):
        table.add_column(heading, justify="right")
    for region in case.regions[:_SHOWN]:
        table.add_row(
            str(region.id),
            f"{region.side.capitalize()} {', '.join(region.muscles)}"
            + (f" ({region.reason})" if region.disagrees else ""),
            f"{region.slices[0]}-{region.slices[1]}",
            f"{region.volume_mm3 / 1000:.1f}",
            f"{region.expected_wrong_ml:.1f}",
            f"{region.expected_wrong_voxels:.0f}",
        )
    muscles = case.muscle_summaries
    flagged = sum(muscle.flagged for muscle in muscles)
    console.print(table)
    console.print(f"{len(case.regions)} regions to check in {flagged} of {len(muscles)} muscles.")
    output.say(f"Open {out / REPORT_FILE} in a browser.")
    console.print("Research use only. Not for clinical use.")
