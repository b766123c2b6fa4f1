"""What cannot be segmented is refused in words, and what can reaches the child unchanged."""

import numpy as np
import pytest
import slicer
import vtk
from made_results import AXIAL, addVolume, made_image

from musclefm.errors import MuscleFMError
from musclefm.volumes.grid import Grid
from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.scene import input_volume
from MuscleFMSegmentLib.scene.geometry import ijkToRas
from MuscleFMSegmentLib.scene.input_volume import (
    TransformAboveError,
    checkInput,
    hardenTransform,
    inputImages,
    writeInput,
)


@pytest.fixture
def image(axial_results) -> Volume:
    return made_image(axial_results[1])


@pytest.fixture
def volumeNode(scene, image):
    return addVolume(scene, image, "DOE^JANE")


def test_an_mr_volume_passes_without_a_word(volumeNode) -> None:
    assert checkInput(volumeNode) == ()


def test_no_volume_or_a_deleted_one(scene, volumeNode) -> None:
    with pytest.raises(MuscleFMError, match="no volume is chosen"):
        checkInput(None)
    scene.RemoveNode(volumeNode)
    with pytest.raises(MuscleFMError, match="no volume is chosen"):
        checkInput(volumeNode)


def test_a_volume_without_voxels(scene) -> None:
    with pytest.raises(MuscleFMError, match="is empty"):
        checkInput(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"))


def test_a_colour_image(scene) -> None:
    picture = vtk.vtkImageData()
    picture.SetDimensions(64, 64, 4)
    picture.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    node = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode")
    node.SetAndObserveImageData(picture)
    with pytest.raises(MuscleFMError, match="several values a voxel"):
        checkInput(node)


def test_a_labelmap(scene) -> None:
    node = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    with pytest.raises(MuscleFMError, match="is a labelmap"):
        checkInput(node)


def test_an_item_of_a_4d_sequence(scene, volumeNode) -> None:
    logic = slicer.vtkSlicerSequencesLogic()
    logic.SetMRMLScene(scene)
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode")
    for item in ("0", "1"):
        sequence.SetDataNodeAtValue(volumeNode, item)
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browser.AddSynchronizedSequenceNode(sequence)
    browser.AddProxyNode(volumeNode, sequence, False)
    with pytest.raises(MuscleFMError, match="4-D"):
        checkInput(volumeNode)


def test_a_scout_of_a_few_pixels(scene) -> None:
    grid = Grid((4, 8, 8), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), AXIAL.direction)
    array = np.arange(4 * 64, dtype=np.int16).reshape(grid.shape)
    with pytest.raises(MuscleFMError, match="8 x 8 x 4 voxels"):
        checkInput(addVolume(scene, Volume(array, grid)))


def test_the_same_value_everywhere(scene) -> None:
    with pytest.raises(MuscleFMError, match="same value"):
        checkInput(addVolume(scene, Volume(np.full(AXIAL.shape, 7, np.int16), AXIAL)))


def test_a_ct_is_warned_of(scene, image) -> None:
    air = np.where(image.array < 100, -1000, image.array).astype(np.int16)
    (warning,) = checkInput(addVolume(scene, Volume(air, AXIAL)))
    assert "looks like CT" in warning


def test_a_large_volume_is_judged_by_some_of_its_rows(scene, monkeypatch) -> None:
    looked_at: list[int] = []
    monkeypatch.setattr(
        input_volume, "looks_like_ct", lambda array: looked_at.append(array.size) or False
    )
    grid = Grid((4, 512, 32), AXIAL.spacing, AXIAL.origin, AXIAL.direction)
    array = np.arange(4 * 512 * 32, dtype=np.int32).reshape(grid.shape)
    assert checkInput(addVolume(scene, Volume(array, grid))) == ()
    assert sum(looked_at) <= array.size / 8
    # What differs lies in a row that is left out at first.
    array[:], array[2, 3, 4] = 7, 8
    assert checkInput(addVolume(scene, Volume(array, grid))) == ()


def test_a_linear_transform_is_hardened_on_request_without_resampling(scene, volumeNode) -> None:
    turn = vtk.vtkTransform()
    turn.RotateX(20)
    turn.Translate(5, -7, 11)
    transformNode = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transformNode.SetMatrixTransformToParent(turn.GetMatrix())
    volumeNode.SetAndObserveTransformNodeID(transformNode.GetID())
    before = volumeNode.GetImageData()
    with pytest.raises(TransformAboveError, match="harden it"):
        checkInput(volumeNode)
    expected = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Multiply4x4(turn.GetMatrix(), _matrix(volumeNode), expected)
    hardenTransform(volumeNode)
    assert checkInput(volumeNode) == ()
    assert np.allclose(ijkToRas(volumeNode).ravel(), expected.GetData())
    assert volumeNode.GetImageData() is before


def test_a_non_linear_transform_is_refused(scene, volumeNode) -> None:
    transformNode = scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    transformNode.SetAndObserveTransformToParent(slicer.vtkOrientedBSplineTransform())
    volumeNode.SetAndObserveTransformNodeID(transformNode.GetID())
    with pytest.raises(MuscleFMError, match="non-linear"):
        checkInput(volumeNode)
    with pytest.raises(MuscleFMError, match="non-linear"):
        hardenTransform(volumeNode)
    assert volumeNode.GetTransformNodeID() == transformNode.GetID()


def test_sheared_axes_are_refused(volumeNode) -> None:
    matrix = _matrix(volumeNode)
    matrix.SetElement(0, 2, 6.0)
    volumeNode.SetIJKToRASMatrix(matrix)
    with pytest.raises(MuscleFMError, match="right angles"):
        checkInput(volumeNode)


def test_the_child_gets_the_same_voxels_in_the_same_place_and_no_identity(
    scene, image, volumeNode, tmp_path, stored_48_ways
) -> None:
    volumeNode.SetAttribute("DICOM.instanceUIDs", "1.2.840.4711")
    for stored in list(stored_48_ways(image))[::7]:
        node = addVolume(scene, stored, "DOE^JANE")
        node.SetAttribute("DICOM.instanceUIDs", "1.2.840.4711")
        writeInput(inputImages({"water": node}), tmp_path)
        read = read_volume(tmp_path / "water.nrrd").volume
        assert np.array_equal(read.array, stored.array)
        assert read.grid.matches(stored.grid, tolerance_mm=1e-5)
        header = (tmp_path / "water.nrrd").read_bytes().split(b"\n\n")[0]
        assert b"4711" not in header and b"JANE" not in header


def test_a_folder_that_is_gone_is_said(volumeNode, tmp_path) -> None:
    with pytest.raises(MuscleFMError, match="cannot be handed"):
        writeInput(inputImages({"image": volumeNode}), tmp_path / "gone")


def _matrix(volumeNode) -> vtk.vtkMatrix4x4:
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return matrix
