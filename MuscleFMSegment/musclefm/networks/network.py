"""What every network of an ensemble is: an image encoder, and a decoder of class logits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from musclefm.networks.architecture import Architecture


@dataclass(frozen=True)
class EncoderStage:
    """A part of an image encoder, which members with equal weights up to its end share.

    Attributes
    ----------
    weights : tuple of str
        What the names of its weights, as ``image_encoder`` has them, begin with.
    run : callable
        Takes the answer of the stage before, the first one an image; it changes nothing
        in place. The last one returns what :meth:`SegmentationNetwork.encode` returns.
    """

    weights: tuple[str, ...]
    run: Callable[[Any], Any]


class SegmentationNetwork(nn.Module, ABC):
    """A network from a square image, or a patch of a volume, to class logits.

    Members of an ensemble encode together as far as their image encoders hold equal
    weights, and training can leave it frozen: its parameters lie in ``image_encoder``,
    all others outside it.

    Parameters
    ----------
    architecture : Architecture
        What it is built from.
    class_count : int
        Classes with background.
    """

    image_encoder: nn.Module

    def __init__(self, architecture: Architecture, class_count: int) -> None:
        super().__init__()
        self.architecture = architecture
        self.class_count = class_count

    @abstractmethod
    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return an embedding and finer features from ``(N, channels, S, S)``.

        Only ``image_encoder`` takes part. The embedding and each of the features,
        of which there may be none, have N as first axis.
        """

    def encoder_stages(self) -> Sequence[EncoderStage]:
        """Return what :meth:`encode` does as stages: one, unless a family has more."""
        return (EncoderStage(("",), self.encode),)

    @abstractmethod
    def decode(self, embedding: Tensor, features: list[Tensor]) -> Tensor:
        """Return logits ``(N, C, h, w)`` from what :meth:`encode` gave; h and w may be below S."""

    @abstractmethod
    def draw_class_outputs(self) -> None:
        """Draw the parameters anew whose number is that of the classes."""

    def draw_untrained(self) -> None:
        """Draw anew what a pretrained checkpoint does not hold: the class outputs, if no more."""
        self.draw_class_outputs()

    def forward(self, image: Tensor) -> Tensor:
        """Return logits ``(N, C, h, w)`` from ``(N, channels, S, S)``, normalised."""
        return self.decode(*self.encode(image))
