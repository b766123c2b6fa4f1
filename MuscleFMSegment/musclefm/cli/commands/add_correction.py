"""``musclefm corrections add``: work that was done elsewhere becomes a sample."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from musclefm.cli.terminal import output
from musclefm.cli.terminal.inputs import add_image_choices, read_input
from musclefm.defaults import DEFAULT_SCHEME
from musclefm.errors import MuscleFMError
from musclefm.results.files import REGIONS_FILE

if TYPE_CHECKING:
    from musclefm.corrections.case import Reviewed
    from musclefm.labels.scheme import LabelScheme
    from musclefm.volumes.grid import Grid


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what a corrected case is made of."""
    parser.add_argument(
        "--image",
        dest="input",
        type=Path,
        metavar="PATH",
        help="NIfTI, NRRD or MHA file, DICOM folder or file; nothing but voxels and geometry "
        "is kept of it",
    )
    add_image_choices(parser)
    parser.add_argument(
        "--labels",
        type=Path,
        required=True,
        metavar="FILE",
        help="corrected labels: NIfTI, NRRD, MHA, .seg.nrrd or DICOM SEG",
    )
    before = parser.add_mutually_exclusive_group()
    before.add_argument(
        "--model-labels", type=Path, metavar="FILE", help="the labels before they were corrected"
    )
    before.add_argument(
        "--results",
        type=Path,
        metavar="DIR",
        help="the results of 'musclefm segment' that were corrected: labels, uncertainty and "
        "the model are taken from there",
    )
    parser.add_argument(
        "--scheme",
        metavar="NAME",
        help=f"label scheme (default: that of the results, or {DEFAULT_SCHEME})",
    )
    parser.add_argument(
        "--mapping", type=Path, metavar="FILE", help="JSON or CSV that says what external ids are"
    )
    parser.add_argument(
        "--reviewed",
        choices=("all", "slices", "muscles"),
        help="where the labels are right: in all of the volume, or in --slices, or of --muscles; "
        "without it nothing is learned from the sample",
    )
    parser.add_argument(
        "--slices",
        metavar="LIST",
        help="e.g. 3-10,12: indices from 0 along the image's axis that runs closest to "
        f"inferior-superior, as in {REGIONS_FILE}",
    )
    parser.add_argument(
        "--muscles",
        metavar="LIST",
        help="e.g. left_vastus_lateralis,gracilis: without left or right it is both",
    )
    parser.add_argument(
        "--carry",
        action="store_true",
        help="carry what was corrected in --slices to the slices between, as a proposal that is "
        "not marked as reviewed; needs --results or --model-labels",
    )
    parser.add_argument("--reader", default="", metavar="WORD", help="the reader's pseudonym")
    parser.add_argument(
        "--subject",
        metavar="TEXT",
        help="what tells persons apart, so that training keeps all scans of one together: "
        "only a salted hash of it is kept",
    )
    parser.add_argument(
        "--parent",
        metavar="ID",
        help="the sample that this corrects (default: the newest one of the same image)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Store the case and print its id."""
    from musclefm.corrections.corrected_case import (
        CorrectionFiles,
        carry_between_slices,
        read_corrected_case,
    )
    from musclefm.corrections.store import CorrectionStore

    _check_reviewed(arguments)
    case, notes = read_corrected_case(
        read_input(arguments),
        CorrectionFiles(
            labels=arguments.labels,
            scheme=arguments.scheme,
            mapping=arguments.mapping,
            model_labels=arguments.model_labels,
            results=arguments.results,
        ),
        lambda scheme, grid: _reviewed(arguments, scheme, grid),
        reader=arguments.reader,
        parent=arguments.parent,
    )
    if arguments.carry:
        case, carried = carry_between_slices(case)
        notes = (*notes, *carried)
    stored = CorrectionStore(arguments.store).add(case, subject=arguments.subject)
    if not arguments.reviewed:
        notes = (*notes, "nothing is marked as reviewed, so nothing is learned from it")
    for note in notes:
        output.note(f"note: {note}")
    output.say(stored.id)


def _check_reviewed(arguments: argparse.Namespace) -> None:
    for kind in ("slices", "muscles"):
        if bool(getattr(arguments, kind)) != (arguments.reviewed == kind):
            raise MuscleFMError(
                f"--reviewed {kind} and --{kind} go together",
                f"write --reviewed {kind} --{kind} LIST, or --reviewed all",
            )
    if arguments.carry and not (
        arguments.reviewed == "slices" and (arguments.results or arguments.model_labels)
    ):
        raise MuscleFMError(
            "--carry needs the corrected slices and what the model had labelled",
            "add --reviewed slices --slices LIST, and --results DIR or --model-labels FILE",
        )


def _reviewed(arguments: argparse.Namespace, scheme: LabelScheme, grid: Grid) -> Reviewed:
    from musclefm.corrections.case import Reviewed
    from musclefm.review.muscle_slices import parse_slices
    from musclefm.volumes.orientation import canonical_view

    if arguments.reviewed == "all":
        return Reviewed("all")
    if arguments.reviewed == "muscles":
        return Reviewed("muscles", muscles=_muscles(arguments.muscles, scheme))
    axes: tuple[Literal[0, 1, 2], ...] = (2, 1, 0)
    axis = axes[canonical_view(grid).axes[0]]
    return Reviewed("slices", slices=parse_slices(arguments.slices or ""), slice_axis=axis)


def _muscles(text: str, scheme: LabelScheme) -> tuple[int, ...]:
    from musclefm.exchange.label_mapping import parse_target

    values: set[int] = set()
    for part in text.split(","):
        target = parse_target(part, scheme)
        found = {
            value
            for value, (side, label) in scheme.labels_of_sides().items()
            if target and label.id == target.label_id and target.side in (None, side)
        }
        if not found:
            raise MuscleFMError(
                f"'{part}' is no muscle of '{scheme.name}'",
                "write e.g. left_vastus_lateralis,gracilis",
            )
        values |= found
    return tuple(sorted(values))
