"""DICOM objects of labels and uncertainty, read back by pydicom and by dcmqi's own programs."""

import json
from importlib.metadata import version

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dcmqi_programs import run_dcmqi
from made_dicom import write_series
from pydicom.uid import generate_uid

from musclefm.exchange.dicom_seg import write_dicom_segmentation
from musclefm.exchange.parametric_map import write_parametric_map
from musclefm.exchange.source_series import find_source_series
from musclefm.labels.scheme import load_scheme, segment_name
from musclefm.volumes.formats.decoded import SeriesChoice
from musclefm.volumes.reading import read_volume

SCHEME = load_scheme("thigh-12")
MM = 1e-3


@pytest.fixture
def series(tmp_path, oblique_volume):
    """Return a folder with an oblique series."""
    folder = tmp_path / "series"
    write_series(folder, oblique_volume, FrameOfReferenceUID=generate_uid())
    return folder


def labels_on(grid, empty=()):
    """Return random sided labels; some slices are empty, the left gracilis is nowhere."""
    rng = np.random.default_rng(3)
    array = rng.integers(0, 25, grid.shape).astype(np.uint8)
    array[array == 18] = 0
    array[list(empty)] = 0
    return array


def read_by_dcmqi(path, program, *options):
    """Return the image that a program of dcmqi makes of a DICOM file, and what it tells."""
    out = path.with_suffix(".dcmqi")
    out.mkdir()
    run_dcmqi(program, "--inputDICOM", path, "--outputDirectory", out, *options)
    (image,) = out.glob("*.nrrd")
    (reported,) = out.glob("*.json")
    return sitk.ReadImage(str(image)), json.loads(reported.read_text("utf-8"))


def segments_by_dcmqi(path):
    """Return the labelmap that dcmqi makes of a DICOM SEG, and what it tells of each segment."""
    image, reported = read_by_dcmqi(path, "segimage2itkimage", "--mergeSegments", "-p", "seg")
    return image, [entry for group in reported["segmentAttributes"] for entry in group]


def assert_same_place(image, grid):
    assert image.GetSize() == grid.shape[::-1]
    np.testing.assert_allclose(image.GetSpacing(), grid.spacing, rtol=0, atol=MM)
    np.testing.assert_allclose(image.GetOrigin(), grid.origin, rtol=0, atol=MM)
    np.testing.assert_allclose(image.GetDirection(), grid.direction, rtol=0, atol=1e-5)


def assert_dcmqi_reads(path, labels, grid):
    """Every voxel carries the name of its muscle and side, at its place in the patient."""
    image, entries = segments_by_dcmqi(path)
    assert_same_place(image, grid)
    names = {0: ""} | {entry["labelID"]: entry["SegmentLabel"] for entry in entries}
    named = SCHEME.labels_of_sides()
    expected = {0: ""} | {value: segment_name(*named[value]) for value in named}
    found = np.vectorize(names.get)(sitk.GetArrayFromImage(image))
    assert (found == np.vectorize(expected.get)(labels)).all()


class TestSegmentation:
    @pytest.mark.parametrize("empty", [(), (0, 1, 3, 6)], ids=["full", "with empty slices"])
    def test_dcmqi_finds_every_voxel_in_its_place(self, tmp_path, series, empty):
        source = find_source_series(series)
        image = read_volume(series).volume
        labels = labels_on(image.grid, empty)
        write_dicom_segmentation(tmp_path / "s.dcm", image.with_array(labels), SCHEME, source)
        assert_dcmqi_reads(tmp_path / "s.dcm", labels, image.grid)

    def test_a_real_series_of_thick_slices_far_apart(self, tmp_path, shared):
        folder = shared / "scans/thigh-mese-dicom"
        source = find_source_series(folder)
        image = read_volume(folder).volume
        labels = labels_on(image.grid)
        path = tmp_path / "s.dcm"
        write_dicom_segmentation(path, image.with_array(labels), SCHEME, source)
        assert_dcmqi_reads(path, labels, image.grid)
        written = pydicom.dcmread(path)
        measures = written.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        assert (measures.SliceThickness, measures.SpacingBetweenSlices) == (10, 40)

    @pytest.mark.parametrize("known_by", ["number", "files"])
    def test_each_frame_names_the_slice_that_it_lies_on(self, tmp_path, shared, known_by):
        folder = shared / "scans/thigh-mese-dicom"
        slices, files = {}, []
        for file in folder.iterdir():
            header = pydicom.dcmread(file, stop_before_pixels=True)
            slices[header.SOPInstanceUID] = (header.ImagePositionPatient, header.EchoNumbers)
            files += [file] if header.EchoNumbers == 3 else []
        if known_by == "files":
            source = find_source_series(files)
        else:
            source = find_source_series(folder, SeriesChoice(echo=3))
        image = read_volume(folder).volume
        path = tmp_path / "s.dcm"
        labels = image.with_array(labels_on(image.grid))
        write_dicom_segmentation(path, labels, SCHEME, source)
        seen = set()
        for frame in pydicom.dcmread(path).PerFrameFunctionalGroupsSequence:
            (item,) = frame.DerivationImageSequence[0].SourceImageSequence
            position, echo = slices[item.ReferencedSOPInstanceUID]
            assert frame.PlanePositionSequence[0].ImagePositionPatient == position
            assert echo == 3
            seen.add(item.ReferencedSOPInstanceUID)
        assert len(seen) == 7

    def test_it_belongs_to_the_patient_and_study_of_the_source(self, tmp_path, series):
        source = find_source_series(series)
        labels = read_volume(series).volume.with_array(labels_on(source.grid))
        write_dicom_segmentation(tmp_path / "s.dcm", labels, SCHEME, source)
        written = pydicom.dcmread(tmp_path / "s.dcm")
        original = pydicom.dcmread(sorted(series.iterdir())[0])
        for name in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
            assert written[name].value == original[name].value
        (referenced,) = written.ReferencedSeriesSequence
        assert referenced.SeriesInstanceUID == original.SeriesInstanceUID
        assert written.SeriesInstanceUID != original.SeriesInstanceUID
        assert written.Modality == "SEG"

    def test_segments_are_coded_coloured_and_sided(self, tmp_path, series):
        source = find_source_series(series)
        labels = read_volume(series).volume.with_array(labels_on(source.grid))
        write_dicom_segmentation(tmp_path / "s.dcm", labels, SCHEME, source, corrected=True)
        _, entries = segments_by_dcmqi(tmp_path / "s.dcm")
        by_name = {entry["SegmentLabel"]: entry for entry in entries}
        assert len(by_name) == 23 and "Left gracilis" not in by_name
        for side, label in SCHEME.labels_of_sides().values():
            if (side, label.name) == ("left", "gracilis"):
                continue
            entry = by_name[segment_name(side, label)]
            kind = entry["SegmentedPropertyTypeCodeSequence"]
            assert (kind["CodingSchemeDesignator"], kind["CodeValue"]) == (
                label.code.scheme,
                label.code.value,
            )
            modifier = entry["SegmentedPropertyTypeModifierCodeSequence"]
            assert modifier["CodeMeaning"] == side.capitalize()
            # CIELab in 16 bits is rounded.
            np.testing.assert_allclose(entry["recommendedDisplayRGBValue"], label.colour, atol=3)
            assert entry["SegmentAlgorithmType"] == "SEMIAUTOMATIC"

    def test_labels_stored_in_any_order_of_axes_go_to_their_slices(
        self, tmp_path, series, stored_48_ways
    ):
        source = find_source_series(series)
        volume = read_volume(series).volume
        labels = volume.with_array(labels_on(source.grid))
        write_dicom_segmentation(tmp_path / "s.dcm", labels, SCHEME, source)
        expected = pydicom.dcmread(tmp_path / "s.dcm").pixel_array
        for number, stored in enumerate(stored_48_ways(labels)):
            if number % 11 == 0:
                write_dicom_segmentation(tmp_path / "other.dcm", stored, SCHEME, source)
                found = pydicom.dcmread(tmp_path / "other.dcm").pixel_array
                np.testing.assert_array_equal(found, expected)

    def test_voxels_to_be_ignored_are_in_no_segment(self, tmp_path, series):
        source = find_source_series(series)
        labels = np.zeros(source.grid.shape, np.uint8)
        labels[:, 3:9, 4:8] = 5
        reviewed = read_volume(series).volume.with_array(labels.copy())
        labels[:, 10:, 10:] = 255
        unreviewed = reviewed.with_array(labels)
        written = []
        for number, volume in enumerate((reviewed, unreviewed)):
            path = tmp_path / f"{number}.dcm"
            write_dicom_segmentation(path, volume, SCHEME, source)
            written.append(pydicom.dcmread(path).pixel_array)
        np.testing.assert_array_equal(*written)


class TestParametricMap:
    def test_dcmqi_finds_every_value_in_its_place(self, tmp_path, series):
        source = find_source_series(series)
        image = read_volume(series).volume
        values = np.random.default_rng(0).random(image.array.shape, np.float32)
        write_parametric_map(tmp_path / "p.dcm", image.with_array(values), source)
        read, _ = read_by_dcmqi(tmp_path / "p.dcm", "paramap2itkimage", "-n", "p")
        assert_same_place(read, image.grid)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(read), values)

    def test_pydicom_finds_frames_that_name_their_slices(self, tmp_path, series):
        source = find_source_series(series)
        image = read_volume(series).volume
        values = np.random.default_rng(0).random(image.array.shape, np.float32)
        path = tmp_path / "p.dcm"
        write_parametric_map(path, image.with_array(values), source, kind="epistemic")
        written = pydicom.dcmread(path)
        places = np.array([s.ImagePositionPatient for s in source.instances], np.float64)
        for frame, pixels in zip(
            written.PerFrameFunctionalGroupsSequence, written.pixel_array, strict=True
        ):
            at = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, np.float64)
            # Last digits of 16 may have been written otherwise.
            (k,) = np.flatnonzero(np.abs(places - at).max(axis=1) < MM)
            slice_ = source.instances[k]
            np.testing.assert_array_equal(pixels, values[k])
            # highdicom 0.27 names them for the object only.
            for derivation in frame.DerivationImageSequence:
                (item,) = derivation.SourceImageSequence
                assert item.ReferencedSOPInstanceUID == slice_.SOPInstanceUID
        assert version("highdicom").startswith("0.27.") or frame.DerivationImageSequence
        named = {item.ReferencedSOPInstanceUID for item in written.SourceImageSequence}
        assert named == {slice_.SOPInstanceUID for slice_ in source.instances}
        (mapping,) = written.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
        quantity = mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0]
        assert quantity.CodeMeaning.startswith("Epistemic")
        assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "1"
