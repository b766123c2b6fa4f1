"""Where exported labels go, and which DICOM series they belong to."""

from __future__ import annotations

from pathlib import Path

import slicer


def exportArguments(
    results: Path, exportFormat: str, folder: Path, image: Path | None
) -> list[str]:
    """Return the library's command for an export.

    Parameters
    ----------
    results : Path
        Results of the case, with the saved session.
    exportFormat : str
        A name of :data:`musclefm.exchange.formats.FORMATS`.
    folder : Path
        For the files.
    image : Path or None
        The DICOM series that was segmented, or a file of it.
    """
    source = ["--image", str(image)] if image else []
    case = ["--case", str(results), "--format", exportFormat, "--out", str(folder)]
    return ["export", *case, *source]


def dicomFileOf(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> Path | None:
    """Return a file of the series that a volume was loaded from, if Slicer's database knows it."""
    instances = (volumeNode.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if not instances or database is None:
        return None
    file = database.fileForInstance(instances[0])
    return Path(file) if file else None
