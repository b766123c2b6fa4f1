"""``musclefm segment``: labels, uncertainty and what to check, of one case."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from musclefm.cli.terminal import output
from musclefm.cli.terminal.inputs import add_input_options, input_paths, read_input
from musclefm.cli.terminal.running import add_device_options, add_progress_option, run_heavy
from musclefm.defaults import DEFAULT_MODEL
from musclefm.progress import Progress, ProgressEvent
from musclefm.results.files import REPORT_FILE
from musclefm.results.folder import check_results_folder
from musclefm.storage.staging import published_count

if TYPE_CHECKING:
    from musclefm.results.case import CaseResults

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
    add_device_options(parser)
    add_progress_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Segment the input and tell what was found."""
    case = run_heavy(
        arguments,
        lambda progress: segment(arguments, progress),
        kept=lambda: "after all results were written" if published_count() else "",
    )
    for note in case.notes:
        output.note(f"note: {note}")
    if arguments.progress == "bar":
        summarise(case, arguments.out)


def segment(arguments: argparse.Namespace, progress: Progress) -> CaseResults:
    """Segment the input and write the results."""
    check_results_folder(arguments.out, input_paths(arguments).values())
    progress(ProgressEvent("read", 0, 1, "reading the image"))
    channels = read_input(arguments)
    progress(ProgressEvent("read", 1, 1, "read"))
    # Imported late: torch takes seconds, and a bad input is refused before that.
    from musclefm.inference.device import choose_runtime
    from musclefm.models.registry import find_bundle
    from musclefm.pipeline.segment import segment_case
    from musclefm.results.case import write_results

    bundle = find_bundle(arguments.model)
    runtime = choose_runtime(arguments.device, arguments.precision)
    case = segment_case(channels, bundle, runtime, progress)
    write_results(case, arguments.out, progress)
    return case


def summarise(case: CaseResults, out: Path) -> None:
    """Print what was found and where to look."""
    console = output.console()
    table = Table(title="What to check first", title_justify="left")
    table.add_column("#", justify="right")
    table.add_column("Region")
    for heading in ("Slices", "Volume mm³", "Expected wrong voxels"):
        table.add_column(heading, justify="right")
    for region in case.regions[:_SHOWN]:
        table.add_row(
            str(region.id),
            f"{region.side.capitalize()} {', '.join(region.muscles)}",
            f"{region.slices[0]}-{region.slices[1]}",
            f"{region.volume_mm3:.0f}",
            f"{region.expected_wrong_voxels:.0f}",
        )
    flagged = sum(muscle.flagged for muscle in case.muscles)
    console.print(table)
    console.print(
        f"{len(case.regions)} regions to check in {flagged} of {len(case.muscles)} muscles."
    )
    output.say(f"Open {out / REPORT_FILE} in a browser.")
    console.print("Research use only. Not for clinical use.")
