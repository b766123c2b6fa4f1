"""What a training by names needs: a data set, a pretrained checkpoint."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from musclefm.api.resources import load_model
from musclefm.datasets.catalogue import Dataset, list_datasets
from musclefm.defaults import PUBLISHED_SCHEME
from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import load_scheme
from musclefm.models.imports import sam
from musclefm.models.imports.sam import OfficialCheckpoint
from musclefm.models.registry import list_bundles
from musclefm.progress import Progress

if TYPE_CHECKING:
    from musclefm.corrections.store import CorrectionStore
    from musclefm.models.bundle import Bundle


@dataclass(frozen=True)
class Missing:
    """What is to be downloaded before a training.

    Attributes
    ----------
    dataset : Dataset or None
        Whose files are not there yet.
    checkpoint : OfficialCheckpoint or None
        That is no model yet.
    """

    dataset: Dataset | None = None
    checkpoint: OfficialCheckpoint | None = None


def named_dataset(data: str | os.PathLike[str] | CorrectionStore | None) -> Dataset | None:
    """Return the data set that is named, or None where a path is given or nothing."""
    if not isinstance(data, str | os.PathLike) or Path(data).exists():
        return None
    name = os.fspath(data)
    return next((dataset for dataset in list_datasets() if dataset.name == name), None)


def missing_downloads(
    model: str | os.PathLike[str] | Bundle,
    data: str | os.PathLike[str] | CorrectionStore | None,
    scheme: str | None = None,
) -> Missing:
    """Return what a training by names would have to download."""
    dataset = named_dataset(data)
    if dataset and (dataset.files.is_dir() or _prepared(dataset, model, scheme).is_file()):
        dataset = None
    return Missing(dataset, _missing_checkpoint(model))


def obtain_missing(
    model: str | os.PathLike[str] | Bundle,
    data: str | os.PathLike[str] | CorrectionStore | None,
    progress: Progress,
    *,
    download: bool,
    scheme: str | None = None,
) -> str | os.PathLike[str] | CorrectionStore | None:
    """Return the data to train on; a data set that is named is prepared where it is not yet.

    Parameters
    ----------
    model, data, scheme
        As of :func:`musclefm.train`.
    progress : Progress
        Called at all stages.
    download : bool
        Whether a data set and a checkpoint that are not there may be downloaded.

    Raises
    ------
    MuscleFMError
        Something is not there and may not be downloaded, or cannot be had.
    """
    missing = missing_downloads(model, data, scheme)
    if not download and (missing.dataset or missing.checkpoint):
        names = [x.name for x in (missing.dataset, missing.checkpoint) if x]
        raise MuscleFMError(
            f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not downloaded yet",
            "confirm the download with --yes, or run 'musclefm datasets download' and"
            " 'musclefm models download'",
        )
    dataset = named_dataset(data)
    if missing.dataset:
        from musclefm.datasets.obtain import obtain_dataset

        obtain_dataset(missing.dataset, progress)
    if missing.checkpoint:
        from musclefm.models.imports.pretrained import obtain_pretrained

        learned = scheme or (dataset.scheme if dataset else PUBLISHED_SCHEME)
        obtain_pretrained(missing.checkpoint, progress, scheme=learned)
    if dataset is None:
        return data
    prepared = _prepared(dataset, model, scheme)
    if not prepared.is_file():
        from musclefm.datasets.prepare import prepare_dataset

        if not dataset.files.is_dir():
            raise MuscleFMError(
                f"data set '{dataset.name}' is not prepared",
                f"run 'musclefm datasets prepare {dataset.name} --from DIR'",
            )
        known = load_scheme(_scheme(dataset, model, scheme))
        prepare_dataset(dataset, dataset.files, prepared.parent, known, progress)
    return prepared


def _missing_checkpoint(model: str | os.PathLike[str] | Bundle) -> OfficialCheckpoint | None:
    installed = {entry.name for entry in list_bundles()}
    found = (x for x in sam.OFFICIAL_CHECKPOINTS if x.name == model and model not in installed)
    return next(found, None)


def _prepared(dataset: Dataset, model: str | os.PathLike[str] | Bundle, scheme: str | None) -> Path:
    return dataset.prepared(_scheme(dataset, model, scheme)) / "datalist.json"


def _scheme(dataset: Dataset, model: str | os.PathLike[str] | Bundle, scheme: str | None) -> str:
    """Return the label scheme that a data set is prepared in for a model."""
    if scheme or _missing_checkpoint(model):
        return scheme or dataset.scheme
    # A pretrained checkpoint knows no muscles yet.
    card = load_model(model).manifest
    return dataset.scheme if card.role == "start" else card.scheme
