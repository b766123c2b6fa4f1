"""Each metric agrees with another's implementation, on random and on edge cases."""

import math

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.metrics import (
    compute_average_surface_distance,
    compute_dice,
    compute_hausdorff_distance,
)
from scipy import ndimage
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    f1_score,
    log_loss,
    roc_auc_score,
    roc_curve,
)
from torchmetrics.functional.classification import (
    binary_calibration_error,
    multiclass_calibration_error,
)

from musclefm.evaluation.accuracy import muscle_accuracy
from musclefm.evaluation.calibration import CalibrationAccumulator, pooled_calibration
from musclefm.evaluation.dice import dice, pooled_dice
from musclefm.evaluation.distances import surface_distance
from musclefm.evaluation.error_detection import aurc, detect_errors
from musclefm.evaluation.statistics import bootstrap_mean, holm, paired_p
from musclefm.labels.scheme import load_scheme
from musclefm.labels.sided import IGNORE

SPACING = (6.0, 1.5, 0.75)


def blobs(seed, shape=(12, 40, 40), classes=5):
    """Return a smooth random labelmap that keeps away from the border of the image."""
    rng = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(rng.standard_normal((classes, *shape)), (0, 1.5, 5, 5))
    labels = fields.argmax(axis=0).astype(np.uint8)
    inside = np.zeros(shape, bool)
    inside[tuple(slice(2, -2) for _ in shape)] = True
    return np.where(inside, labels, 0).astype(np.uint8)


def probabilities_of(seed, voxels=5000, classes=5):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(classes, 0.3), voxels).T
    reference = (rng.random(voxels) > (p**0.7 / (p**0.7).sum(axis=0)).cumsum(axis=0)).sum(axis=0)
    return p, reference.clip(0, classes - 1)


def calibration(p, reference):
    accumulator = CalibrationAccumulator(len(p))
    accumulator.add(p, reference)
    return accumulator.metrics()


# --- overlap -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_dice_is_that_of_scikit_learn_and_simpleitk(seed) -> None:
    a, b = blobs(seed), blobs(seed + 10)
    found = dice(a, b, 5)
    assert found == pytest.approx(f1_score(b.ravel(), a.ravel(), average=None))
    micro = f1_score(b.ravel(), a.ravel(), average="micro", labels=[1, 2, 3, 4])
    assert pooled_dice(a, b, 5) == pytest.approx(micro)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(sitk.GetImageFromArray(b), sitk.GetImageFromArray(a))
    assert pooled_dice(a, b, 5) == pytest.approx(overlap.GetDiceCoefficient())
    assert found[1:] == pytest.approx([overlap.GetDiceCoefficient(c) for c in range(1, 5)])


def test_mean_and_pooled_dice_are_not_the_same_number() -> None:
    a, b = blobs(0), blobs(10)
    a[3:5, 5:9, 5:9] = b[3:5, 5:9, 5:9] = 4
    assert abs(dice(a, b, 5)[1:].mean() - pooled_dice(a, b, 5)) > 1e-4


def test_dice_where_a_muscle_is_absent_in_one_or_in_both() -> None:
    a, b = np.array([[0, 1, 1]]), np.array([[0, 1, 2]])
    assert dice(a, b, 4)[1:].tolist() == pytest.approx([2 / 3, 0, math.nan], nan_ok=True)
    nothing = np.zeros((2, 2), int)
    assert math.isnan(pooled_dice(nothing, nothing, 4))


@pytest.mark.parametrize("edge", ["in one", "in the other", "in both", "one slice", "one class"])
def test_dice_on_the_edges_is_that_of_monai(edge) -> None:
    a, b = blobs(0), blobs(10)
    if edge in ("in one", "in both"):
        a[a == 2] = 0
    if edge in ("in the other", "in both"):
        b[b == 2] = 0
    if edge == "one slice":
        a, b = a[6], b[6]
    if edge == "one class":
        a, b = (np.where(x > 0, 3, 0) for x in (a, b))
    one_hot = [torch.tensor(np.stack([x == c for c in range(5)])[None]) for x in (a, b)]
    theirs = compute_dice(*one_hot, include_background=True, ignore_empty=False)[0].numpy()
    # Of what is in neither it says 1, which would flatter a mean over muscles.
    absent = [not ((a == c).any() or (b == c).any()) for c in range(5)]
    assert any(absent) is (edge in ("in both", "one class"))
    wanted = np.where(absent, np.nan, theirs)
    np.testing.assert_allclose(dice(a, b, 5), wanted, rtol=1e-6)


# --- distances -----------------------------------------------------------------------


def monai_distances(a, b):
    one, other = (torch.tensor(x[None, None].astype(np.float32)) for x in (a, b))
    options = {"include_background": True, "spacing": list(SPACING[-a.ndim :])}
    return (
        float(compute_hausdorff_distance(one, other, percentile=95, **options)),
        float(compute_average_surface_distance(one, other, symmetric=True, **options)),
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("label", [1, 3])
def test_distances_are_those_of_monai_with_anisotropic_voxels(seed, label) -> None:
    a, b = blobs(seed) == label, blobs(seed + 10) == label
    found = surface_distance(a, b, SPACING)
    assert (found.hd95, found.assd) == pytest.approx(monai_distances(a, b), rel=1e-5)


def test_distances_in_one_slice_are_those_of_its_contours() -> None:
    a, b = (blobs(seed)[5:6] == 2 for seed in (1, 11))
    found = surface_distance(a, b, SPACING)
    assert (found.hd95, found.assd) == pytest.approx(monai_distances(a[0], b[0]), rel=1e-5)


def test_distances_are_within_the_hausdorff_distance_of_simpleitk() -> None:
    a, b = blobs(4) == 1, blobs(14) == 1
    images = [sitk.GetImageFromArray(x.astype(np.uint8)) for x in (a, b)]
    for image in images:
        image.SetSpacing(SPACING[::-1])
    hausdorff = sitk.HausdorffDistanceImageFilter()
    hausdorff.Execute(*images)
    found = surface_distance(a, b, SPACING)
    assert 0 < found.assd < found.hd95 <= hausdorff.GetHausdorffDistance()


def test_a_shift_by_a_slice_is_as_far_as_slices_are_apart() -> None:
    a, b = np.zeros((2, 9, 20, 20), bool)
    a[3:5, 5:15, 5:15] = True
    b[4:6, 5:15, 5:15] = True
    assert surface_distance(a, b, SPACING).hd95 == pytest.approx(6.0)


def test_distances_to_nothing_are_undefined() -> None:
    a, nothing = np.ones((3, 4, 4), bool), np.zeros((3, 4, 4), bool)
    for one, other in ((a, nothing), (nothing, a), (nothing, nothing)):
        found = surface_distance(one, other, SPACING)
        assert math.isnan(found.hd95) and math.isnan(found.assd)


def test_a_muscle_that_fills_the_image_has_a_distance() -> None:
    assert surface_distance(*np.ones((2, 3, 4, 4), bool), SPACING).assd == 0


def test_slices_between_labelled_ones_are_no_surface() -> None:
    """Labelled in two slices only, a muscle has the contours of both and no caps."""
    a, b, known = np.zeros((3, 9, 20, 20), bool)
    known[[2, 6]] = True
    a[2, 5:15, 5:15] = a[6, 5:15, 5:15] = True
    b[2, 5:15, 5:16] = b[6, 5:15, 5:16] = True
    found = surface_distance(a, b, SPACING, known)
    planes = [surface_distance(a[[k]], b[[k]], SPACING) for k in (2, 6)]
    assert found.assd == pytest.approx(np.mean([plane.assd for plane in planes]))


def test_muscles_are_measured_by_side_in_millilitres() -> None:
    scheme = load_scheme("thigh-11")
    reference = np.zeros((4, 10, 10), np.uint8)
    reference[:, 2:6, 2:6] = 1
    reference[:, 2:6, 7] = 1 + 11
    reference[0, 9, 9] = IGNORE
    labels = reference.copy()
    labels[:, 5, 2:6] = 0
    labels[:, 8, 8] = 3
    labels[0, 9, 9] = 5
    fat = np.where(np.arange(10)[:, None] < 5, 0.2, 0.6) * np.ones(reference.shape)
    rows = muscle_accuracy(labels, reference, scheme, (10.0, 2.0, 1.0), fat_fraction=fat)
    assert [(row.side, row.label_id) for row in rows] == [("right", 1), ("right", 3), ("left", 1)]
    first, extra, left = rows
    assert first.dice == pytest.approx(2 * 12 / (12 + 16))
    assert (first.volume_ml, first.reference_ml) == pytest.approx((0.96, 1.28))
    assert first.volume_error_percent == pytest.approx(-25)
    assert first.fat_fraction_error_percent == pytest.approx(20 - (20 * 3 + 60) / 4)
    assert extra.dice == 0 and math.isnan(extra.hd95_mm) and math.isnan(extra.volume_error_percent)
    assert left.dice == 1 and left.hd95_mm == 0


# --- calibration ---------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_calibration_is_that_of_torchmetrics_and_scikit_learn(seed) -> None:
    p, reference = probabilities_of(seed)
    metrics = calibration(p, reference)
    ece = multiclass_calibration_error(
        torch.tensor(p.T), torch.tensor(reference), num_classes=5, n_bins=20, norm="l1"
    )
    assert metrics.top_label.ece == pytest.approx(float(ece))
    clipped = np.maximum(p, 1e-5)
    own = clipped[reference, np.arange(reference.size)]
    assert metrics.nll == pytest.approx(-np.log(own).mean())
    assert metrics.nll == pytest.approx(log_loss(reference, p.T, labels=range(5)), rel=1e-2)
    summed = sum(brier_score_loss(reference == c, p[c]) for c in range(5))
    assert metrics.brier == pytest.approx(summed)
    own_classes = [
        float(binary_calibration_error(torch.tensor(p[c]), torch.tensor(reference == c), n_bins=20))
        for c in range(5)
    ]
    assert [x.ece for x in metrics.classes] == pytest.approx(own_classes)
    assert metrics.classwise_ece == pytest.approx(np.mean(own_classes))


def test_probabilities_of_exactly_0_and_1() -> None:
    p = np.eye(4)[[0, 1, 2, 2, 3]].T
    reference = np.array([0, 1, 2, 3, 3])
    metrics = calibration(p, reference)
    ece = multiclass_calibration_error(
        torch.tensor(p.T), torch.tensor(reference), num_classes=4, n_bins=20, norm="l1"
    )
    assert metrics.top_label.ece == pytest.approx(float(ece))
    summed = sum(brier_score_loss(reference == c, p[c]) for c in range(4))
    assert metrics.brier == pytest.approx(summed)
    assert metrics.top_label.ece == pytest.approx(0.2)
    assert metrics.brier == pytest.approx(2 / 5)
    assert metrics.nll == pytest.approx(-math.log(1e-5) / 5)


def test_a_single_class_is_calibrated() -> None:
    metrics = calibration(np.ones((1, 7)), np.zeros(7, int))
    assert (metrics.top_label.ece, metrics.nll, metrics.brier) == (0, 0, 0)


def test_cases_pooled_are_all_their_voxels_together() -> None:
    p, reference = probabilities_of(7)
    parts = [calibration(p[:, s], reference[s]) for s in (slice(900), slice(900, None))]
    nothing = CalibrationAccumulator(5).metrics()
    whole, pooled = calibration(p, reference), pooled_calibration([nothing, *parts])
    for name in ("voxels", "nll", "brier", "classwise_ece", "classwise_ece_casali"):
        assert getattr(pooled, name) == pytest.approx(getattr(whole, name))
    assert pooled.top_label.ece == pytest.approx(whole.top_label.ece)
    assert pooled.top_label.ece_casali == pytest.approx(whole.top_label.ece_casali)
    assert math.isnan(pooled_calibration([nothing]).nll)


# --- error detection -----------------------------------------------------------------


def some_errors(seed, voxels=3000, rounded=False):
    rng = np.random.default_rng(seed)
    wrong = rng.random(voxels) < 0.1
    uncertainty = rng.random(voxels) + 0.4 * wrong
    return (np.round(uncertainty, 1) if rounded else uncertainty), wrong


@pytest.mark.parametrize("rounded", [False, True])
def test_error_detection_is_that_of_scikit_learn(rounded) -> None:
    uncertainty, wrong = some_errors(1, rounded=rounded)
    found = detect_errors(uncertainty.astype(np.float32), wrong)
    assert (found.voxels, found.errors) == (3000, wrong.sum())
    assert found.auroc == pytest.approx(roc_auc_score(wrong, uncertainty))
    assert found.auprc == pytest.approx(average_precision_score(wrong, uncertainty))
    fpr, tpr, _ = roc_curve(wrong, uncertainty, drop_intermediate=False)
    taken = fpr * (~wrong).sum() + tpr * wrong.sum()
    assert found.found == pytest.approx(np.interp([30, 150, 300], taken, tpr))


def test_the_retention_curve_and_its_area_by_a_plain_loop() -> None:
    uncertainty, wrong = some_errors(2, 500)
    found = detect_errors(uncertainty, wrong)
    ordered = wrong[np.argsort(uncertainty)]
    wanted = [ordered[:kept].sum() / 500 for kept in range(0, 501, 5)]
    assert found.retained_errors == pytest.approx(wanted)
    risks = [ordered[: n + 1].mean() for n in range(500)]
    assert found.aurc == pytest.approx(np.mean(risks))


def test_uncertainty_without_order_finds_errors_by_chance() -> None:
    wrong = np.arange(1000) < 100
    found = detect_errors(np.zeros(1000), wrong)
    assert found.auroc == pytest.approx(0.5) and found.auprc == pytest.approx(0.1)
    assert found.found == pytest.approx((0.01, 0.05, 0.10)) and found.aurc == pytest.approx(0.1)


def test_with_no_or_nothing_but_errors_nothing_is_distinguished() -> None:
    none, all_wrong = (detect_errors(np.arange(5.0), np.full(5, w)) for w in (False, True))
    assert math.isnan(none.auroc) and math.isnan(none.auprc) and math.isnan(none.found[0])
    assert math.isnan(all_wrong.auroc) and all_wrong.auprc == 1
    assert none.retained_errors[-1] == 0 and all_wrong.retained_errors[-1] == 1
    nothing = detect_errors(np.zeros(0), np.zeros(0, bool))
    assert math.isnan(nothing.aurc) and math.isnan(nothing.retained_errors[0])


def test_an_uncertainty_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        detect_errors(np.array([0.1, np.nan]), np.array([True, False]))
    with pytest.raises(ValueError, match="uncertainties"):
        aurc(np.zeros(3), np.zeros(4))


def test_the_area_of_muscles_is_smallest_where_the_worst_are_the_most_uncertain() -> None:
    loss = np.array([0.05, 0.1, 0.4])
    right, reversed_ = aurc(np.array([1.0, 2, 3]), loss), aurc(np.array([3.0, 2, 1]), loss)
    assert right == pytest.approx((0.05 + 0.075 + 0.55 / 3) / 3) and right < reversed_


# --- statistics ----------------------------------------------------------------------


def test_the_bootstrap_over_patients_is_that_of_scipy_and_seeded() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(3).normal(0.8, 0.1, 20)
    found = bootstrap_mean(np.append(values, np.nan), seed=1, resamples=20000)
    wanted = bootstrap((values,), np.mean, method="percentile", rng=2).confidence_interval
    assert found.subjects == 20 and found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.003)
    assert found == bootstrap_mean(values, seed=1, resamples=20000)


def test_of_one_patient_no_interval_is_claimed() -> None:
    one, none = bootstrap_mean(np.array([0.7])), bootstrap_mean(np.array([np.nan]))
    assert one.mean == 0.7 and math.isnan(one.low) and math.isnan(one.high)
    assert none.subjects == 0 and math.isnan(none.mean)


def test_wilcoxon_and_holm_by_hand() -> None:
    before = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
    # All five rise: the two-sided exact p is 2 / 2 ** 5.
    assert paired_p(before, before + 0.01 * np.arange(1, 6)) == pytest.approx(1 / 16)
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
