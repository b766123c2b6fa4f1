"""From a folder of results to files that other programs read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from musclefm.exchange.formats import LabelledScan, label_format
from musclefm.exchange.read_labels import read_labels
from musclefm.exchange.source_series import SourceSeries
from musclefm.labels.scheme import load_scheme
from musclefm.results.files import SEGMENTATION_FILE, UNCERTAINTY_FILES
from musclefm.results.reading import read_provenance, require_unchanged
from musclefm.review.session_file import load_session
from musclefm.storage.atomic import check_folder, staged_folder
from musclefm.storage.targets import require_free
from musclefm.volumes.stored import read_stored


def labelled_scan(results: Path) -> LabelledScan:
    """Return the labels of a saved review of the results, or else the model's; nothing else.

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
        return LabelledScan(saved[1], scheme, corrected=True)
    require_unchanged(results, (SEGMENTATION_FILE,))
    read = read_labels(results / SEGMENTATION_FILE, scheme, what="the segmentation")
    return LabelledScan(read.volume, scheme, corrected=False)


def check_export_folder(out: Path, to: str) -> None:
    """Require that an export can be put into a folder, before work is spent on it.

    Raises
    ------
    MuscleFMError
        There is no such format, a file of it is there already, or the folder cannot be
        written.
    """
    files = label_format(to).files
    check_folder(out, among_others=True)
    require_free(out, files)


def export_case(results: Path, out: Path, to: str, source: SourceSeries | None = None) -> None:
    """Export a case, all files of it or none.

    Parameters
    ----------
    results : Path
        Folder that ``musclefm segment`` wrote, with or without a saved review.
    out : Path
        Folder for the files, of which none may be there yet; others may.
    to : str
        A format of :data:`musclefm.exchange.formats.FORMATS`. ``"nifti"``:
        ``labels.nii.gz`` with sided values, ``labels.json`` names them. ``"seg.nrrd"``:
        ``labels.seg.nrrd``. ``"dicom"``: ``labels.dcm``, a DICOM SEG, and a Parametric
        Map of each uncertainty; these hold the patient's identity, as DICOM demands.
    source : SourceSeries, optional
        The slices that were segmented; DICOM needs them.

    Raises
    ------
    MuscleFMError
        The results or the source do not fit, a library is missing, or the
        folder cannot be written.
    """
    chosen = label_format(to)
    check_export_folder(out, to)
    scan = replace(labelled_scan(results), source=source)
    if chosen.takes_uncertainty:
        require_unchanged(results, UNCERTAINTY_FILES.values())
        scan = replace(
            scan,
            uncertainty={
                kind: read_stored(results / name, "the uncertainty")
                for kind, name in UNCERTAINTY_FILES.items()
            },
        )
    with staged_folder(out, among_others=True) as folder:
        chosen.write(folder, scan)
