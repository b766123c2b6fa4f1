"""Uncertainty as a DICOM Parametric Map of the series that it was made on."""

from __future__ import annotations

import copy
from collections.abc import Collection
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from musclefm.exchange.derived_object import (
    identification,
    source_errors,
    volume_in_frame_of_reference,
    write_object,
)
from musclefm.exchange.source_series import SourceSeries
from musclefm.labels.scheme import SIDES, Side
from musclefm.uncertainty.maps import UncertaintyKind
from musclefm.volumes.volume import Volume

_MEANINGS: dict[UncertaintyKind, tuple[str, str]] = {
    "total": ("PREDICTIVE", "Predictive entropy of muscle labels"),
    "aleatoric": ("ALEATORIC", "Aleatoric uncertainty of muscle labels"),
    "epistemic": ("EPISTEMIC", "Epistemic uncertainty of muscle labels"),
}
_THIGH = ("68367000", "SCT", "Thigh")
_EXPLANATION = "Share of the largest possible entropy"
_SERIES_NUMBERS: dict[UncertaintyKind, int] = {"total": 7002, "aleatoric": 7003, "epistemic": 7004}


def write_parametric_map(
    path: Path,
    uncertainty: Volume,
    source: SourceSeries,
    *,
    kind: UncertaintyKind = "total",
    sides: Collection[Side] = SIDES,
) -> None:
    """Write a map of uncertainty as a DICOM Parametric Map.

    It belongs to the source's patient and study and so holds their identity, as
    DICOM demands.

    Parameters
    ----------
    path : Path
        File to write, by custom ending in ``.dcm``.
    uncertainty : Volume
        ``(K, J, I) float32`` in [0, 1]: entropy over ln C, for C classes.
    source : SourceSeries
        The slices that were segmented.
    kind : str
        Which uncertainty: ``"total"``, ``"aleatoric"`` or ``"epistemic"``.
    sides : collection of Side
        The thighs that the image shows.

    Raises
    ------
    MuscleFMError
        The map is not on the source's voxels, the source cannot be referred to,
        or the file cannot be written.
    """
    import highdicom

    coded = highdicom.sr.CodedConcept
    code, meaning = _MEANINGS[kind]
    volume = volume_in_frame_of_reference(
        uncertainty.with_array(uncertainty.array.astype(np.float32)), source
    )
    mapping = highdicom.pm.RealWorldValueMapping(
        lut_label=code,
        lut_explanation=_EXPLANATION,
        unit=coded("1", "UCUM", "no units"),
        value_range=(0.0, 1.0),
        slope=1.0,
        intercept=0.0,
        quantity_definition=coded(code, "99MUSCLEFM", meaning),
    )
    with source_errors():
        parametric_map = highdicom.pm.ParametricMap(
            **_voxels_and_window(volume, source),
            contains_recognizable_visual_features=False,
            real_world_value_mappings=[mapping],
            content_label=code,
            series_description=meaning,
            **identification(_SERIES_NUMBERS[kind]),
        )
    _sort_frames(parametric_map, source)
    # Readers such as dcmqi fail without it.
    anatomy = pydicom.Dataset()
    anatomy.FrameLaterality = "B" if len(sides) != 1 else next(iter(sides))[0].upper()
    anatomy.AnatomicRegionSequence = [coded(*_THIGH)]
    parametric_map.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = [anatomy]
    write_object(parametric_map, path, source)


def _voxels_and_window(volume: Any, source: SourceSeries) -> dict[str, Any]:
    """Return the arguments that give highdicom source, voxels, where they lie, and their window.

    From 0.28 on it takes a volume as such, and then names the source's slice for
    each frame; 0.27 wants the planes apart and names the slices for the whole object.
    """
    import highdicom

    if "voi_lut_transformations" in signature(highdicom.pm.ParametricMap).parameters:
        window = highdicom.VOILUTTransformation(window_center=0.5, window_width=1.0)
        return {
            "source_images": source.instances,
            "pixel_array": volume,
            "voi_lut_transformations": [window],
        }
    return {
        "source_images": [_with_typed_planes(instance) for instance in source.instances],
        "pixel_array": volume.array,
        "plane_positions": volume.get_plane_positions(),
        "plane_orientation": volume.get_plane_orientation(),
        "pixel_measures": volume.get_pixel_measures(),
        "window_center": 0.5,
        "window_width": 1.0,
    }


def _with_typed_planes(instance: pydicom.Dataset) -> pydicom.Dataset:
    """Return an enhanced image whose planes highdicom 0.27 can compare with its own."""
    if "PerFrameFunctionalGroupsSequence" not in instance:
        return instance
    import highdicom

    typed = copy.deepcopy(instance)
    position, orientation = highdicom.PlanePositionSequence, highdicom.PlaneOrientationSequence
    for frame in typed.PerFrameFunctionalGroupsSequence:
        frame.PlanePositionSequence = position.from_sequence(frame.PlanePositionSequence)
    shared = typed.SharedFunctionalGroupsSequence[0]
    if "PlaneOrientationSequence" in shared:
        shared.PlaneOrientationSequence = orientation.from_sequence(shared.PlaneOrientationSequence)
    return typed


def _sort_frames(parametric_map: Any, source: SourceSeries) -> None:
    """Let the frames ascend along the slices' normal, as the source's slices do.

    highdicom lets them descend, which is as right, but dcmqi takes the first
    frame for the lowest whatever its position.
    """
    groups = list(parametric_map.PerFrameFunctionalGroupsSequence)
    positions = [group.PlanePositionSequence[0].ImagePositionPatient for group in groups]
    normal = source.grid.ijk_to_lps[:3, 2]
    order = np.argsort(np.asarray(positions, np.float64) @ normal)
    for number, index in enumerate(order.tolist(), 1):
        groups[index].FrameContentSequence[0].DimensionIndexValues = number
    parametric_map.PerFrameFunctionalGroupsSequence = [groups[index] for index in order]
    frames = np.frombuffer(parametric_map.FloatPixelData, "<f4").reshape(source.grid.shape)
    parametric_map.FloatPixelData = frames[order].tobytes()
