"""From a folder of results to files that other programs read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from musclefm.errors import MuscleFMError
from musclefm.exchange.dicom_seg import write_dicom_segmentation
from musclefm.exchange.labelmap import write_labelmap
from musclefm.exchange.parametric_map import write_parametric_map
from musclefm.exchange.read_labels import read_labels
from musclefm.exchange.seg_nrrd import write_seg_nrrd
from musclefm.exchange.source_series import SourceSeries
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.results.files import LABELMAP_FILE, SEGMENTATION_FILE, UNCERTAINTY_FILES
from musclefm.results.reading import read_provenance, require_unchanged
from musclefm.review.session_file import load_session
from musclefm.storage.atomic import check_folder, staged_folder
from musclefm.storage.targets import require_free
from musclefm.uncertainty.maps import UncertaintyKind
from musclefm.volumes.stored import read_stored
from musclefm.volumes.volume import Volume

ExportFormat = Literal["nifti", "seg.nrrd", "dicom"]

_DICOM_MAPS: dict[UncertaintyKind, str] = {
    kind: name.replace(".nii.gz", ".dcm") for kind, name in UNCERTAINTY_FILES.items()
}
_FILES: dict[ExportFormat, tuple[str, ...]] = {
    "nifti": (LABELMAP_FILE, "labels.json"),
    "seg.nrrd": (SEGMENTATION_FILE,),
    "dicom": ("labels.dcm", *_DICOM_MAPS.values()),
}


@dataclass(frozen=True)
class CaseLabels:
    """The labels of a folder of results.

    Attributes
    ----------
    volume : Volume
        ``(K, J, I) uint8``: sided values, see
        :meth:`LabelScheme.labels_of_sides`.
    scheme : LabelScheme
        What they mean.
    corrected : bool
        Whether they are those of a saved review.
    """

    volume: Volume
    scheme: LabelScheme
    corrected: bool


def case_labels(results: Path) -> CaseLabels:
    """Return the labels of a saved review of the results, or else the model's.

    Parameters
    ----------
    results : Path
        Folder that ``musclefm segment`` wrote.

    Raises
    ------
    MuscleFMError
        It is no such folder, or it is damaged.
    """
    provenance = read_provenance(results)
    scheme = load_scheme(provenance["model"]["label_scheme"])
    saved = load_session(results)
    if saved is not None and saved[0].belongs_to(provenance):
        return CaseLabels(saved[1], scheme, corrected=True)
    require_unchanged(results, (SEGMENTATION_FILE,))
    read = read_labels(results / SEGMENTATION_FILE, scheme, what="the segmentation")
    return CaseLabels(read.volume, scheme, corrected=False)


def check_export_folder(out: Path, to: ExportFormat) -> None:
    """Require that an export can be put into a folder, before work is spent on it.

    Raises
    ------
    MuscleFMError
        A file of it is there already, or the folder cannot be written.
    """
    check_folder(out, among_others=True)
    require_free(out, _FILES[to])


def export_case(
    results: Path, out: Path, to: ExportFormat, source: SourceSeries | None = None
) -> None:
    """Export a case, all files of it or none.

    Parameters
    ----------
    results : Path
        Folder that ``musclefm segment`` wrote, with or without a saved review.
    out : Path
        Folder for the files, of which none may be there yet; others may.
    to : str
        ``"nifti"``: ``labels.nii.gz`` with sided values, ``labels.json`` names
        them. ``"seg.nrrd"``: ``labels.seg.nrrd``. ``"dicom"``: ``labels.dcm``, a
        DICOM SEG, and a Parametric Map of each uncertainty; these hold the
        patient's identity, as DICOM demands.
    source : SourceSeries, optional
        The slices that were segmented; DICOM needs them.

    Raises
    ------
    MuscleFMError
        The results or the source do not fit, a library is missing, or the
        folder cannot be written.
    """
    check_export_folder(out, to)
    labels = case_labels(results)
    with staged_folder(out, among_others=True) as folder:
        if to == "nifti":
            write_labelmap(folder / LABELMAP_FILE, labels.volume, labels.scheme)
            return
        if to == "seg.nrrd":
            write_seg_nrrd(folder / SEGMENTATION_FILE, labels.volume, labels.scheme)
            return
        if source is None:
            raise MuscleFMError(
                "a DICOM export needs the series that was segmented", "give it with --image"
            )
        write_dicom_segmentation(
            folder / "labels.dcm", labels.volume, labels.scheme, source, corrected=labels.corrected
        )
        named = labels.scheme.labels_of_sides()
        sides = {named[value][0] for value in np.unique(labels.volume.array).tolist() if value}
        require_unchanged(results, UNCERTAINTY_FILES.values())
        for kind, name in UNCERTAINTY_FILES.items():
            uncertainty = read_stored(results / name, "the uncertainty")
            write_parametric_map(
                folder / _DICOM_MAPS[kind], uncertainty, source, kind=kind, sides=sides
            )
