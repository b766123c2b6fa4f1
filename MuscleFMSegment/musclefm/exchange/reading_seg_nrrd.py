"""Segmentations of 3D Slicer, ``.seg.nrrd``.

An NRRD file whose header describes each segment by key/value pairs, see Slicer's
developer guide, "Segmentation labelmap file format". Names are UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.anatomy.scheme import Side
from musclefm.errors import MuscleFMError
from musclefm.exchange.foreign_labels import ForeignLabels, ForeignSegment
from musclefm.exchange.overlap import claim
from musclefm.exchange.side_codes import side_of_code
from musclefm.storage.regular_file import open_regular
from musclefm.volumes.affine import grid_of_affine
from musclefm.volumes.checks import damaged_error
from musclefm.volumes.decoded import Decoded
from musclefm.volumes.file_formats import read_image_file
from musclefm.volumes.nrrd import read_nrrd_header
from musclefm.volumes.volume import Volume

_FIELD = re.compile(r"Segment(\d{1,5})_(ID|Name|LabelValue|Layer|Tags)")
_TERMINOLOGY = "TerminologyEntry:"
# Parts of a terminology entry: context, category, type, its modifier, context, region, modifier.
_TYPE, _MODIFIERS = 2, (3, 6)


def read_seg_nrrd(path: Path, what: str) -> ForeignLabels:
    """Read all segments of all layers of a ``.seg.nrrd`` file.

    Raises
    ------
    MuscleFMError
        The file is damaged, describes no segment, holds voxels of none or does not say
        which voxels are whose; or its segments overlap.
    OSError
        It cannot be opened.
    """
    try:
        with open_regular(path) as file:
            fields = read_nrrd_header(file, what)
    except EOFError as error:
        raise damaged_error(what) from error
    described = _segments(fields)
    if not described:
        raise MuscleFMError(
            f"{what} describes no segment",
            "save it as a segmentation in 3D Slicer, or name it .nrrd and say its label scheme",
        )
    first, layers = _layers(path, fields, what)
    labels = np.zeros(layers[0].shape, np.int64)
    left = [layer.copy() for layer in layers]
    segments = []
    for number, segment in enumerate(described, start=1):
        layer = _whole_number(segment, "Layer", number - 1 if len(layers) > 1 else 0, what)
        if not 0 <= layer < len(layers):
            raise MuscleFMError(
                f"segment {number} of {what} lies in layer {layer}, which the file does not have",
                "save it again in 3D Slicer",
            )
        value = _whole_number(segment, "LabelValue", _only_value(layers[layer]), what)
        if value < 1:
            raise MuscleFMError(
                f"segment {number} of {what} has the value {value}, which is no label's",
                "save it again in 3D Slicer",
            )
        claim(labels, layers[layer] == value, number, what)
        left[layer][layers[layer] == value] = 0
        segments.append(_segment(number, segment))
    if strangers := sorted({int(value) for layer in left for value in np.unique(layer) if value}):
        raise MuscleFMError(
            f"{what} holds voxels of value {', '.join(map(str, strangers[:8]))},"
            " which no segment describes",
            "name or remove them in 3D Slicer",
        )
    k, j, i = first.array.shape
    grid, _ = grid_of_affine(first.ijk_to_lps, (k, j, i), what)
    present = set(np.unique(labels).tolist())
    return ForeignLabels(
        Volume(labels, grid), tuple(segment for segment in segments if segment.value in present)
    )


def _segments(fields: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what the header says of each segment, in the order of their numbers."""
    found: dict[int, dict[str, str]] = {}
    for key, value in fields.items():
        if match := _FIELD.fullmatch(key):
            found.setdefault(int(match[1]), {})[match[2]] = str(value)
    return [found[number] for number in sorted(found)]


def _layers(
    path: Path, fields: Mapping[str, Any], what: str
) -> tuple[Decoded, list[npt.NDArray[np.int64]]]:
    """Return the first layer as it was decoded, and the values ``(K, J, I)`` of all."""
    count = int(fields["sizes"][0]) if int(fields["dimension"]) == 4 else 1
    first, *others = (
        read_image_file(path, what, number if count > 1 else None, alone=True)
        for number in range(1, count + 1)
    )
    layers = []
    for decoded in (first, *others):
        values = decoded.array.astype(np.int64)
        if np.any(values != decoded.array):
            raise MuscleFMError(f"{what} has values that are not whole", "give a segmentation")
        layers.append(values)
    return first, layers


def _only_value(layer: npt.NDArray[np.int64]) -> int | None:
    """Return 1 where the layer holds nothing else, as files of one segment a layer do."""
    return 1 if not np.any((layer != 0) & (layer != 1)) else None


def _whole_number(segment: Mapping[str, str], key: str, default: int | None, what: str) -> int:
    name = segment.get("Name") or segment.get("ID", "")
    text = segment.get(key)
    if text is None and default is not None:
        return default
    try:
        return int(text or "")
    except ValueError as error:
        raise MuscleFMError(
            f"{what} does not say which voxels are those of segment '{name}' ({key})",
            "save it again in 3D Slicer",
        ) from error


def _segment(number: int, fields: Mapping[str, str]) -> ForeignSegment:
    entry = next(
        (
            tag.removeprefix(_TERMINOLOGY)
            for tag in fields.get("Tags", "").split("|")
            if tag.startswith(_TERMINOLOGY)
        ),
        "",
    )
    parts = [tuple(part.split("^")) for part in entry.split("~")]
    code = parts[_TYPE][:2] if len(parts) > _TYPE else ()
    sides = [side_of_code(*parts[at][:2]) for at in _MODIFIERS if len(parts) > at and parts[at][1:]]
    side: Side | None = next((side for side in sides if side), None)
    return ForeignSegment(
        value=number,
        name=fields.get("Name") or fields.get("ID", ""),
        code=(code[0], code[1]) if len(code) == 2 and code[1] else None,
        side=side,
    )
