"""``musclefm worklist``: segment a folder of cases, for one review after another."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from musclefm.api.worklists import open_worklist, segment_worklist
from musclefm.cli.terminal import output
from musclefm.cli.terminal.inputs import add_second_opinion_options, add_series_options
from musclefm.cli.terminal.progress_output import progress_output
from musclefm.cli.terminal.running import add_device_options, add_progress_option, run_heavy
from musclefm.defaults import DEFAULT_MODEL
from musclefm.errors import MuscleFMError
from musclefm.results.reading import holds_results

if TYPE_CHECKING:
    from musclefm.pipeline.worklist import Worklist


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("worklist", help="segment a folder of cases", description=__doc__)
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="images, DICOM folders, or folders with water.nii.gz, fat.nii.gz and the like",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the worklist; what is there already is not segmented again",
    )
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME|DIR",
        help="an installed model or a bundle's folder (default: %(default)s)",
    )
    add_series_options(parser)
    parser.add_argument(
        "--choices",
        type=Path,
        metavar="FILE",
        help="series and echo case by case: a CSV of the columns case (path in FOLDER), series and "
        "echo (default: worklist.csv in FOLDER, if there is one)",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="of a Ray cluster whose machines reach FOLDER, DIR and the model by the same paths: "
        "cases are segmented side by side",
    )
    add_second_opinion_options(
        parser, "DIR", "folder of labels by another program, a file CASE.nii.gz a scan"
    )
    add_device_options(parser)
    add_progress_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Segment all cases and tell what came of them."""
    with progress_output(arguments.progress) as progress:
        worklist = open_worklist(
            arguments.folder,
            arguments.out,
            series=arguments.series,
            echo=arguments.echo,
            choices=arguments.choices,
            progress=progress,
        )
    run_heavy(
        arguments,
        lambda progress: segment_worklist(
            worklist,
            model=arguments.model,
            device=arguments.device,
            precision=arguments.precision,
            cluster=arguments.cluster,
            second_opinion=arguments.second_opinion,
            mapping=arguments.mapping,
            progress=progress,
        ),
        kept=lambda: kept_cases(worklist),
    )
    opinions = [case.opinion for case in worklist.cases if case.opinion]
    if missing := sum(opinion.labels is None for opinion in opinions):
        output.note(f"note: {missing} of {len(opinions)} cases have no second opinion")
    if arguments.progress == "bar":
        summarise(worklist)
    failed = [state for state in worklist.states() if state.status == "failed"]
    if failed:
        cause, _, _ = failed[0].fault.partition(":")
        raise MuscleFMError(
            f"{len(failed)} of {len(worklist.cases)} cases failed (the first one: {cause})",
            "fix them and rerun: the others are not segmented twice",
        )


def kept_cases(worklist: Worklist) -> str:
    """Let the running case wait, and return what is kept of a worklist that was stopped."""
    worklist.forget_running()
    count = sum(holds_results(state.results) for state in worklist.states())
    if not count:
        return ""
    cases = "1 finished case is" if count == 1 else f"{count} finished cases are"
    return f"{cases} kept; run the same command again to resume"


def summarise(worklist: Worklist) -> None:
    """Print the cases by their folders in the worklist, which name no patient."""
    table = Table(title="Most expected wrong first", title_justify="left")
    table.add_column("Folder", no_wrap=True)
    table.add_column("Status", no_wrap=True)
    table.add_column("Expected wrong, mL", justify="right")
    table.add_column("Fault")
    for state in worklist.states():
        wrong = state.expected_wrong_ml
        table.add_row(
            state.folder.name,
            state.status,
            "" if wrong is None else f"{wrong:.1f}",
            state.fault,
        )
    output.console().print(table)
