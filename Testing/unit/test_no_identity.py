"""From the scan to the new model: nothing that is written or printed tells who the patient is."""

import gzip
import io
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from made_dicom import write_series
from made_training import GRID, SHORT, thighs
from tiny_ensemble import tiny_bundle

from musclefm.cli.main import main
from musclefm.corrections.store import CorrectionStore
from musclefm.exchange.seg_nrrd import write_seg_nrrd
from musclefm.inference.device import choose_runtime
from musclefm.models.registry import find_bundle
from musclefm.training.learning.folder import LearningFolder, default_learning_folder
from musclefm.training.learning.learn import learn
from musclefm.volumes.volume import Volume

SUBJECTS = 5
NAME = "Quirinale-Zenobia"
PLANTED = {
    "PatientName": "Quirinale^Zenobia",
    "PatientID": "RIC-5566778899",
    "PatientBirthDate": "19031122",
    "PatientComments": "Quirinale Zenobia, seen twice",
    "StudyDescription": "Quirinale thigh follow-up",
    "StudyID": "STUDY-QUIRI",
    "SeriesDescription": "t1 of Zenobia",
    "ProtocolName": "zenobia legs",
    "BodyPartExamined": "THIGH QUIRINALE",
    "ImageType": ["ORIGINAL", "PRIMARY", "ZENOBIA"],
    "AccessionNumber": "ACC-443322",
    "InstitutionName": "Ospedale Quirinale",
    "ReferringPhysicianName": "Bianchi^Ottavia",
    "StationName": "MR-ZENOBIA",
    "ImageComments": "Zenobia moved",
}
SECRETS = (
    "quirinale", "zenobia", "ric-5566", "19031122", "study-quiri", "acc-4433", "ospedale",
    "bianchi", "ottavia",
)  # fmt: skip


def unpacked(name, raw):
    """Yield bytes, and what is compressed in them, at any depth."""
    yield raw
    if name.endswith(".nrrd"):
        _, _, raw = raw.partition(b"\n\n")
    if raw[:2] == b"\x1f\x8b":
        yield gzip.decompress(raw)
    elif raw[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            for member in archive.namelist():
                yield member.encode()
                yield from unpacked(member, archive.read(member))


def assert_unnamed(name, raw):
    for part in unpacked(name, raw):
        lower = part.lower()
        for secret in SECRETS:
            for encoding in ("utf-8", "utf-16-le"):
                assert secret.encode(encoding) not in lower, f"{name} holds {secret}"


def assert_nobody_is_named_below(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    assert paths
    for path in paths:
        assert_unnamed(str(path.relative_to(folder)), str(path.relative_to(folder)).encode())
        assert_unnamed(path.name, path.read_bytes())
    return {path.name for path in paths}


@pytest.fixture
def said(capfd):
    """Return a function that runs a command, and insists that it names nobody."""

    def run(*arguments):
        assert main(list(map(str, arguments))) == 0
        printed = "".join(capfd.readouterr())
        assert_unnamed("what is printed", printed.encode())
        return printed

    return run


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return the folder of the user's data, with a tiny model in it."""
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))
    tiny_bundle(tmp_path / "home" / "models" / "tiny", members=1)
    return tmp_path / "home"


@pytest.fixture
def scans(tmp_path):
    """Return a folder of DICOM series, and corrected labels of each, all with telling names."""
    folder = tmp_path / NAME
    for seed in range(SUBJECTS):
        image, labels = thighs(seed)
        volume = Volume(np.round(image), GRID)
        write_series(folder / f"{NAME}-{seed}", volume, prefix="ZENOBIA", **PLANTED)
        write_seg_nrrd(
            folder / f"Zenobia-{seed}.seg.nrrd", Volume(labels, GRID), find_bundle("tiny").scheme
        )
    planted = b"".join(path.read_bytes().lower() for path in folder.glob("*/*.dcm"))
    assert all(secret.encode() in planted for secret in SECRETS)
    return folder


def test_no_byte_and_no_line_from_the_scan_to_the_new_model_names_the_patient(
    home, scans, tmp_path, said, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    quiet = ["--progress", "json", "--device", "cpu"]
    series = scans / f"{NAME}-0"
    assert "Size" in said("info", series)
    assert '"segment"' in said("segment", series, "--model", "tiny", "--out", "results", *quiet)
    said("worklist", scans, "--model", "tiny", "--out", "worklist", *quiet)
    for seed in range(SUBJECTS):
        said(
            "corrections", "add", "--image", scans / f"{NAME}-{seed}", "--reviewed", "all",
            "--labels", scans / f"Zenobia-{seed}.seg.nrrd", "--subject", f"{NAME} {seed}",
            *(["--results", "results"] if seed == 0 else []),
        )  # fmt: skip
    store = CorrectionStore()
    for action in (["list"], ["verify"], ["show", store.ids()[0]]):
        said("corrections", *action)
    for kind in ("nnunet", "monai"):
        said("corrections", "export", "--format", kind, "--out", kind)
    reported = []
    learn(
        store,
        find_bundle("tiny"),
        replace(SHORT, held_out=0.2, epochs=1),
        LearningFolder(default_learning_folder("tiny")),
        choose_runtime("cpu", "fp32"),
        lambda event: reported.append(event.message),
    )
    said("models", "import", default_learning_folder("tiny") / "candidate")
    said("models", "export", "tiny", "--out", "tiny.zip")
    assert_unnamed("progress", "\n".join(reported).encode())

    names = assert_nobody_is_named_below(home)
    assert any(re.match("events.out.tfevents", name) for name in names)
    for folder in ("results", "worklist", "nnunet", "monai"):
        assert_nobody_is_named_below(tmp_path / folder)
    assert_unnamed("tiny.zip", (tmp_path / "tiny.zip").read_bytes())
