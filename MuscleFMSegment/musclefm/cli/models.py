"""``musclefm models``: what can segment, and how more is brought in."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("models", help="list, show or import models", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the installed models")
    listing.set_defaults(run=_list)
    show = actions.add_parser("show", help="show a model's card")
    show.add_argument("model", metavar="NAME|DIR")
    show.set_defaults(run=_show)
    importing = actions.add_parser(
        "import",
        help="import published checkpoints",
        description="Import a published fold's folder (checkpoint_best.pth and args.json), a "
        "folder of fold_N folders, or a SAM or MedSAM .pth file as a start for training.",
    )
    importing.add_argument("path", type=Path, metavar="PATH")
    importing.add_argument("--name", required=True, help="name to install it under")
    importing.set_defaults(run=_import)


def _list(arguments: argparse.Namespace) -> None:
    from musclefm.models.registry import list_bundles

    table = Table()
    for heading in ("Name", "Version", "Members", "Scheme", "Role", "Origin"):
        table.add_column(heading, no_wrap=True)
    table.add_column("Fault")
    for entry in list_bundles():
        manifest = entry.bundle.manifest if entry.bundle else None
        table.add_row(
            entry.name,
            manifest.version if manifest else "",
            str(len(manifest.members)) if manifest else "",
            manifest.scheme if manifest else "",
            manifest.role if manifest else "",
            entry.origin,
            entry.fault,
        )
    _console().print(table)


def _show(arguments: argparse.Namespace) -> None:
    from musclefm.models.registry import find_bundle

    bundle = find_bundle(arguments.model)
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
    console = _console()
    console.print(f"{manifest.title} ({manifest.name} {manifest.version})")
    console.print(manifest.description)
    console.print(table)
    console.print(f"sha256 {bundle.sha256}", soft_wrap=True)


def _import(arguments: argparse.Namespace) -> None:
    from musclefm.models.checkpoints import import_checkpoint

    bundle = import_checkpoint(arguments.path, arguments.name)
    count = len(bundle.manifest.members)
    _console().print(
        f"Installed '{bundle.manifest.name}': {count} member{'s' if count != 1 else ''}, "
        f"{bundle.scheme.title}, {bundle.manifest.role}."
    )


def _console() -> Console:
    # What bundles say is text, not rich's markup.
    return Console(markup=False, highlight=False)
