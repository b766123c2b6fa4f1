"""A segmentation of the scene as a second opinion: its place counts, not how it is stored."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from made_results import AXIAL, sided

from musclefm.errors import MuscleFMError
from musclefm.evaluation.second_opinion import find_disagreement, read_second_opinion
from musclefm.exchange.alignment import nearest_on_grid
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.scene.comparison import externalLabels
from MuscleFMSegmentLib.scene.geometry import orientedImage
from MuscleFMSegmentLib.scene.labels import addMuscles

# As AXIAL, its columns stored from left to right.
FLIPPED = Grid(
    AXIAL.shape, AXIAL.spacing, (142.5, -94.5, -44.0), (-1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)
)
# Finer and turned about the body's axis.
OBLIQUE = Grid(
    (24, 220, 260), (1.5, 1.5, 4.0), (-220.0, -90.0, -46.0),
    (0.96, 0.28, 0, -0.28, 0.96, 0, 0, 0, 1.0),
)  # fmt: skip


def add(scene, scheme, labels: Volume):
    node = slicer.vtkMRMLSegmentationNode()
    layer = orientedImage(labels.array, labels.grid.ijk_to_ras)
    addMuscles(node.GetSegmentation(), scheme, ("left", "right"), layer)
    return scene.AddNode(node)


def changed(opened) -> np.ndarray:
    """Return the labels without the right vastus lateralis in slices 3 to 8."""
    labels = sided(opened.maps)
    labels[3:9][labels[3:9] == 3] = 0
    return labels


@pytest.mark.parametrize(("grid", "off"), [(AXIAL, 0.0), (FLIPPED, 0.0), (OBLIQUE, 0.01)])
def test_the_same_is_found_however_it_is_stored(opened, scene, grid: Grid, off: float) -> None:
    case, labels = opened.case, changed(opened)
    node = add(scene, case.scheme, nearest_on_grid(Volume(labels, AXIAL), grid))
    opinion = read_second_opinion(externalLabels(node, case), case.scheme, case.grid)
    assert (opinion.labels.array != labels).mean() <= off
    in_question = find_disagreement(opinion, case.modelLabels, case.scheme)
    expected = (case.modelLabels == 3) & (labels == 0)
    assert ((in_question == 3) != expected).mean() <= off and expected.any()


def test_what_is_no_second_opinion_is_refused(opened, scene) -> None:
    case = opened.case
    with pytest.raises(MuscleFMError, match="no segmentation is chosen"):
        externalLabels(None, case)
    with pytest.raises(MuscleFMError, match="under review"):
        externalLabels(case.segmentationNode, case)
    node = add(scene, case.scheme, Volume(changed(opened), AXIAL))
    node.SetAndObserveTransformNodeID(
        scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved").GetID()
    )
    with pytest.raises(MuscleFMError, match="transform"):
        externalLabels(node, case)
    node.SetAndObserveTransformNodeID(None)
    node.GetSegmentation().GetSegment("left_gracilis").SetName("femur")
    with pytest.raises(MuscleFMError, match="femur"):
        read_second_opinion(externalLabels(node, case), case.scheme, case.grid)
