"""The loss of the demo's members, against its formula and against MONAI's."""

import math

import pytest
import torch
from torch import Tensor

from musclefm.demo.member import dice_and_cross_entropy


def targets_of(kind: str) -> Tensor:
    """Return ``(3, 4, 5, 6)`` shares of classes; the last muscle is in no slice."""
    generator = torch.Generator().manual_seed(1)
    if kind == "hard":
        labels = torch.randint(3, (3, 5, 6), generator=generator)
        return torch.nn.functional.one_hot(labels, 4).permute(0, 3, 1, 2).float()
    shares = torch.rand(3, 4, 5, 6, generator=generator)
    shares[:, 3] = 0
    return shares / shares.sum(1, keepdim=True)


def test_two_pixels_by_hand() -> None:
    """Muscle 1 with probabilities 3/4 and 1/5, where its share is 1 and 1/2."""
    probabilities = torch.tensor([[0.25, 0.8], [0.75, 0.2]]).reshape(1, 2, 1, 2)
    targets = torch.tensor([[0.0, 0.5], [1.0, 0.5]]).reshape(1, 2, 1, 2)
    entropy = -(math.log(0.75) + 0.5 * math.log(0.8) + 0.5 * math.log(0.2)) / 2
    missed = 1 - 2 * (0.75 + 0.2 * 0.5) / (0.75 + 0.2 + 1 + 0.5)
    loss = dice_and_cross_entropy(probabilities.log(), targets)
    assert loss.item() == pytest.approx(entropy + 0.5 * missed, rel=1e-4)


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_numbers_and_slopes_are_those_of_monai(kind: str) -> None:
    from monai.losses import DiceCELoss

    known = DiceCELoss(softmax=True, include_background=False, batch=True, lambda_dice=0.5)
    logits = 3 * torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(2))
    results = []
    for loss_of in (known, dice_and_cross_entropy):
        leaf = logits.clone().requires_grad_()
        loss = loss_of(leaf, targets_of(kind))
        loss.backward()
        results.append((loss.detach(), leaf.grad))
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-6)
