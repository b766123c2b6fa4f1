"""Results of ``musclefm segment`` name no patient, and warn of what is no MR of thighs."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk

from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

Musclefm = Callable[..., subprocess.CompletedProcess[str]]

IDENTIFYING = (
    "PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID", "SeriesInstanceUID",
    "FrameOfReferenceUID", "SOPInstanceUID", "StudyDate", "SeriesDate", "AcquisitionDate",
    "ContentDate", "StudyID", "AccessionNumber", "InstitutionName", "DeviceSerialNumber",
    "StationName", "ReferringPhysicianName", "StudyDescription", "SeriesDescription",
    "ProtocolName",
)  # fmt: skip


def all_text(folder: Path) -> dict[str, bytes]:
    """Return the content of all files, with gzip members decompressed."""
    found = {}
    for path in folder.iterdir():
        raw = path.read_bytes()
        if path.name.endswith(".gz"):
            # The header of a gzip member may hold the name of a file and a time.
            assert raw[3] == 0 and raw[4:8] == bytes(4)
            raw += gzip.decompress(raw)
        elif path.name.endswith(".nrrd"):
            header, voxels = raw.split(b"\n\n", 1)
            raw = header + (gzip.decompress(voxels) if b"encoding: gzip" in header else voxels)
        found[path.name] = raw
    return found


def test_no_result_names_the_patient_or_the_files(
    shared: Path, model: Path, musclefm: Musclefm, tmp_path: Path
) -> None:
    series = tmp_path / "JANE-DOE-19710203"
    shutil.copytree(shared / "scans" / "thigh-mese-dicom", series)
    done = musclefm("segment", series, "--model", model, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    # The echo that was taken, and the body part, are reported to the user and the report's reader.
    assert "17 echoes" in done.stderr and "CALF" in done.stderr
    report = (tmp_path / "out" / "report.html").read_text()
    assert "17 echoes" in report and "CALF" in report

    names = [path.name for path in series.iterdir()]
    secrets = {series.name, str(tmp_path), names[0], names[-1]}
    for name in (names[0], names[-1]):
        header = pydicom.dcmread(series / name, stop_before_pixels=True)
        secrets |= {str(header.get(keyword, "")) for keyword in IDENTIFYING}
    secrets = {secret for secret in secrets if len(secret) > 3}
    assert any(re.fullmatch(r"[\d.]{30,}", secret) for secret in secrets)
    for name, content in (all_text(tmp_path / "out") | {"stderr": done.stderr.encode()}).items():
        for secret in secrets:
            # As a word: a short one occurs by chance within the base64 of a picture.
            word = rb"(?<![\w+/])" + re.escape(secret.encode()) + rb"(?![\w+/])"
            assert not re.search(word, content), f"{name} holds {secret}"


def test_a_dicom_file_stands_for_its_series(
    shared: Path, model: Path, musclefm: Musclefm, tmp_path: Path
) -> None:
    file = next((shared / "scans" / "thigh-mese-dicom").iterdir())
    done = musclefm(
        "segment", file, "--echo", 3, "--model", model, "--out", tmp_path / "out",
        "--progress", "none",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "number 3" in done.stderr
    assert sitk.ReadImage(tmp_path / "out" / "labels.nii.gz").GetSize()[2] == 7


def test_ct_is_a_warning_in_the_report_too(
    scan: Path, model: Path, musclefm: Musclefm, tmp_path: Path
) -> None:
    water = read_volume(scan / "water.nii.gz").volume
    hounsfield = np.where(water.array < 60, -1000, water.array / 10).astype(np.int16)
    write_volume(Volume(hounsfield, water.grid), tmp_path / "ct.nii.gz")
    done = musclefm(
        "segment", tmp_path / "ct.nii.gz", "--model", model, "--out", tmp_path / "out",
        "--progress", "none",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    assert "looks like CT" in done.stderr
    assert all(line.startswith("note: ") for line in done.stderr.splitlines())
    assert "looks like CT" in (tmp_path / "out" / "report.html").read_text()
