"""``musclefm learn``: a model learns from corrections, and is compared with what it was."""

from __future__ import annotations

import argparse
from pathlib import Path

from musclefm.api.corrections import open_corrections
from musclefm.api.resources import load_model
from musclefm.api.training import learn
from musclefm.cli.commands.evaluation.compare import print_comparison
from musclefm.cli.terminal.output import say_json
from musclefm.cli.terminal.running import add_device_options, add_progress_option, run_heavy
from musclefm.defaults import DEFAULT_MODEL
from musclefm.storage.work_folder import kept_training


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "learn",
        help="let a model learn from corrections, and compare it with what it was",
        description="Fine-tune a model on all reviewed corrections of a store but some that are "
        "held out, and compare old and new on those. Nothing is installed: 'musclefm models "
        "import DIR/candidate' does that. Stopped, it is resumed by the same command.",
    )
    parser.add_argument("--store", type=Path, metavar="DIR", help="default: the user's store")
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, metavar="NAME", help="that learns (default: %(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="for the new version, 'candidate', and comparison.json (default: in the user's data)",
    )
    parser.add_argument(
        "--recipe",
        choices=("fast", "paper"),
        default="fast",
        help="of 'musclefm train' (default: %(default)s)",
    )
    parser.add_argument(
        "--status", action="store_true", help="only tell as JSON what there is to learn from"
    )
    add_device_options(parser)
    add_progress_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Learn, or tell how things stand."""
    from musclefm.training.learning.folder import LearningFolder, default_learning_folder
    from musclefm.training.learning.status import learning_status

    store, model = open_corrections(arguments.store), load_model(arguments.model)
    folder = LearningFolder(arguments.out or default_learning_folder(model.manifest.name))
    if arguments.status:
        say_json(learning_status(store, model, folder).model_dump(mode="json"))
        return

    comparison = run_heavy(
        arguments,
        lambda progress: learn(
            store=store,
            model=model,
            out=folder.path,
            recipe=arguments.recipe,
            device=arguments.device,
            precision=arguments.precision,
            progress=progress,
        ),
        kept=lambda: kept_training(folder.comparison, folder.work),
    )
    if arguments.progress != "json":
        print_comparison(comparison)
