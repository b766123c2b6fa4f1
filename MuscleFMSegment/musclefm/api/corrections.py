"""Corrected cases: stored, and exported as data to train on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from musclefm.api.exports import source_of
from musclefm.api.inputs import ImageInput, by_channel, read_inputs
from musclefm.corrections.store import CorrectionStore, StoredSample
from musclefm.errors import MuscleFMError, warn

if TYPE_CHECKING:
    import numpy.typing as npt

    from musclefm.corrections.case import Reviewed
    from musclefm.labels.scheme import LabelScheme
    from musclefm.volumes.grid import Grid


def open_corrections(
    store: str | os.PathLike[str] | CorrectionStore | None = None,
) -> CorrectionStore:
    """Return a store of corrections.

    Parameters
    ----------
    store : path or CorrectionStore, optional
        Its folder, which may not exist yet: the first sample makes it. By default the
        user's store.

    Returns
    -------
    CorrectionStore
        With ``samples()``, ``newest()``, ``load(id)``, ``remove(id)``.

    Examples
    --------
    >>> import musclefm
    >>> musclefm.open_corrections("store").folder.name
    'store'
    """
    if isinstance(store, CorrectionStore):
        return store
    return CorrectionStore(None if store is None else Path(store))


def add_correction(
    image: ImageInput | Mapping[str, ImageInput],
    labels: str | os.PathLike[str],
    *,
    results: str | os.PathLike[str] | None = None,
    model_labels: str | os.PathLike[str] | None = None,
    scheme: str | None = None,
    mapping: str | os.PathLike[str] | None = None,
    reviewed: Literal["all", "slices", "muscles"] | None = None,
    slices: str | Sequence[int] = (),
    muscles: Iterable[str] = (),
    carry: bool = False,
    reader: str = "",
    subject: str | None = None,
    parent: str | None = None,
    affine: npt.ArrayLike | None = None,
    series: int | None = None,
    echo: int | None = None,
    store: str | os.PathLike[str] | CorrectionStore | None = None,
    on_note: Callable[[str], object] = warn,
) -> StoredSample:
    """Store a corrected case, whole or not at all.

    Parameters
    ----------
    image, affine, series, echo
        As of :func:`segment`; nothing but voxels and geometry is kept.
    labels : path
        Corrected labels: a labelmap, ``.seg.nrrd`` or DICOM SEG on the image's grid.
    results : path, optional
        The results folder that was corrected.
    model_labels : path, optional
        In its place, the labels before they were corrected.
    scheme : str, optional
        Label scheme; by default that of the results, or ``"thigh-11"``.
    mapping : path, optional
        JSON or CSV that says what external ids are.
    reviewed : str, optional
        Where the labels are right: ``"all"``, in ``"slices"`` or of ``"muscles"``; without
        it nothing is learned from the sample.
    slices : sequence of int or str
        Indices along the inferior-superior axis, from 0, or e.g. ``"3-10,12"``.
    muscles : iterable of str
        E.g. ``"left vastus lateralis"``; without a side it is both.
    carry : bool
        Carry what was corrected in ``slices`` to those between; they stay unreviewed.
    reader : str
        Pseudonym of the reader.
    subject : str, optional
        What tells persons apart; only a salted hash of it is kept.
    parent : str, optional
        Id of the sample that this one corrects.
    store : path or CorrectionStore, optional
        By default the user's store.
    on_note : callable
        Takes what the user should know, a line each; by default a warning.

    Returns
    -------
    StoredSample
        With its ``id`` and ``record``.

    Raises
    ------
    MuscleFMError
        A file does not fit, or the store cannot be written; it is then as before.

    Examples
    --------
    >>> import musclefm
    >>> sample = musclefm.add_correction(
    ...     musclefm.load_sample().channels, "results/labels.seg.nrrd", results="results",
    ...     reviewed="slices", slices="3-5", subject="study-17", store="store",
    ... )
    >>> sample.record.reviewed.slices
    (3, 4, 5)
    >>> [one.id == sample.id for one in musclefm.open_corrections("store").newest()]
    [True]
    """
    from musclefm.corrections.corrected_case import (
        CorrectionFiles,
        carry_between_slices,
        read_corrected_case,
    )

    case, notes = read_corrected_case(
        read_inputs(by_channel(image), affine, series, echo),
        CorrectionFiles(
            labels=Path(labels),
            scheme=scheme,
            mapping=_path(mapping),
            model_labels=_path(model_labels),
            results=_path(results),
        ),
        lambda known, grid: _reviewed(reviewed, slices, muscles, known, grid),
        reader=reader,
        parent=parent,
    )
    if carry:
        case, carried = carry_between_slices(case)
        notes = (*notes, *carried)
    stored = open_corrections(store).add(case, subject=subject)
    for note in notes:
        on_note(note)
    return stored


def export_corrections(
    out: str | os.PathLike[str],
    to: str,
    *,
    store: str | os.PathLike[str] | CorrectionStore | None = None,
    samples: Sequence[str] = (),
    sided: bool = False,
    image: str | os.PathLike[str] | None = None,
    series: int | None = None,
    echo: int | None = None,
    on_note: Callable[[str], object] = warn,
) -> int:
    """Export corrected cases, all files or none.

    Parameters
    ----------
    out : path
        New or empty folder.
    to : str
        Data sets to train on, of what was reviewed: ``"monai"``, ``"nnunet"``. Samples as
        they are: ``"nifti"``, ``"seg.nrrd"``, and one for an archive: ``"dicom"``.
    store : path or CorrectionStore, optional
        By default the user's store.
    samples : sequence of str
        Ids; by default the newest sample of every case, those that are damaged left out.
    sided : bool
        In data sets, give left and right muscles labels of their own.
    image, series, echo
        For DICOM, as of :func:`export_results`.
    on_note : callable
        Takes a line for each sample that is left out; by default a warning.

    Returns
    -------
    int
        How many samples were exported.

    Raises
    ------
    MuscleFMError
        A sample that was named is damaged, there is none, or the folder cannot be written.

    Examples
    --------
    >>> import musclefm
    >>> musclefm.export_corrections("dataset", "monai", store="store")
    1
    """
    from musclefm.corrections.export import export_dataset, export_samples
    from musclefm.exchange.formats import DATASET_FORMATS, label_format
    from musclefm.storage.atomic import check_folder
    from musclefm.volumes.reading import voxels_sha256

    out = Path(out)
    check_folder(out)
    store = open_corrections(store)
    # Who names samples wants these.
    on_left_out = None if samples else on_note
    chosen = tuple(map(store.sample, dict.fromkeys(samples))) if samples else store.newest()
    for line in () if samples else store.left_out():
        on_note(line)
    if to in DATASET_FORMATS:
        return export_dataset(store, chosen, out, to, sided=sided, on_left_out=on_left_out)
    source = None
    if label_format(to).needs_source and image is not None:
        segmented = [
            voxels_sha256(channel)
            for sample in chosen[:1]
            for channel in store.load(sample.id).channels.values()
        ]
        source = source_of(image, series, echo, segmented)
    return export_samples(store, chosen, out, to, source, on_left_out)


def _path(given: str | os.PathLike[str] | None) -> Path | None:
    return None if given is None else Path(given)


def _reviewed(
    kind: str | None,
    slices: str | Sequence[int],
    muscles: Iterable[str],
    scheme: LabelScheme,
    grid: Grid,
) -> Reviewed:
    from musclefm.corrections.case import Reviewed
    from musclefm.review.muscle_slices import parse_slices
    from musclefm.volumes.orientation import canonical_view

    if kind == "all":
        return Reviewed("all")
    if kind == "muscles":
        return Reviewed("muscles", muscles=_values(muscles, scheme))
    axes: tuple[Literal[0, 1, 2], ...] = (2, 1, 0)
    axis = axes[canonical_view(grid).axes[0]]
    chosen = parse_slices(slices) if isinstance(slices, str) else tuple(sorted(set(slices)))
    return Reviewed("slices", slices=chosen, slice_axis=axis)


def _values(muscles: Iterable[str], scheme: LabelScheme) -> tuple[int, ...]:
    from musclefm.labels.mapping import parse_target

    values: set[int] = set()
    for text in muscles:
        target = parse_target(text, scheme)
        found = {
            value
            for value, (side, label) in scheme.labels_of_sides().items()
            if target and label.id == target.label_id and target.side in (None, side)
        }
        if not found:
            raise MuscleFMError(
                f"'{text}' is no muscle of '{scheme.name}'",
                "write e.g. left_vastus_lateralis,gracilis",
            )
        values |= found
    return tuple(sorted(values))
