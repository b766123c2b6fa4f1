"""Whole slices are framed as in the published pipeline, voxel for voxel.

The reference is written from the description in ``../shared/paper/README.md``
alone: index order of the file, one slice and one image at a time, NumPy, Pillow
and segment-anything's own classes.
"""

import numpy as np
import numpy.typing as npt
import pytest
import scipy.ndimage
import scipy.special
import torch
from PIL import Image
from test_sam import SMALL, reference, reference_logits

from musclefm.inference.slices import SliceFraming
from musclefm.models.intensity import IntensityRule, PercentileIntensity, PublishedIntensity
from musclefm.networks.architecture import LoraRanks
from musclefm.networks.sam import MultiClassSam

SIZE = 128
ARCHITECTURE = SMALL.model_copy(
    update={
        "input_size": SIZE,
        "trained_size": SIZE,
        "window": 4,
        "lora": LoraRanks(encoder=4, decoder=4),
    }
)
SHAPE_IJK = (150, 110, 3)
Floats = npt.NDArray[np.float32]


def scan(seed: int) -> Floats:
    """Return smooth whole-number intensities ``(I, J, K)``, as scanners give."""
    noise = np.random.default_rng(seed).normal(size=SHAPE_IJK)
    smooth = scipy.ndimage.gaussian_filter(noise, (6, 6, 0))
    return np.round(800 * (smooth - smooth.min())).astype(np.float32)


def member(seed: int) -> MultiClassSam:
    torch.manual_seed(seed)
    model = MultiClassSam(ARCHITECTURE, 13).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def reference_labels(
    first: Floats, second: Floats, members: list[MultiClassSam], normalisation: str
) -> npt.NDArray[np.intp]:
    """Return the labels ``(I, J, K)`` of the published pipeline."""
    probabilities = np.zeros((len(members), 13, *SHAPE_IJK))
    for m, model in enumerate(members):
        sam = reference(ARCHITECTURE, SIZE)
        sam.load_state_dict(folded_by_hand(model))
        for k in range(SHAPE_IJK[2]):
            channels = []
            for volume in (first, second):
                image = volume[:, :, k]
                spread = image.max() - image.min() + 1e-8
                channels.append(((image - image.min()) / spread * 255).astype(np.uint8))
            channels.append(np.mean(channels, axis=0).astype(np.uint8))
            picture = Image.fromarray(np.stack(channels, axis=-1))
            square = np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
            x = square.astype(np.float32).transpose(2, 0, 1) / 255
            if normalisation == "sam":
                mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
                x = (x - np.reshape(mean, (3, 1, 1))) / np.reshape(deviation, (3, 1, 1))
            else:
                with np.errstate(invalid="ignore"):
                    x = (x - x.min()) / (x.max() - x.min())
            with torch.no_grad():
                logits = reference_logits(sam, torch.from_numpy(x).float()[None])[0]
            softmax = scipy.special.softmax(logits.numpy(), axis=0)
            for c in range(13):
                # Pillow takes (width, height): columns are the second index of the file.
                resized = Image.fromarray(softmax[c]).resize((SHAPE_IJK[1], SHAPE_IJK[0]))
                probabilities[m, c, :, :, k] = np.asarray(resized)
    return probabilities.mean(axis=0).argmax(axis=0)


def folded_by_hand(model: MultiClassSam) -> dict[str, torch.Tensor]:
    """Return plain weights W + B A of an adapted model."""
    state = dict(model.state_dict())
    for name in [name for name in state if name.endswith("attn.qkv.qkv.weight")]:
        stem = name.removesuffix("qkv.weight")
        weight = state.pop(name).clone()
        dim = weight.shape[1]
        for rows, letter in ((slice(0, dim), "q"), (slice(2 * dim, None), "v")):
            down, up = (state.pop(f"{stem}linear_{x}_{letter}.weight") for x in "ab")
            weight[rows] += up @ down
        state[f"{stem}weight"] = weight
        state[f"{stem}bias"] = state.pop(f"{stem}qkv.bias")
    for name in [name for name in state if name.endswith("_proj.proj.weight")]:
        stem = name.removesuffix("proj.weight")
        down, up = (state.pop(f"{stem}w_{x}.weight") for x in "ab")
        state[f"{stem}weight"] = state.pop(name) + up @ down
        state[f"{stem}bias"] = state.pop(f"{stem}proj.bias")
    return state


def our_probabilities(framing: SliceFraming, members: list[MultiClassSam]) -> torch.Tensor:
    """Return ``(K, M, C, J, I)``."""
    slices = []
    with torch.no_grad():
        for k in range(framing.slice_count):
            tiles = framing.tiles(k)
            answers = torch.stack([model(tiles) for model in members], dim=1)
            slices.append(framing.restore(k, answers.softmax(dim=2)))
    return torch.stack(slices)


@pytest.mark.parametrize("normalisation", ["sam", "medsam"])
def test_labels_are_those_of_the_published_pipeline(normalisation: str) -> None:
    first, second = scan(1), scan(2)
    # Beyond the body: nothing in either channel.
    first[:, :, 2] = second[:, :, 2] = 0
    members = [member(seed) for seed in (1, 2)]
    channels = np.stack([first.transpose(2, 1, 0), second.transpose(2, 1, 0)])
    framing = SliceFraming(
        channels,
        SIZE,
        PublishedIntensity(normalisation=normalisation),  # type: ignore[arg-type]
        "stored",
    )
    probabilities = our_probabilities(framing, members)
    assert probabilities.shape == (3, 2, 13, *SHAPE_IJK[1::-1])
    assert (probabilities >= 0).all()
    torch.testing.assert_close(probabilities.sum(dim=2), torch.ones(3, 2, *SHAPE_IJK[1::-1]))
    ours = probabilities.mean(dim=1).argmax(dim=1).numpy().transpose(2, 1, 0)
    theirs = reference_labels(first, second, members, normalisation)
    assert len(np.unique(theirs)) > 3
    assert (ours == theirs).mean() >= 0.999


def test_one_channel_is_shown_three_times() -> None:
    image = scan(3).transpose(2, 1, 0)
    framing = SliceFraming(image[None], SIZE, PublishedIntensity(normalisation="medsam"), "stored")
    tile = framing.tiles(0)
    assert tile.shape == (1, 3, SIZE, SIZE) and tile.dtype == torch.float32
    assert torch.equal(tile[:, 0], tile[:, 1]) and torch.equal(tile[:, 0], tile[:, 2])
    assert tile.min() == 0 and tile.max() == 1


@pytest.mark.parametrize("intensity", [PublishedIntensity(), PercentileIntensity()])
@pytest.mark.parametrize("orientation", ["stored", "canonical"])
def test_what_is_seen_at_a_place_comes_back_to_it(
    intensity: IntensityRule, orientation: str
) -> None:
    image = np.zeros((1, 1, 60, 90), np.float32)
    image[0, 0, 10:20, 65:85] = 100
    framing = SliceFraming(image, 448, intensity, orientation)  # type: ignore[arg-type]
    tile = framing.tiles(0)
    bright = (tile[0, 0] > tile.mean()).float()
    small = torch.nn.functional.avg_pool2d(bright[None], 4)
    answers = torch.stack([1 - small, small], dim=1)[None]
    restored = framing.restore(0, answers)
    assert restored.shape == (1, 2, 60, 90)
    rows_first = bright.sum(dim=1).count_nonzero() < bright.sum(dim=0).count_nonzero()
    assert bool(rows_first) == (orientation == "canonical")
    assert ((restored[0, 1].numpy() > 0.5) == (image[0, 0] > 50)).mean() > 0.98


@pytest.mark.parametrize("intensity", [PublishedIntensity(), PercentileIntensity()])
def test_a_constant_slice_gives_finite_tiles(
    intensity: IntensityRule,
) -> None:
    framing = SliceFraming(np.full((2, 1, 40, 50), 7, np.float32), 64, intensity, "canonical")
    assert torch.isfinite(framing.tiles(0)).all()


def test_more_channels_than_a_picture_has_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 3 channels"):
        SliceFraming(np.zeros((4, 1, 8, 8), np.float32), 64, PublishedIntensity(), "canonical")
