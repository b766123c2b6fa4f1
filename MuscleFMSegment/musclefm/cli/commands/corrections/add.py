"""``musclefm corrections add``: work that was done elsewhere becomes a sample."""

from __future__ import annotations

import argparse
from pathlib import Path

from musclefm.api.corrections import add_correction
from musclefm.cli.terminal import output
from musclefm.cli.terminal.inputs import add_image_choices, input_paths
from musclefm.defaults import DEFAULT_SCHEME
from musclefm.errors import MuscleFMError
from musclefm.results.files import REGIONS_FILE


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
        "--mapping",
        type=Path,
        metavar="FILE|NAME",
        help="what external ids mean: JSON, CSV, musclemap or totalsegmentator",
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
    _check_reviewed(arguments)
    stored = add_correction(
        input_paths(arguments),
        arguments.labels,
        results=arguments.results,
        model_labels=arguments.model_labels,
        scheme=arguments.scheme,
        mapping=arguments.mapping,
        reviewed=arguments.reviewed,
        slices=arguments.slices or "",
        muscles=arguments.muscles.split(",") if arguments.muscles else (),
        carry=arguments.carry,
        reader=arguments.reader,
        subject=arguments.subject,
        parent=arguments.parent,
        series=arguments.series,
        echo=arguments.echo,
        store=arguments.store,
        on_note=lambda line: output.note(f"note: {line}"),
    )
    if not arguments.reviewed:
        output.note("note: nothing is marked as reviewed, so nothing is learned from it")
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
