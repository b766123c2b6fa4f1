"""``musclefm train``: fine-tune an ensemble on corrected or labelled cases."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from musclefm.api.prerequisites import missing_downloads, named_dataset
from musclefm.api.training import EVALUATION_PAGE, train, work_folder
from musclefm.cli.commands.datasets import ask_for as ask_for_dataset
from musclefm.cli.commands.models.download import ask_for as ask_for_checkpoint
from musclefm.cli.terminal.output import say
from musclefm.cli.terminal.running import add_device_options, add_progress_option, run_heavy
from musclefm.errors import MuscleFMError
from musclefm.storage.work_folder import kept_training

if TYPE_CHECKING:
    from musclefm.training.recipe import FineTuning

_NUMBERS: tuple[tuple[str, type, str], ...] = (
    ("members", int, "networks (default: as many as the model has, or five)"),
    ("folds", int, "folds of subjects"),
    ("epochs", int, "at most"),
    ("patience", int, "epochs without a better DSC on its fold that end a member's training"),
    ("batch", int, "tiles a step"),
    ("learning-rate", float, "its peak"),
    ("slice-size", int, "edge in pixels that whole slices are squeezed to"),
    ("views", int, "augmentations of a tile whose image embeddings are kept; 0 encodes every time"),
    ("validation", float, "share of the subjects for member selection and the temperature"),
    ("held-out", float, "share of the subjects that is kept for 'musclefm compare'"),
    ("seed", int, "of all randomness"),
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "train",
        help="fine-tune an ensemble on corrected cases, or on a data set",
        description="Fine-tune an ensemble, or an imported SAM or MedSAM, on a store of "
        "corrections or a data list. A run that was stopped is resumed by the same command. "
        "Several GPUs: torchrun --nproc-per-node N -m musclefm train ...",
    )
    parser.add_argument(
        "--data",
        metavar="PATH|NAME",
        help="a store of corrections, a MONAI datalist.json, or a data set of 'musclefm datasets "
        "list', of which it downloads and prepares what is not there (default: the user's store)",
    )
    parser.add_argument(
        "--model", required=True, metavar="NAME", help="that learns: its name or folder"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the new bundle")
    parser.add_argument("--name", help="of the new model (default: that of DIR)")
    parser.add_argument("--version", default="1", help="of the new model (default: %(default)s)")
    parser.add_argument(
        "--recipe",
        choices=("fast", "paper", "scratch"),
        default="fast",
        help="fast; that of Casali et al. 2025; or without the model's weights, from scratch. "
        "All that follows changes it (default: fast)",
    )
    parser.add_argument("--train", choices=("decoder", "lora", "full"), help="what is trained")
    parser.add_argument("--rank", type=int, help="of LoRA in encoder and decoder")
    for name, kind, meaning in _NUMBERS:
        parser.add_argument(f"--{name}", type=kind, metavar="N", help=meaning)
    parser.add_argument(
        "--scheme",
        metavar="NAME",
        help="label scheme that it shall learn, if another one than the model's: what tells its "
        "muscles apart is drawn anew, all else is kept",
    )
    parser.add_argument(
        "--channels",
        metavar="NAMES",
        help="what a pretrained checkpoint shall see, e.g. in-phase,out-of-phase",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="of a Ray cluster whose machines reach OUT.work and the model by the same paths: "
        "members are trained side by side",
    )
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="for what is under way (default: OUT.work)"
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="download the data set and the checkpoint named, if "
        "they are not there, without asking: their licences are accepted",
    )
    parser.add_argument(
        "--install",
        action=argparse.BooleanOptionalAction,
        help="install the new model, to be in use from then on (default: of a data set by name)",
    )
    add_device_options(parser)
    add_progress_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Train the ensemble."""
    recipe = recipe_of(arguments)
    missing = missing_downloads(arguments.model, arguments.data, arguments.scheme)
    if missing.dataset and missing.dataset.is_public and not arguments.yes:
        ask_for_dataset(missing.dataset)
    if missing.checkpoint and not arguments.yes:
        ask_for_checkpoint(missing.checkpoint)
    install = arguments.install
    if install is None:
        install = named_dataset(arguments.data) is not None
    work = work_folder(arguments.out, arguments.work)
    bundle = run_heavy(
        arguments,
        lambda progress: train(
            arguments.model,
            arguments.out,
            data=arguments.data,
            recipe=recipe,
            name=arguments.name,
            version=arguments.version,
            scheme=arguments.scheme,
            channels=arguments.channels.split(",") if arguments.channels else None,
            work=work,
            cluster=arguments.cluster,
            download=True,
            install=install,
            device=arguments.device,
            precision=arguments.precision,
            progress=progress,
        ),
        kept=lambda: kept_training(arguments.out, work),
    )
    if bundle and install and arguments.progress == "bar":
        say(f"'{bundle.manifest.name}' is installed: musclefm models show {bundle.manifest.name}")
    if bundle and "held_out_subjects" in bundle.manifest.metrics and arguments.progress == "bar":
        page = work / EVALUATION_PAGE
        say(f"How good it is on held-out subjects: open {page} in a browser.")


def recipe_of(arguments: argparse.Namespace) -> FineTuning:
    """Return the named recipe with what the arguments change in it.

    Raises
    ------
    MuscleFMError
        A number is out of its range.
    """
    from dataclasses import replace

    from musclefm.networks.architecture import LoraRanks
    from musclefm.training.recipe import RECIPES

    changes = {
        name.replace("-", "_"): getattr(arguments, name.replace("-", "_")) for name, *_ in _NUMBERS
    } | {"trained": arguments.train}
    if arguments.rank is not None:
        if not 1 <= arguments.rank <= 256:
            raise MuscleFMError("the rank of LoRA is out of range", "use 1 to 256")
        changes["lora"] = LoraRanks(encoder=arguments.rank, decoder=arguments.rank)
    given = {name: value for name, value in changes.items() if value is not None}
    for name in ("members", "folds", "epochs", "patience", "batch", "learning_rate", "slice_size"):
        if given.get(name, 1) <= 0:
            raise MuscleFMError(f"--{name.replace('_', '-')} must be above 0", "raise it")
    for name in ("validation", "held_out"):
        if not 0 <= given.get(name, 0) < 1:
            raise MuscleFMError(f"--{name.replace('_', '-')} is a share", "use 0 to below 1")
    for name in ("views", "seed"):
        if given.get(name, 0) < 0:
            raise MuscleFMError(f"--{name} must not be negative", "raise it")
    return replace(RECIPES[arguments.recipe], **given)
