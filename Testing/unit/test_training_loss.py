"""Loss and scores: of the formula, over the pixels whose label is known."""

import math

import numpy as np
import pytest
import torch
from tiny_ensemble import SCHEME

from musclefm.evaluation.dice import dice
from musclefm.labels.sided import IGNORE
from musclefm.training.data.tiles import NONE_OF_ABSENT
from musclefm.training.fitting.loss import loss_of, loss_sums, soft_targets
from musclefm.training.fitting.validation import score_tiles, upsampled_probabilities

CLASSES = SCHEME.class_count


def test_the_loss_does_not_see_pixels_to_be_ignored():
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 8, 8)
    labels = torch.randint(0, 4, (2, 32, 32), dtype=torch.uint8)
    labels[:, :16] = IGNORE
    changed = logits.clone()
    changed[:, :, :4] = 50 * torch.randn(2, 4, 4, 8)
    torch.testing.assert_close(
        loss_of(loss_sums(logits, labels)), loss_of(loss_sums(changed, labels))
    )
    changed[:, :, 4:] += torch.randn(2, 4, 4, 8)
    assert loss_of(loss_sums(logits, labels)) != loss_of(loss_sums(changed, labels))
    assert math.isfinite(loss_of(loss_sums(logits, torch.full_like(labels, IGNORE))))


def test_the_loss_is_cross_entropy_and_dice_of_the_muscles_shown():
    torch.manual_seed(1)
    logits = torch.randn(3, 5, 8, 8, dtype=torch.float64)
    labels = torch.randint(0, 4, (3, 8, 8), dtype=torch.uint8)
    p = logits.softmax(dim=1)
    entropy = torch.nn.functional.cross_entropy(logits, labels.long())
    dices = []
    for label in (1, 2, 3):
        here = (labels == label).double()
        dices.append(2 * (p[:, label] * here).sum() / (p[:, label].sum() + here.sum()))
    wanted = entropy + 1 - torch.stack(dices).mean()
    found = loss_of(loss_sums(logits.float(), labels))
    assert float(found) == pytest.approx(float(wanted), rel=1e-4)
    targets, weights = soft_targets(labels, 5, 4)
    assert targets.shape == (3, 5, 4, 4) and bool((weights == 1).all())


def reference_loss(logits, labels):
    """Return Dice and cross-entropy by their formulas, pixel for pixel, in float64.

    A pixel of the logits covers some of the labels: each of these that is known counts as
    its share of the pixel.
    """
    count, classes, size, _ = logits.shape
    across = labels.shape[-1] // size
    entropy = weight = 0.0
    both, predicted, reference = np.zeros((3, classes))
    for n in range(count):
        for row in range(size):
            for column in range(size):
                scores = np.exp(logits[n, :, row, column] - logits[n, :, row, column].max())
                p = scores / scores.sum()
                rows = slice(row * across, (row + 1) * across)
                columns = slice(column * across, (column + 1) * across)
                for label in labels[n, rows, columns].ravel():
                    if label != IGNORE:
                        share = 1 / across**2
                        entropy -= share * np.log(p[label])
                        weight += share
                        both[label] += share * p[label]
                        predicted += share * p
                        reference[label] += share
    muscles = [c for c in range(1, classes) if reference[c] > 0]
    dices = [2 * both[c] / (predicted[c] + reference[c]) for c in muscles]
    return entropy / max(weight, 1) + (1 - np.mean(dices) if muscles else 0)


@pytest.mark.parametrize("across", [1, 2, 4], ids="{0} labels across a pixel".format)
@pytest.mark.parametrize("ignored", ["none", "some", "whole slices", "all"])
@pytest.mark.parametrize("scale", [1.0, 20.0], ids=["unsure", "sure"])
def test_the_loss_of_twelve_classes_is_that_of_the_formulas(across, ignored, scale):
    rng = np.random.default_rng(across)
    classes, size = 12, 6
    logits = (scale * rng.normal(size=(3, classes, size, size))).astype(np.float32)
    labels = rng.integers(0, classes, (3, size * across, size * across)).astype(np.uint8)
    # A muscle that the batch does not show has no Dice.
    labels[labels == 7] = 0
    if ignored == "some":
        labels[rng.random(labels.shape) < 0.4] = IGNORE
    elif ignored != "none":
        labels[: 3 if ignored == "all" else 2] = IGNORE
    found = float(loss_of(loss_sums(torch.from_numpy(logits), torch.from_numpy(labels))))
    # Sums of a few thousand numbers in single precision, and what keeps Dice from 0 / 0.
    assert found == pytest.approx(reference_loss(logits.astype(np.float64), labels), rel=1e-4)


def test_where_a_muscle_is_not_the_loss_is_its_probability_and_nothing_else():
    torch.manual_seed(3)
    logits = torch.randn(2, 4, 8, 8, requires_grad=True)
    labels = torch.full((2, 16, 16), IGNORE, dtype=torch.uint8)
    labels[0, :8] = NONE_OF_ABSENT
    absent = torch.zeros(2, 4, dtype=torch.bool)
    absent[0, 2] = absent[1, 1] = True
    loss = loss_of(loss_sums(logits, labels, absent))
    mass = logits.softmax(dim=1)[0, 2, :4]
    assert loss.item() == pytest.approx(-(1 - mass).log().mean().item(), rel=1e-4)
    loss.backward()
    slope = logits.grad
    # Only there, and from the absent muscle to all others alike.
    assert not slope[1].any() and not slope[0, :, 4:].any()
    assert (slope[0, 2, :4] > 0).all() and (slope[0, [0, 1, 3], :4] < 0).all()
    without = logits.detach().clone()
    without[0, 2] = -50
    assert float(loss_of(loss_sums(without, labels, absent))) == pytest.approx(0, abs=1e-6)


def test_a_muscle_predicted_where_it_is_not_costs_dice():
    labels = torch.full((1, 8, 8), NONE_OF_ABSENT, dtype=torch.uint8)
    labels[0, :2] = 1
    absent = torch.tensor([[False, True, False]])
    logits = torch.zeros(1, 3, 8, 8)
    logits[0, 1, :2] = 9
    logits[0, 0, 2:] = 9
    good = loss_sums(logits, labels, absent)
    logits[0, :, 2:] = torch.tensor([0.0, 9.0, 0.0])[:, None, None]
    bad = loss_sums(logits, labels, absent)
    # Shared, predicted and reference mass of class 1.
    assert good[[1, 4, 7]].tolist() == pytest.approx([16, 16, 16], rel=0.01)
    assert bad[[1, 4, 7]].tolist() == pytest.approx([16, 64, 16], rel=0.01)


def test_scores_do_not_see_pixels_to_be_ignored():
    torch.manual_seed(2)
    labels = torch.randint(0, 4, (4, 16, 16), dtype=torch.uint8)
    labels[1, :8] = IGNORE
    logits = torch.randn(4, CLASSES, 16, 16)
    cases = np.array([0, 0, 1, 1])

    def scored(said):
        def answer(tiles):
            return upsampled_probabilities(said[tiles], 16), labels[tiles]

        return score_tiles(answer, np.arange(4), cases, CLASSES, 3, torch.device("cpu"))

    changed = logits.clone()
    changed[1, :, :8] = torch.randn(CLASSES, 8, 16)
    assert scored(logits) == scored(changed)
    votes, p = logits.argmax(dim=1), logits.softmax(dim=1)
    known = labels != IGNORE
    certain = p.gather(1, torch.where(known, labels, 0).long()[:, None])[:, 0]
    assert scored(logits).nll == pytest.approx(-float(certain[known].log().mean()), rel=1e-4)
    by_case = []
    for pair in (slice(0, 2), slice(2, 4)):
        said, true = votes[pair][known[pair]].numpy(), labels[pair][known[pair]].numpy()
        by_case.append(np.mean(dice(said, true, CLASSES)[1:4]))
    assert scored(logits).dice == pytest.approx(np.mean(by_case))
