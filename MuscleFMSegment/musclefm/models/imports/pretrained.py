"""Official SAM and MedSAM checkpoints become models to start training from."""

from __future__ import annotations

from pathlib import Path

from musclefm.defaults import PUBLISHED_SCHEME
from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import load_scheme
from musclefm.models.bundle import Bundle
from musclefm.models.imports.checkpoint import import_checkpoint
from musclefm.models.imports.sam import OfficialCheckpoint, downloads_folder
from musclefm.models.registry import list_bundles
from musclefm.progress import Progress, ProgressEvent
from musclefm.storage.download import discard_download, download, file_in_folder


def obtain_pretrained(
    checkpoint: OfficialCheckpoint,
    progress: Progress,
    folder: Path | None = None,
    scheme: str = PUBLISHED_SCHEME,
) -> Bundle:
    """Make a checkpoint a model of the user's, from the web or from a folder.

    Ask the user before: it may download gigabytes.

    Parameters
    ----------
    checkpoint : OfficialCheckpoint
        What to obtain.
    progress : Progress
        Called at each stage.
    folder : Path, optional
        Holds the file, which then is not downloaded.
    scheme : str
        Label scheme whose muscles are to be learned.

    Raises
    ------
    MuscleFMError
        The model is there already, the scheme is unknown, or the file cannot be had or is
        not the known one.
    """
    if any(entry.name == checkpoint.name for entry in list_bundles()):
        raise MuscleFMError(
            f"model '{checkpoint.name}' is there already",
            f"use it, or remove it first with 'musclefm models remove {checkpoint.name}'",
        )
    load_scheme(scheme)
    remote = checkpoint.remote
    if folder:
        path = file_in_folder(remote, folder)
    else:
        path = download(remote, downloads_folder(), progress)
    progress(ProgressEvent("import", 0, 1, checkpoint.title))
    bundle = import_checkpoint(path, checkpoint.name, scheme=scheme)
    if not folder:
        # The model holds all of it that training needs.
        discard_download(remote, downloads_folder())
    progress(ProgressEvent("import", 1, 1, checkpoint.title))
    return bundle
