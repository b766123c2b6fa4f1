"""Localizers in the folder or the very series of an image: it is read whole, they are named."""

import numpy as np
import pytest
from made_dicom import edit, write_series
from pydicom.uid import generate_uid

from musclefm.errors import MuscleFMError
from musclefm.volumes.dicom.series import list_series
from musclefm.volumes.formats.decoded import SeriesChoice
from musclefm.volumes.grid import Grid
from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume

UID = "1.2.3.4"
FRAME = "1.2.3.8"
AXIAL = np.eye(3)
CORONAL = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
SAGITTAL = np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]])


def image(slices=12, step=6.0, first=0.0, directions=AXIAL, pixels=(1.5, 1.5), size=(20, 24)):
    """Return noise on slices of a plane; ``first`` is where they begin along z, in mm."""
    shape = (slices, *size)
    grid = Grid(shape, (*pixels, step), (-20.0, 10.0, first), tuple(directions.ravel().tolist()))
    noise = np.random.default_rng(slices).integers(0, 900, shape)
    return Volume(noise.astype(np.float32), grid)


@pytest.fixture
def thigh(tmp_path):
    """Return a stack that was written into the folder."""
    volume = image()
    write_series(
        tmp_path, volume, uid=UID, InstanceNumber=lambda k: 100 + k, FrameOfReferenceUID=FRAME
    )
    return volume


def assert_read(folder, volume, note):
    read = read_volume(folder)
    np.testing.assert_array_equal(read.volume.array, volume.array)
    np.testing.assert_allclose(read.volume.grid.ijk_to_lps, volume.grid.ijk_to_lps, atol=1e-3)
    assert [reported for reported in read.notes if note in reported], read.notes
    assert not any("missing" in reported or "duplicate" in reported for reported in read.notes)


class TestInTheSameSeries:
    def test_three_planes(self, tmp_path, thigh):
        for prefix, plane in (("a", AXIAL), ("c", CORONAL), ("s", SAGITTAL)):
            scout = image(3, 20.0, 13.0, plane, pixels=(2.0, 2.0))
            write_series(tmp_path, scout, prefix=prefix, uid=UID)
        assert_read(tmp_path, thigh, "9 slices of another plane, size")
        assert list_series(tmp_path)[-1].slices in (3, 12)

    @pytest.mark.parametrize(
        ("scout", "attributes"),
        [
            (image(3, 20.0, 13.0), {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}),
            (image(3, 6.0, 12.0), {"ImageType": ["ORIGINAL", "PRIMARY", "SCOUT"]}),
            (image(3, 20.0, 13.0, pixels=(2.0, 2.0)), {}),
            (image(3, 20.0, 13.0, size=(32, 32)), {}),
            (image(3, 20.0, 13.0), {"SliceThickness": 10.0}),
            (image(3, 6.0, 12.0), {"SliceThickness": 10.0}),
            (image(3, 20.0, 13.0), {"FrameOfReferenceUID": "1.2.3.9"}),
            (image(3, 18.0, 6.0), {"FrameOfReferenceUID": "1.2.3.9"}),
            (image(3, 20.0, 13.0), {"EchoTime": 5.0}),
            (image(3, 20.0, 13.0), {}),
            (image(1, 6.0, 33.0), {}),
            (image(3, 24.0, 9.0), {}),
            (image(3, 51.0, -70.0), {}),
            (image(3, 60.0, -24.0), {"SliceThickness": 8.0}),
        ],
        ids=[
            "named", "named and on its places", "pixel size", "matrix", "thickness",
            "thickness and on its places", "frame of reference",
            "frame of reference and on its places", "echo time", "between its places",
            "one between its places",
            "half way between its places", "between and far from its places",
            "thickness and on its places beyond",
        ],
    )  # fmt: skip
    def test_the_same_plane(self, tmp_path, thigh, scout, attributes):
        same = {"SliceThickness": 6.0, "FrameOfReferenceUID": FRAME}
        write_series(tmp_path, scout, prefix="a", uid=UID, **same | attributes)
        assert_read(tmp_path, thigh, "of another plane, size, thickness or distance")

    def test_an_origin_of_its_own(self, tmp_path, thigh):
        scout = image(3, 20.0, 13.0)
        shifted = Grid(
            scout.grid.shape, scout.grid.spacing, (60.0, 10.0, 13.0), scout.grid.direction
        )
        write_series(tmp_path, Volume(scout.array, shifted), prefix="a", uid=UID)
        assert_read(tmp_path, thigh, "3 slices of another plane, size")

    def test_beside_several_images_of_a_dixon_scan(self, tmp_path):
        volume = image()
        for number, kind in enumerate(("W", "F")):
            write_series(
                tmp_path, volume.with_array(volume.array + number), prefix=kind, uid=UID,
                ImageType=["DERIVED", "PRIMARY", kind],
            )  # fmt: skip
        write_series(tmp_path, image(3, 20.0, 13.0), prefix="a", uid=UID, SliceThickness=9.0)
        choice = SeriesChoice(channel="fat")
        np.testing.assert_array_equal(
            read_volume(tmp_path, choice=choice).volume.array, volume.array + 1
        )

    def test_they_can_be_chosen(self, tmp_path, thigh):
        scout = image(3, 20.0, 13.0)
        write_series(tmp_path, scout, prefix="a", uid=UID, FrameOfReferenceUID="1.2.3.9")
        assert [series.slices for series in list_series(tmp_path)] == [12, 3]
        read = read_volume(tmp_path, choice=SeriesChoice(series=2))
        np.testing.assert_array_equal(read.volume.array, scout.array)


class TestInTheFolder:
    def test_a_series_of_three_planes_is_no_image(self, tmp_path, thigh):
        uid = generate_uid()
        for prefix, plane in (("a", AXIAL), ("c", CORONAL), ("s", SAGITTAL)):
            scout = image(7, 20.0, 13.0, plane)
            write_series(tmp_path, scout, prefix=prefix, uid=uid, SeriesNumber=1)
        assert_read(tmp_path, thigh, "another series in the folder")

    def test_a_few_slices_of_another_plane_are_no_image(self, tmp_path, thigh):
        write_series(tmp_path, image(3, 20.0, 13.0, SAGITTAL), prefix="s", SeriesNumber=1)
        assert_read(tmp_path, thigh, "another series in the folder")

    def test_a_few_slices_of_the_same_plane_may_be_one(self, tmp_path, thigh):
        write_series(tmp_path, image(3, 20.0, 13.0), prefix="s", SeriesNumber=1)
        with pytest.raises(MuscleFMError, match="2 series"):
            read_volume(tmp_path)

    def test_alone_one_is_to_be_chosen(self, tmp_path):
        for prefix, plane in (("a", AXIAL), ("c", CORONAL), ("s", SAGITTAL)):
            write_series(tmp_path, image(3, 20.0, 13.0, plane), prefix=prefix, uid=UID)
        with pytest.raises(MuscleFMError, match=r"3 series.*choose one with --series"):
            read_volume(tmp_path)


class TestAmbiguous:
    @pytest.mark.parametrize("begin", [56.5, 75.0, 153.0])
    def test_stations_of_one_series_are_to_be_chosen(self, tmp_path, begin):
        for number, first in enumerate((0.0, begin), 1):
            write_series(
                tmp_path, image(10, 6.0, first), uid=UID, prefix=f"{number}",
                AcquisitionNumber=number,
            )  # fmt: skip
        with pytest.raises(MuscleFMError, match=r"2 series.*choose one with --series"):
            read_volume(tmp_path)

    def test_an_end_slice_with_another_header_stays(self, tmp_path):
        volume = image()
        others = {"SliceThickness": float("nan"), "FrameOfReferenceUID": "1.2.9", "EchoTime": 9.0}
        for number, (keyword, value) in enumerate(others.items()):
            paths = write_series(
                tmp_path / f"{number}", volume, FrameOfReferenceUID=FRAME, EchoTime=5.0
            )
            edit(paths[-1], **{keyword: value})
            read = read_volume(tmp_path / f"{number}")
            np.testing.assert_array_equal(read.volume.array, volume.array)
            assert read.notes == ()

    def test_lost_slices_of_every_second_place_stay_gaps(self, tmp_path):
        volume = image()
        paths = write_series(tmp_path, volume)
        for lost in (5, 7, 9):
            paths[lost].unlink()
        read = read_volume(tmp_path)
        assert read.volume.array.shape[0] == 12
        assert any("3 slices missing (number 6, 8, 10)" in note for note in read.notes)

    def test_two_images_of_similar_size_are_to_be_chosen(self, tmp_path, thigh):
        other = image(10, 6.0, 0.0, CORONAL)
        write_series(tmp_path, other, prefix="a", uid=UID)
        with pytest.raises(MuscleFMError, match=r"2 series.*choose one with --series"):
            read_volume(tmp_path)

    @pytest.mark.parametrize(
        ("moved", "offset"), [(0, 2.0), (0, -8.0), (5, 2.0), (5, 8.0), (11, -2.0), (11, 8.0)]
    )
    def test_a_slice_of_the_image_that_was_moved_is_none(self, tmp_path, moved, offset):
        """Without it the volumes were too small."""
        volume = image()
        for k in range(12):
            grid = volume.grid
            origin = (-20.0, 10.0, 6.0 * k + (offset if k == moved else 0.0))
            one = Grid((1, *grid.shape[1:]), grid.spacing, origin, grid.direction)
            write_series(tmp_path, Volume(volume.array[k : k + 1], one), prefix=f"{k}", uid=UID)
        with pytest.raises(MuscleFMError, match="irregular distances"):
            read_volume(tmp_path)

    @pytest.mark.parametrize("which", [0, 5, -1])
    @pytest.mark.parametrize(
        "other",
        [{"PixelSpacing": [1.5, 1.7]}, {"ImageOrientationPatient": [1.0, 0, 0, 0, 0.9986, 0.0523]}],
    )
    def test_a_slice_of_the_image_with_another_header_is_none(self, tmp_path, which, other):
        edit(write_series(tmp_path, image(), uid=UID)[which], **other)
        with pytest.raises(MuscleFMError, match=r"2 series.*choose one with --series"):
            read_volume(tmp_path)

    def test_a_lost_slice_stays_a_gap(self, tmp_path, thigh):
        next(tmp_path.glob("slice0010*")).unlink()
        read = read_volume(tmp_path)
        assert read.volume.array.shape[0] == 12
        assert any("1 slice missing (number 10)" in note for note in read.notes)
