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
) -> Missing:
    """Return what a training by names would have to download."""
    dataset = named_dataset(data)
    if dataset and (dataset.files.is_dir() or _prepared(dataset, model).is_file()):
        dataset = None
    return Missing(dataset, _missing_checkpoint(model))


def obtain_missing(
    model: str | os.PathLike[str] | Bundle,
    data: str | os.PathLike[str] | CorrectionStore | None,
    progress: Progress,
    *,
    download: bool,
) -> str | os.PathLike[str] | CorrectionStore | None:
    """Return the data to train on; a data set that is named is prepared where it is not yet.

    Parameters
    ----------
    model, data
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
    missing = missing_downloads(model, data)
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

        scheme = dataset.scheme if dataset else PUBLISHED_SCHEME
        obtain_pretrained(missing.checkpoint, progress, scheme=scheme)
    if dataset is None:
        return data
    prepared = _prepared(dataset, model)
    if not prepared.is_file():
        from musclefm.datasets.prepare import prepare_dataset

        if not dataset.files.is_dir():
            raise MuscleFMError(
                f"data set '{dataset.name}' is not prepared",
                f"run 'musclefm datasets prepare {dataset.name} --from DIR'",
            )
        known = load_scheme(_scheme(dataset, model))
        prepare_dataset(dataset, dataset.files, prepared.parent, known, progress)
    return prepared


def _missing_checkpoint(model: str | os.PathLike[str] | Bundle) -> OfficialCheckpoint | None:
    installed = {entry.name for entry in list_bundles()}
    found = (x for x in sam.OFFICIAL_CHECKPOINTS if x.name == model and model not in installed)
    return next(found, None)


def _prepared(dataset: Dataset, model: str | os.PathLike[str] | Bundle) -> Path:
    return dataset.prepared(_scheme(dataset, model)) / "datalist.json"


def _scheme(dataset: Dataset, model: str | os.PathLike[str] | Bundle) -> str:
    """Return the label scheme that a data set is prepared in for a model."""
    if _missing_checkpoint(model):
        return dataset.scheme
    bundle = load_model(model)
    scheme = bundle.manifest.scheme
    if bundle.manifest.role == "start" and scheme != dataset.scheme:
        raise MuscleFMError(
            f"'{bundle.manifest.name}' is to learn '{scheme}', and data set '{dataset.name}' has"
            f" '{dataset.scheme}'",
            f"remove it with 'musclefm models remove {bundle.manifest.name}' and import or"
            f" download it again with --scheme {dataset.scheme}",
        )
    return scheme
