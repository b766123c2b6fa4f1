"""Segmentations of 3D Slicer, ``.seg.nrrd``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from musclefm.anatomy.scheme import Side
from musclefm.exchange.foreign_labels import ForeignLabels, ForeignSegment
from musclefm.exchange.overlap import claim
from musclefm.exchange.side_codes import side_of_code
from musclefm.volumes.affine import grid_of_affine
from musclefm.volumes.checks import damaged_error
from musclefm.volumes.volume import Volume


def read_seg_nrrd(path: Path, what: str) -> ForeignLabels:
    """Read all segments of all layers of a ``.seg.nrrd`` file.

    Raises
    ------
    MuscleFMError
        The file is damaged, or its segments overlap.
    """
    import slicerio

    try:
        content = slicerio.read_segmentation(str(path))
    # Of a damaged header, slicerio and the NRRD reader raise whatever comes.
    except Exception as error:
        raise damaged_error(what) from error
    voxels = content["voxels"]
    # Stored with i first; one layer has no axis of layers.
    layers = [layer.T for layer in (voxels if voxels.ndim == 4 else voxels[None])]
    labels = np.zeros(layers[0].shape, np.int64)
    segments = []
    for number, fields in enumerate(content.get("segments", ()), 1):
        claim(labels, layers[fields.get("layer", 0)] == fields.get("labelValue", 1), number, what)
        segments.append(_segment(number, fields))
    grid, _ = grid_of_affine(np.asarray(content["ijkToLPS"], np.float64), labels.shape, what)
    present = set(np.unique(labels).tolist())
    return ForeignLabels(
        Volume(labels, grid), tuple(segment for segment in segments if segment.value in present)
    )


def _segment(number: int, fields: Mapping[str, Any]) -> ForeignSegment:
    terminology = fields.get("terminology", {})
    scheme, value, *_ = terminology.get("type", ("", ""))
    side: Side | None = None
    for modifier in ("typeModifier", "anatomicRegionModifier"):
        side = side or side_of_code(*terminology.get(modifier, ("", ""))[:2])
    return ForeignSegment(
        value=number,
        name=fields.get("name", fields["id"]),
        code=(scheme, value) if value else None,
        side=side,
    )
