"""``musclefm train-demo``: train the shipped ensemble again, on renderings."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from musclefm.cli.terminal.running import add_device_options, add_progress_option, run_heavy
from musclefm.errors import MuscleFMError
from musclefm.progress import Progress
from musclefm.storage.targets import require_free
from musclefm.storage.work_folder import check_work_folder, kept_training


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "train-demo",
        help="train the shipped ensemble again",
        description="Train the shipped ensemble on renderings of labelled thighs: of the label "
        "maps in --anatomies, and of random anatomies that need no data at all. With --start "
        "trained networks learn on, with --unlabelled from scans that they label themselves, too.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the new bundle")
    parser.add_argument(
        "--anatomies", type=Path, metavar="DIR", help="folder of label maps of both thighs"
    )
    parser.add_argument(
        "--start", metavar="MODEL", help="begin with the networks of a model (name or folder)"
    )
    parser.add_argument(
        "--unlabelled",
        type=Path,
        nargs="+",
        default=[],
        metavar="IMAGE",
        help="scans that --start labels where it is sure, to be learned from, too",
    )
    parser.add_argument("--seed", type=int, default=20250, help="default: %(default)s")
    parser.add_argument("--steps", type=int, help="a member (default: 7000; 4000 with --start)")
    parser.add_argument("--slices", type=int, default=18000, help="rendered (default: %(default)s)")
    parser.add_argument("--members", type=int, help="default: 3; 2 with --start")
    parser.add_argument(
        "--first",
        type=int,
        metavar="N",
        help="network of --start, from 0, that the first member begins with (default: 2)",
    )
    parser.add_argument(
        "--kept",
        type=int,
        metavar="N",
        help="networks of --start that are members as they are, the first N (default: 4)",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="default: all cores")
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="for what is under way (default: OUT.work)"
    )
    add_device_options(parser)
    add_progress_option(parser)
    parser.set_defaults(run=train_again)


def train_again(arguments: argparse.Namespace) -> None:
    """Train the ensemble.

    Raises
    ------
    MuscleFMError
        A number is out of its range, or a folder is taken.
    """
    further = arguments.start is not None
    for name, usual in (
        ("steps", 4000 if further else 7000),
        ("members", 2 if further else 3),
        ("first", 2 if further else 0),
        ("kept", 4 if further else 0),
    ):
        if getattr(arguments, name) is None:
            setattr(arguments, name, usual)
    for name in ("steps", "slices", "members", "jobs"):
        if getattr(arguments, name) < 1:
            raise MuscleFMError(f"--{name} must be above 0", "raise it")
    if arguments.unlabelled and not arguments.start:
        raise MuscleFMError(
            "scans without labels need a trained model that labels them", "give it as --start"
        )
    for name in ("first", "kept"):
        count = getattr(arguments, name)
        if count < 0 or (count and not further):
            raise MuscleFMError(f"--{name} is about networks of --start", "give both, or neither")
    require_free(arguments.out)
    check_work_folder(_work(arguments))
    run_heavy(
        arguments,
        lambda progress: _train(arguments, progress),
        kept=lambda: kept_training(arguments.out, _work(arguments)),
    )


def _train(arguments: argparse.Namespace, progress: Progress) -> None:
    from musclefm.api.resources import load_model
    from musclefm.demo.rendering import SliceRecipe
    from musclefm.demo.train import DemoRecipe, train_demo
    from musclefm.inference.device import choose_runtime

    recipe = DemoRecipe(
        seed=arguments.seed,
        members=arguments.members,
        steps=arguments.steps,
        slices=SliceRecipe(count=arguments.slices),
        start=load_model(arguments.start) if arguments.start else None,
        unlabelled=tuple(arguments.unlabelled),
        first=arguments.first,
        kept=arguments.kept,
    )
    work, runtime = _work(arguments), choose_runtime(arguments.device, arguments.precision)
    train_demo(recipe, arguments.anatomies, arguments.out, work, arguments.jobs, runtime, progress)


def _work(arguments: argparse.Namespace) -> Path:
    out: Path = arguments.out
    return arguments.work or out.with_name(out.name + ".work")
