"""The files of a data set: downloaded, or taken from a folder, and unpacked."""

from __future__ import annotations

from pathlib import Path

from musclefm.datasets.catalogue import Dataset
from musclefm.errors import MuscleFMError
from musclefm.progress import Progress
from musclefm.storage.atomic import staged_folder
from musclefm.storage.download import discard_download, download, file_in_folder
from musclefm.storage.user_data import make_private_folder
from musclefm.storage.zip_files import unpack


def obtain_dataset(dataset: Dataset, progress: Progress, folder: Path | None = None) -> Path:
    """Download and unpack a data set, unless it is there already.

    Ask the user before: it may download gigabytes, under a licence of its own. What has
    come of a file is kept when a download breaks off, and the next call resumes it.

    Parameters
    ----------
    dataset : Dataset
        To obtain.
    progress : Progress
        Called with megabytes and files.
    folder : Path, optional
        Holds the zip files, which then are not downloaded.

    Returns
    -------
    Path
        Its files.

    Raises
    ------
    MuscleFMError
        It is not public, its files cannot be had, or one of them is damaged.
    """
    if not dataset.is_public:
        raise MuscleFMError(
            f"data set '{dataset.name}' is not public",
            f"give your own folder: musclefm datasets prepare {dataset.name} --from DIR",
        )
    if dataset.files.is_dir():
        return dataset.files
    downloads = dataset.folder / "downloads"
    make_private_folder(dataset.folder)
    with staged_folder(dataset.files) as staged:
        for archive in dataset.archives:
            remote = archive.remote
            if folder:
                path = file_in_folder(remote, folder)
            else:
                path = download(remote, downloads, progress)
            try:
                unpack(path, staged / archive.into, progress)
            except MuscleFMError:
                if not folder:
                    # Of a damaged one nothing could be resumed.
                    discard_download(remote, downloads)
                raise
    for archive in dataset.archives:
        discard_download(archive.remote, downloads)
    return dataset.files
