"""Calibration metrics agree with hand-worked examples and a plain loop."""

import math
from itertools import pairwise

import numpy as np
import pytest

from musclefm.evaluation.calibration import CalibrationAccumulator, near_muscle
from musclefm.labels.sided import IGNORE


def metrics_of(probabilities, reference):
    accumulator = CalibrationAccumulator(len(probabilities))
    accumulator.add(np.asarray(probabilities), np.asarray(reference))
    return accumulator.metrics()


def random_case(classes=5, voxels=4000, seed=2, dtype=np.float32):
    """Return overconfident probabilities ``(C, N)`` and labels drawn from softer ones."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((classes, voxels)) * 1.5
    soft = np.exp(logits) / np.exp(logits).sum(axis=0)
    sharp = soft**1.8 / (soft**1.8).sum(axis=0)
    reference = (rng.random(voxels) > soft.cumsum(axis=0)).sum(axis=0).clip(0, classes - 1)
    return sharp.astype(dtype), reference.astype(np.uint8)


def plain_ece(confidence, share, bin_count=20, casali=False):
    """Loop over bins (low, high], the first with 0, as the definition reads."""
    edges = np.linspace(0, 1, bin_count + 1)
    error = 0.0
    for low, high in pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if low == 0:
            inside |= confidence == 0
        if inside.any():
            accuracy = share[inside].mean()
            if casali and high <= 0.5:
                accuracy = 1 - accuracy
            error += inside.sum() * abs(accuracy - confidence[inside].mean())
    return error / confidence.size


def test_nll_and_brier_by_hand():
    metrics = metrics_of([[0.5, 1.0], [0.25, 0.0], [0.25, 0.0]], [1, 2])
    # The second voxel's truth has probability 0, clipped at 1e-5.
    assert metrics.nll == pytest.approx((math.log(4) + math.log(1e5)) / 2)
    assert metrics.brier == pytest.approx(((0.25 + 0.5625 + 0.0625) + 2) / 2)
    assert metrics.voxels == 2


def test_top_label_ece_by_hand():
    # Two voxels of confidence 0.8, one of them right, and two of 0.4, both right.
    p = [[0.8, 0.8, 0.4, 0.4], [0.1, 0.1, 0.3, 0.3], [0.1, 0.1, 0.3, 0.3]]
    top = metrics_of(p, [0, 1, 0, 0]).top_label
    assert top.ece == pytest.approx((2 * abs(0.5 - 0.8) + 2 * abs(1 - 0.4)) / 4)
    # The published code takes 1 - accuracy for the voxels of confidence 0.4.
    assert top.ece_casali == pytest.approx((2 * abs(0.5 - 0.8) + 2 * abs(0 - 0.4)) / 4)


def test_class_wise_ece_by_hand():
    p = [[0.8, 0.8, 0.4, 0.4], [0.1, 0.1, 0.3, 0.3], [0.1, 0.1, 0.3, 0.3]]
    classes = metrics_of(p, [0, 1, 0, 0]).classes
    assert classes[0].ece == pytest.approx((2 * abs(0.5 - 0.8) + 2 * abs(1 - 0.4)) / 4)
    assert classes[1].ece == pytest.approx((2 * abs(0.5 - 0.1) + 2 * abs(0 - 0.3)) / 4)
    # Class 1 is chosen nowhere: 1 - accuracy of "not class 1" is its share again.
    assert classes[1].ece_casali == pytest.approx(classes[1].ece)
    # Class 0 is chosen, rightly, by probabilities of 0.4: 1 - accuracy is 0.
    assert classes[0].ece_casali == pytest.approx((2 * abs(0.5 - 0.8) + 2 * abs(0 - 0.4)) / 4)


def test_edges_of_bins_belong_to_the_bin_below():
    for dtype in (np.float32, np.float64):
        edges = np.array([0.0, 0.05, 0.5, 0.95, 1.0], dtype)
        counts = metrics_of(np.stack([edges, 1 - edges]), [0, 0, 0, 0, 0]).classes[0].counts
        assert counts.sum() == 5
        assert [counts[n] for n in (0, 9, 18, 19)] == [2, 1, 1, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_agrees_with_a_plain_loop(dtype):
    p, reference = random_case(dtype=dtype)
    metrics = metrics_of(p, reference)
    wide = p.astype(np.float64)
    n = np.arange(reference.size)
    one_hot = np.eye(5)[reference].T
    assert metrics.nll == pytest.approx(-np.mean(np.log(wide[reference, n])), rel=1e-6)
    assert metrics.brier == pytest.approx(np.mean(((wide - one_hot) ** 2).sum(axis=0)), rel=1e-6)
    label, confidence = p.argmax(axis=0), wide.max(axis=0)
    right = label == reference
    assert metrics.top_label.ece == pytest.approx(plain_ece(confidence, right))
    assert metrics.top_label.ece_casali == pytest.approx(plain_ece(confidence, right, casali=True))
    for c, reliability in enumerate(metrics.classes):
        assert reliability.ece == pytest.approx(plain_ece(wide[c], reference == c))
        decided = (label == c) == (reference == c)
        assert reliability.ece_casali == pytest.approx(plain_ece(wide[c], decided, casali=True))


def test_batches_of_any_shape_add_up():
    p, reference = random_case()
    accumulator = CalibrationAccumulator(5)
    accumulator.add(p[:, :1000].reshape(5, 10, 20, 5), reference[:1000].reshape(10, 20, 5))
    accumulator.add(p[:, 1000:1000], reference[1000:1000])
    accumulator.add(p[:, 1000:], reference[1000:])
    batches, whole = accumulator.metrics(), metrics_of(p, reference)
    assert batches.voxels == whole.voxels == 4000
    assert batches.nll == pytest.approx(whole.nll)
    assert batches.brier == pytest.approx(whole.brier)
    assert batches.top_label.ece == pytest.approx(whole.top_label.ece)
    for a, b in zip(batches.classes, whole.classes, strict=True):
        assert np.array_equal(a.counts, b.counts)
        assert np.allclose(a.accuracy, b.accuracy, equal_nan=True)


def test_calibrated_probabilities_have_a_small_error_and_overconfident_ones_do_not():
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.full(4, 0.4), 60000).T
    reference = (rng.random(60000) > p.cumsum(axis=0)).sum(axis=0).clip(0, 3)
    calibrated = metrics_of(p, reference)
    assert calibrated.top_label.ece < 0.01
    assert max(x.ece for x in calibrated.classes) < 0.01
    sharp = p**3 / (p**3).sum(axis=0)
    assert metrics_of(sharp, reference).top_label.ece > 0.05


def test_reliability_diagram():
    top = metrics_of([[0.92, 0.94, 0.7], [0.08, 0.06, 0.3]], [0, 1, 0]).top_label
    assert np.allclose(top.edges, np.linspace(0, 1, 21))
    assert top.counts[18] == 2
    assert top.confidence[18] == pytest.approx(0.93)
    assert top.accuracy[18] == pytest.approx(0.5)
    assert np.isnan(top.accuracy[0])


def test_nothing_seen_yet():
    metrics = CalibrationAccumulator(3).metrics()
    assert metrics.voxels == 0
    values = (metrics.nll, metrics.brier, metrics.top_label.ece, metrics.classes[2].ece_casali)
    assert all(math.isnan(value) for value in values)


@pytest.mark.parametrize(
    ("probabilities", "reference", "message"),
    [
        (np.full((3, 4), 1 / 3), np.zeros(5, int), "for reference"),
        (np.full((2, 4), 1 / 2), np.zeros(4, int), "3 classes"),
        (np.full((3, 4), 1 / 3), np.full(4, 3), "not below 3"),
        (np.full((3, 4), np.nan), np.zeros(4, int), "between 0 and 1"),
    ],
)
def test_what_does_not_fit_is_refused(probabilities, reference, message):
    with pytest.raises(ValueError, match=message):
        CalibrationAccumulator(3).add(probabilities, reference)


def test_near_a_muscle_is_within_ten_millimetres_and_known() -> None:
    reference = np.zeros((3, 21, 21), np.uint8)
    reference[1, 10, 10] = 4
    reference[1, 10, 11] = IGNORE
    near = near_muscle(reference, (12.0, 2.0, 5.0))
    k, j, i = np.mgrid[-1:2, -10:11, -10:11]
    wanted = (12.0 * k) ** 2 + (2.0 * j) ** 2 + (5.0 * i) ** 2 <= 100
    wanted[1, 10, 11] = False
    np.testing.assert_array_equal(near, wanted)
    # Of one slice; and nothing is near where no muscle is known.
    np.testing.assert_array_equal(near_muscle(reference[1], (2.0, 5.0)), wanted[1])
    for nothing in (np.zeros_like(reference), np.full_like(reference, IGNORE)):
        assert not near_muscle(nothing, (1.0, 1.0, 1.0)).any()
