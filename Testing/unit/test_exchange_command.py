"""``musclefm export``: from a folder of results to the files of other programs."""

import json
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from made_dicom import write_series
from pydicom.uid import generate_uid

from musclefm.cli.main import main
from musclefm.corrections.case import CorrectedCase, Reviewed
from musclefm.corrections.store import CorrectionStore
from musclefm.exchange.read_labels import read_labels
from musclefm.exchange.seg_nrrd import write_seg_nrrd
from musclefm.labels.scheme import load_scheme
from musclefm.review.queue import ReviewQueue
from musclefm.review.session import ReviewSession
from musclefm.review.session_file import save_session
from musclefm.volumes.reading import voxels_sha256
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

SCHEME = load_scheme("thigh-11")
PROVENANCE = {
    "model": {"sha256": "a" * 64, "label_scheme": SCHEME.name},
    "input": {"sha256": "b" * 64},
}
FILES = {"nifti": "labels.nii.gz", "seg.nrrd": "labels.seg.nrrd", "dicom": "labels.dcm"}


@pytest.fixture
def labels(oblique_volume):
    values = np.random.default_rng(1).integers(0, 23, oblique_volume.array.shape)
    return oblique_volume.with_array(values.astype(np.uint8))


@pytest.fixture
def case(tmp_path, oblique_volume, labels):
    """Return a DICOM series and a folder with what the export takes of its results."""
    series, results = tmp_path / "series", tmp_path / "results"
    write_series(series, oblique_volume, FrameOfReferenceUID=generate_uid())
    results.mkdir()
    (results / "provenance.json").write_text(json.dumps(PROVENANCE))
    write_seg_nrrd(results / "labels.seg.nrrd", labels, SCHEME)
    for number, name in enumerate(("uncertainty", "aleatoric", "epistemic"), 1):
        values = np.full(labels.array.shape, number / 4, np.float32)
        write_volume(labels.with_array(values), results / f"{name}.nii.gz")
    return series, results


def export(case, to, out):
    series, results = case
    arguments = ["export", "--case", results, "--format", to, "--out", out, "--image", series]
    return main([str(argument) for argument in arguments])


@pytest.mark.parametrize("to", FILES)
def test_the_labels_of_the_model(tmp_path, case, labels, oblique_volume, to):
    assert export(case, to, tmp_path / "out") == 0
    read = read_labels(tmp_path / "out" / FILES[to], SCHEME, image=oblique_volume)
    np.testing.assert_array_equal(read.volume.array, labels.array)


@pytest.mark.parametrize("to", FILES)
def test_the_labels_of_a_saved_review_go_before(tmp_path, case, labels, oblique_volume, to):
    corrected = labels.with_array(np.roll(labels.array, 1, axis=2))
    save_session(case[1], ReviewSession.of(ReviewQueue(()), PROVENANCE), corrected)
    assert export(case, to, tmp_path / "out") == 0
    read = read_labels(tmp_path / "out" / FILES[to], SCHEME, image=oblique_volume)
    np.testing.assert_array_equal(read.volume.array, corrected.array)


def test_a_review_of_other_results_does_not(tmp_path, case, labels, oblique_volume):
    other = {**PROVENANCE, "model": {**PROVENANCE["model"], "sha256": "c" * 64}}
    moved = labels.with_array(np.roll(labels.array, 1, axis=2))
    save_session(case[1], ReviewSession.of(ReviewQueue(()), other), moved)
    assert export(case, "nifti", tmp_path / "out") == 0
    read = read_labels(tmp_path / "out/labels.nii.gz", SCHEME, image=oblique_volume)
    np.testing.assert_array_equal(read.volume.array, labels.array)


def test_each_uncertainty_is_a_map_of_its_own(tmp_path, case):
    assert export(case, "dicom", tmp_path / "out") == 0
    for number, name in enumerate(("uncertainty", "aleatoric", "epistemic"), 1):
        written = pydicom.dcmread(tmp_path / "out" / f"{name}.dcm")
        assert (written.pixel_array == number / 4).all()
    series = {pydicom.dcmread(file).SeriesInstanceUID for file in (tmp_path / "out").iterdir()}
    assert len(series) == 4


def test_a_map_tells_which_thigh_it_shows(tmp_path, case, labels):
    for values, letter in ((labels.array, "B"), (np.where(labels.array < 12, 0, 14), "L")):
        volume = labels.with_array(values.astype(np.uint8))
        save_session(case[1], ReviewSession.of(ReviewQueue(()), PROVENANCE), volume)
        assert export(case, "dicom", tmp_path / letter) == 0
        written = pydicom.dcmread(tmp_path / letter / "uncertainty.dcm")
        (anatomy,) = written.SharedFunctionalGroupsSequence[0].FrameAnatomySequence
        assert anatomy.FrameLaterality == letter


def test_of_a_mixed_series_it_belongs_to_the_image_that_was_segmented(
    tmp_path, case, oblique_volume
):
    series, results = case
    for file in series.iterdir():
        file.unlink()
    uid, frame = generate_uid(), generate_uid()
    images = {}
    for number, kind in enumerate(("F", "W")):
        images[kind] = oblique_volume.with_array(np.rint(oblique_volume.array) + number)
        write_series(
            series, images[kind], uid=uid, prefix=kind, FrameOfReferenceUID=frame,
            ImageType=["DERIVED", "PRIMARY", kind],
        )  # fmt: skip
    made_from = PROVENANCE["input"] | {"voxels_sha256": {"water": voxels_sha256(images["W"])}}
    (results / "provenance.json").write_text(json.dumps(PROVENANCE | {"input": made_from}))
    assert export(case, "dicom", tmp_path / "out") == 0
    water = {str(pydicom.dcmread(file).SOPInstanceUID) for file in series.glob("W*")}
    for file in (tmp_path / "out").iterdir():
        (referenced,) = pydicom.dcmread(file).ReferencedSeriesSequence
        named = {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence}
        assert named == water


@pytest.fixture
def mixed_folder(tmp_path, oblique_volume):
    """Return a folder with a localizer, a T1 and a Dixon scan of one place, and its images."""
    folder, frame = tmp_path / "study", generate_uid()
    images = {
        name: oblique_volume.with_array(np.rint(oblique_volume.array) + number)
        for number, name in enumerate(("T1", "F", "W"))
    }
    dixon = generate_uid()
    for name, image in images.items():
        write_series(
            folder, image, prefix=name, FrameOfReferenceUID=frame,
            uid=None if name == "T1" else dixon, SeriesNumber=4 if name == "T1" else 5,
            ImageType=["DERIVED", "PRIMARY", "M" if name == "T1" else name],
        )  # fmt: skip
    first = oblique_volume.array[:1]
    scout = Volume(first, replace(oblique_volume.grid, shape=first.shape))
    write_series(
        folder, scout, prefix="scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        FrameOfReferenceUID=frame, SeriesNumber=1,
    )  # fmt: skip
    return folder, images


def referenced_by(file):
    (series,) = pydicom.dcmread(file).ReferencedSeriesSequence
    return {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence}


def instances(folder, prefix):
    return {str(pydicom.dcmread(file).SOPInstanceUID) for file in folder.glob(f"{prefix}*")}


@pytest.mark.parametrize(("segmented", "meant"), [(("T1",), "T1"), (("W", "F"), "WF"), ("F", "F")])
def test_of_a_folder_with_other_series_it_belongs_to_what_was_segmented(
    tmp_path, case, mixed_folder, segmented, meant
):
    folder, images = mixed_folder
    hashes = {name: voxels_sha256(images[name]) for name in segmented}
    made_from = PROVENANCE["input"] | {"voxels_sha256": hashes}
    (case[1] / "provenance.json").write_text(json.dumps(PROVENANCE | {"input": made_from}))
    assert export((folder, case[1]), "dicom", tmp_path / "out") == 0
    wanted = [instances(folder, name) for name in (["T1"] if meant == "T1" else meant)]
    assert all(referenced_by(file) in wanted for file in (tmp_path / "out").iterdir())


@pytest.mark.parametrize("name", ["T1", "W"])
def test_a_correction_of_one_of_several_series_belongs_to_it(
    tmp_path, mixed_folder, labels, name, capsys
):
    folder, images = mixed_folder
    store = CorrectionStore(tmp_path / "store")
    sample = store.add(
        CorrectedCase(
            channels={"image": images[name]},
            labels=labels,
            reviewed=Reviewed("all"),
            scheme=SCHEME.name,
        )
    )
    arguments = ["corrections", "export", sample.id, "--store", str(store.folder)]
    arguments += ["--format", "dicom", "--image", str(folder), "--out"]
    assert main([*arguments, str(tmp_path / "out")]) == 0, capsys.readouterr().err
    assert referenced_by(tmp_path / "out" / "labels.dcm") == instances(folder, name)


def test_of_results_that_fit_none_of_several_series_nothing_is_guessed(
    tmp_path, case, mixed_folder, capsys
):
    made_from = PROVENANCE["input"] | {"voxels_sha256": {"image": "0" * 64}}
    (case[1] / "provenance.json").write_text(json.dumps(PROVENANCE | {"input": made_from}))
    assert export((mixed_folder[0], case[1]), "dicom", tmp_path / "out") == 2
    assert "--series" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_what_lacks_is_said_in_a_line_and_nothing_is_left(tmp_path, case, capsys):
    series, results = case
    arguments = ["export", "--case", str(results), "--format", "dicom", "--out"]
    assert main([*arguments, str(tmp_path / "out")]) == 2
    assert "--image" in capsys.readouterr().err
    assert export((series, tmp_path), "nifti", tmp_path / "out") == 2
    assert "holds no results" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
