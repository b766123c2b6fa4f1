"""``musclefm datasets``: labelled data sets that anyone can download."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.table import Table

from musclefm.api.datasets import download_dataset, list_datasets, prepare_dataset
from musclefm.cli.terminal.confirmation import confirm_download
from musclefm.cli.terminal.output import console, say
from musclefm.cli.terminal.running import add_progress_option, run_heavy
from musclefm.datasets.catalogue import Dataset, find_dataset


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "datasets", help="list, download and prepare labelled data sets", description=__doc__
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the data sets that are known")
    listing.set_defaults(run=_list)
    show = actions.add_parser("show", help="show where a data set is, its licence and its labels")
    show.add_argument("name", metavar="NAME")
    show.set_defaults(run=_show)
    download = actions.add_parser(
        "download",
        help="download a data set",
        description="Download a data set and unpack it into the user's data. It is resumed where "
        "it stopped.",
    )
    download.add_argument("name", metavar="NAME")
    download.add_argument("--yes", action="store_true", help="accept its licence without asking")
    download.add_argument(
        "--from",
        dest="folder",
        type=Path,
        metavar="DIR",
        help="take its zip files from a folder instead of the web",
    )
    add_progress_option(download)
    download.set_defaults(run=_download)
    prepare = actions.add_parser(
        "prepare",
        help="make a data list of a data set, for 'train --data' and 'evaluate'",
        description="Write the cases of a data set as NIfTI files and a datalist.json with "
        "subjects held out and severities. What the labels do not tell is ignored in training and "
        "merged in scoring.",
    )
    prepare.add_argument("name", metavar="NAME")
    prepare.add_argument(
        "--from",
        dest="folder",
        type=Path,
        metavar="DIR",
        help="its files (default: where 'download' put them)",
    )
    prepare.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="new folder (default: in the user's data, where 'train --data NAME' finds it)",
    )
    prepare.add_argument(
        "--scheme", metavar="NAME", help="label scheme (default: that with most of its muscles)"
    )
    add_progress_option(prepare)
    prepare.set_defaults(run=_prepare)


def ask_for(dataset: Dataset) -> None:
    """Have the user accept the licence and the size of a data set.

    Raises
    ------
    MuscleFMError
        The answer is no, or nobody is there to give one.
    """
    hosts = ", ".join(dict.fromkeys(archive.remote.host for archive in dataset.archives))
    confirm_download(
        f"{dataset.title}, {_size(dataset)}, from {hosts}",
        f"{dataset.licence}. Read it at {dataset.page}",
        "give a folder that holds its zip files to 'musclefm datasets download --from'",
    )


def _list(arguments: argparse.Namespace) -> None:
    table = Table()
    for heading in ("Name", "Title", "Size", "Licence", "Here"):
        table.add_column(heading, no_wrap=heading in ("Name", "Here"))
    for dataset in list_datasets():
        here = "yes" if dataset.files.is_dir() else ""
        table.add_row(dataset.name, dataset.title, _size(dataset), dataset.licence, here)
    console().print(table)


def _show(arguments: argparse.Namespace) -> None:
    dataset = find_dataset(arguments.name)
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    labels = [f"{value} {muscle}" for value, muscle in dataset.labels.items()]
    table.add_column(overflow="fold")
    rows = {
        "What it is": dataset.about,
        "Licence": dataset.licence,
        "Not confirmed": "; ".join(dataset.unconfirmed),
        "Size": _size(dataset),
        "Layout": ", ".join([dataset.reference, *dataset.channels.values()]),
        "Labels": ", ".join(labels),
        "Label scheme": dataset.scheme,
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, value)
    console().print(f"{dataset.title} ({dataset.name})")
    console().print(table)
    # Whole, at any width.
    lists = sorted(dataset.folder.glob("prepared-*/*.json"))
    files = [dataset.files] if dataset.files.is_dir() else []
    for place in (dataset.page, *(x.address for x in dataset.archives), *files, *lists):
        say(str(place))


def _download(arguments: argparse.Namespace) -> None:
    dataset = find_dataset(arguments.name)
    is_needed = dataset.is_public and not dataset.files.is_dir()
    if is_needed and not (arguments.folder or arguments.yes):
        ask_for(dataset)
    run_heavy(
        arguments,
        lambda progress: download_dataset(
            arguments.name, folder=arguments.folder, progress=progress
        ),
    )
    say(f"'{dataset.name}' is there; next: musclefm datasets prepare {dataset.name}")


def _prepare(arguments: argparse.Namespace) -> None:
    found = run_heavy(
        arguments,
        lambda progress: prepare_dataset(
            arguments.name,
            folder=arguments.folder,
            out=arguments.out,
            scheme=arguments.scheme,
            progress=progress,
        ),
    )
    severities = ", ".join(f"{count} {name}" for name, count in sorted(found.severities.items()))
    say(f"{found.cases} cases of {found.subjects} subjects, {found.held_out} of them held out.")
    say(f"Severity ({found.rule}): {severities}.")
    for group in found.merged:
        say(f"Merged in scoring and ignored in training: {', '.join(group)}.")
    if found.missing:
        say(f"Not labelled, so never background: {', '.join(found.missing)}.")
    say(str(found.path))


def _size(dataset: Dataset) -> str:
    sizes = [archive.megabytes for archive in dataset.archives]
    if not sizes:
        return "-"
    return "size unknown" if None in sizes else f"{sum(map(float, filter(None, sizes))):.0f} MB"
