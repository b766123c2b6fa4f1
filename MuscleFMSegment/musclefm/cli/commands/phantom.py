"""``musclefm phantom``: render a case, or a cohort, whose true labels are known."""

from __future__ import annotations

import argparse
from pathlib import Path

from musclefm.cli.terminal.output import say
from musclefm.cli.terminal.running import add_progress_option, run_heavy
from musclefm.demo.cohort import CohortRecipe, kept_cohort, render_cohort
from musclefm.demo.sample import render_case
from musclefm.errors import MuscleFMError
from musclefm.evaluation.cohort.severity import SEVERITIES
from musclefm.storage.atomic import check_folder

_OF_A_COHORT = ("slices", "pixel_mm", "t1", "anatomies")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "phantom",
        help="render a case or a cohort",
        description="A rendered Dixon scan with its labels, to try things on; or a cohort of "
        "them in all severities, with a data list for 'train --data' and 'evaluate'. The same "
        "seed gives the same files.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--severity", choices=SEVERITIES, help="of a single case (default: severe)")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--cohort",
        type=int,
        metavar="N",
        help="render so many cases: early, moderate and severe in turn; resumes what was stopped",
    )
    parser.add_argument("--slices", type=int, help="of each case of a cohort (default: 26)")
    parser.add_argument("--pixel-mm", type=float, help="in a cohort (default: 2)")
    parser.add_argument(
        "--t1", action="store_true", default=None, help="give a cohort a T1-weighted image, too"
    )
    parser.add_argument(
        "--anatomies",
        type=Path,
        metavar="DIR",
        help="label maps of both thighs for a cohort (default: persons drawn at random)",
    )
    add_progress_option(parser)
    parser.set_defaults(run=render_phantom)


def render_phantom(arguments: argparse.Namespace) -> None:
    """Render the case, or the cohort.

    Raises
    ------
    MuscleFMError
        An option does not belong to what is rendered.
    """
    out: Path = arguments.out
    given = {name: getattr(arguments, name) for name in _OF_A_COHORT}
    given = {name: value for name, value in given.items() if value is not None}
    if arguments.cohort is None:
        if given:
            option = next(iter(given)).replace("_", "-")
            raise MuscleFMError(f"--{option} is of a cohort", "give --cohort N, too")
        check_folder(out)
        render_case(arguments.severity or "severe", arguments.seed, out)
        say(f"Wrote water, fat and labels to {out}.")
        return
    if arguments.severity:
        raise MuscleFMError("a cohort has all severities", "leave --severity out")
    anatomies = given.pop("anatomies", None)
    recipe = CohortRecipe(seed=arguments.seed, **given)
    run_heavy(
        arguments,
        lambda progress: render_cohort(recipe, arguments.cohort, out, progress, anatomies),
        kept=lambda: kept_cohort(out),
    )
    say(f"Wrote {arguments.cohort} cases and their datalist.json to {out}.")
