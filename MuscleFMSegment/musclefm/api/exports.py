"""Results as the files that other programs read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from musclefm.results.reading import read_provenance
from musclefm.volumes.formats.decoded import SeriesChoice

if TYPE_CHECKING:
    from musclefm.exchange.source_series import SourceSeries


def export_results(
    results: str | os.PathLike[str],
    out: str | os.PathLike[str],
    to: str,
    *,
    image: str | os.PathLike[str] | None = None,
    series: int | None = None,
    echo: int | None = None,
) -> None:
    """Export the labels of a saved review of a case, or else the model's, all files or none.

    Parameters
    ----------
    results : path
        Results folder.
    out : path
        Folder for the files, of which none may be there yet.
    to : str
        ``"nifti"``, ``"seg.nrrd"``, ``"dicom"``, or a format that was added to
        ``musclefm.exchange.formats.FORMATS``.
    image : path, optional
        For DICOM: the series that was segmented, whose patient and study the files get.
    series, echo : int, optional
        Which one of ``image``; by default the one that was segmented.

    Raises
    ------
    MuscleFMError
        The results or the series do not fit, or the folder cannot be written.

    Examples
    --------
    >>> import musclefm, os
    >>> musclefm.export_results("results", "exported", "nifti")
    >>> sorted(os.listdir("exported"))
    ['labels.json', 'labels.nii.gz']
    """
    from musclefm.exchange.formats import label_format
    from musclefm.results.export import check_export_folder, export_case

    results = Path(results)
    check_export_folder(Path(out), to)
    source = None
    if label_format(to).needs_source and image is not None:
        # Results of earlier versions do not say which images of a series they were made from.
        segmented = read_provenance(results)["input"].get("voxels_sha256", {}).values()
        source = source_of(image, series, echo, segmented)
    export_case(results, Path(out), to, source)


def source_of(
    image: str | os.PathLike[str], series: int | None, echo: int | None, segmented: Iterable[str]
) -> SourceSeries:
    """Return the slices that were segmented, by the choice or the hashes of their voxels."""
    from musclefm.exchange.source_series import find_source_series

    return find_source_series(Path(image), SeriesChoice(series=series, echo=echo), list(segmented))
