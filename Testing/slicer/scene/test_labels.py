"""Labels leave a segmentation, and come back into it, to a voxel."""

import time

import numpy as np
import slicer
from made_results import AXIAL, addVolume, made_image, made_results, sided

from musclefm.labels.segment_names import segment_id
from musclefm.volumes.grid import Grid
from MuscleFMSegmentLib.scene.geometry import orientedImage
from MuscleFMSegmentLib.scene.labels import (
    BINARY_LABELMAP,
    applySidedLabels,
    sidedLabels,
    sidedVolume,
)
from MuscleFMSegmentLib.scene.results import loadResults


def read(case) -> np.ndarray:
    return sidedLabels(case.segmentationNode, case.scheme, case.volumeNode)


def mixed_up(labels: np.ndarray) -> np.ndarray:
    return np.roll(labels, 5, axis=2)


def test_recovered_labels_replace_all_voxels_and_nothing_else(opened) -> None:
    case = opened.case
    segmentation = case.segmentationNode.GetSegmentation()
    segment = segmentation.GetSegment("right_gracilis")
    slicer.vtkSlicerSegmentationsModuleLogic.SetSegmentStatus(
        segment, slicer.vtkSlicerSegmentationsModuleLogic.Completed
    )
    names = [segmentation.GetSegment(x).GetName() for x in segmentation.GetSegmentIDs()]
    wanted = mixed_up(sided(opened.maps))
    events = []
    for event in (segmentation.SourceRepresentationModified, segmentation.SegmentModified):
        segmentation.AddObserver(event, lambda caller, event: events.append(event))
    applySidedLabels(case.segmentationNode, case.scheme, case.volumeNode, wanted)
    assert np.array_equal(read(case), wanted)
    assert segmentation.GetNumberOfLayers() == 1
    assert 1 <= len(events) < 6, "each of them fills the editor's table anew"
    assert [segmentation.GetSegment(x).GetName() for x in segmentation.GetSegmentIDs()] == names
    status = slicer.vtkSlicerSegmentationsModuleLogic.GetSegmentStatus(segment)
    assert status == slicer.vtkSlicerSegmentationsModuleLogic.Completed


def test_recovery_brings_a_deleted_segment_back_by_name(opened) -> None:
    case = opened.case
    segmentation = case.segmentationNode.GetSegmentation()
    colour = segmentation.GetSegment("left_sartorius").GetColor()
    case.segmentationNode.RemoveSegment("left_sartorius")
    assert not np.array_equal(read(case), case.modelLabels)
    applySidedLabels(case.segmentationNode, case.scheme, case.volumeNode, case.modelLabels)
    assert np.array_equal(read(case), case.modelLabels)
    assert segmentation.GetSegment("left_sartorius").GetName() == "Left sartorius"
    assert segmentation.GetSegment("left_sartorius").GetColor() == colour


def test_a_value_that_no_muscle_has_is_background(opened) -> None:
    case = opened.case
    segmentation = case.segmentationNode.GetSegmentation()
    wanted = case.modelLabels.copy()
    value = next(v for v, found in case.scheme.labels_of_sides().items() if (wanted == v).any())
    side, label = case.scheme.labels_of_sides()[value]
    segment = segmentation.GetSegment(segment_id(side, label))
    wanted[wanted == value] = 0
    # A segment that points beside its voxels, as after another program's edit.
    segment.SetLabelValue(200)
    assert np.array_equal(read(case), wanted)


def test_reading_labels_costs_no_more_than_looking_at_each_voxel_once(scene, tmp_path) -> None:
    grid = Grid((24, 256, 256), (1.2, 1.2, 6.0), (-153.0, -153.0, -70.0), AXIAL.direction)
    maps = made_results(tmp_path / "large", grid)
    case = loadResults(scene, tmp_path / "large", addVolume(scene, made_image(maps)))
    lookup = np.arange(256, dtype=np.uint8)

    def cpu(work) -> float:
        times = []
        for _ in range(5):
            begun = time.thread_time()
            work()
            times.append(time.thread_time() - begun)
        return min(times)

    assert cpu(lambda: read(case)) < 0.7 * cpu(lambda: lookup[case.modelLabels])


def test_what_the_reader_sees_in_3d_does_not_outlive_the_old_voxels(opened) -> None:
    case = opened.case
    case.segmentationNode.CreateClosedSurfaceRepresentation()
    applySidedLabels(
        case.segmentationNode, case.scheme, case.volumeNode, mixed_up(case.modelLabels)
    )
    segment = case.segmentationNode.GetSegmentation().GetSegment("left_sartorius")
    assert segment.GetRepresentation("Closed surface") is None


def test_the_readers_own_segments_are_not_muscles(opened) -> None:
    case = opened.case
    box = np.ones(case.grid.shape, np.uint8)
    segment = slicer.vtkSegment()
    segment.SetName("my note")
    segment.AddRepresentation(BINARY_LABELMAP, orientedImage(box, case.grid.ijk_to_ras))
    case.segmentationNode.GetSegmentation().AddSegment(segment)
    assert np.array_equal(read(case), case.modelLabels)
    applySidedLabels(case.segmentationNode, case.scheme, case.volumeNode, case.modelLabels)
    names = [
        case.segmentationNode.GetSegmentation().GetNthSegment(n).GetName()
        for n in range(case.segmentationNode.GetSegmentation().GetNumberOfSegments())
    ]
    assert names[-1] == "my note"


def test_segments_in_layers_of_their_own_are_read_alike(opened) -> None:
    case = opened.case
    for segmentId in ("left_sartorius", "right_gracilis"):
        case.segmentationNode.GetSegmentation().SeparateSegmentLabelmap(segmentId)
    assert case.segmentationNode.GetSegmentation().GetNumberOfLayers() == 3
    assert np.array_equal(read(case), case.modelLabels)


def test_another_geometry_of_the_segmentation_is_read_on_the_volumes_grid(opened) -> None:
    case = opened.case
    fine = np.repeat(np.repeat(case.modelLabels, 3, axis=1), 3, axis=2)
    matrix = case.grid.ijk_to_ras @ np.diag([1 / 3, 1 / 3, 1.0, 1.0])
    matrix[:3, 3] = (case.grid.ijk_to_ras @ [-1 / 3, -1 / 3, 0.0, 1.0])[:3]
    finer = orientedImage(fine, matrix)
    segmentation = case.segmentationNode.GetSegmentation()
    for segmentId in segmentation.GetSegmentIDs():
        segmentation.GetSegment(segmentId).AddRepresentation(BINARY_LABELMAP, finer)
    assert np.array_equal(read(case), case.modelLabels)


def test_a_segmentation_without_any_segment_holds_no_labels(opened) -> None:
    opened.case.segmentationNode.GetSegmentation().RemoveAllSegments()
    assert not read(opened.case).any()


def test_labels_travel_with_the_grid_of_the_volume(opened) -> None:
    case = opened.case
    volume = sidedVolume(case.segmentationNode, case.scheme, case.volumeNode)
    assert volume.array.dtype == np.uint8
    assert volume.grid.matches(opened.maps.grid, tolerance_mm=1e-6)
