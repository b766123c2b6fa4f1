"""Which scans a folder holds: images, channels, series, and what is passed over."""

import os
import subprocess
from pathlib import Path

import pytest

from musclefm.errors import MuscleFMError
from musclefm.pipeline.find_cases import find_cases


def make(folder: Path, *names: str) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        dicom = file.suffix in (".dcm", ".IMA") or file.name == "DICOMDIR"
        file.write_bytes(bytes(128) + b"DICM" if dicom else b"x")


def found(folder: Path) -> dict[str, dict[str, str]]:
    """Return the cases of a folder, in order, with their channels."""
    return {
        case.path.relative_to(folder).as_posix(): {
            name: path.relative_to(folder).as_posix() for name, path in case.channels.items()
        }
        for case in find_cases(folder)
    }


def test_a_folder_too_deep_and_links_in_a_circle_are_passed_over(tmp_path):
    make(tmp_path, "a.nii", "/".join(["d"] * 60) + "/b.nii")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    # Deeper than a path may be long.
    for _ in range(1500):
        os.mkdir("deeper", dir_fd=descriptor)
        below = os.open("deeper", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    (tmp_path / "up").symlink_to(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "one.nii").symlink_to("other.nii")
    (tmp_path / "other.nii").symlink_to("one.nii")
    assert list(found(tmp_path)) == ["a.nii", "/".join(["d"] * 60) + "/b.nii"]
    subprocess.run(["rm", "-r", str(tmp_path / "deeper")], check=True)


def test_a_large_folder_tells_how_far_it_is_searched(tmp_path, monkeypatch):
    monkeypatch.setattr("musclefm.pipeline.find_cases._REPORTED_FILES", 10)
    make(tmp_path, *(f"{number}.txt" for number in range(34)), "scans/a.nii")
    events = []
    assert len(find_cases(tmp_path, events.append)) == 1
    assert [event.done for event in events] == [10, 20, 30]
    assert events[0].message == "10 files searched for scans"


def test_an_image_is_a_case_and_numbers_are_in_order(tmp_path):
    make(
        tmp_path,
        "b10.nii.gz",
        "b9.NRRD",
        "a.mha",
        "sub/c.nii",
        "b9.seg.nrrd",
        "notes.txt",
        ".d.nii",
    )
    assert list(found(tmp_path)) == ["a.mha", "b9.NRRD", "b10.nii.gz", "sub/c.nii"]
    assert found(tmp_path)["sub/c.nii"] == {"image": "sub/c.nii"}


def test_channels_of_a_scan_are_one_case(tmp_path):
    make(tmp_path, "p1/water.nii.gz", "p1/fat.nii.gz", "p1/labels.nii.gz", "p1/mprage/t1.nii")
    make(tmp_path, "p2/In_Phase/1.dcm", "p2/out-of-phase/1.dcm")
    assert found(tmp_path) == {
        "p1": {"water": "p1/water.nii.gz", "fat": "p1/fat.nii.gz"},
        "p1/mprage/t1.nii": {"image": "p1/mprage/t1.nii"},
        "p2": {"in-phase": "p2/In_Phase", "out-of-phase": "p2/out-of-phase"},
    }
    assert list(found(tmp_path / "p1")) == [".", "mprage/t1.nii"]


def test_a_folder_of_dicom_files_is_a_case(tmp_path):
    make(tmp_path, "DICOMDIR", "s1/a.dcm", "s1/b.dcm", "s2/0.IMA", "s2/deep/1.IMA")
    assert found(tmp_path) == {"s1": {"image": "s1"}, "s2": {"image": "s2"}}


def test_results_are_not_taken_for_scans(tmp_path):
    make(tmp_path, "scan.nii.gz", "results/provenance.json", "results/labels.nii.gz")
    make(tmp_path, "list/worklist.json", "list/0a1b/input/image.nrrd")
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    assert list(found(tmp_path)) == ["scan.nii.gz"]


def test_a_folder_without_scans_is_said(tmp_path):
    make(tmp_path, "notes.txt")
    with pytest.raises(MuscleFMError, match="holds no scan"):
        find_cases(tmp_path)
    with pytest.raises(MuscleFMError, match="cannot be read") as raised:
        find_cases(tmp_path / "jane doe")
    assert "doe" not in str(raised.value)
