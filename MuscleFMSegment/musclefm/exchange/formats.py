"""The file formats of exported labels and of data sets: the one place to add another.

What a format needs is imported when it is used: commands and Slicer's menu read the
tables when they start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from musclefm.errors import MuscleFMError

if TYPE_CHECKING:
    from musclefm.exchange.external_labels import ExternalLabels
    from musclefm.exchange.source_series import SourceSeries
    from musclefm.exchange.training_case import TrainingCase
    from musclefm.labels.scheme import LabelScheme
    from musclefm.uncertainty.maps import UncertaintyKind
    from musclefm.volumes.volume import Volume


LABELS = "labels"
"""Name of exported labels, before the format's suffix."""

_NIFTI, _SEG_NRRD, _DICOM = ".nii.gz", ".seg.nrrd", ".dcm"


@dataclass(frozen=True)
class LabelledScan:
    """What a format may write of a scan.

    Attributes
    ----------
    labels : Volume
        ``(K, J, I) uint8``: sided values, see :meth:`LabelScheme.labels_of_sides`;
        255 marks voxels to be ignored.
    scheme : LabelScheme
        What the labels mean.
    corrected : bool
        Whether a reader has worked on them.
    channels : mapping of str to Volume
        ``(K, J, I) float32`` each; none where only labels are exported.
    uncertainty : mapping of str to Volume
        ``(K, J, I) float32`` in [0, 1], of the kinds that are known; for formats that
        take it.
    source : SourceSeries or None
        The slices that were segmented; for formats that need it.
    """

    labels: Volume
    scheme: LabelScheme
    corrected: bool
    channels: Mapping[str, Volume] = field(default_factory=dict)
    uncertainty: Mapping[UncertaintyKind, Volume] = field(default_factory=dict)
    source: SourceSeries | None = None


@dataclass(frozen=True)
class LabelFormat:
    """A format of labels.

    Attributes
    ----------
    title : str
        Name in menus.
    suffix : str
        With which its files of labels end, in lower case.
    write : callable
        Writes a :class:`LabelledScan` into a folder: the labels as ``labels<suffix>``,
        channels, where there are any, as ``image-<channel>.…``.
    read : callable or None
        Reads labels from a path, given what to call them in messages.
    also_writes : tuple of str
        Names of other files that it may write beside the labels of a case.
    recognises : callable or None
        Whether a file, by its content, is one to read; None goes by the suffix.
    needs_source : bool
        Whether it refers to the DICOM series that was segmented.
    takes_uncertainty : bool
        Whether it holds maps of uncertainty.
    """

    title: str
    suffix: str
    write: Callable[[Path, LabelledScan], None]
    read: Callable[[Path, str], ExternalLabels] | None = None
    also_writes: tuple[str, ...] = ()
    recognises: Callable[[Path], bool] | None = None
    needs_source: bool = False
    takes_uncertainty: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that it may write of the results of a case."""
        return (LABELS + self.suffix, *self.also_writes)

    def can_read(self, path: Path) -> bool:
        """Tell whether a file is one of this format."""
        if self.read is None:
            return False
        return self.recognises(path) if self.recognises else path.name.lower().endswith(self.suffix)


@dataclass(frozen=True)
class DatasetFormat:
    """A format of data sets that other programs train on.

    Attributes
    ----------
    title : str
        Name of the program.
    write : callable
        Writes cases into a new or empty folder; the last argument tells whether left and
        right muscles get labels of their own. Cases come one at a time.
    """

    title: str
    write: Callable[[Iterable[TrainingCase], Path, bool], object]


def _write_nifti(folder: Path, scan: LabelledScan) -> None:
    from musclefm.exchange.labelmap import write_labelmap

    _write_channels(folder, scan, "nii.gz")
    write_labelmap(folder / (LABELS + _NIFTI), scan.labels, scan.scheme)


def _write_seg_nrrd(folder: Path, scan: LabelledScan) -> None:
    from musclefm.exchange.seg_nrrd import write_seg_nrrd

    _write_channels(folder, scan, "nrrd")
    write_seg_nrrd(folder / (LABELS + _SEG_NRRD), scan.labels, scan.scheme)


def _write_channels(folder: Path, scan: LabelledScan, ending: str) -> None:
    from musclefm.volumes.writing import write_volume

    for name, volume in scan.channels.items():
        write_volume(volume, folder / f"image-{name}.{ending}")


_DICOM_MAPS: dict[UncertaintyKind, str] = {
    "total": "uncertainty.dcm",
    "aleatoric": "aleatoric.dcm",
    "epistemic": "epistemic.dcm",
}


def _write_dicom(folder: Path, scan: LabelledScan) -> None:
    import numpy as np

    from musclefm.exchange.dicom_seg import write_dicom_segmentation
    from musclefm.exchange.parametric_map import write_parametric_map

    if scan.source is None:
        raise MuscleFMError(
            "a DICOM export needs the series that was segmented", "give it with --image"
        )
    write_dicom_segmentation(
        folder / (LABELS + _DICOM), scan.labels, scan.scheme, scan.source, corrected=scan.corrected
    )
    named = scan.scheme.labels_of_sides()
    present = np.unique(scan.labels.array).tolist()
    sides = {named[value][0] for value in present if value in named}
    for kind, volume in scan.uncertainty.items():
        write_parametric_map(
            folder / _DICOM_MAPS[kind], volume, scan.source, kind=kind, sides=sides
        )


def _read_labelmap(path: Path, what: str) -> ExternalLabels:
    from musclefm.exchange.labelmap import read_labelmap

    return read_labelmap(path, what)


def _read_seg_nrrd(path: Path, what: str) -> ExternalLabels:
    from musclefm.exchange.seg_nrrd import read_seg_nrrd

    return read_seg_nrrd(path, what)


def _read_dicom(path: Path, what: str) -> ExternalLabels:
    from musclefm.exchange.dicom_seg import read_dicom_seg

    return read_dicom_seg(path, what)


def _is_dicom(path: Path) -> bool:
    from musclefm.volumes.dicom.files import is_dicom

    return is_dicom(path)


def _write_monai(cases: Iterable[TrainingCase], folder: Path, sided: bool) -> object:
    from musclefm.exchange.datalist import write_datalist

    return write_datalist(cases, folder, sided=sided)


def _write_nnunet(cases: Iterable[TrainingCase], folder: Path, sided: bool) -> object:
    from musclefm.exchange.nnunet import write_nnunet

    return write_nnunet(cases, folder, sided=sided)


FORMATS: dict[str, LabelFormat] = {
    "nifti": LabelFormat(
        "Labelmap (NIfTI)", _NIFTI, _write_nifti, _read_labelmap, also_writes=(f"{LABELS}.json",)
    ),
    "seg.nrrd": LabelFormat("Segmentation (.seg.nrrd)", _SEG_NRRD, _write_seg_nrrd, _read_seg_nrrd),
    "dicom": LabelFormat(
        "DICOM SEG",
        _DICOM,
        _write_dicom,
        _read_dicom,
        also_writes=tuple(_DICOM_MAPS.values()),
        recognises=_is_dicom,
        needs_source=True,
        takes_uncertainty=True,
    ),
}
"""Formats of labels by the names that commands use, in the order of menus."""

DATASET_FORMATS: dict[str, DatasetFormat] = {
    "monai": DatasetFormat("MONAI", _write_monai),
    "nnunet": DatasetFormat("nnU-Net", _write_nnunet),
}
"""Formats of data sets by the names that commands use."""


def label_format(name: str) -> LabelFormat:
    """Return the format of a name.

    Raises
    ------
    MuscleFMError
        There is none.
    """
    if name not in FORMATS:
        raise MuscleFMError(f"unknown format '{name}'", f"use one of {', '.join(FORMATS)}")
    return FORMATS[name]


def read_external_labels(path: Path, what: str) -> ExternalLabels:
    """Read a file of labels in whatever format it is; one of none is taken for a labelmap.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What the labels are called in messages.

    Raises
    ------
    MuscleFMError
        It cannot be understood.
    OSError
        It cannot be opened.
    """
    # What was added last goes first, and a plain labelmap last.
    for known in reversed(FORMATS.values()):
        if known.read and known.can_read(path):
            return known.read(path, what)
    return _read_labelmap(path, what)
