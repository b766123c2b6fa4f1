"""From the store of corrections to files that other programs read or learn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from musclefm.corrections.store import CorrectionStore, StoredSample
from musclefm.errors import MuscleFMError
from musclefm.exchange.datalist import write_datalist
from musclefm.exchange.dicom_seg import write_dicom_segmentation
from musclefm.exchange.labelmap import write_labelmap
from musclefm.exchange.nnunet import write_nnunet
from musclefm.exchange.parametric_map import write_parametric_map
from musclefm.exchange.seg_nrrd import write_seg_nrrd
from musclefm.exchange.source_series import SourceSeries
from musclefm.exchange.training_case import TrainingCase
from musclefm.labels.scheme import load_scheme
from musclefm.labels.sided import IGNORE
from musclefm.results.files import LABELMAP_FILE, SEGMENTATION_FILE
from musclefm.storage.atomic import staged_folder
from musclefm.volumes.writing import write_volume

DatasetFormat = Literal["monai", "nnunet"]
SampleFormat = Literal["nifti", "seg.nrrd"]


def export_dataset(
    store: CorrectionStore,
    samples: Sequence[StoredSample],
    out: Path,
    to: DatasetFormat,
    *,
    sided: bool = False,
) -> int:
    """Export what was reviewed as a data set to train on; all else is to be ignored there.

    Parameters
    ----------
    store : CorrectionStore
        The store.
    samples : sequence of StoredSample
        Samples of which nothing was reviewed are left out.
    out : Path
        Folder for the data set.
    to : str
        ``"monai"``, see :func:`write_datalist`, or ``"nnunet"``, see :func:`write_nnunet`.
    sided : bool
        Give left and right muscles labels of their own.

    Returns
    -------
    int
        How many samples were exported.

    Raises
    ------
    MuscleFMError
        A sample is damaged, none was reviewed, they differ in channels or scheme, or the
        folder cannot be written.
    """
    exported: list[str] = []

    def cases() -> Iterator[TrainingCase]:
        for sample in samples:
            case = store.load(sample.id)
            labels = case.training_labels()
            if np.any(labels.array != IGNORE):
                exported.append(sample.id)
                subject = case.subject_key or case.case_key
                scheme = load_scheme(case.scheme)
                yield TrainingCase(sample.id, subject, case.channels, labels, scheme)

    if to == "monai":
        write_datalist(cases(), out, sided=sided)
    else:
        write_nnunet(cases(), out, sided=sided)
    return len(exported)


def export_samples(
    store: CorrectionStore, samples: Sequence[StoredSample], out: Path, to: SampleFormat
) -> None:
    """Export samples as they are, a folder each.

    Parameters
    ----------
    store : CorrectionStore
        The store.
    samples : sequence of StoredSample
        At least one.
    out : Path
        New or empty folder, in which each sample's has its id as a name.
    to : str
        ``"nifti"``: ``image-….nii.gz`` and ``labels.nii.gz`` with its names;
        ``"seg.nrrd"``: ``image-….nrrd`` and ``labels.seg.nrrd``.

    Raises
    ------
    MuscleFMError
        A sample is damaged, there is none, or the folder cannot be written.
    """
    if not samples:
        raise MuscleFMError("there is no sample to export", "store a correction first")
    ending = "nii.gz" if to == "nifti" else "nrrd"
    with staged_folder(out) as staged:
        for sample in samples:
            case = store.load(sample.id)
            folder = staged / sample.id
            folder.mkdir()
            for name, volume in case.channels.items():
                write_volume(volume, folder / f"image-{name}.{ending}")
            scheme = load_scheme(case.scheme)
            if to == "nifti":
                write_labelmap(folder / LABELMAP_FILE, case.labels, scheme)
            else:
                write_seg_nrrd(folder / SEGMENTATION_FILE, case.labels, scheme)


def export_dicom(store: CorrectionStore, name: str, out: Path, source: SourceSeries) -> None:
    """Export a sample as DICOM objects, which get the identity of the source's patient.

    Parameters
    ----------
    store : CorrectionStore
        The store.
    name : str
        Id of the sample.
    out : Path
        New or empty folder for ``labels.dcm`` and, where it is known, ``uncertainty.dcm``.
    source : SourceSeries
        The slices that were segmented.

    Raises
    ------
    MuscleFMError
        The sample is damaged or lies elsewhere than the source, highdicom is not
        installed, or the folder cannot be written.
    """
    case = store.load(name)
    scheme = load_scheme(case.scheme)
    with staged_folder(out) as staged:
        write_dicom_segmentation(staged / "labels.dcm", case.labels, scheme, source, corrected=True)
        if case.uncertainty is not None:
            write_parametric_map(staged / "uncertainty.dcm", case.uncertainty, source)
