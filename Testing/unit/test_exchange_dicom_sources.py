"""DICOM objects of sources of every kind, and those that none can refer to."""

import numpy as np
import pydicom
import pytest
from made_dicom import NAME, edit, strip_meta, write_enhanced, write_series
from pydicom.uid import generate_uid
from test_exchange_dicom import SCHEME, assert_dcmqi_reads, labels_on

from musclefm.errors import MuscleFMError
from musclefm.exchange.dicom_seg import write_dicom_segmentation
from musclefm.exchange.parametric_map import write_parametric_map
from musclefm.exchange.source_series import find_source_series
from musclefm.labels.scheme import load_scheme
from musclefm.volumes.formats.decoded import SeriesChoice
from musclefm.volumes.reading import read_volume, voxels_sha256


@pytest.fixture
def series(tmp_path, oblique_volume):
    """Return a folder with an oblique series."""
    folder = tmp_path / "series"
    write_series(folder, oblique_volume, FrameOfReferenceUID=generate_uid())
    return folder


def named_frames(derived):
    """Return the numbers of the source's frames that a DICOM object names, by frame or at all."""
    groups = [
        derivation
        for frame in derived.PerFrameFunctionalGroupsSequence
        for derivation in frame.get("DerivationImageSequence", ())
    ]
    items = [item for group in groups for item in group.SourceImageSequence]
    items = items or list(derived.SourceImageSequence)
    found = [item.ReferencedFrameNumber for item in items]
    return [int(number) for value in found for number in np.ravel(value)]


class TestOtherSources:
    def test_real_mosaics_in_every_plane(self, tmp_path, shared):
        for plane in ("ax/axdesc35", "cor/corint36", "sag/sagasc35", "axmb/AxInt36mb"):
            folder = shared / "dicom-robustness/orientation" / plane
            source = find_source_series(folder, SeriesChoice(series=1))
            image = read_volume(folder, choice=SeriesChoice(series=1)).volume
            labels = labels_on(image.grid)
            path = tmp_path / plane.replace("/", "-") / "s.dcm"
            path.parent.mkdir()
            write_dicom_segmentation(path, image.with_array(labels), SCHEME, source)
            assert_dcmqi_reads(path, labels, image.grid)
            (referenced,) = pydicom.dcmread(path).ReferencedSeriesSequence
            assert len(referenced.ReferencedInstanceSequence) == 1

    def test_an_enhanced_file_is_referred_to_by_frame(self, tmp_path, oblique_volume):
        folder = tmp_path / "enhanced"
        folder.mkdir()
        write_enhanced(folder / "e.dcm", {2.3: oblique_volume})
        edit(folder / "e.dcm", FrameOfReferenceUID=generate_uid())
        own_groups = pydicom.dcmread(folder / "e.dcm").PerFrameFunctionalGroupsSequence
        source = find_source_series(folder)
        labels = labels_on(source.grid)
        path = tmp_path / "s.dcm"
        write_dicom_segmentation(path, oblique_volume.with_array(labels), SCHEME, source)
        assert_dcmqi_reads(path, labels, source.grid)
        places = [group.PlanePositionSequence[0].ImagePositionPatient for group in own_groups]
        for frame in pydicom.dcmread(path).PerFrameFunctionalGroupsSequence:
            (item,) = frame.DerivationImageSequence[0].SourceImageSequence
            place = frame.PlanePositionSequence[0].ImagePositionPatient
            assert places[item.ReferencedFrameNumber - 1] == place

    def test_of_an_enhanced_file_only_frames_of_the_image_are_named(self, tmp_path, oblique_volume):
        """A file with several images has as many frames at each position."""
        folder = tmp_path / "enhanced"
        folder.mkdir()
        second = oblique_volume.with_array(oblique_volume.array + 1)
        write_enhanced(folder / "e.dcm", {2.3: oblique_volume, 4.6: second})
        edit(folder / "e.dcm", FrameOfReferenceUID=generate_uid())
        segmented = read_volume(folder, choice=SeriesChoice(echo=2)).volume
        source = find_source_series(folder, segmented=[voxels_sha256(segmented)])
        labels = segmented.with_array(labels_on(source.grid))
        write_dicom_segmentation(tmp_path / "s.dcm", labels, SCHEME, source)
        halves = segmented.with_array(np.full(source.grid.shape, np.float32(0.5)))
        write_parametric_map(tmp_path / "p.dcm", halves, source)
        for name in ("s.dcm", "p.dcm"):
            numbers = named_frames(pydicom.dcmread(tmp_path / name))
            assert sorted(set(numbers)) == [2, 4, 6, 8, 10, 12, 14]

    def test_a_missing_slice_leaves_a_gap_in_its_place(self, tmp_path, series):
        sorted(series.iterdir())[3].unlink()
        source = find_source_series(series)
        image = read_volume(series).volume
        assert image.array.shape[0] == 7 and len(source.instances) == 6
        labels = labels_on(image.grid, empty=(3,))
        write_dicom_segmentation(tmp_path / "s.dcm", image.with_array(labels), SCHEME, source)
        assert_dcmqi_reads(tmp_path / "s.dcm", labels, image.grid)

    def test_wrong_and_missing_header_fields_are_made_up_for(self, tmp_path, oblique_volume):
        folder = tmp_path / "series"
        write_series(
            folder,
            oblique_volume,
            FrameOfReferenceUID=generate_uid(),
            SpacingBetweenSlices=1.0,
            SliceThickness=None,
        )
        source = find_source_series(folder)
        labels = labels_on(source.grid)
        path = tmp_path / "s.dcm"
        write_dicom_segmentation(path, oblique_volume.with_array(labels), SCHEME, source)
        assert_dcmqi_reads(path, labels, oblique_volume.grid)


class TestSeveralImagesInOneSeries:
    """W, F, IP and OP in one series: what is written refers to what was segmented."""

    @pytest.fixture(params=["whole", "without meta"])
    def dixon(self, request, tmp_path, oblique_volume):
        volume = oblique_volume.with_array(np.rint(oblique_volume.array))
        uid, frame = generate_uid(), generate_uid()
        images = {}
        for number, kind in enumerate(("F", "IP", "OP", "W")):
            images[kind] = volume.with_array(volume.array + number)
            paths = write_series(
                tmp_path / "dixon", images[kind], uid=uid, prefix=kind, FrameOfReferenceUID=frame,
                ImageType=["DERIVED", "PRIMARY", "DIXON", kind],
            )  # fmt: skip
            for path in paths if request.param == "without meta" else ():
                strip_meta(path)
        return tmp_path / "dixon", images

    @pytest.mark.parametrize("kind", ["F", "OP", "W"])
    def test_it_refers_to_the_image_that_was_segmented(self, tmp_path, dixon, kind):
        folder, images = dixon
        source = find_source_series(folder, segmented=[voxels_sha256(images[kind])])
        labels = images[kind].with_array(labels_on(source.grid))
        write_dicom_segmentation(tmp_path / "s.dcm", labels, SCHEME, source)
        own = {
            str(pydicom.dcmread(path, force=True).SOPInstanceUID)
            for path in folder.glob(f"{kind}0*.dcm")
        }
        for item in pydicom.dcmread(tmp_path / "s.dcm").PerFrameFunctionalGroupsSequence:
            (named,) = item.DerivationImageSequence[0].SourceImageSequence
            assert named.ReferencedSOPInstanceUID in own
        assert {instance.SOPInstanceUID for instance in source.instances} == own

    def test_it_is_found_in_another_order_of_axes_and_among_other_series(
        self, tmp_path, dixon, stored_48_ways
    ):
        folder, images = dixon
        write_series(folder / "other", images["W"].with_array(images["W"].array + 50))
        stored = list(stored_48_ways(images["OP"]))[13]
        source = find_source_series(folder, segmented=[voxels_sha256(stored)])
        assert {instance.ImageType[-1] for instance in source.instances} == {"OP"}

    def test_where_none_was_segmented_it_is_to_be_chosen(self, dixon):
        folder, _ = dixon
        unknown = ["0" * 64]
        with pytest.raises(MuscleFMError, match="choose it with --echo"):
            find_source_series(folder, segmented=unknown)
        chosen = find_source_series(folder, SeriesChoice(echo=2), unknown)
        assert {instance.ImageType[-1] for instance in chosen.instances} == {"IP"}
        one_of_it = find_source_series(next(folder.glob("W*")), segmented=unknown)
        assert {instance.ImageType[-1] for instance in one_of_it.instances} == {"W"}


class TestRefusals:
    def test_slices_that_cannot_be_distinguished(self, tmp_path, oblique_volume):
        frame = generate_uid()
        write_series(tmp_path, oblique_volume, FrameOfReferenceUID=frame, SOPInstanceUID="1.2.3")
        with pytest.raises(MuscleFMError, match="the same SOPInstanceUID"):
            find_source_series(tmp_path)

    def test_in_one_line_without_the_patient(self, tmp_path, series, oblique_volume):
        labels = oblique_volume.with_array(labels_on(oblique_volume.grid))
        source = find_source_series(series)
        path = tmp_path / "s.dcm"
        nothing = labels.with_array(np.zeros_like(labels.array))
        with pytest.raises(MuscleFMError, match="no label"):
            write_dicom_segmentation(path, nothing, SCHEME, source)
        with pytest.raises(MuscleFMError, match=r"\[23, 24\] that 'thigh-11'"):
            write_dicom_segmentation(path, labels, load_scheme("thigh-11"), source)
        for file in series.iterdir():
            edit(file, FrameOfReferenceUID=None)
        with pytest.raises(MuscleFMError, match="lacks FrameOfReferenceUID") as reported:
            find_source_series(series)
        assert NAME.split("^")[0] not in str(reported.value) and str(tmp_path) not in str(
            reported.value
        )
        with pytest.raises(MuscleFMError, match="no DICOM series"):
            find_source_series(tmp_path / "image.nii.gz")
        assert [entry.name for entry in tmp_path.iterdir()] == ["series"]

    def test_slices_of_several_frames_of_reference(self, tmp_path, oblique_volume):
        folder = tmp_path / "series"
        write_series(folder, oblique_volume, FrameOfReferenceUID=lambda _: generate_uid())
        labels = oblique_volume.with_array(labels_on(oblique_volume.grid))
        with pytest.raises(MuscleFMError, match="headers of the DICOM series"):
            write_dicom_segmentation(tmp_path / "s.dcm", labels, SCHEME, find_source_series(folder))
