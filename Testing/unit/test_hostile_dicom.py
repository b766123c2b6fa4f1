"""DICOM made to do harm: each kind ends in one line, soon, and within half a gigabyte."""

import os

import numpy as np
import pydicom
import pytest
from fork_server import CPU_SECONDS
from hostile_dicom import ENDLESS, KINDS, NESTED, element, insert, item, one_slice
from made_dicom import write_series
from pydicom.uid import (
    generate_uid,
)

from musclefm.errors import MuscleFMError
from musclefm.exchange.dicom_seg import write_dicom_segmentation
from musclefm.exchange.read_labels import read_labels
from musclefm.exchange.source_series import find_source_series
from musclefm.labels.scheme import load_scheme
from musclefm.volumes.reading import read_volume

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks to be fast")

MEGABYTES_AT_MOST = 500


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__.replace("_", " "))
def test_it_ends_in_one_line(kind, info, tmp_path):
    answer = info(kind(tmp_path / "scan"))
    print(
        f"{kind.__name__}: {answer['seconds']:.2f} s of CPU,"
        f" {answer['megabytes']:.0f} MB, {answer['output'].strip()}"
    )
    assert answer["code"] == 2
    assert answer["output"].count("\n") == 1 and "Traceback" not in answer["output"]
    assert answer["megabytes"] < MEGABYTES_AT_MOST
    assert answer["seconds"] < CPU_SECONDS


@pytest.mark.parametrize(
    "tail",
    [
        element((0x7FE1, 0x1010), b"OB", ENDLESS - 1, b"abcd"),
        b"garbage",
        bytes(999),
    ],
    ids=["a claim of 4 GB", "garbage", "padding"],
)
def test_what_lies_behind_the_pixels_does_not_matter(tail, tmp_path):
    path = one_slice(tmp_path)
    expected = read_volume(path).volume.array
    path.write_bytes(path.read_bytes() + tail)
    np.testing.assert_array_equal(read_volume(path).volume.array, expected)


def test_a_segmentation_of_frames_far_apart_or_nested_is_refused(
    tmp_path, oblique_volume, monkeypatch
):
    write_series(tmp_path / "series", oblique_volume, FrameOfReferenceUID=generate_uid())
    scheme = load_scheme("thigh-12")
    labels = np.zeros(oblique_volume.array.shape, np.uint8)
    labels[:, 4:9, 5:9] = 3
    path = tmp_path / "labels.dcm"
    source = find_source_series(tmp_path / "series")
    write_dicom_segmentation(path, oblique_volume.with_array(labels), scheme, source)
    written = path.read_bytes()
    header = pydicom.dcmread(path)
    groups = header.PerFrameFunctionalGroupsSequence
    normal = oblique_volume.grid.ijk_to_lps[:3, 2] / oblique_volume.grid.spacing[2]
    for group, along in zip(groups, (0, 1, 1e5, 2e5, 3e5, 4e5, 5e5), strict=True):
        place = [float(f"{value:.10g}") for value in along * normal]
        group.PlanePositionSequence[0].ImagePositionPatient = place
    measures = header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.SpacingBetweenSlices = 1.0
    header.save_as(path)
    monkeypatch.setattr("musclefm.volumes.checks.free_memory", lambda: 10**9)
    with pytest.raises(MuscleFMError, match="GB of memory"):
        read_labels(path, scheme)
    path.write_bytes(written)
    insert(path, NESTED * (element((0x0008, 0x1140), b"SQ", ENDLESS) + item(ENDLESS)))
    with pytest.raises(MuscleFMError, match="holds no segmentation"):
        read_labels(path, scheme)
