"""A results folder becomes named, coloured, coded segments and heatmaps, or nothing at all."""

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import slicer
from made_results import AXIAL, addVolume, made_image, made_results, sided

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import load_scheme
from musclefm.labels.segment_names import segment_id
from musclefm.results.folder import write_provenance
from musclefm.results.reading import read_provenance
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.scene import results
from MuscleFMSegmentLib.scene.editing import Editing
from MuscleFMSegmentLib.scene.geometry import ijkToRas, voxels
from MuscleFMSegmentLib.scene.results import loadResults, removeCase

FILES = (
    "labels.seg.nrrd",
    "regions.nii.gz",
    "uncertainty.nii.gz",
    "aleatoric.nii.gz",
    "epistemic.nii.gz",
    "fat_fraction.nii.gz",
    "regions.json",
    "muscles.csv",
    "provenance.json",
)


def nodes(scene) -> set[str]:
    return {scene.GetNthNode(number).GetID() for number in range(scene.GetNumberOfNodes())}


@pytest.fixture
def oblique_grids(stored_48_ways) -> list[Grid]:
    """Return grids in the same place, stored axially, coronally, sagittally, and flipped."""
    tilt, turn = np.radians(14.0), np.radians(-9.0)
    about_x = [[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]]
    about_z = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    direction = np.array(about_z) @ about_x
    corner = direction @ (np.array(AXIAL.spacing) * (np.array(AXIAL.shape[::-1]) - 1) / 2)
    tilted = Grid(
        AXIAL.shape, AXIAL.spacing, tuple((-corner).tolist()), tuple(direction.ravel().tolist())
    )
    stored = stored_48_ways(Volume(np.zeros(tilted.shape, np.uint8), tilted))
    return [volume.grid for volume in stored][::5]


def test_each_muscle_and_side_has_its_name_colour_and_code(opened) -> None:
    segmentation = opened.case.segmentationNode.GetSegmentation()
    found = {}
    for segmentId in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segmentId)
        entry = slicer.vtkSlicerTerminologyEntry()
        slicer.vtkSlicerTerminologiesModuleLogic.DeserializeTerminologyEntry(
            segment.GetTerminology(), entry
        )
        found[segmentId] = (
            segment.GetName(),
            tuple(round(255 * channel) for channel in segment.GetColor()),
            entry.GetTypeObject().GetCodeValue(),
            entry.GetTypeModifierObject().GetCodeMeaning(),
        )
    assert found == {
        segment_id(side, label): (
            f"{side.capitalize()} {label.name}",
            label.colour,
            label.code.value,
            side.capitalize(),
        )
        for side in ("left", "right")
        for label in load_scheme("thigh-12").labels
    }


def test_segments_are_outlines_so_that_the_heat_stays_readable(opened) -> None:
    display = opened.case.segmentationNode.GetDisplayNode()
    assert display.GetVisibility()
    assert display.GetVisibility2DOutline() and not display.GetVisibility2DFill()


def test_any_orientation_is_right_to_a_voxel_and_left_is_the_patients(
    scene, tmp_path, oblique_grids
) -> None:
    for number, grid in enumerate(oblique_grids):
        maps = made_results(tmp_path / str(number), grid)
        volumeNode = addVolume(scene, made_image(maps))
        case = loadResults(scene, tmp_path / str(number), volumeNode)
        assert np.array_equal(case.modelLabels, sided(maps))
        for segmentId in case.segmentationNode.GetSegmentation().GetSegmentIDs():
            centre = case.segmentationNode.GetSegmentCenterRAS(segmentId)
            assert (centre[0] < 0) is segmentId.startswith("left_")
        heatmapNode = case.heatmapNodes["total"]
        assert np.allclose(ijkToRas(heatmapNode), grid.ijk_to_ras, atol=1e-9)
        heat = voxels(heatmapNode.GetImageData())
        assert heat.dtype == np.float32
        assert np.array_equal(heat, maps.total / np.float32(maps.max_entropy))


def test_regions_lie_where_the_heat_is(opened) -> None:
    case = opened.case
    heat = voxels(case.heatmapNodes["total"].GetImageData())
    assert {entry.region.id for entry in case.queue.entries} == set(np.unique(case.regions)) - {0}
    for entry in case.queue.entries:
        assert heat[case.regions == entry.region.id].mean() == pytest.approx(
            entry.region.mean_uncertainty, abs=1e-5
        )


def test_each_kind_of_uncertainty_has_the_same_fixed_range(opened) -> None:
    for kind, node in opened.case.heatmapNodes.items():
        display = node.GetDisplayNode()
        assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.0, 1.0)
        assert not display.GetAutoWindowLevel()
        expected = getattr(opened.maps, kind) / np.float32(opened.maps.max_entropy)
        assert np.array_equal(voxels(node.GetImageData()), expected)


@pytest.mark.parametrize("name", [name for name in FILES if name != "fat_fraction.nii.gz"])
def test_a_folder_that_lacks_a_file_leaves_the_scene_as_it_was(
    scene, tmp_path, axial_results, name
) -> None:
    source, maps = axial_results
    folder = Path(copytree(source, tmp_path / "results"))
    (folder / name).unlink()
    volumeNode = addVolume(scene, made_image(maps))
    before = nodes(scene)
    with pytest.raises(MuscleFMError, match=name.split(".")[0]):
        loadResults(scene, folder, volumeNode)
    assert nodes(scene) == before


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_leaves_the_scene_as_it_was(scene, tmp_path, axial_results, name) -> None:
    source, maps = axial_results
    folder = Path(copytree(source, tmp_path / "results"))
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: 6 * len(content) // 10])
    volumeNode = addVolume(scene, made_image(maps))
    before = nodes(scene)
    with pytest.raises(MuscleFMError, match=name.split(".")[0]):
        loadResults(scene, folder, volumeNode)
    assert nodes(scene) == before


def test_files_of_two_runs_are_noticed(scene, tmp_path, axial_results) -> None:
    source, maps = axial_results
    folder = Path(copytree(source, tmp_path / "results"))
    write_provenance(folder, read_provenance(source))
    (folder / "uncertainty.nii.gz").write_bytes((source / "epistemic.nii.gz").read_bytes())
    volumeNode = addVolume(scene, made_image(maps))
    before = nodes(scene)
    with pytest.raises(MuscleFMError, match=r"uncertainty\.nii\.gz is not as it was written"):
        loadResults(scene, folder, volumeNode)
    assert nodes(scene) == before


def test_running_out_of_memory_half_way_leaves_the_scene_as_it_was(
    scene, axial_results, monkeypatch
) -> None:
    folder, maps = axial_results
    volumeNode = addVolume(scene, made_image(maps))
    before = nodes(scene)
    shown = []

    def failing(*reported) -> None:
        shown.append(reported)
        if len(shown) == 2:
            raise MemoryError

    monkeypatch.setattr(results, "showAsHeat", failing)
    with pytest.raises(MemoryError):
        loadResults(scene, folder, volumeNode)
    assert nodes(scene) == before


def test_results_of_another_volume_are_refused(scene, axial_results) -> None:
    folder, maps = axial_results
    moved = Grid(AXIAL.shape, AXIAL.spacing, (0.0, 0.0, 0.0), AXIAL.direction)
    volumeNode = addVolume(scene, Volume(made_image(maps).array, moved))
    before = nodes(scene)
    with pytest.raises(MuscleFMError, match="another grid"):
        loadResults(scene, folder, volumeNode)
    assert nodes(scene) == before


def test_labels_that_the_scheme_does_not_know_are_refused(scene, tmp_path, axial_results) -> None:
    maps = made_results(tmp_path / "results", scheme="thigh-11")
    (tmp_path / "results" / "labels.seg.nrrd").write_bytes(
        (axial_results[0] / "labels.seg.nrrd").read_bytes()
    )
    volumeNode = addVolume(scene, made_image(maps))
    with pytest.raises(MuscleFMError, match=r"labels\.seg\.nrrd holds more muscles"):
        loadResults(scene, tmp_path / "results", volumeNode)


def test_results_without_fat_and_water_have_no_fat_fraction(
    scene, tmp_path, axial_results, opened
) -> None:
    folder = Path(copytree(axial_results[0], tmp_path / "results"))
    (folder / "fat_fraction.nii.gz").unlink()
    assert opened.case.fatFraction is not None
    assert loadResults(scene, folder, opened.case.volumeNode).fatFraction is None


def test_a_removed_case_leaves_the_volume_and_nothing_of_its_own(scene, axial_results) -> None:
    folder, maps = axial_results
    volumeNode = addVolume(scene, made_image(maps))
    removeCase(scene, loadResults(scene, folder, volumeNode))
    before = nodes(scene)
    removeCase(scene, loadResults(scene, folder, volumeNode))
    assert nodes(scene) == before
    assert volumeNode.GetScene() is scene
    assert not [node for node in before if "Segmentation" in node or "ScalarVolumeNode2" in node]


def test_a_case_whose_segmentation_was_deleted_says_so_and_can_be_removed(scene, opened) -> None:
    assert opened.case.isComplete
    scene.RemoveNode(opened.case.segmentationNode)
    assert not opened.case.isComplete
    removeCase(scene, opened.case)
    assert opened.case.heatmapNodes["total"].GetScene() is None


def test_a_case_opened_after_the_scene_was_closed_is_like_the_first(
    scene, opened, axial_results
) -> None:
    def look(case) -> tuple[list[float], int, str]:
        editing = Editing(scene, case)
        assert editing.selectMuscle("left", 1)
        table = case.heatmapNodes["total"].GetDisplayNode().GetColorNode().GetLookupTable()
        colour = [round(channel, 3) for channel in table.GetTableValue(128)]
        node = editing.editorNode
        assert node.GetSegmentationNode() is case.segmentationNode
        return colour, node.GetMaskMode(), node.GetSelectedSegmentID()

    first = look(opened.case)
    scene.Clear(False)
    volumeNode = addVolume(scene, made_image(opened.maps))
    assert look(loadResults(scene, axial_results[0], volumeNode)) == first
