"""Segmentations of other programs: names in any script, missing fields, sides that contradict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import nrrd
import numpy as np
import numpy.typing as npt
import pytest
from made_training import GRID, thighs

from musclefm.corrections.case import Reviewed
from musclefm.corrections.corrected_case import CorrectionFiles, read_corrected_case
from musclefm.errors import MuscleFMError
from musclefm.exchange.read_labels import read_labels
from musclefm.exchange.seg_nrrd import write_seg_nrrd
from musclefm.labels.mapping import parse_target, read_mapping
from musclefm.labels.scheme import load_scheme
from musclefm.volumes.channels import Channels
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

SCHEME = load_scheme("thigh-11")
LEFT = len(SCHEME.labels)
LATERAL, GRACILIS = 3, 7
SHAPE = GRID.shape


def two_muscles() -> npt.NDArray[np.uint8]:
    """Return a muscle on either side of the patient, values 1 (right) and 2 (left)."""
    array = np.zeros(SHAPE, np.uint8)
    array[:, 10:14, 8:12] = 1
    array[:, 10:14, 40:44] = 2
    return array


def described(*segments: Mapping[str, str]) -> dict[str, str]:
    return {
        f"Segment{number}_{key}": value
        for number, fields in enumerate(segments)
        for key, value in fields.items()
    }


def segment(name: str, value: int, **more: str) -> dict[str, str]:
    return {"ID": f"S{value}", "Name": name, "LabelValue": str(value), "Layer": "0"} | more


def written(
    path: Path,
    array: npt.NDArray[np.generic],
    *segments: Mapping[str, str],
    space: str = "left-posterior-superior",
) -> Path:
    signs = {"left-posterior-superior": (1, 1, 1), "left-anterior-superior": (1, -1, 1)}[space]
    matrix = np.diag([*signs, 1]) @ GRID.ijk_to_lps
    header = {
        "space": space,
        "space directions": matrix[:3, :3].T.tolist(),
        "space origin": matrix[:3, 3].tolist(),
        "kinds": ["domain"] * 3,
    }
    ascii_segments = [
        {k: v.encode("ascii", "xmlcharrefreplace").decode() for k, v in s.items()} for s in segments
    ]
    nrrd.write(str(path), np.ascontiguousarray(array.T), header | described(*ascii_segments))
    # pynrrd writes ASCII only; Slicer writes UTF-8.
    head, voxels = path.read_bytes().split(b"\n\n", 1)
    for fields, plain in zip(segments, ascii_segments, strict=True):
        for key, value in fields.items():
            head = head.replace(plain[key].encode(), value.encode())
    path.write_bytes(head + b"\n\n" + voxels)
    return path


@pytest.mark.parametrize(
    ("name", "label", "side"),
    [
        ("Vastus lateralis R", LATERAL, "right"),
        ("vastus lateralis (L)", LATERAL, "left"),
        ("VL_left", LATERAL, "left"),
        ("vl-right", LATERAL, "right"),
        ("vastus_lateralis_left", LATERAL, "left"),
        ("L. Vastus Lateralis", LATERAL, "left"),
        ("Biceps femoris (long head)", 8, None),
        ("gracilis", GRACILIS, None),
    ],
)
def test_names_of_muscles_and_sides_as_people_write_them(
    name: str, label: int, side: str | None
) -> None:
    target = parse_target(name, SCHEME)
    assert target is not None and (target.label_id, target.side) == (label, side)


@pytest.mark.parametrize(
    "name", ["left right gracilis", "股薄肌", "muscle", "", "Left", "grácilis"]
)
def test_what_no_scheme_names_is_no_muscle(name: str) -> None:
    assert parse_target(name, SCHEME) is None


def test_names_in_other_scripts_are_asked_for_and_never_guessed(tmp_path: Path) -> None:
    path = written(
        tmp_path / "s.seg.nrrd", two_muscles(), segment("右股薄肌", 1), segment("Müskel links", 2)
    )
    with pytest.raises(MuscleFMError, match=r"'右股薄肌', 'Müskel links'.*--mapping"):
        read_labels(path, SCHEME)
    table = tmp_path / "map.json"
    table.write_text('{"右股薄肌": "right gracilis", "müskel links": "left VL"}', "utf-8")
    read = read_labels(path, SCHEME, mapping=read_mapping(table, SCHEME)).volume.array
    np.testing.assert_array_equal(read == GRACILIS, two_muscles() == 1)
    np.testing.assert_array_equal(read == LATERAL + LEFT, two_muscles() == 2)


def test_a_segmentation_without_descriptions_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "s.seg.nrrd", two_muscles())
    with pytest.raises(MuscleFMError, match="describes no segment"):
        read_labels(path, SCHEME)


def test_fields_that_are_missing_or_wrong_are_named(tmp_path: Path) -> None:
    whole = segment("right gracilis", 1), segment("left gracilis", 2)

    def refusal(*segments: Mapping[str, str], array: npt.NDArray[np.generic] | None = None) -> str:
        used = two_muscles() if array is None else array
        with pytest.raises(MuscleFMError) as error:
            read_labels(written(tmp_path / "s.seg.nrrd", used, *segments), SCHEME)
        return str(error.value)

    def without(key: str, fields: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in fields.items() if name != key}

    assert "LabelValue" in refusal(without("LabelValue", whole[0]), whole[1])
    assert "LabelValue" in refusal(whole[0] | {"LabelValue": "two"}, whole[1])
    assert "value 0" in refusal(whole[0] | {"LabelValue": "0"}, whole[1])
    assert "layer 5" in refusal(whole[0], whole[1] | {"Layer": "5"})
    assert "value 7, which no segment" in refusal(
        *whole, array=np.where(two_muscles() == 1, np.uint8(1), two_muscles() // 2 * np.uint8(7))
    )
    assert "overlap" in refusal(whole[0], whole[0])
    # A lone segment needs no value, and a layer of 3-D voxels no number.
    one = (two_muscles() == 1).astype(np.uint8)
    alone = {"ID": "S1", "Name": "right gracilis"}
    read = read_labels(written(tmp_path / "s.seg.nrrd", one, alone), SCHEME)
    np.testing.assert_array_equal(read.volume.array, one * GRACILIS)


def test_another_space_puts_segments_into_the_same_place(tmp_path: Path) -> None:
    segments = segment("right gracilis", 1), segment("left gracilis", 2)
    image = Volume(thighs(0)[0], GRID)
    plain = read_labels(
        written(tmp_path / "p.seg.nrrd", two_muscles(), *segments), SCHEME, image=image
    )
    other = written(
        tmp_path / "o.seg.nrrd", two_muscles(), *segments, space="left-anterior-superior"
    )
    read = read_labels(other, SCHEME, image=image)
    np.testing.assert_array_equal(read.volume.array, plain.volume.array)


class TestContradictingSides:
    def case_of(self, labels: Path, mapping: Path | None = None) -> npt.NDArray[np.uint8]:
        channels = Channels({"image": Volume(thighs(0)[0], GRID)}, (), "")
        files = CorrectionFiles(labels=labels, mapping=mapping)
        case, _ = read_corrected_case(channels, files, lambda scheme, grid: Reviewed("all"))
        return case.labels.array

    def test_a_muscle_on_the_other_side_is_asked_for(self, tmp_path: Path) -> None:
        swapped = written(
            tmp_path / "s.seg.nrrd",
            two_muscles(),
            segment("left gracilis", 1),
            segment("right gracilis", 2),
        )
        with pytest.raises(MuscleFMError, match=r"left gracilis|right gracilis.*--mapping"):
            self.case_of(swapped)
        read = read_labels(swapped, SCHEME, image=Volume(thighs(0)[0], GRID))
        assert len(read.contradictions) == 2
        assert "right gracilis lies on the patient's left" in read.contradictions
        # The user's word ends the question.
        table = tmp_path / "map.csv"
        table.write_text("id,muscle\nleft gracilis,right gracilis\nright gracilis,left gracilis\n")
        labels = self.case_of(swapped, table)
        np.testing.assert_array_equal(labels == GRACILIS, two_muscles() == 1)

    def test_a_mapping_does_not_end_the_question_against_the_place(self, tmp_path: Path) -> None:
        write_volume(Volume(two_muscles(), GRID), tmp_path / "l.nii.gz")
        table = tmp_path / "map.csv"
        table.write_text("id,muscle\n1,left gracilis\n2,right gracilis\n")
        with pytest.raises(MuscleFMError, match=r"gracilis lies on.*correct the labels or the map"):
            self.case_of(tmp_path / "l.nii.gz", table)
        table.write_text("id,muscle\n1,right gracilis\n2,left gracilis\n")
        labels = self.case_of(tmp_path / "l.nii.gz", table)
        np.testing.assert_array_equal(labels == GRACILIS, two_muscles() == 1)

    def test_a_name_against_its_code_is_asked_for(self, tmp_path: Path) -> None:
        path = tmp_path / "s.seg.nrrd"
        values = np.where(two_muscles() == 1, np.uint8(GRACILIS), np.uint8(0))
        write_seg_nrrd(path, Volume(values, GRID), SCHEME)
        self.case_of(path)
        path.write_bytes(path.read_bytes().replace(b"Name:=Right gracilis", b"Name:=Left gracilis"))
        with pytest.raises(MuscleFMError, match="'Left gracilis' is coded as right"):
            self.case_of(path)

    def test_values_without_a_named_scheme_are_asked_for(self, tmp_path: Path) -> None:
        write_volume(Volume(two_muscles(), GRID), tmp_path / "l.nii.gz")
        with pytest.raises(MuscleFMError, match=r"holds 1, 2.*--mapping.*--scheme"):
            self.case_of(tmp_path / "l.nii.gz")


@pytest.mark.parametrize("name", ["l.nii.gz", "l.nrrd", "l.mha", "l.seg.nrrd"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, "1 voxel of NaN or infinity"),
        (np.inf, "1 voxel of NaN or infinity"),
        (1.5, "not whole"),
        (-1, "-1"),
        (300, "300"),
        (2.0**32 + 3, "too large"),
    ],
)
def test_no_value_is_rounded_wrapped_or_taken_as_background(
    tmp_path: Path, name: str, value: float, words: str
) -> None:
    array = two_muscles().astype(np.float64)
    array[0, 0, 0] = value
    segments = segment("right gracilis", 1), segment("left gracilis", 2)
    if name == "l.seg.nrrd":
        written(tmp_path / name, array, *segments)
    else:
        write_volume(Volume(array, GRID), tmp_path / name)
    with pytest.raises(MuscleFMError, match=words) as error:
        read_labels(tmp_path / name, SCHEME, image=Volume(thighs(0)[0], GRID))
    assert "\n" not in str(error.value)


def test_a_labelmap_that_holds_no_label_is_refused(tmp_path: Path) -> None:
    write_volume(Volume(np.zeros(SHAPE, np.uint8), GRID), tmp_path / "l.nii.gz")
    with pytest.raises(MuscleFMError, match="no label"):
        read_labels(tmp_path / "l.nii.gz", SCHEME)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.json", b"[" * 100_000),
        ("m.json", b'{"1": 2}'),
        ("m.json", b"\xff\xfe\x00"),
        ("m.json", b'{"a": "gracilis", "A ": "VL"}'),
        ("m.csv", b"id,muscle\n1,gracilis\n1,sartorius\n"),
        ("m.csv", b"a,b\n1,2\n"),
        ("m.csv", b"id,muscle\n1\n"),
        ("m.json", b" " * (2 << 20)),
    ],
)
def test_damaged_mapping_files_are_refused_in_a_line(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MuscleFMError) as error:
        read_mapping(tmp_path / name, SCHEME)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400
