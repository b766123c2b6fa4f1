"""The sample as Slicer's Sample Data module gets it: fetched, checked and loaded."""

import hashlib
import sys
import types
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import slicer
from PIL import Image
from vtk.util.numpy_support import vtk_to_numpy

from MuscleFMSegmentLib.startup.registration import registerSampleData

# What Slicer's SampleDataLogic.registerCustomSampleDataSource takes; it is in no wheel.
ARGUMENTS = {
    "category",
    "sampleName",
    "uris",
    "fileNames",
    "nodeNames",
    "customDownloader",
    "thumbnailFileName",
    "loadFileType",
    "loadFiles",
    "loadFileProperties",
    "checksums",
}


@pytest.fixture
def source(monkeypatch):
    """Return what the extension registers, by argument."""
    registered = []
    logic = types.SimpleNamespace(
        registerCustomSampleDataSource=lambda **arguments: registered.append(arguments)
    )
    stand_in = types.SimpleNamespace(SampleDataLogic=logic)
    monkeypatch.setitem(sys.modules, "SampleData", stand_in)
    monkeypatch.setattr(slicer, "modules", types.SimpleNamespace(), raising=False)
    registerSampleData()
    (source,) = registered
    assert set(source) <= ARGUMENTS
    return types.SimpleNamespace(**source)


def fetched(source, folder: Path) -> list[Path]:
    """Fetch the files as Slicer's module does, and check them as it does."""
    paths = []
    for uri, name, checksum in zip(source.uris, source.fileNames, source.checksums, strict=True):
        path = folder / name
        urllib.request.urlretrieve(uri, path)
        algorithm, digest = checksum.split(":")
        assert algorithm == "SHA256"
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
        paths.append(path)
    return paths


def test_files_are_those_of_the_checksums_and_load_as_volumes(source, tmp_path: Path) -> None:
    scene = slicer.vtkMRMLScene()
    volumes = []
    for name, path in zip(source.nodeNames, fetched(source, tmp_path), strict=True):
        node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
        storage.SetFileName(str(path))
        assert storage.ReadData(node)
        volumes.append(node)
    water, fat = volumes
    assert [node.GetName() for node in volumes] == ["SevereThighs-water", "SevereThighs-fat"]
    assert water.GetImageData().GetDimensions() == fat.GetImageData().GetDimensions()
    brightness = [
        vtk_to_numpy(node.GetImageData().GetPointData().GetScalars()).mean() for node in volumes
    ]
    # Severe: there is more fat than muscle.
    assert brightness[1] > brightness[0] > 0


def test_thumbnail_shows_the_sample(source) -> None:
    with Image.open(source.thumbnailFileName) as thumbnail:
        pixels = np.asarray(thumbnail.convert("L"))
    assert pixels.shape == (256, 256)
    assert pixels.std() > 20


def test_files_of_other_extensions_are_not_taken_for_the_sample(source) -> None:
    # All share one cache folder, where files are known by their names.
    assert source.category == "MuscleFMSegment"
    assert all(name.startswith("SevereThighs-") for name in source.fileNames)
