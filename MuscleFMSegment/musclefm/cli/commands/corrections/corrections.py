"""``musclefm corrections``: the store of corrected cases."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from musclefm.api.corrections import export_corrections, open_corrections
from musclefm.cli.commands.corrections import add
from musclefm.cli.terminal.inputs import add_image_choices
from musclefm.cli.terminal.output import console, note, say
from musclefm.errors import MuscleFMError
from musclefm.exchange.formats import DATASET_FORMATS, FORMATS
from musclefm.plain_text import figures

if TYPE_CHECKING:
    from musclefm.corrections.record import SampleRecord
    from musclefm.corrections.store import CorrectionStore


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "corrections", help="keep, check and export corrected cases", description=__doc__
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, summary: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=summary, description=summary)
        added.add_argument(
            "--store", type=Path, metavar="DIR", help="folder of the store (default: the user's)"
        )
        return added

    add.add_options(action("add", "store a corrected case"))
    action("list", "list the samples").set_defaults(run=_list)
    show = action("show", "print what is known of a sample")
    show.add_argument("sample", metavar="ID")
    show.set_defaults(run=_show)
    verify = action("verify", "compare every file with what was saved")
    verify.set_defaults(run=_verify)
    export = action("export", "export samples for other programs")
    export.add_argument(
        "samples", nargs="*", metavar="ID", help="default: the newest sample of every case"
    )
    export.add_argument("--format", choices=(*DATASET_FORMATS, *FORMATS), required=True)
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    export.add_argument(
        "--sided",
        action="store_true",
        help="for monai and nnunet: left and right muscles get labels of their own",
    )
    export.add_argument(
        "--image",
        type=Path,
        metavar="DICOM",
        help="for dicom: the series that was segmented, whose identity the export gets",
    )
    add_image_choices(export, channels=False)
    export.set_defaults(run=_export)
    remove = action("remove", "remove samples for good")
    remove.add_argument("samples", nargs="+", metavar="ID")
    remove.set_defaults(run=_remove)


def _list(arguments: argparse.Namespace) -> None:
    store = _store(arguments)
    samples, damaged = store.samples(), store.damaged()
    newest = {sample.id for sample in store.newest()}
    table = Table()
    for heading in ("Id", "Saved", "Scheme", "Channels", "Reviewed", "Reader", "Newest"):
        table.add_column(heading, no_wrap=heading == "Id")
    for sample in samples:
        record = sample.record
        table.add_row(
            sample.id,
            f"{record.saved_at:%Y-%m-%d %H:%M}",
            record.scheme,
            ", ".join(record.channels),
            _reviewed(record),
            record.review.reader if record.review else "",
            "yes" if sample.id in newest else "",
        )
    console().print(table)
    if damaged:
        raise MuscleFMError(
            f"{len(damaged)} more sample{'s are' if len(damaged) > 1 else ' is'} damaged",
            "see which with 'musclefm corrections verify'",
        )


def _show(arguments: argparse.Namespace) -> None:
    sample = _store(arguments).sample(arguments.sample)
    record = sample.record
    noted = record.provenance.get("model")
    model = noted if isinstance(noted, dict) else {}
    facts = {
        "Id": sample.id,
        "Corrects": record.parent or "nothing before it",
        "Case": record.case_key,
        "Subject": record.subject_key or "unknown",
        "Saved": f"{record.saved_at:%Y-%m-%d %H:%M:%S} UTC",
        "Label scheme": record.scheme,
        "Size (i, j, k)": " x ".join(map(str, record.grid.shape[::-1])),
        "Spacing": " x ".join(figures(value) for value in record.grid.spacing) + " mm",
        "Reviewed": _reviewed(record),
        "Model": " ".join(str(model[name]) for name in ("name", "version") if name in model)
        or "unknown",
    }
    if record.review:
        done = [entry.status for entry in record.review.entries]
        facts["Reader"] = record.review.reader or "unknown"
        facts["Review"] = f"{len(done)} regions, {record.review.seconds:.0f} s" + "".join(
            f", {done.count(status)} {status}" for status in sorted(set(done))
        )
    facts |= {entry.file: f"{entry.bytes} bytes, sha256 {entry.sha256}" for entry in record.files}
    for name, value in facts.items():
        say(f"{name:<22} {value}")


def _verify(arguments: argparse.Namespace) -> None:
    from musclefm.corrections.verification import verify_store

    store = _store(arguments)
    faults = list(verify_store(store))
    for fault in faults:
        say(f"{fault.sample or 'store'}: {fault.what}")
    if faults:
        harmed = len({fault.sample for fault in faults})
        raise MuscleFMError(
            f"{harmed} of {len(store.ids()) + 1} parts of the store are not as they were saved",
            "restore them from a backup, or remove the samples",
        )
    count = len(store.ids())
    say(f"{count} sample{'' if count == 1 else 's'}, every file as it was saved.")


def _export(arguments: argparse.Namespace) -> None:
    count = export_corrections(
        arguments.out,
        arguments.format,
        store=arguments.store,
        samples=arguments.samples,
        sided=arguments.sided,
        image=arguments.image,
        series=arguments.series,
        echo=arguments.echo,
        on_note=note,
    )
    if arguments.format in DATASET_FORMATS:
        total = len(set(arguments.samples)) or len(_store(arguments).newest())
        say(f"{count} of {total} samples exported: those that were reviewed.")


def _remove(arguments: argparse.Namespace) -> None:
    store = _store(arguments)
    for name in arguments.samples:
        store.sample_folder(name)
    for name in dict.fromkeys(arguments.samples):
        store.remove(name)


def _store(arguments: argparse.Namespace) -> CorrectionStore:
    return open_corrections(arguments.store)


def _reviewed(record: SampleRecord) -> str:
    reviewed = record.reviewed
    count = len(reviewed.slices if reviewed.kind == "slices" else reviewed.muscles)
    unseen = sum(len(muscle.slices) for muscle in reviewed.unseen)
    text = f"{count} {reviewed.kind}" if count else "nothing"
    if reviewed.kind == "all":
        text = "all"
    return f"{text}, less {unseen} carried and not seen" if unseen else text
