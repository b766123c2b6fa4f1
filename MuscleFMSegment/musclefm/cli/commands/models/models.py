"""``musclefm models``: what can segment, how more is brought in, and the way back."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from musclefm.api.resources import export_model, install_model, list_models, load_model
from musclefm.cli.commands.models import download
from musclefm.cli.terminal.output import console, say
from musclefm.errors import MuscleFMError

if TYPE_CHECKING:
    from musclefm.models.bundle import Bundle

_NAME_AND_VERSION = "NAME[@VERSION]"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "models", help="list, show, exchange and remove models", description=__doc__
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the installed models")
    listing.set_defaults(run=_list)
    show = actions.add_parser("show", help="show a model's card and its versions")
    show.add_argument("model", metavar="NAME[@VERSION]|DIR")
    show.set_defaults(run=_show)
    importing = actions.add_parser(
        "import",
        help="install a model, or a new version of one",
        description="Install a model's folder or a .zip of 'musclefm models export'. Where there "
        "is a model of its name, it becomes the version in use, and the former one stays. Or "
        "import a published fold's folder (checkpoint_best.pth and args.json), a folder of "
        "fold_N folders, a results folder of nnU-Net (plans.json, dataset.json and fold_N), or "
        "a SAM or MedSAM .pth file as a pretrained checkpoint.",
    )
    importing.add_argument("path", type=Path, metavar="PATH")
    importing.add_argument(
        "--name", help="name to install it under (default: its own; a checkpoint has none)"
    )
    download.add_scheme_option(importing)
    importing.add_argument(
        "--mapping",
        type=Path,
        metavar="FILE",
        help="JSON or CSV file that says which muscles an nnU-Net's labels are, where their "
        "names do not",
    )
    importing.add_argument(
        "--channels",
        type=lambda text: tuple(text.split(",")),
        metavar="NAME,NAME",
        help="what an nnU-Net's channels are, in its order, where dataset.json does not say: "
        "in-phase, out-of-phase, fat, water",
    )
    importing.set_defaults(run=_import)
    export = actions.add_parser(
        "export", help="write a model as a folder or .zip for 'import' on another computer"
    )
    export.add_argument("model", metavar="NAME[@VERSION]|DIR")
    export.add_argument("--out", type=Path, required=True, metavar="DIR|FILE.zip")
    export.set_defaults(run=_export)
    rollback = actions.add_parser(
        "rollback",
        help="go back to the version that was in use before, or to a certain one",
    )
    rollback.add_argument("model", metavar=_NAME_AND_VERSION)
    rollback.set_defaults(run=_rollback)
    remove = actions.add_parser(
        "remove", help="remove a model of the user's, or a version of one, for good"
    )
    remove.add_argument("model", metavar=_NAME_AND_VERSION)
    remove.set_defaults(run=_remove)
    download.add_options(
        actions.add_parser(
            "download",
            help="download SAM or MedSAM as a pretrained checkpoint",
            description="Download an official SAM or MedSAM checkpoint from its address, as a "
            "pretrained checkpoint to train from. It is resumed where it stopped, and its sha256 "
            "is compared.",
        )
    )


def _list(arguments: argparse.Namespace) -> None:
    from musclefm.models.registry import list_versions

    table = Table()
    for heading in ("Name", "Version", "Members", "Scheme", "Role", "Origin", "Versions"):
        table.add_column(heading, no_wrap=True)
    listed = list_models()
    for entry in listed:
        manifest = entry.bundle.manifest if entry.bundle else None
        table.add_row(
            entry.name,
            manifest.version if manifest else "",
            str(len(manifest.members)) if manifest else "",
            manifest.scheme if manifest else "",
            manifest.role if manifest else "",
            entry.origin,
            str(len(list_versions(entry.name))),
        )
    console().print(table)
    _print_faults((entry.name, entry.fault) for entry in listed)


def _show(arguments: argparse.Namespace) -> None:
    try:
        _print_card(load_model(arguments.model))
    finally:
        # Of a damaged model too: one of them is the way out.
        _print_versions(arguments.model)


def _print_card(bundle: Bundle) -> None:
    manifest = bundle.manifest
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    rows: dict[str, object] = {
        "Intended use": manifest.intended_use,
        "Role": manifest.role,
        "Label scheme": bundle.scheme.title,
        "Muscles": ", ".join(label.name for label in bundle.scheme.labels),
        "Input channels": ", ".join(manifest.input.channels),
        "Members": len(manifest.members),
        "Input size": f"{manifest.architecture.input_size} pixels",
        "Training data": manifest.training_data,
        "Licence": manifest.licence,
    }
    rows |= {name: f"{value:.3f}" for name, value in manifest.metrics.items()}
    for name, value in rows.items():
        table.add_row(name, str(value))
    terminal = console()
    terminal.print(f"{manifest.title} ({manifest.name} {manifest.version})")
    terminal.print(manifest.description)
    terminal.print(table)
    say(f"sha256 {bundle.sha256}")


def _print_versions(name: str) -> None:
    from musclefm.models.registry import list_versions, versions_in_use

    versions = list_versions(name)
    if len(versions) < 2:
        return
    try:
        in_use = versions_in_use(name)[-1]
    except MuscleFMError:
        in_use = ""
    table = Table()
    for heading in ("Version", "By its maker", "Members", "In use"):
        table.add_column(heading, no_wrap=True)
    for entry in versions:
        manifest = entry.bundle.manifest if entry.bundle else None
        table.add_row(
            entry.version,
            manifest.version if manifest else "",
            str(len(manifest.members)) if manifest else "",
            "yes" if entry.version == in_use else "",
        )
    console().print(table)
    _print_faults((entry.version, entry.fault) for entry in versions)


def _print_faults(faults: Iterable[tuple[str, str]]) -> None:
    for name, fault in faults:
        if fault:
            say(f"{name}: {fault}")


def _import(arguments: argparse.Namespace) -> None:
    from musclefm.models.archive import holds_bundle

    if holds_bundle(arguments.path):
        _install(arguments.path, arguments.name)
        return
    from musclefm.models.imports.checkpoint import import_checkpoint

    if not arguments.name:
        raise MuscleFMError(
            f"'{arguments.path.name}' is no model that has a name",
            "give a model's folder or .zip; or, for a checkpoint, a name with --name",
        )
    bundle = import_checkpoint(
        arguments.path,
        arguments.name,
        scheme=arguments.scheme,
        mapping=arguments.mapping,
        channels=arguments.channels,
    )
    say(f"Installed '{bundle.manifest.name}': {_in_short(bundle)}.")


def _install(path: Path, name: str | None) -> None:
    from musclefm.models.registry import versions_in_use

    bundle = install_model(path, name)
    name = bundle.manifest.name
    *former, version = versions_in_use(name)
    say(
        f"'{name}' is version {version} from now on: {_in_short(bundle)}."
        + (f" Back with 'musclefm models rollback {name}'." if former else "")
    )


def _export(arguments: argparse.Namespace) -> None:
    export_model(arguments.model, arguments.out)


def _rollback(arguments: argparse.Namespace) -> None:
    from musclefm.models.installation import roll_back

    name, version = _name_and_version(arguments.model)
    entry = roll_back(name, version)
    say(f"'{name}' is version {entry.version} from now on.")


def _remove(arguments: argparse.Namespace) -> None:
    from musclefm.models.imports.sam import discard_downloads
    from musclefm.models.installation import remove_model

    name, version = _name_and_version(arguments.model)
    discarded = version is None and discard_downloads(name)
    try:
        remove_model(name, version)
    except MuscleFMError:
        # Of a download that was broken off there is no model yet.
        if not discarded:
            raise


def _name_and_version(text: str) -> tuple[str, str | None]:
    name, _, version = text.partition("@")
    return name, version or None


def _in_short(bundle: Bundle) -> str:
    count = len(bundle.manifest.members)
    members = f"{count} member{'s' if count != 1 else ''}"
    return f"{members}, {bundle.scheme.title}, {bundle.manifest.role}"
