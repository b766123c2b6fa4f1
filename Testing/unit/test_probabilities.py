"""Probabilities that are kept on request: those of the labels, packed, and nnU-Net's too."""

import json
import zipfile

import numpy as np
import pytest
from made_report_case import ensemble
from tiny_ensemble import WHOLE_SLICES, tiny_bundle

from musclefm.errors import MuscleFMError
from musclefm.inference.device import choose_runtime
from musclefm.pipeline.segment import segment_case
from musclefm.progress import silent
from musclefm.results.case import read_results, write_results
from musclefm.results.files import PROBABILITIES_FILE, PROVENANCE_FILE, VARIANCE_FILE
from musclefm.results.probabilities import read_probabilities, write_probabilities
from musclefm.uncertainty.maps import ClassProbabilities
from musclefm.volumes.channels import Channels

SHAPE = (3, 2, 4, 5)


def some(seed=0):
    p = np.random.default_rng(seed).dirichlet(np.ones(3), SHAPE[1:])
    return np.moveaxis(p, -1, 0)


def segmented(folder, temperature=1.0, *, keep=True):
    bundle = tiny_bundle(folder, 3, WHOLE_SLICES, temperature=temperature)
    _, image = ensemble()
    channels = Channels({"image": image}, (), "c" * 64)
    runtime = choose_runtime("cpu", "fp32")
    return segment_case(channels, bundle, runtime, silent, keep_probabilities=keep)


def test_they_lie_on_the_input_s_grid_and_give_the_labels_and_the_entropy(tmp_path) -> None:
    case = segmented(tmp_path / "model")
    found = case.probabilities()
    assert found.untempered is None and found.mean.shape == (12, *case.labels.shape)
    p = found.mean.astype(np.float64)
    np.testing.assert_allclose(p.sum(axis=0), 1, atol=0.01)
    second, top = np.sort(p, axis=0)[-2:]
    clear = top - second > 0.01
    assert clear.any()
    np.testing.assert_array_equal(p.argmax(axis=0)[clear], case.labels[clear])
    entropy = -(p * np.log(np.maximum(p, 1e-12))).sum(axis=0) / np.log(12)
    np.testing.assert_allclose(entropy, case.uncertainty["total"], atol=0.01)


def test_before_the_temperature_they_are_those_of_an_ensemble_without_one(tmp_path) -> None:
    tempered = segmented(tmp_path / "tempered", 3.0).probabilities()
    plain = segmented(tmp_path / "plain").probabilities()
    assert np.abs(tempered.mean.astype(float) - plain.mean).max() > 0.1
    # What is interpolated between pixels is the softmax, of which the power is taken later.
    apart = np.abs(tempered.untempered.astype(float) - plain.mean)
    assert np.median(apart) < 0.01 and apart.mean() < 0.03


def test_a_folder_holds_them_only_on_request_and_they_are_read_again(tmp_path) -> None:
    without = segmented(tmp_path / "one", keep=False)
    write_results(without, tmp_path / "without", silent)
    assert not (tmp_path / "without" / PROBABILITIES_FILE).exists()
    read = read_results(tmp_path / "without")
    assert read.probabilities is None and read.variance is None
    case = segmented(tmp_path / "two", 2.0)
    write_results(case, tmp_path / "with", silent)
    listed = json.loads((tmp_path / "with" / PROVENANCE_FILE).read_text())["files"]
    assert {PROBABILITIES_FILE, VARIANCE_FILE} <= listed.keys()
    read = read_results(tmp_path / "with")
    np.testing.assert_array_equal(read.variance, case.variance)
    for name in ("mean", "untempered"):
        one, other = getattr(read.probabilities(), name), getattr(case.probabilities(), name)
        assert one.dtype == np.float16
        np.testing.assert_array_equal(one, other)


def test_a_file_that_was_changed_is_refused(tmp_path) -> None:
    write_results(segmented(tmp_path / "model"), tmp_path / "results", silent)
    case = read_results(tmp_path / "results")
    write_probabilities(ClassProbabilities(some()), tmp_path / "results" / PROBABILITIES_FILE)
    with pytest.raises(MuscleFMError, match="not as it was written"):
        case.probabilities()


def test_the_same_are_the_same_file_byte_for_byte_and_numpy_reads_it(tmp_path) -> None:
    for name in ("one", "two"):
        write_probabilities(ClassProbabilities(some(), some(1)), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with np.load(tmp_path / "one") as file:
        assert sorted(file) == ["probabilities", "untempered"]
        np.testing.assert_allclose(file["probabilities"], some(), atol=1e-3)


def test_those_of_nnunet_are_read(tmp_path) -> None:
    np.savez_compressed(tmp_path / "case.npz", probabilities=some().astype(np.float32))
    found = read_probabilities(tmp_path / "case.npz", SHAPE)
    np.testing.assert_allclose(found.mean, some(), rtol=1e-6)
    assert found.untempered is None


def test_what_are_no_probabilities_of_the_segmentation_is_refused(tmp_path) -> None:
    path = tmp_path / "case.npz"
    faults = {
        "not in the file": {"softmax": some()},
        "their shape is": {"probabilities": some()[:, :1]},
        "more voxels": {"probabilities": np.zeros((3, 90, 90, 90))},
        "cannot be read": {"probabilities": np.array([{"an": "object"}], dtype=object)},
    }
    for fault, arrays in faults.items():
        np.savez(path, **arrays)
        with pytest.raises(MuscleFMError, match=fault):
            read_probabilities(path, SHAPE)
    for content in (b"", b"no archive"):
        path.write_bytes(content)
        with pytest.raises(MuscleFMError, match="cannot be read"):
            read_probabilities(path, SHAPE)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("probabilities.npy", b"cut off")
    with pytest.raises(MuscleFMError, match="cannot be read"):
        read_probabilities(path, SHAPE)
