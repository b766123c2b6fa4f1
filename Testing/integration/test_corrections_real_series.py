"""Nothing of a real DICOM series but voxels and geometry gets into the store of corrections."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from drawn_labels import SCHEME, drawn_labels

from musclefm.cli.main import main
from musclefm.corrections.store import CorrectionStore
from musclefm.exchange.read_labels import read_labels
from musclefm.exchange.seg_nrrd import write_seg_nrrd
from musclefm.volumes.formats.decoded import SeriesChoice
from musclefm.volumes.reading import read_volume
from musclefm.volumes.writing import write_volume

SECRET = "Rossi-Mario"

# Value representations of texts, dates, names and identifiers.
TEXTS = {"AE", "AS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UT"}
PLANTED = {
    "PatientName": "Rossi^Mario Giovanni",
    "PatientID": "RIC-1122334455",
    "PatientBirthDate": "19540317",
    "InstitutionName": "Ospedale San Qualcosa",
    "ReferringPhysicianName": "Bianchi^Anna",
    "AccessionNumber": "ACC-998877",
}


def identifiers(dataset: pydicom.Dataset) -> set[str]:
    """Return the texts of a header that are long enough not to occur by chance."""
    found: set[str] = set()
    for element in dataset.iterall():
        if element.VR not in TEXTS or element.value is None:
            continue
        values = [element.value] if isinstance(element.value, str) else element.value
        for value in values if isinstance(values, list | pydicom.multival.MultiValue) else [values]:
            text = str(value).strip()
            standard = element.VR == "UI" and pydicom.uid.UID(text).name != text
            # A salted hash may hold a few digits of a date or number by chance.
            by_chance = len(text) < 8 if re.fullmatch("[0-9a-fA-F]*", text) else len(text) < 5
            if not standard and not by_chance:
                found.add(text)
    return found


def everything_written(folder: Path) -> bytes:
    """Return all bytes and names under a folder, and what is compressed among them."""
    parts = []
    for path in sorted(folder.rglob("*")):
        parts.append(str(path.relative_to(folder)).encode())
        if path.is_file():
            raw = path.read_bytes()
            parts.append(raw)
            if path.suffix == ".nrrd":
                raw = raw.split(b"\n\n", 1)[1]
            if path.suffix in (".nrrd", ".gz"):
                parts.append(gzip.decompress(raw))
    return b"\0".join(parts).lower()


def test_no_identifier_of_a_real_series_is_written_or_said(
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    def corrections(action: str, *arguments: object) -> str:
        assert main(["corrections", action, "--store", "store", *map(str, arguments)]) == 0
        return "".join(capsys.readouterr())

    folder = tmp_path / SECRET / "RMN-1954"
    folder.mkdir(parents=True)
    secrets = {SECRET, "RMN-1954", tmp_path.name, str(shared)}
    for number, path in enumerate(sorted((shared / "scans" / "thigh-mese-dicom").iterdir())):
        dataset = pydicom.dcmread(path)
        secrets |= identifiers(dataset) | {path.stem}
        for name, value in PLANTED.items():
            setattr(dataset, name, value)
        secrets |= identifiers(dataset)
        dataset.save_as(folder / f"Rossi_{number:04d}.dcm")
    secrets |= {"rossi", "Mario Giovanni", "San Qualcosa", "Bianchi"}
    secrets |= {
        hash_of(PLANTED[name].encode()).hexdigest()[:16]
        for name in ("PatientID", "PatientName")
        for hash_of in (hashlib.md5, hashlib.sha1, hashlib.sha256)
    }
    assert len(secrets) > 500
    headers = b"".join(path.read_bytes() for path in folder.iterdir())
    assert PLANTED["PatientName"].encode() in headers

    image = read_volume(folder, choice=SeriesChoice(echo=2)).volume
    labels = drawn_labels(image.grid)
    results = tmp_path / SECRET / "Rossi-results"
    results.mkdir()
    for name in (results / "labels.seg.nrrd", tmp_path / SECRET / "Rossi.seg.nrrd"):
        write_seg_nrrd(name, labels, SCHEME)
    write_volume(
        labels.with_array(np.full(image.array.shape, 0.5, np.float32)),
        results / "uncertainty.nii.gz",
    )
    made_by = {"label_scheme": "thigh-11", "name": "m", "sha256": "0" * 64}
    leaking = {"path": str(folder), "sha256": "0" * 64, **PLANTED}
    (results / "provenance.json").write_text(
        json.dumps({"model": {**made_by, "trained_by": "Bianchi"}, "input": leaking})
    )
    added = corrections(
        "add", "--image", folder, "--echo", 2, "--labels", tmp_path / SECRET / "Rossi.seg.nrrd",
        "--results", results, "--reviewed", "all", "--subject", PLANTED["PatientID"],
    )  # fmt: skip
    (name,) = CorrectionStore(tmp_path / "store").ids()
    said = [added, *(corrections(action) for action in ("list", "verify"))]
    said.append(corrections("show", name))
    corrections("export", "--format", "monai", "--out", "exported")
    written = everything_written(tmp_path / "store") + everything_written(tmp_path / "exported")
    written += "".join(said).lower().encode()
    for secret in secrets:
        for encoding in ("utf-8", "utf-16-le"):
            assert secret.lower().encode(encoding) not in written, secret
    np.testing.assert_array_equal(
        CorrectionStore(tmp_path / "store").load(name).channels["image"].array, image.array
    )

    # Only what is exported for an archive belongs to the patient, and says so.
    corrections(
        "export", name, "--format", "dicom", "--image", folder, "--echo", 2, "--out", "archive"
    )
    segmentation = pydicom.dcmread(tmp_path / "archive" / "labels.dcm")
    assert segmentation.PatientID == PLANTED["PatientID"]
    read = read_labels(tmp_path / "archive" / "labels.dcm", SCHEME).volume
    np.testing.assert_array_equal(read.array[read.array > 0], labels.array[labels.array > 0])
    assert (tmp_path / "archive" / "uncertainty.dcm").is_file()
