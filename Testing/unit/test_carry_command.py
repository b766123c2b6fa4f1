"""``musclefm corrections add --carry``: corrected slices are carried to those between."""

import json
from dataclasses import replace

import numpy as np
import pytest

from musclefm.cli.main import main
from musclefm.corrections.store import CorrectionStore
from musclefm.exchange.seg_nrrd import write_seg_nrrd
from musclefm.labels.scheme import load_scheme
from musclefm.review.muscle_slices import MuscleSlices
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

SCHEME = load_scheme("thigh-11")
MUSCLE, OTHER = 3, 8
SLICES = (3, 8)
GRID = Grid((12, 40, 44), (1.5, 1.5, 8.0), (-30.0, -30.0, 40.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def thigh(last):
    labels = np.zeros(GRID.shape, np.uint8)
    labels[:, 10:28, 8:last] = MUSCLE
    labels[:, 10:28, 30:40] = OTHER
    return labels


@pytest.fixture
def files(tmp_path):
    """Return an image, results of a model that drew a muscle too small, and what was corrected."""
    image, results, corrected = (tmp_path / n for n in ("image.nrrd", "results", "right.seg.nrrd"))
    noise = np.random.default_rng(3).gamma(2.0, 100.0, GRID.shape).astype(np.float32)
    write_volume(Volume(noise, GRID), image)
    results.mkdir()
    provenance = {
        "model": {"sha256": "a" * 64, "label_scheme": SCHEME.name},
        "input": {"sha256": "b" * 64},
    }
    (results / "provenance.json").write_text(json.dumps(provenance))
    write_volume(Volume(np.full(GRID.shape, 0.5, np.float32), GRID), results / "uncertainty.nii.gz")
    labels = thigh(14)
    write_seg_nrrd(results / "labels.seg.nrrd", Volume(labels, GRID), SCHEME)
    labels[list(SLICES)] = thigh(24)[list(SLICES)]
    write_seg_nrrd(corrected, Volume(labels, GRID), SCHEME)
    return image, results, corrected


@pytest.fixture
def add(files, tmp_path):
    """Return a function that adds the corrected labels and returns the exit code and the store."""
    image, results, corrected = files

    def run(*more, labels=corrected, base=("--results", results)):
        store = tmp_path / "store"
        arguments = ["--image", image, "--labels", labels, *base, "--store", store, *more]
        return main(["corrections", "add", *map(str, arguments)]), CorrectionStore(store)

    return run


def test_the_sample_holds_the_proposal_and_counts_only_the_corrected_slices(add, capfd):
    code, store = add("--reviewed", "slices", "--slices", "3,8", "--carry")
    assert code == 0
    printed = "".join(capfd.readouterr())
    assert "1 corrected muscle carried to" in printed and "not marked as reviewed" in printed
    (sample,) = store.samples()
    labels = store.load(sample.id).labels.array
    areas = (labels == MUSCLE).sum(axis=(1, 2))
    right, drawn = 18 * 16, 18 * 6
    assert (areas[list(SLICES)] == right).all()
    assert (areas[4:8] > 0.8 * right).all(), "between the corrected slices"
    assert (areas >= drawn).all() and ((labels == OTHER) == (thigh(14) == OTHER)).all()
    learned = store.training_labels(sample.id).array
    assert set(np.flatnonzero((learned != 255).any(axis=(1, 2))).tolist()) == set(SLICES)


def test_a_sample_with_unseen_slices_is_listed_as_such(add, capfd):
    _, store = add("--reviewed", "all")
    (sample,) = store.samples()
    case = store.load(sample.id)
    unseen = (MuscleSlices(MUSCLE, (4, 5, 6)),)
    stored = store.add(replace(case, reviewed=replace(case.reviewed, unseen=unseen)))
    capfd.readouterr()
    assert main(["corrections", "show", stored.id, "--store", str(store.folder)]) == 0
    assert "all, less 3 carried and not seen" in capfd.readouterr().out


def test_slices_that_the_file_leaves_empty_are_taken_from_the_model(add, files, tmp_path):
    labels = np.zeros(GRID.shape, np.uint8)
    labels[list(SLICES)] = thigh(24)[list(SLICES)]
    path = tmp_path / "two-slices.seg.nrrd"
    write_seg_nrrd(path, Volume(labels, GRID), SCHEME)
    options = ("--reviewed", "slices", "--slices", "3,8", "--carry")
    _, store = add(*options)
    add(*options, labels=path)
    whole, sparse = (store.load(sample.id).labels.array for sample in store.samples())
    assert (whole == sparse).all() and (sparse == OTHER).any(axis=(1, 2)).all()


@pytest.mark.parametrize(
    "options",
    [
        ("--reviewed", "all", "--carry"),
        ("--carry",),
        ("--reviewed", "slices", "--slices", "0,11", "--carry"),
        ("--reviewed", "slices", "--slices", "3,12", "--carry"),
    ],
    ids=["no slices", "nothing reviewed", "slices that were not corrected", "no such slice"],
)
def test_what_cannot_be_carried_is_said_in_a_line_and_nothing_is_stored(add, capfd, options):
    code, store = add(*options)
    assert code == 2
    assert len(capfd.readouterr().err.strip().splitlines()) == 1
    assert not (store.folder / "samples").exists()


def test_without_the_models_labels_nothing_can_be_carried(add, capfd):
    code, _ = add("--reviewed", "slices", "--slices", "3,8", "--carry", base=())
    assert code == 2 and "--results DIR or --model-labels FILE" in capfd.readouterr().err
