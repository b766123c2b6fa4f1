"""A folder of scans: which there are, and all of them segmented."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from musclefm.api.resources import load_model
from musclefm.defaults import DEFAULT_DEVICE, DEFAULT_MODEL
from musclefm.errors import MuscleFMError
from musclefm.labels.mapping import read_mapping
from musclefm.pipeline.second_opinions import with_second_opinions
from musclefm.pipeline.worklist import CaseState, Worklist
from musclefm.progress import ProgressEvent, WorkCancelledError, watched
from musclefm.volumes.formats.decoded import SeriesChoice

if TYPE_CHECKING:
    from musclefm.models.bundle import Bundle


def open_worklist(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    series: int | None = None,
    echo: int | None = None,
    choices: str | os.PathLike[str] | None = None,
    progress: Callable[[ProgressEvent], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Worklist:
    """Find the scans of a folder, and open the list of how far each is, or begin one.

    Parameters
    ----------
    folder : path
        Images, DICOM folders, or folders with ``water.nii.gz``, ``fat.nii.gz`` and the like.
    out : path
        Folder of the worklist, with the results of each case; apart from the scans.
    series, echo : int, optional
        As of :func:`segment`, of all cases of which ``choices`` says nothing.
    choices : path, optional
        CSV of the columns case (path in ``folder``), series and echo; by default
        ``worklist.csv`` in ``folder``, if there is one.
    progress, cancel
        As of :func:`segment`.

    Returns
    -------
    Worklist
        Its ``cases``; ``states()`` tells how far each is.

    Raises
    ------
    MuscleFMError
        There is no scan, or the worklist cannot be read or written.

    Examples
    --------
    >>> import musclefm, pathlib, shutil
    >>> pathlib.Path("scans").mkdir()
    >>> _ = shutil.copy("copy/uncertainty.nii.gz", "scans/thigh.nii.gz")
    >>> worklist = musclefm.open_worklist("scans", "worklist")
    >>> [state.status for state in worklist.states()]
    ['waiting']
    """
    return Worklist(
        Path(folder),
        Path(out),
        watched(progress, cancel),
        choice=SeriesChoice(series=series, echo=echo),
        choices=None if choices is None else Path(choices),
    )


def segment_worklist(
    worklist: Worklist,
    *,
    model: str | os.PathLike[str] | Bundle = DEFAULT_MODEL,
    device: str = DEFAULT_DEVICE,
    precision: str = "auto",
    cluster: str | None = None,
    second_opinion: str | os.PathLike[str] | None = None,
    mapping: str | os.PathLike[str] | None = None,
    progress: Callable[[ProgressEvent], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> tuple[CaseState, ...]:
    """Segment the cases of a worklist that are not segmented yet; one that fails stops no other.

    Stopped or cancelled, it resumes where it was when it is called again.

    Parameters
    ----------
    worklist : Worklist
        Of :func:`open_worklist`.
    model, device, precision, progress, cancel
        As of :func:`segment`.
    cluster : str, optional
        Address of a Ray cluster, on whose machines cases are segmented side by side. They
        reach the scans, the worklist and the model by the same paths, and the device is
        chosen here for all.
    second_opinion : path, optional
        Folder of another program's labels, a file a case of the name of its scan's file or
        folder, e.g. ``thigh.nii.gz``. Cases without one are segmented without, and
        those that were are segmented anew once there is one, but for those in review.
    mapping : path, optional
        What their values mean, as of :func:`evaluate`.

    Returns
    -------
    tuple of CaseState
        Most expected wrong first; ``fault`` says why one failed, ``results`` is its
        results folder for :func:`open_results`.

    Raises
    ------
    MuscleFMError
        The model cannot segment, another program is at the worklist, or it cannot be
        written; the mapping is wrong, or no second opinion has the name of a case.
    WorkCancelledError
        It was cancelled; cases that are done stay.

    Examples
    --------
    >>> import musclefm
    >>> worklist = musclefm.open_worklist("scans", "worklist")
    >>> musclefm.segment_worklist(worklist, model="no-such-model")
    Traceback (most recent call last):
    musclefm.errors.MuscleFMError: there is no model 'no-such-model': ...
    """
    report = watched(progress, cancel)
    bundle = load_model(model)
    if mapping is not None and second_opinion is None:
        raise MuscleFMError("a mapping is of a second opinion", "give that, too")
    meanings = None if mapping is None else Path(mapping)
    if meanings:
        read_mapping(meanings, bundle.scheme)
    if second_opinion is not None:
        worklist.cases = with_second_opinions(worklist.cases, Path(second_opinion), meanings)
    # Imported late: torch takes seconds.
    from musclefm.inference.device import choose_runtime

    runtime = choose_runtime(device, precision)
    try:
        if cluster is None:
            from musclefm.pipeline.process_worklist import process_worklist

            process_worklist(worklist, bundle, runtime, report)
        else:
            from musclefm.pipeline.worklist_cluster import process_on_cluster

            process_on_cluster(worklist, bundle, runtime, cluster, report)
    except WorkCancelledError:
        # What ran does not count as a case that killed its program.
        worklist.forget_running()
        raise
    return worklist.states(processing=False)
