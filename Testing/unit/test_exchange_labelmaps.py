"""Reference labels of other programs: whose muscle and which side every voxel is."""

import json
from dataclasses import replace

import nrrd
import numpy as np
import pytest
from dcmqi_programs import run_dcmqi
from made_dicom import write_series
from pydicom.uid import generate_uid
from scipy import ndimage

from musclefm.errors import MuscleFMError
from musclefm.exchange.dicom_seg import write_dicom_segmentation
from musclefm.exchange.labelmap import write_labelmap
from musclefm.exchange.read_labels import read_labels
from musclefm.exchange.seg_nrrd import write_seg_nrrd
from musclefm.exchange.source_series import find_source_series
from musclefm.labels.mapping import read_mapping
from musclefm.labels.scheme import load_scheme
from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

THIGH_11, THIGH_12 = load_scheme("thigh-11"), load_scheme("thigh-12")
MM = 1e-3


@pytest.fixture
def labels(oblique_volume):
    """Return sided labels of thigh-12, every muscle of both sides, oblique."""
    values = np.random.default_rng(5).integers(0, 25, oblique_volume.array.shape)
    return oblique_volume.with_array(values.astype(np.uint8))


@pytest.fixture
def anatomy(shared):
    """Return a real labelmap of two thighs, both sides with the same ids."""
    return shared / "anatomies/THIGH_123_0001.nii.gz"


def assert_same(read, labels):
    np.testing.assert_array_equal(read.volume.array, labels.array)
    assert read.volume.array.dtype == np.uint8
    np.testing.assert_allclose(read.volume.grid.ijk_to_lps, labels.grid.ijk_to_lps, rtol=0, atol=MM)


def part_of(volume, slices):
    """Return a volume cropped to slices of its array."""
    start = [part.start for part in reversed(slices)]
    array = np.ascontiguousarray(volume.array[slices])
    origin = (volume.grid.ijk_to_lps @ (*start, 1))[:3]
    return Volume(array, replace(volume.grid, shape=array.shape, origin=tuple(origin.tolist())))


class TestOwnFiles:
    @pytest.mark.parametrize("name", ["labels.nii.gz", "labels.nrrd", "labels.seg.nrrd"])
    def test_what_is_written_is_read(self, tmp_path, labels, name):
        labels.array[0] = 255
        write = write_seg_nrrd if "seg" in name else write_labelmap
        write(tmp_path / name, labels, THIGH_12)
        if "seg" in name:
            labels.array[0] = 0
        assert_same(read_labels(tmp_path / name, THIGH_12), labels)

    def test_the_table_beside_a_labelmap_tells_a_single_side(self, tmp_path, labels):
        right = labels.with_array(np.where(labels.array > 12, np.uint8(0), labels.array))
        right.array[0] = 255
        table = write_labelmap(tmp_path / "labels.nii.gz", right, THIGH_12)
        mapping = read_mapping(table, THIGH_12)
        assert_same(read_labels(tmp_path / "labels.nii.gz", THIGH_12, mapping=mapping), right)

    def test_dicom_is_put_back_onto_the_image(self, tmp_path, labels, oblique_volume):
        write_series(tmp_path / "series", oblique_volume, FrameOfReferenceUID=generate_uid())
        source = find_source_series(tmp_path / "series")
        write_dicom_segmentation(tmp_path / "s.dcm", labels, THIGH_12, source)
        assert_same(read_labels(tmp_path / "s.dcm", THIGH_12, image=oblique_volume), labels)


class TestOtherMakers:
    @pytest.mark.parametrize("kind", ["binary", "labelmap"])
    def test_a_dicom_segmentation_by_dcmqi(self, tmp_path, labels, oblique_volume, kind):
        series, own, theirs = (tmp_path / name for name in ("series", "own.dcm", "theirs.dcm"))
        write_series(series, oblique_volume, FrameOfReferenceUID=generate_uid())
        labels.array[0] = 0
        write_dicom_segmentation(own, labels, THIGH_12, find_source_series(series))
        run_dcmqi(
            "segimage2itkimage",
            *("--inputDICOM", own, "--outputDirectory", tmp_path, "-p", "seg", "--mergeSegments"),
        )
        run_dcmqi(
            "itkimage2segimage",
            *("--inputImageList", tmp_path / "seg-1.nrrd", "--inputDICOMDirectory", series),
            *("--inputMetadata", tmp_path / "seg-meta.json", "--outputDICOM", theirs),
            *("--segmentationType", kind),
        )
        assert_same(read_labels(theirs, THIGH_12, image=oblique_volume), labels)

    def test_slicer_crops_to_the_muscles(self, tmp_path, labels, oblique_volume):
        part = (slice(2, 5), slice(3, 14), slice(4, 20))
        write_seg_nrrd(tmp_path / "l.seg.nrrd", part_of(labels, part), THIGH_12)
        expected = np.zeros_like(labels.array)
        expected[part] = labels.array[part]
        read = read_labels(tmp_path / "l.seg.nrrd", THIGH_12, image=oblique_volume)
        assert_same(read, labels.with_array(expected))

    def test_any_order_of_axes(self, tmp_path, labels, oblique_volume, stored_48_ways):
        for number, stored in enumerate(stored_48_ways(labels)):
            if number % 9 == 0:
                write_seg_nrrd(tmp_path / "l.seg.nrrd", stored, THIGH_12)
                read = read_labels(tmp_path / "l.seg.nrrd", THIGH_12, image=oblique_volume)
                assert_same(read, labels)

    def test_segments_without_codes_are_known_by_their_names(self, tmp_path, labels):
        path = tmp_path / "l.seg.nrrd"
        write_seg_nrrd(path, labels, THIGH_12)
        content = path.read_bytes().replace(b"TerminologyEntry:", b"Something:")
        content = content.replace(b"_Name:=Left vastus lateralis\n", b"_Name:=VL_left\n")
        content = content.replace(b"_Name:=Right gracilis\n", b"_Name:=My muscle\n")
        path.write_bytes(content)
        with pytest.raises(MuscleFMError, match="'My muscle', which 'thigh-12' does not know"):
            read_labels(path, THIGH_12)
        table = tmp_path / "map.json"
        table.write_text(json.dumps({"my muscle": "right gracilis"}))
        assert_same(read_labels(path, THIGH_12, mapping=read_mapping(table, THIGH_12)), labels)

    def test_layers_are_joined_unless_they_overlap(self, tmp_path, labels):
        path = tmp_path / "l.seg.nrrd"
        layers = np.zeros((2, *labels.array.T.shape), np.uint8)
        layers[0, 3:6, 4:8, 2] = 1
        layers[1, 10:12, 4:8, 2] = 1
        header = {
            "space": "left-posterior-superior",
            "kinds": ["list", "domain", "domain", "domain"],
            "space directions": np.vstack([[np.nan] * 3, labels.grid.ijk_to_lps[:3, :3].T]),
            "space origin": labels.grid.origin,
        }
        for number, name in enumerate(("left gracilis", "right gracilis")):
            fields = {"ID": name, "Name": name, "LabelValue": "1", "Layer": str(number)}
            header |= {f"Segment{number}_{key}": value for key, value in fields.items()}
        nrrd.write(str(path), layers, header)
        expected = 18 * layers[0].T + 6 * layers[1].T
        assert_same(read_labels(path, THIGH_12), labels.with_array(expected))
        layers[1, 5, 5, 2] = 1
        nrrd.write(str(path), layers, header)
        with pytest.raises(MuscleFMError, match="overlap in 1 voxel:"):
            read_labels(path, THIGH_12)


class TestSides:
    def test_real_thighs_get_the_patients_sides(self, anatomy):
        read = read_labels(anatomy, THIGH_11).volume
        stored = read_volume(anatomy).volume
        array = read.array
        np.testing.assert_array_equal(np.where(array > 11, array - 11, array), stored.array)
        # Whatever hangs together in a slice is of one side, and the right lies at smaller L.
        across = read.grid.ijk_to_lps[0, 0]
        for k, slice_ in enumerate(array):
            parts, count = ndimage.label(slice_, np.ones((3, 3)))
            for part in range(1, count + 1):
                assert len(np.unique(slice_[parts == part] > 11)) == 1, f"slice {k}"
            columns = [np.nonzero(slice_ == value)[1].mean() for value in (3, 14)]
            assert across * (columns[1] - columns[0]) > 0

    def test_however_it_is_stored(self, tmp_path, anatomy, stored_48_ways):
        expected = read_labels(anatomy, THIGH_11).volume
        whole = read_volume(anatomy).volume
        coarse = whole.with_array(whole.array.astype(np.uint8))
        for number, stored in enumerate(stored_48_ways(coarse)):
            if number % 13 == 5:
                write_volume(stored, tmp_path / "l.nii.gz")
                read = read_labels(tmp_path / "l.nii.gz", THIGH_11, image=expected)
                np.testing.assert_array_equal(read.volume.array, expected.array)


class TestForeignIds:
    def test_a_real_foreign_scheme_by_json_and_csv(self, tmp_path, shared):
        path = shared / "scans/dixon/calf-b0-labels.nii.gz"
        image = read_volume(shared / "scans/dixon/calf-b0.nii.gz").volume
        stored = read_volume(path).volume.array
        texts = {str(value): "background" for value in range(13, 27)}
        texts |= {"13": "left gracilis", "14": "Right_VL", "20": "ignore"}
        (tmp_path / "map.json").write_text(json.dumps(texts))
        rows = "".join(f"{key},{value}\n" for key, value in texts.items())
        (tmp_path / "map.csv").write_text("id,muscle\n" + rows)
        expected = np.zeros(stored.shape, np.uint8)
        for value, becomes in ((13, 18), (14, 1), (20, 255)):
            expected[stored == value] = becomes
        for name in ("map.json", "map.csv"):
            mapping = read_mapping(tmp_path / name, THIGH_12)
            read = read_labels(path, THIGH_12, image=image, mapping=mapping)
            np.testing.assert_array_equal(read.volume.array, expected)

    def test_what_the_mapping_leaves_out_is_named(self, tmp_path, shared):
        path = shared / "scans/dixon/calf-b0-labels.nii.gz"
        with pytest.raises(MuscleFMError, match="25, 26, which"):
            (tmp_path / "map.json").write_text(
                json.dumps({str(value): "gracilis" for value in range(13, 25)})
            )
            read_labels(path, THIGH_12, mapping=read_mapping(tmp_path / "map.json", THIGH_12))
        with pytest.raises(MuscleFMError, match="mapping file"):
            read_labels(path, THIGH_12)

    def test_another_known_scheme(self, tmp_path, labels):
        names = {value: f"{s} {x.name}" for value, (s, x) in THIGH_11.labels_of_sides().items()}
        value_of = {name: value for value, name in names.items()}
        expected = np.zeros_like(labels.array)
        for value, (side, label) in THIGH_12.labels_of_sides().items():
            expected[labels.array == value] = value_of.get(f"{side} {label.name}", 0)
        for name in ("l.nii.gz", "l.seg.nrrd"):
            write = write_seg_nrrd if "seg" in name else write_labelmap
            write(tmp_path / name, labels, THIGH_12)
            read = read_labels(tmp_path / name, THIGH_11, source=THIGH_12)
            assert_same(read, labels.with_array(expected))
            (note,) = read.notes
            assert "adductor longus" in note

    @pytest.mark.parametrize(
        ("name", "text", "reported"),
        [
            ("m.json", '{"1": "left gracillis"}', "'left gracillis', which is no muscle"),
            ("m.json", '{"1": 5}', "cannot be read"),
            ("m.json", "not JSON", "cannot be read"),
            ("m.csv", "value,name\n1,gracilis\n", "cannot be read"),
        ],
    )
    def test_a_wrong_mapping_file_is_refused(self, tmp_path, name, text, reported):
        (tmp_path / name).write_text(text)
        with pytest.raises(MuscleFMError, match=reported):
            read_mapping(tmp_path / name, THIGH_12)


class TestRefusals:
    def test_an_image_is_no_labelmap(self, tmp_path, oblique_volume):
        write_volume(oblique_volume, tmp_path / "i.nii.gz")
        with pytest.raises(MuscleFMError, match="not whole"):
            read_labels(tmp_path / "i.nii.gz", THIGH_12)
        write_series(tmp_path / "series", oblique_volume)
        with pytest.raises(MuscleFMError, match="no segmentation"):
            read_labels(next((tmp_path / "series").iterdir()), THIGH_12)

    def test_labels_must_lie_on_the_image(self, tmp_path, labels, oblique_volume):
        path = tmp_path / "l.seg.nrrd"
        write_seg_nrrd(path, labels, THIGH_12)
        grid = oblique_volume.grid
        image = Volume(oblique_volume.array, replace(grid, spacing=(0.9, 1.3, 6.0)))
        with pytest.raises(MuscleFMError, match="another grid"):
            read_labels(path, THIGH_12, image=image)
        half = part_of(oblique_volume, (slice(0, 4), slice(0, 17), slice(0, 23)))
        with pytest.raises(MuscleFMError, match="beyond the image"):
            read_labels(path, THIGH_12, image=half)

    @pytest.mark.parametrize("name", ["l.seg.nrrd", "s.dcm", "l.nii.gz"])
    def test_a_missing_file(self, tmp_path, name):
        with pytest.raises(MuscleFMError, match="exists: check the path"):
            read_labels(tmp_path / name, THIGH_12)

    @pytest.mark.parametrize("name", ["l.seg.nrrd", "s.dcm"])
    def test_a_damaged_file(self, tmp_path, labels, oblique_volume, name):
        path = tmp_path / name
        if name == "s.dcm":
            write_series(tmp_path / "series", oblique_volume, FrameOfReferenceUID=generate_uid())
            source = find_source_series(tmp_path / "series")
            write_dicom_segmentation(path, labels, THIGH_12, source)
        else:
            write_seg_nrrd(path, labels, THIGH_12)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(MuscleFMError) as reported:
            read_labels(path, THIGH_12)
        assert str(tmp_path) not in str(reported.value)
