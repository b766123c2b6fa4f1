"""From the store of corrections to files that other programs read or learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from musclefm.corrections.store import CorrectionStore, StoredSample
from musclefm.corrections.undamaged import undamaged_cases
from musclefm.errors import MuscleFMError
from musclefm.exchange.formats import DATASET_FORMATS, LabelledScan, label_format
from musclefm.exchange.source_series import SourceSeries
from musclefm.exchange.training_case import TrainingCase
from musclefm.labels.scheme import load_scheme
from musclefm.labels.sided import IGNORE
from musclefm.storage.atomic import staged_folder


def export_dataset(
    store: CorrectionStore,
    samples: Sequence[StoredSample],
    out: Path,
    to: str,
    *,
    sided: bool = False,
    on_left_out: Callable[[str], object] | None = None,
) -> int:
    """Export what was reviewed as a data set to train on; all else is to be ignored there.

    Parameters
    ----------
    store : CorrectionStore
        Holds the samples.
    samples : sequence of StoredSample
        Samples of which nothing was reviewed are left out.
    out : Path
        Folder for the data set.
    to : str
        A format of :data:`musclefm.exchange.formats.DATASET_FORMATS`: ``"monai"``, see
        :func:`~musclefm.exchange.datalist.write_datalist`, or ``"nnunet"``, see
        :func:`~musclefm.exchange.nnunet.write_nnunet`.
    sided : bool
        Give left and right muscles labels of their own.
    on_left_out : callable, optional
        Takes a line for each damaged sample; without it, one ends the export.

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
        for sample, case in undamaged_cases(store, samples, on_left_out):
            labels = case.training_labels()
            if np.any(labels.array != IGNORE):
                exported.append(sample.id)
                subject = case.subject_key or case.case_key
                scheme = load_scheme(case.scheme)
                yield TrainingCase(sample.id, subject, case.channels, labels, scheme)

    DATASET_FORMATS[to].write(cases(), out, sided)
    return len(exported)


def export_samples(
    store: CorrectionStore,
    samples: Sequence[StoredSample],
    out: Path,
    to: str,
    source: SourceSeries | None = None,
    on_left_out: Callable[[str], object] | None = None,
) -> int:
    """Export samples as they are, a folder each, and return how many.

    Parameters
    ----------
    store : CorrectionStore
        Holds the samples.
    samples : sequence of StoredSample
        At least one.
    out : Path
        New or empty folder, in which each sample's has its id as a name.
    to : str
        A format of :data:`musclefm.exchange.formats.FORMATS`. ``"nifti"``:
        ``image-….nii.gz`` and ``labels.nii.gz`` with its names; ``"seg.nrrd"``:
        ``image-….nrrd`` and ``labels.seg.nrrd``; ``"dicom"``: of one sample
        ``labels.dcm`` and, where it is known, ``uncertainty.dcm``, right in the folder;
        they get the identity of the source's patient.
    source : SourceSeries, optional
        The slices that were segmented, where the format refers to them.
    on_left_out : callable, optional
        As of :func:`export_dataset`.

    Raises
    ------
    MuscleFMError
        A sample is damaged or lies elsewhere than the source, there is none, the source
        is missing, or the folder cannot be written.
    """
    chosen = label_format(to)
    if not samples:
        raise MuscleFMError("there is no sample to export", "store a correction first")
    if chosen.needs_source and (len(samples) != 1 or source is None):
        raise MuscleFMError(
            f"{chosen.title} is exported one sample at a time, for the series that was segmented",
            "give one ID and the series with --image",
        )
    count = 0
    with staged_folder(out) as staged:
        for sample, case in undamaged_cases(store, samples, on_left_out):
            folder = staged if chosen.needs_source else staged / sample.id
            folder.mkdir(exist_ok=True)
            scan = LabelledScan(
                case.labels,
                load_scheme(case.scheme),
                corrected=True,
                channels=case.channels,
                uncertainty={"total": case.uncertainty} if case.uncertainty else {},
                source=source,
            )
            chosen.write(folder, scan)
            count += 1
    return count
