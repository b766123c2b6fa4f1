"""Labelled data sets that anyone can download: listed, downloaded, made a data list."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from musclefm.datasets.catalogue import Dataset, find_dataset
from musclefm.datasets.catalogue import list_datasets as list_known
from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import load_scheme
from musclefm.progress import ProgressEvent, watched
from musclefm.storage.atomic import check_folder

if TYPE_CHECKING:
    from musclefm.datasets.prepare import PreparedDataset


def list_datasets() -> tuple[Dataset, ...]:
    """List the data sets that are known by name.

    Returns
    -------
    tuple of Dataset
        With ``name``, ``title``, ``about``, ``page``, ``licence``, ``unconfirmed`` (what
        nobody has looked up at the source), ``archives`` and ``scheme``.

    Raises
    ------
    MuscleFMError
        The file of one that the user has added is damaged.

    Examples
    --------
    >>> import musclefm
    >>> [data.name for data in musclefm.list_datasets()]
    ['huashan-myo', 'kway', 'myosegmentum', 'nnunet-raw', 'sheffield']
    """
    return list_known()


def download_dataset(
    name: str,
    *,
    folder: str | os.PathLike[str] | None = None,
    progress: Callable[[ProgressEvent], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Path:
    """Download and unpack a data set into the user's data; its licence is its own.

    Parameters
    ----------
    name : str
        One of :func:`list_datasets`.
    folder : path, optional
        Holds the zip files, which then are not downloaded.
    progress, cancel
        As of :func:`segment`.

    Returns
    -------
    Path
        The folder of its files. Where it was downloaded before, nothing is done.

    Raises
    ------
    MuscleFMError
        It is unknown or not public, cannot be had, or is damaged.
    WorkCancelledError
        It was cancelled; the next call resumes the download.

    Examples
    --------
    >>> import musclefm
    >>> musclefm.download_dataset("nnunet-raw")
    Traceback (most recent call last):
    musclefm.errors.MuscleFMError: data set 'nnunet-raw' is not public: ...
    """
    # Imported late, as listing needs no network.
    from musclefm.datasets.obtain import obtain_dataset

    given = Path(folder) if folder else None
    return obtain_dataset(find_dataset(name), watched(progress, cancel), given)


def prepare_dataset(
    name: str,
    *,
    folder: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    scheme: str | None = None,
    progress: Callable[[ProgressEvent], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> PreparedDataset:
    """Make a data list of a data set: with subjects held out, and severities.

    Severity follows from the volume-weighted fat fraction of water and fat, which is not
    the paper's rule, unless the data set says it.

    Parameters
    ----------
    name : str
        One of :func:`list_datasets`.
    folder : path, optional
        Its files; by default where :func:`download_dataset` puts them.
    out : path, optional
        New or empty folder for NIfTI files and ``datalist.json``; by default in the user's
        data, where ``train --data NAME`` finds it.
    scheme : str, optional
        Label scheme; by default the one that has most of its muscles.
    progress, cancel
        As of :func:`segment`.

    Returns
    -------
    PreparedDataset
        Its ``path``, what it holds, and what the labels do not tell.

    Raises
    ------
    MuscleFMError
        The files are not there, or a case cannot be used: its number, in order of name,
        stands before the cause.
    WorkCancelledError
        It was cancelled; nothing is written.

    Examples
    --------
    >>> import musclefm
    >>> musclefm.prepare_dataset("huashan-myo", folder="no-such-folder", out="prepared")
    Traceback (most recent call last):
    musclefm.errors.MuscleFMError: there is no folder with the files of 'huashan-myo': ...
    """
    dataset = find_dataset(name)
    known = load_scheme(scheme or dataset.scheme)
    files = Path(folder) if folder else dataset.files
    if not files.is_dir():
        raise MuscleFMError(
            f"there is no folder with the files of '{name}'",
            f"download them with 'musclefm datasets download {name}', or give yours with --from"
            if dataset.is_public
            else "give it with --from",
        )
    place = Path(out) if out else dataset.prepared(known.name)
    check_folder(place)
    # Imported late: it knows DICOM.
    from musclefm.datasets.prepare import prepare_dataset as prepare

    return prepare(dataset, files, place, known, watched(progress, cancel))
