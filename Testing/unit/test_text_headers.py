"""NRRD and MetaImage of any making: what ITK reads of them, and what it cannot read as well."""

import gzip
import re
import zlib

import numpy as np
import pytest
import SimpleITK as sitk
from image_files import refusal

from musclefm.volumes.formats.decoded import SeriesChoice
from musclefm.volumes.reading import read_volume

SHAPE = (7, 17, 23)
VOXELS = (np.arange(np.prod(SHAPE)) % 3001).astype("<i2").reshape(SHAPE)
RAW = VOXELS.tobytes()

NRRD = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "23 17 7",
    "space directions": "(0,1.5,0) (-2,0,0) (0,0,3)",
    "kinds": "domain domain domain",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(5,6,7)",
}
META = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": "0 1 0 -1 0 0 0 0 1",
    "Offset": "5 6 7",
    "ElementSpacing": "1.5 2 3",
    "DimSize": "23 17 7",
    "ElementType": "MET_SHORT",
    "ElementDataFile": "LOCAL",
}
FOUR = {
    "dimension": "4",
    "sizes": "2 23 17 7",
    "space_directions": "none (0,1.5,0) (-2,0,0) (0,0,3)",
}
NOWHERE = {"space": None, "space_directions": None, "space_origin": None}


def changed(fields, changes):
    kept = {name: value for name, value in (fields | changes).items() if value is not None}
    # MetaImage's last field ends the header.
    return kept | ({"ElementDataFile": last} if (last := kept.pop("ElementDataFile", "")) else {})


@pytest.fixture
def nrrd(tmp_path):
    def write(data=RAW, magic="NRRD0005", name="scan.nrrd", **changes):
        changes = {key.replace("_", " "): value for key, value in changes.items()}
        lines = [magic, *(f"{key}: {value}" for key, value in changed(NRRD, changes).items())]
        (tmp_path / name).write_bytes("\n".join([*lines, "", ""]).encode() + data)
        return tmp_path / name

    return write


@pytest.fixture
def meta(tmp_path):
    def write(data=RAW, separator=" = ", end="\n", name="scan.mha", **changes):
        fields = changed(META, changes)
        text = "".join(f"{key}{separator}{value}{end}" for key, value in fields.items())
        (tmp_path / name).write_bytes(text.encode() + data)
        return tmp_path / name

    return write


def assert_as_itk_reads(path):
    read, image = read_volume(path), sitk.ReadImage(str(path))
    np.testing.assert_array_equal(read.volume.array, sitk.GetArrayFromImage(image))
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    np.testing.assert_allclose(read.volume.grid.ijk_to_lps, matrix, rtol=0, atol=1e-6)
    return read


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"space": "RAS"},
        {"space": "right-anterior-superior"},
        {"space": "LAS"},
        {"space": "left-anterior-superior"},
        {"space": "LPS"},
        {"space": "scanner-xyz"},
        {"space": "3D-right-handed"},
        {"space": "RIGHT-ANTERIOR-SUPERIOR"},
        {"space_origin": None},
        {"space_origin": "(nan,nan,nan)"},
        {"space_directions": "none none none"},
        {**NOWHERE, "spacings": "1 2 3"},
        NOWHERE,
        {**NOWHERE, "spacings": "1 2 3", "axis_mins": "5 6 7"},
        {**NOWHERE, "spacings": "1 2 3", "axis_mins": "5 6 7", "centers": "node node node"},
        {"kinds": None},
        {"magic": "NRRD00.01"},
        {"endian": "big", "data": VOXELS.astype(">i2").tobytes()},
        {"encoding": "gzip", "data": gzip.compress(VOXELS.tobytes(), mtime=0)},
        {"encoding": "ascii", "data": " ".join(map(str, VOXELS.ravel())).encode()},
        {"encoding": "hex", "data": VOXELS.tobytes().hex().encode()},
        {"byte_skip": "4", "data": b"xxxx" + VOXELS.tobytes()},
        {"byte_skip": "-1", "data": b"xxxx" + VOXELS.tobytes()},
        {"line_skip": "1", "data": b"a line\n" + VOXELS.tobytes()},
        {**FOUR, "sizes": "1 23 17 7", "kinds": "list domain domain domain"},
    ],
    ids=str,
)
def test_nrrd_as_itk_reads_it(nrrd, changes):
    assert_as_itk_reads(nrrd(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"TransformMatrix": None, "Orientation": META["TransformMatrix"]},
        {"TransformMatrix": None, "Rotation": META["TransformMatrix"]},
        {"TransformMatrix": None},
        {"Offset": None, "Position": "5 6 7"},
        {"Offset": None},
        {"ElementSpacing": None, "ElementSize": "1.5 2 3"},
        {"ElementSpacing": None},
        {"AnatomicalOrientation": "RAS", "TransformMatrix": None},
        {"BinaryDataByteOrderMSB": "True", "data": VOXELS.astype(">i2").tobytes()},
        {
            "BinaryDataByteOrderMSB": None,
            "ElementByteOrderMSB": "1",
            "data": VOXELS.astype(">i2").tobytes(),
        },
        {"CompressedData": "True", "data": zlib.compress(VOXELS.tobytes())},
        {"ElementDataFile": "Local"},
        {"HeaderSize": "-1"},
        {"ElementType": "MET_LONG", "data": VOXELS.astype("<i4").tobytes()},
        {"ElementType": "MET_DOUBLE", "data": VOXELS.astype("<f8").tobytes()},
        {"separator": "="},
        {"separator": ": "},
        {"end": "\r\n"},
        {"Comment": "Name = of something"},
    ],
    ids=str,
)
def test_metaimage_as_itk_reads_it(meta, changes):
    if changes.get("CompressedData"):
        changes = {**changes, "CompressedDataSize": str(len(changes["data"]))}
    assert_as_itk_reads(meta(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {**FOUR, "kinds": "time domain domain domain"},
        {**FOUR, "kinds": "list domain domain domain"},
        {**FOUR, "kinds": None},
        {
            **FOUR,
            "sizes": "23 17 7 2",
            "space_directions": "(0,1.5,0) (-2,0,0) (0,0,3) none",
            "kinds": "domain domain domain time",
        },
        {
            **FOUR,
            "space": "left-posterior-superior-time",
            "sizes": "23 17 7 2",
            "space_directions": "(0,1.5,0,0) (-2,0,0,0) (0,0,3,0) (0,0,0,1)",
            "space_origin": "(5,6,7,0)",
            "kinds": None,
        },
    ],
    ids=str,
)
def test_volumes_lie_the_same_on_whatever_axis_they_follow_one_another(nrrd, changes):
    plain = read_volume(nrrd()).volume
    both = np.stack((VOXELS, VOXELS[::-1]), axis=-1 if changes["sizes"].startswith("2 ") else 0)
    path = nrrd(data=both.tobytes(), **changes)
    assert "--echo 1 to 2" in refusal(path)
    for number, expected in enumerate((VOXELS, VOXELS[::-1]), 1):
        read = read_volume(path, choice=SeriesChoice(echo=number)).volume
        np.testing.assert_array_equal(read.array, expected)
        assert read.grid == plain.grid


@pytest.mark.parametrize("kind", ["vector", "RGB-color", "complex", "3D-masked-symmetric-matrix"])
def test_parts_of_a_value_are_no_volumes(nrrd, kind):
    path = nrrd(data=VOXELS.tobytes() * 2, **FOUR, kinds=f"{kind} domain domain domain")
    assert "several values a voxel" in refusal(path)


def test_a_metaimage_in_digits(meta):
    path = meta(BinaryData="False", data=" ".join(map(str, VOXELS.ravel())).encode())
    np.testing.assert_array_equal(read_volume(path).volume.array, VOXELS)


def test_digits_longer_than_what_is_read_at_once(nrrd, monkeypatch):
    monkeypatch.setattr("musclefm.volumes.formats.stored_voxels._BLOCK", 1000)
    path = nrrd(encoding="text", data=", ".join(map(str, VOXELS.ravel())).encode())
    np.testing.assert_array_equal(read_volume(path).volume.array, VOXELS)
    assert "truncated (" in refusal(nrrd(encoding="text", data=b"1 2 3 " * 500))
    assert "damaged" in refusal(nrrd(encoding="text", data=b"1 two 3 " * 5000))
    assert "damaged" in refusal(nrrd(encoding="text", data=b"1" * 9999))


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"space": None, "space_dimension": "3"}, "left and right may be swapped"),
        ({"space": "scanner-xyz"}, "left and right may be swapped"),
        ({**NOWHERE, "spacings": "1 2 3"}, "left and right may be swapped"),
        (NOWHERE, "how large its voxels are"),
    ],
    ids=str,
)
def test_an_nrrd_that_leaves_its_place_open_is_reported(nrrd, changes, reported):
    assert any(reported in note for note in read_volume(nrrd(**changes)).notes)
    assert read_volume(nrrd()).notes == ()


def test_a_metaimage_that_leaves_its_place_open_is_reported(meta):
    assert "left and right may be swapped" in read_volume(meta(TransformMatrix=None)).notes[0]
    assert "how large its voxels are" in read_volume(meta(ElementSpacing=None)).notes[0]
    assert read_volume(meta()).notes == ()


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"endian": None}, "in which order bytes are stored"),
        ({"encoding": "bzip2"}, "packed in a way"),
        ({"space": "outer"}, "damaged"),
        ({"sizes": "23 17"}, "damaged"),
        ({"sizes": "23 17 0"}, "damaged"),
        ({"sizes": "23 17 nan"}, "damaged"),
        ({"dimension": "2000000000"}, "damaged"),
        ({"type": "quaternion"}, "damaged"),
        ({"space_directions": "(0,nan,0) (-2,0,0) (0,0,3)"}, "spacing"),
        ({"space_directions": "(1,0,0)"}, "damaged"),
        ({"space_origin": "(5,nan,7)"}, "not a number"),
        ({**NOWHERE, "spacings": "nan 1 1"}, "spacing"),
        ({"sizes": "99999999 99999999 99999999"}, "GB are free"),
        ({"sizes": "9999 999 99"}, "truncated (0 %"),
        ({"encoding": "gzip"}, "damaged"),
        ({"byte_skip": "-9"}, "damaged"),
        ({"byte_skip": "1" * 5000}, "damaged"),
        ({"line_skip": "99999999999"}, "damaged"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_impossible_nrrd_is_refused(nrrd, changes, reported):
    assert reported in refusal(nrrd(**changes))


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"NDims": "-1"}, "damaged"),
        ({"NDims": "1000000000"}, "damaged"),
        ({"NDims": "2", "DimSize": "23 17"}, "2-D"),
        ({"DimSize": "23 17 -7"}, "damaged"),
        ({"DimSize": "99999999 99999999 99999999"}, "GB are free"),
        ({"ElementType": "MET_STRING"}, "damaged"),
        ({"ElementNumberOfChannels": "3"}, "several values"),
        ({"TransformMatrix": "1 0 0"}, "damaged"),
        ({"TransformMatrix": "nan 0 0 0 1 0 0 0 1"}, "spacing"),
        ({"ElementSpacing": "0 1 1"}, "spacing"),
        ({"Offset": "nan 1 1"}, "not a number"),
        ({"HeaderSize": "1" * 5000}, "damaged"),
        ({"ObjectType": "Scene"}, "not a MetaImage"),
        ({"ElementDataFile": None}, "not a MetaImage"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_impossible_metaimage_is_refused(meta, changes, reported):
    assert reported in refusal(meta(**changes))


def test_what_is_claimed_and_what_is_free_are_reported_in_gigabytes(nrrd):
    message = refusal(nrrd(sizes="99999 99999 9999"))
    needed, free = re.search(r"take ([\d.]+) GB of memory where ([\d.]+) GB", message).groups()
    assert float(needed) == pytest.approx(99999 * 99999 * 9999 * 8 / 1e9, rel=1e-3)
    assert all(len(number.strip("0").replace(".", "")) <= 4 for number in (needed, free))
