"""Entropies, mutual information and Dice agree with closed forms and plain NumPy."""

import math

import numpy as np
import pytest
import torch

from musclefm.evaluation.dice import dice, expected_dice, member_dice
from musclefm.uncertainty.decomposition import decompose
from musclefm.uncertainty.maps import ClassStatistics


def random_members(members=4, classes=12, size=9, seed=0, sharpness=3.0):
    generator = torch.Generator().manual_seed(seed)
    logits = sharpness * torch.randn(members, classes, size, size, generator=generator)
    return logits.softmax(dim=1)


def assert_invariants(parts, classes, tolerance=2e-6):
    assert torch.allclose(parts.total, parts.aleatoric + parts.epistemic, atol=tolerance)
    for value in (parts.total, parts.aleatoric, parts.epistemic):
        assert value.dtype == torch.float32
        assert value.isfinite().all()
        assert value.min() >= 0
        assert value.max() <= math.log(classes) + tolerance
    assert parts.variance.min() >= 0
    assert torch.allclose(parts.mean.sum(dim=0), torch.ones_like(parts.total), atol=1e-5)


def test_members_that_agree_have_no_epistemic_uncertainty():
    parts = decompose(random_members(members=1).expand(5, -1, -1, -1))
    assert parts.epistemic.max() < 1e-6
    assert parts.variance.max() < 1e-12
    assert torch.allclose(parts.total, parts.aleatoric, atol=1e-6)


def test_certain_members_that_disagree():
    members = torch.zeros(2, 5, 3, 3)
    members[0, 1] = 1
    members[1, 4] = 1
    parts = decompose(members)
    assert torch.allclose(parts.epistemic, torch.full((3, 3), math.log(2)))
    assert torch.equal(parts.aleatoric, torch.zeros(3, 3))
    # Two of five classes have a variance of 1/4 each.
    assert torch.allclose(parts.variance, torch.full((3, 3), 0.1))


def test_uniform_members_are_as_uncertain_as_can_be():
    parts = decompose(torch.full((3, 13, 2, 2), 1 / 13))
    assert torch.allclose(parts.total, torch.full((2, 2), math.log(13)))
    assert torch.allclose(parts.aleatoric, torch.full((2, 2), math.log(13)))
    assert parts.epistemic.max() < 1e-6


def test_one_member_has_no_variance():
    parts = decompose(random_members(members=1))
    assert torch.equal(parts.variance, torch.zeros_like(parts.variance))
    assert torch.equal(parts.epistemic, torch.zeros_like(parts.epistemic))


def test_agrees_with_double_precision_numpy():
    members = random_members()
    p = members.numpy().astype(np.float64)
    mean = p.mean(axis=0)
    total = -(mean * np.log(mean)).sum(axis=0)
    aleatoric = np.mean([-(x * np.log(x)).sum(axis=0) for x in p], axis=0)
    variance = np.mean([((p[:, c] - mean[c]) ** 2).mean(axis=0) for c in range(12)], axis=0)
    parts = decompose(members)
    for found, expected in (
        (parts.mean, mean),
        (parts.total, total),
        (parts.aleatoric, aleatoric),
        (parts.epistemic, total - aleatoric),
        (parts.variance, variance),
    ):
        assert np.allclose(found.numpy(), expected, atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("sharpness", [0.01, 3.0, 60.0])
def test_any_precision_and_probabilities_of_zero(dtype, sharpness):
    exact = random_members(sharpness=sharpness)
    parts = decompose(exact.to(dtype))
    assert_invariants(parts, classes=12)
    assert torch.allclose(parts.total, decompose(exact).total, atol=0.03)


def test_overshoot_of_interpolation_is_clipped():
    members = random_members(sharpness=20.0)
    members[:, 0] += 0.02
    members[:, 1] -= 0.02
    assert (members < 0).any()
    assert_invariants(decompose(members), classes=12)


def test_a_wrong_number_of_axes_is_refused():
    with pytest.raises(ValueError, match=r"\(M, C, H, W\)"):
        decompose(torch.zeros(5, 3, 3))


def statistics_of(members, labels):
    """Gather the sums of both halves of a volume ``(M, C, ...)``: right, then left."""
    classes = members.shape[1]
    mean, votes = members.mean(axis=0), members.argmax(axis=1)
    middle = labels.shape[-1] // 2
    sides = (np.s_[..., :middle], np.s_[..., middle:])
    overlap = [
        [
            [[np.sum((a[side] == c) & (b[side] == c)) for b in votes] for a in votes]
            for c in range(classes)
        ]
        for side in sides
    ]
    return ClassStatistics(
        probability_mass=np.array([[mean[c][s].sum() for c in range(classes)] for s in sides]),
        probability_inside=np.array(
            [[mean[c][s][labels[s] == c].sum() for c in range(classes)] for s in sides]
        ),
        member_overlap=np.array(overlap, np.float64),
    )


def test_dice_by_hand():
    a = np.array([[0, 1, 1], [2, 2, 2]])
    b = np.array([[0, 1, 2], [2, 2, 4]])
    found = dice(a, b, 5)
    assert np.allclose(found[[0, 1, 2, 4]], [1, 2 / 3, 4 / 6, 0])
    assert np.isnan(found[3])


def test_dice_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="shapes"):
        dice(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8), 3)
    with pytest.raises(ValueError, match="not below 3"):
        dice(np.zeros(4, np.uint8), np.full(4, 3, np.uint8), 3)


def test_expected_dice_is_what_drawing_the_truth_gives():
    p = random_members(members=3, classes=4, size=40, sharpness=2.0).numpy().astype(np.float64)
    mean = p.mean(axis=0)
    labels = mean.argmax(axis=0)
    labelled = np.array(
        [np.bincount(half.ravel(), minlength=4) for half in (labels[:, :20], labels[:, 20:])]
    )
    found = expected_dice(statistics_of(p, labels), labelled.astype(np.float64))
    rng = np.random.default_rng(1)
    drawn = (rng.random((300, 40, 40))[:, None] > mean.cumsum(axis=0)[None]).sum(axis=1).clip(0, 3)
    for side, half in enumerate((np.s_[:, :20], np.s_[:, 20:])):
        dices = np.mean([dice(labels[half], truth[half], 4) for truth in drawn], axis=0)
        assert np.allclose(found[side], dices, atol=0.01)


def test_expected_dice_of_certain_and_of_absent_classes():
    certain = np.zeros((2, 3, 2, 4))
    certain[:, 1] = 1
    statistics = statistics_of(certain, np.ones((2, 4), int))
    found = expected_dice(statistics, np.array([[0.0, 4, 0], [0, 4, 0]]))
    assert np.allclose(found[:, 1], 1)
    assert np.isnan(found[:, [0, 2]]).all()


def test_member_dice_is_the_mean_over_pairs():
    p = random_members(members=4, classes=5, size=10, sharpness=1.0).numpy()
    labels = p.mean(axis=0).argmax(axis=0)
    found = member_dice(statistics_of(p, labels))
    votes = p.argmax(axis=1)
    for side, half in enumerate((np.s_[:, :5], np.s_[:, 5:])):
        pairs = [dice(votes[a][half], votes[b][half], 5) for a in range(4) for b in range(a + 1, 4)]
        assert np.allclose(found[side], np.mean(pairs, axis=0))


def test_member_dice_where_pairs_are_empty():
    votes = np.zeros((3, 3, 2, 4))
    votes[:2, 1, :, 2:] = 1  # the left half: two members say 1, the third says 2
    votes[2, 2, :, 2:] = 1
    votes[:, 0, :, :2] = 1
    found = member_dice(statistics_of(votes, votes.mean(axis=0).argmax(axis=0)))
    assert np.allclose(found[0, 0], 1)
    assert np.isnan(found[0, 1:]).all()
    # One pair agrees wholly on class 1, two not at all; class 2 is never shared.
    assert np.allclose(found[1, 1:], [1 / 3, 0])
    assert np.isnan(found[1, 0])


def test_one_member_has_no_pairs():
    p = random_members(members=1, classes=3, size=4).numpy()
    assert np.isnan(member_dice(statistics_of(p, p[0].argmax(axis=0)))).all()
