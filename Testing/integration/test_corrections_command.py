"""``musclefm corrections`` as a user runs it: real images in, training data out."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
from corrections_runs import SECRET, Corrections, add_options
from drawn_labels import SCHEME, drawn_labels

from musclefm.corrections.store import CorrectionStore
from musclefm.exchange.read_labels import read_labels
from musclefm.volumes.reading import read_volume
from musclefm.volumes.stored import read_stored

Musclefm = Callable[..., subprocess.CompletedProcess[str]]


def test_from_added_work_to_training_data(
    case: tuple[Path, Path], corrections: Corrections, tmp_path: Path
) -> None:
    image, labels = read_volume(case[0]).volume, drawn_labels(read_volume(case[0]).volume.grid)
    given = add_options(case)
    first = corrections("add", *given).stdout.strip()
    reported = ("--reviewed", "slices", "--slices", "1-2,4", "--reader", "reader-3")
    second = corrections("add", *given, *reported).stdout.strip()
    store = CorrectionStore(tmp_path / "store")
    assert store.ids() == tuple(sorted({first, second}))
    assert store.sample(second).record.parent == first
    loaded = store.load(second)
    np.testing.assert_array_equal(loaded.channels["image"].array, image.array)
    np.testing.assert_array_equal(loaded.labels.array, labels.array)

    listed = corrections("list").stdout
    assert first in listed and second in listed and "reader-3" in listed and "3 slices" in listed
    shown = corrections("show", second).stdout
    assert first in shown and "reader-3" in shown and "labels.nrrd" in shown
    assert "2 samples" in corrections("verify").stdout

    corrections("export", "--format", "monai", "--out", "monai")
    document = json.loads((tmp_path / "monai" / "datalist.json").read_text())
    (item,) = document["training"]
    exported = read_stored(tmp_path / "monai" / item["label"], "labels").array
    muscle = np.where(labels.array > 11, labels.array - 11, labels.array)
    for k in range(len(muscle)):
        np.testing.assert_array_equal(exported[k], muscle[k] if k in (1, 2, 4) else 255)
    assert item["subject"] == loaded.case_key

    corrections("export", second, "--format", "nnunet", "--out", "nnunet", "--sided")
    (file,) = (tmp_path / "nnunet").rglob("labelsTr/*.nii.gz")
    values = np.unique(read_stored(file, "labels").array[[1, 2, 4]])
    assert values.tolist() == list(range(23))

    corrections("export", first, second, "--format", "nifti", "--out", "nifti")
    corrections("export", first, "--format", "seg.nrrd", "--out", "segmentations")
    for folder, name in (("nifti", "labels.nii.gz"), ("segmentations", "labels.seg.nrrd")):
        read = read_labels(tmp_path / folder / first / name, SCHEME).volume
        np.testing.assert_array_equal(read.array, labels.array)
        assert read.grid.matches(image.grid)
    assert (tmp_path / "nifti" / second / "image-image.nii.gz").is_file()

    corrections("remove", first)
    assert store.ids() == (second,)
    assert "1 sample," in corrections("verify").stdout


def test_muscles_that_were_reviewed_are_named_as_in_tables(
    case: tuple[Path, Path], corrections: Corrections, tmp_path: Path
) -> None:
    named = ("--reviewed", "muscles", "--muscles", "left_vastus_lateralis,GR")
    done = corrections("add", *add_options(case), "--model-labels", case[1], *named)
    record = CorrectionStore(tmp_path / "store").sample(done.stdout.strip()).record
    assert record.reviewed.muscles == (7, 3 + 11, 7 + 11)


def test_results_bring_the_models_labels_and_their_provenance(
    case: tuple[Path, Path],
    model: Path,
    musclefm: Musclefm,
    corrections: Corrections,
    tmp_path: Path,
) -> None:
    results = tmp_path / f"{SECRET}-results"
    done = musclefm("segment", case[0], "--model", model, "--out", results)
    assert done.returncode == 0, done.stderr
    given = (*add_options(case), "--results", results, "--reviewed", "all")
    name = corrections("add", *given).stdout.strip()
    loaded = CorrectionStore(tmp_path / "store").load(name)
    assert loaded.model_labels is not None and loaded.uncertainty is not None
    sides = loaded.model_labels.array > len(SCHEME.labels)
    ids = read_stored(results / "labels.nii.gz", "labels").array
    np.testing.assert_array_equal(loaded.model_labels.array - 11 * sides, ids)
    stored = read_stored(results / "uncertainty.nii.gz", "uncertainty").array
    np.testing.assert_array_equal(loaded.uncertainty.array, stored)
    written = json.loads((results / "provenance.json").read_text())
    kept = json.loads(json.dumps(loaded.provenance))
    assert kept["versions"] == written["versions"]
    assert kept["parameters"] == written["parameters"]
    assert kept["model"]["sha256"] == written["model"]["sha256"]
    assert "input" not in kept
