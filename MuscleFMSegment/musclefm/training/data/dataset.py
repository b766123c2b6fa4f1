"""Cases to learn from: of a store of corrections, or of a MONAI data list."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musclefm.corrections.access import STORE_FILE
from musclefm.corrections.store import CorrectionStore
from musclefm.corrections.undamaged import undamaged_cases
from musclefm.errors import MuscleFMError, warn
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.exchange.datalist import (
    DATA_LIST_FILE,
    TEST,
    DataList,
    ListedCase,
    read_datalist,
)
from musclefm.exchange.external_labels import whole_numbers
from musclefm.labels.scheme import LabelScheme, Side, load_scheme
from musclefm.labels.sided import IGNORE, check_sided_labels, ignoring_merged, without_sides
from musclefm.training.data.split import held_out_subjects
from musclefm.volumes.channels import Channels, read_channels
from musclefm.volumes.stored import read_stored
from musclefm.volumes.volume import Volume


@dataclass(frozen=True)
class UnreadCase:
    """A case that a data list names; it is read when it is asked for.

    Attributes
    ----------
    subject : str
        Whose it is.
    labels : Path
        File of its labels.
    read : callable
        Reads image and labels, as :func:`read_cases` does.
    severity, split : str or None
        What the list says of it; ``"test"`` is a split that is not learned from.
    """

    subject: str
    labels: Path
    read: Callable[[], LabelledCase]
    severity: str | None = None
    split: str | None = None


def read_cases(
    path: Path,
    scheme: LabelScheme,
    on_left_out: Callable[[str], object] = warn,
    *,
    held_out: bool = False,
) -> Iterator[LabelledCase]:
    """Read the cases at a path, one at a time; samples with damaged files are left out.

    Parameters
    ----------
    path : Path
        A store of corrections, of which the newest sample of every case counts
        as far as it was reviewed, if it is of the scheme; or a ``datalist.json`` as
        :func:`musclefm.exchange.datalist.write_datalist` writes it, or its folder.
    scheme : LabelScheme
        Of the labels.
    on_left_out : callable
        Takes a line for each sample whose files are damaged.
    held_out : bool
        Of a data list, the test cases in place of those to learn from.

    Raises
    ------
    MuscleFMError
        The path holds neither, a file of a list or all samples of a store cannot be
        read, or the list is of another scheme.
    """
    if path.is_dir() and (path / STORE_FILE).is_file():
        yield from _of_store(CorrectionStore(path), scheme, on_left_out)
        return
    file = list_file(path)
    if not file.is_file():
        raise MuscleFMError(
            "there are no labelled cases in this place",
            f"give a store of corrections, a {DATA_LIST_FILE}, or a data set of 'musclefm datasets"
            " list'",
        )
    for case in unread_cases(file, scheme):
        if (case.split == TEST) == held_out:
            yield case.read()


def names_test_cases(path: Path) -> bool:
    """Tell whether there is a data list at a path that says itself who is held out."""
    file = list_file(path)
    is_list = file.is_file() and not (path / STORE_FILE).is_file()
    return is_list and any(case.split == TEST for case in read_datalist(file).cases())


def data_notes(path: Path) -> tuple[str, ...]:
    """Return for which damaged ``sample.json`` of a store cases are left out, a line each.

    Raises
    ------
    MuscleFMError
        The store cannot be read.
    """
    if not (path / STORE_FILE).is_file():
        return ()
    return CorrectionStore(path).left_out()


def read_held_out(path: Path, scheme: LabelScheme, share: float) -> Iterator[LabelledCase]:
    """Read the cases of the subjects that training holds out: the test cases of a list.

    Parameters
    ----------
    path, scheme
        As of :func:`read_cases`.
    share : float
        As in training, see :func:`musclefm.training.data.split.held_out_subjects`; of data
        without test cases.

    Raises
    ------
    MuscleFMError
        As :func:`read_cases`.
    """
    if names_test_cases(path):
        return read_cases(path, scheme, held_out=True)
    kept = held_out_subjects((case.subject for case in read_cases(path, scheme)), share)
    # The first reading has said what is left out.
    return (case for case in read_cases(path, scheme, lambda _: None) if case.subject in kept)


def list_file(path: Path) -> Path:
    """Return where a data list is, given it or its folder."""
    return path / DATA_LIST_FILE if path.is_dir() else path


def _of_store(
    store: CorrectionStore, scheme: LabelScheme, on_left_out: Callable[[str], object]
) -> Iterator[LabelledCase]:
    samples = [sample for sample in store.newest() if sample.record.scheme == scheme.name]
    for sample, case in undamaged_cases(store, samples, on_left_out):
        labels = case.training_labels()
        if np.any(labels.array != IGNORE):
            digest = hashlib.sha256("".join(f.sha256 for f in sample.record.files).encode())
            yield LabelledCase(
                subject=case.subject_key or case.case_key,
                channels=Channels(case.channels, (), digest.hexdigest()),
                labels=labels.with_array(without_sides(labels.array, scheme)),
                scheme=load_scheme(case.scheme),
                side=_side_of_most(labels.array, scheme),
                absent=case.absent_muscles(),
            )


def unread_cases(file: Path, scheme: LabelScheme) -> tuple[UnreadCase, ...]:
    """Return the cases of a data list in its order, none of them read.

    Parameters
    ----------
    file : Path
        A ``datalist.json``.
    scheme : LabelScheme
        Of the labels.

    Raises
    ------
    MuscleFMError
        The list cannot be read, or is of another scheme.
    """
    listed = read_datalist(file)
    # Bad lists are refused before any image is read.
    listed.is_sided(scheme), listed.channel_names()
    return tuple(
        UnreadCase(
            item.subject or f"case-{number}",
            file.parent / item.label,
            partial(_read_item, file.parent, listed, item, number, scheme),
            item.severity,
            item.split,
        )
        for number, item in enumerate(listed.cases(), start=1)
    )


def _read_item(
    folder: Path, listed: DataList, item: ListedCase, number: int, scheme: LabelScheme
) -> LabelledCase:
    what = f"case {number} of the data list"
    names, count = listed.channel_names(), len(scheme.labels)
    images = [item.image] if isinstance(item.image, str) else item.image
    if len(images) != len(names):
        raise MuscleFMError(
            f"{what} has {len(images)} images for {len(names)} channels",
            "give a file for each modality that the list names",
        )
    channels = read_channels(
        {name: folder / image for name, image in zip(names, images, strict=True)}
    )
    labels = _labels(folder / item.label, channels, scheme, what)
    plain = without_sides(labels.array, scheme)
    plain = ignoring_merged(plain, listed.merged_muscles(scheme), scheme)
    absent: dict[int, npt.NDArray[np.bool_]] = {}
    if len(known := listed.annotated_muscles(scheme)) < count:
        # Background may be a muscle that was not annotated, and is none that was.
        none_of_known = plain == 0
        plain[none_of_known] = IGNORE
        absent = {value: none_of_known for i in known for value in (i, i + count)}
    return LabelledCase(
        subject=item.subject or f"case-{number}",
        channels=channels,
        labels=labels.with_array(plain),
        scheme=scheme,
        side=_side_of_most(labels.array, scheme) if listed.is_sided(scheme) else None,
        absent=absent,
    )


def _labels(path: Path, channels: Channels, scheme: LabelScheme, what: str) -> Volume:
    """Read labels ``(K, J, I) uint8``, with or without sides."""
    labels = read_stored(path, f"the labels of {what}")
    if not labels.grid.matches(channels.grid):
        raise MuscleFMError(
            f"the labels and the image of {what} lie on different grids",
            "resample them to the image first",
        )
    values = whole_numbers(labels.array, f"the labels of {what}")
    check_sided_labels(values, scheme)
    return Volume(values.astype(np.uint8), channels.grid)


def _side_of_most(labels: npt.NDArray[np.uint8], scheme: LabelScheme) -> Side | None:
    """Return the side of most voxels of sided labels."""
    count = len(scheme.labels)
    right = int(((labels > 0) & (labels <= count)).sum())
    left = int(((labels > count) & (labels <= 2 * count)).sum())
    if right == left == 0:
        return None
    return "left" if left > right else "right"
