"""How an ensemble is trained, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from musclefm.networks.architecture import LoraRanks
from musclefm.networks.trainable import Preset

RecipeName = Literal["fast", "paper", "scratch"]


@dataclass(frozen=True)
class Augmentation:
    """How far tiles are changed at random; every draw is uniform and about nothing.

    There are no flips and no rotations by 90 degrees: a thigh is always seen
    from the same side.

    Attributes
    ----------
    rotation_deg, shear_deg : float
        Largest angle to either side.
    zoom : float
        Largest factor; its inverse is the smallest.
    shift : float
        Largest shift along each axis, as a share of the tile's edge.
    gamma : float
        Largest exponent of the intensities; its inverse is the smallest.
    bias : float
        Largest amplitude of the logarithm of a smooth gain.
    noise : float
        Largest standard deviation of white noise, as a share of the tile's range.
    """

    rotation_deg: float = 10.0
    shear_deg: float = 0.0
    zoom: float = 1.15
    shift: float = 0.05
    gamma: float = 1.4
    bias: float = 0.3
    noise: float = 0.03


@dataclass(frozen=True)
class FineTuning:
    """Everything but the data that decides what an ensemble becomes.

    The optimiser is AdamW; its learning rate rises linearly over the warm-up
    and falls as ``(1 - t / T) ** power`` from there on.

    Attributes
    ----------
    trained : str
        ``"decoder"``, ``"lora"`` or ``"full"``, see
        :func:`musclefm.networks.trainable.freeze_for`; ``"scratch"`` trains all from
        weights drawn at random, batch normalisation included.
    statistics : bool
        Whether the statistics of batch normalisation are learned anew, too, as images of
        another kind ask for; from scratch they always are.
    lora : LoraRanks
        Of the adapters, for ``"lora"``.
    slice_size : int
        Edge in pixels that whole slices are squeezed to; thigh tiles keep the
        size that their network was made for.
    members : int or None
        Networks; None for as many as the start has, or five where it has one.
    folds : int
        Folds of subjects; member n stops early by fold n, which it is not
        trained on. Fewer where there are fewer subjects.
    validation, held_out : float
        Shares of the subjects that no member sees: for validation of all
        members and the temperature, and for a comparison afterwards.
    epochs, patience : int
        At most, and without a better validation DSC before it stops.
    steps : int or None
        Of an epoch, on tiles drawn at random; None for as many as show each once.
    batch : int
        Tiles a step, over all processes.
    learning_rate, weight_decay, power : float
        The peak of the learning rate, AdamW's decay, the fall's exponent.
    warm_up : int
        Steps of linear warm-up.
    averaging : float
        Decay, a step, of the moving average of the weights, which is what is
        validated and kept; 0 keeps the weights themselves.
    augmentation : Augmentation
        Of the tiles.
    views : int
        Augmented versions of each tile whose image embeddings are kept on disk where
        only the decoder is trained; 0 keeps none and encodes every time.
    self_labelled : float
        Share of the tiles of a step whose labels a model gave, where there are such.
    seed : int
        Of all randomness.
    """

    trained: Preset = "decoder"
    statistics: bool = False
    lora: LoraRanks = field(default_factory=lambda: LoraRanks(encoder=4, decoder=4))
    slice_size: int = 448
    members: int | None = None
    folds: int = 5
    validation: float = 0.2
    held_out: float = 0.2
    epochs: int = 60
    patience: int = 10
    steps: int | None = None
    batch: int = 4
    learning_rate: float = 3e-4
    weight_decay: float = 0.05
    power: float = 0.9
    warm_up: int = 50
    averaging: float = 0.99
    augmentation: Augmentation = field(default_factory=Augmentation)
    views: int = 8
    self_labelled: float = 0.25
    seed: int = 0

    @property
    def learns_statistics(self) -> bool:
        """Whether batch normalisation follows the tiles."""
        return self.statistics or self.trained == "scratch"

    def member_count(self, known: int) -> int:
        """Return how many networks are trained from a start that has ``known``."""
        return self.members or (known if known > 1 else 5)

    @property
    def caches(self) -> bool:
        """Whether image embeddings are kept on disk."""
        return self.trained == "decoder" and self.views > 0


RECIPES: dict[RecipeName, FineTuning] = {
    "fast": FineTuning(),
    "paper": FineTuning(
        trained="lora",
        slice_size=1024,
        members=5,
        epochs=200,
        patience=20,
        batch=2,
        learning_rate=1e-4,
        weight_decay=0.1,
        warm_up=200,
        averaging=0.0,
        augmentation=Augmentation(
            rotation_deg=10.0, shear_deg=5.0, zoom=1.2, shift=0.1, gamma=1.0, bias=0.0, noise=0.0
        ),
        views=0,
    ),
    "scratch": FineTuning(
        trained="scratch",
        epochs=100,
        patience=20,
        batch=16,
        learning_rate=2e-3,
        weight_decay=0.02,
        warm_up=350,
        averaging=0.998,
        views=0,
    ),
}
"""Named recipes: a fast one, that of Casali et al. 2025 (doi 10.1016/j.cmpb.2025.109035), and
one for small networks without pretrained weights."""
