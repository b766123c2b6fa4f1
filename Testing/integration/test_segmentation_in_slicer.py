"""labels.seg.nrrd, read and saved by 3D Slicer's own MRML classes.

They come with the Python package slicer-core, which lives in an environment of
its own: ``MUSCLEFM_SLICER_PYTHON`` names that environment's interpreter.
"""

import json
import os
import subprocess

import numpy as np
import pytest
import SimpleITK as sitk

from musclefm.exchange.seg_nrrd import write_seg_nrrd
from musclefm.labels.scheme import load_scheme
from musclefm.labels.sided import with_sides
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

SLICER_PYTHON = os.environ.get("MUSCLEFM_SLICER_PYTHON", "")

pytestmark = pytest.mark.skipif(
    not SLICER_PYTHON,
    reason="MUSCLEFM_SLICER_PYTHON names no interpreter that has slicer-core",
)

IN_SLICER = """
import json, sys
import numpy as np, slicer, vtk
from vtk.util.numpy_support import vtk_to_numpy

source, saved, voxels, result = sys.argv[1:]
scene = slicer.vtkMRMLScene()
node, storage = slicer.vtkMRMLSegmentationNode(), slicer.vtkMRMLSegmentationStorageNode()
scene.AddNode(node)
scene.AddNode(storage)
storage.SetFileName(source)
assert storage.ReadData(node), storage.GetUserMessages().GetAllMessagesAsString()

def listed(matrix):
    return [[matrix.GetElement(row, column) for column in range(4)] for row in range(4)]

segmentation = node.GetSegmentation()
segments, masks = [], []
for number in range(segmentation.GetNumberOfSegments()):
    identifier = segmentation.GetNthSegmentID(number)
    segment = segmentation.GetSegment(identifier)
    labelmap = segment.GetRepresentation("Binary labelmap")
    matrix, terminology = vtk.vtkMatrix4x4(), vtk.reference("")
    labelmap.GetImageToWorldMatrix(matrix)
    segment.GetTag("TerminologyEntry", terminology)
    entry = slicer.vtkSlicerTerminologyEntry()
    slicer.vtkSlicerTerminologiesModuleLogic.DeserializeTerminologyEntry(str(terminology), entry)
    scalars = vtk_to_numpy(labelmap.GetPointData().GetScalars())
    masks.append(scalars.reshape(labelmap.GetDimensions()[::-1]) == segment.GetLabelValue())
    segments.append({
        "id": identifier,
        "name": segment.GetName(),
        "colour": [round(255 * channel) for channel in segment.GetColor()],
        "type": entry.GetTypeObject().GetCodeValue(),
        "type scheme": entry.GetTypeObject().GetCodingSchemeDesignator(),
        "modifier": entry.GetTypeModifierObject().GetCodeValue(),
        "ijk to ras": listed(matrix),
    })
np.save(voxels, np.stack(masks))
reference = slicer.vtkOrientedImageData()
slicer.vtkSegmentationConverter.DeserializeImageGeometry(
    segmentation.GetConversionParameter("Reference image geometry"), reference, False)
matrix = vtk.vtkMatrix4x4()
reference.GetImageToWorldMatrix(matrix)
storage.SetFileName(saved)
assert storage.WriteData(node)
with open(result, "w") as file:
    json.dump({
        "segments": segments,
        "layers": segmentation.GetNumberOfLayers(),
        "reference": listed(matrix),
        "extent": reference.GetExtent(),
    }, file)
"""


def _oblique_grid(left_handed):
    direction = np.linalg.qr(np.array([[9.0, 1, -2], [-1, 8, 3], [2.5, -3, 9]]))[0]
    if (np.linalg.det(direction) < 0) is not left_handed:
        direction = -direction
    return Grid((5, 7, 9), (0.7, 0.81, 5.5), (-31.125, 44.1, -700.3), tuple(direction.ravel()))


@pytest.mark.parametrize("left_handed", [False, True])
def test_slicer_reads_names_colours_codes_voxels_and_geometry(tmp_path, left_handed):
    grid = _oblique_grid(left_handed)
    scheme = load_scheme("thigh-11")
    labels = np.zeros(grid.shape, np.uint8)
    labels[1:4, 2:5, 1:8] = np.random.default_rng(0).integers(0, 11, (3, 3, 7))
    sides = np.ones(grid.shape, np.uint8)
    sides[:, :, 4:] = 2
    source, saved, voxels, result = (
        str(tmp_path / name)
        for name in ("labels.seg.nrrd", "saved.seg.nrrd", "voxels.npy", "result.json")
    )
    sided = with_sides(labels, sides, scheme)
    write_seg_nrrd(tmp_path / "labels.seg.nrrd", Volume(sided, grid), scheme)
    ran = subprocess.run(
        [SLICER_PYTHON, "-c", IN_SLICER, source, saved, voxels, result],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads((tmp_path / "result.json").read_text())

    assert found["layers"] == 1
    assert len(found["segments"]) == 22
    assert np.allclose(found["reference"], grid.ijk_to_ras, atol=1e-9)
    assert found["extent"] == [0, 8, 0, 6, 0, 4]
    masks = np.load(voxels)
    for segment, mask in zip(found["segments"], masks, strict=True):
        side, name = segment["name"].split(" ", 1)
        (label,) = (x for x in scheme.labels if x.name == name)
        number = {"Right": 1, "Left": 2}[side]
        assert np.array_equal(mask, (labels == label.id) & (sides == number))
        assert segment["colour"] == list(label.colour)
        assert (segment["type scheme"], segment["type"]) == (label.code.scheme, label.code.value)
        assert segment["modifier"] == {"Right": "24028007", "Left": "7771000"}[side]
        assert np.allclose(segment["ijk to ras"], grid.ijk_to_ras, atol=1e-9)

    # Cropped to the painted box, this could not be laid over the image voxel for voxel again.
    assert sitk.ReadImage(saved).GetSize() == grid.shape[::-1]
