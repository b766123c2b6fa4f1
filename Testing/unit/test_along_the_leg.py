"""What lies before and after a slice along the leg helps, at true distances in mm."""

from pathlib import Path

import numpy as np
import pytest
import torch
from made_training import one_thread
from tiny_ensemble import ROUNDING, TINY, tiny_bundle

from musclefm.anatomy.thighs import Thighs
from musclefm.inference.device import Runtime
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.inference.thigh_tiles import ThighFraming
from musclefm.models.intensity import PercentileIntensity
from musclefm.models.manifest import ModelInput, ThighTiles
from musclefm.progress import silent
from musclefm.uncertainty.decomposition import decompose

FP32 = Runtime(torch.device("cpu"), bf16=False)
MIN_MAX = PercentileIntensity(low=0.0, high=100.0)


def framed(
    volume: np.ndarray, slice_mm: float, neighbours_mm: float = 0.0, smoothing_mm: float = 0.0
) -> ThighFraming:
    """Frame one thigh that fills the slices ``(K, J, I)``."""
    slices, rows, columns = volume.shape
    centres = np.tile([(rows - 1) / 2, (columns - 1) / 2], (1, slices, 1))
    thighs = Thighs(1, np.ones(volume.shape, np.uint8), centres)
    rule = ThighTiles(spacing_mm=6.0, neighbours_mm=neighbours_mm, smoothing_mm=smoothing_mm)
    image = volume[None].astype(np.float32)
    spacing = (slice_mm, 6.0, 6.0)
    return ThighFraming(image, spacing, thighs, (False,), TINY.input_size, rule, MIN_MAX)


def rising(slices: int, slice_mm: float) -> np.ndarray:
    """Return slices of a texture whose brightness rises by 1 a mm."""
    texture = np.random.default_rng(0).uniform(1000, 1400, (1, 32, 32))
    return texture + slice_mm * np.arange(slices)[:, None, None]


def offsets_mm(volume: np.ndarray, slice_mm: float, k: int) -> list[float]:
    """Return how far from slice k its tile's images lie along the leg, from their brightness."""
    (tile,) = framed(volume, slice_mm, neighbours_mm=6.0).tiles(k)
    assert tile.shape == (3, 32, 32)
    # One scale for all three: the spread of the own image tells that of the others.
    per_mm = float(tile[1].max() - tile[1].min()) / float(np.ptp(volume[k]))
    return [float((image - tile[1]).mean()) / per_mm for image in tile]


@pytest.mark.parametrize("slice_mm", [1.0, 3.0, 4.0, 6.0, 10.0])
def test_neighbours_are_seen_at_their_distance_whatever_the_slices_are(slice_mm: float) -> None:
    volume = rising(13, slice_mm)
    assert offsets_mm(volume, slice_mm, 6) == pytest.approx([-6, 0, 6], abs=0.01)
    # What lies beyond an end is the last slice there.
    assert offsets_mm(volume, slice_mm, 0) == pytest.approx([0, 0, 6], abs=0.01)
    assert offsets_mm(volume, slice_mm, 12) == pytest.approx([-6, 0, 0], abs=0.01)


def test_a_slice_whose_neighbours_are_far_or_missing_is_seen_alone() -> None:
    assert offsets_mm(rising(5, 26.0), 26.0, 2) == pytest.approx([0, 0, 0], abs=0.01)
    volume = rising(9, 6.0)
    volume[5] = 0
    assert offsets_mm(volume, 6.0, 4) == pytest.approx([-6, 0, 0], abs=0.01)
    assert offsets_mm(volume, 6.0, 6) == pytest.approx([0, 0, 6], abs=0.01)
    assert offsets_mm(rising(1, 6.0), 6.0, 0) == pytest.approx([0, 0, 0], abs=0.01)


def test_without_neighbours_a_tile_is_the_slice() -> None:
    volume = rising(5, 6.0)
    own = framed(volume, 6.0).tiles(2)
    assert own.shape == (1, 1, 32, 32)
    alone = framed(np.repeat(volume[2:3], 3, axis=0), 6.0, neighbours_mm=6.0).tiles(1)
    torch.testing.assert_close(alone, own.expand(1, 3, 32, 32))


def width_mm(framing: ThighFraming, k: int, slice_mm: float) -> float:
    shares = framing.shares(k)
    assert sum(shares.values()) == pytest.approx(1)
    return float(np.sqrt(sum(share * ((n - k) * slice_mm) ** 2 for n, share in shares.items())))


def test_probabilities_are_combined_over_a_width_in_mm() -> None:
    for slice_mm in (1.0, 3.0, 6.0):
        framing = framed(rising(101, slice_mm), slice_mm, smoothing_mm=9.0)
        assert width_mm(framing, 50, slice_mm) == pytest.approx(9.0, rel=0.15)
        assert width_mm(framing, 0, slice_mm) == pytest.approx(9.0, rel=0.2)
        assert min(framing.shares(0)) == 0 and max(framing.shares(100)) == 100
    for slice_mm, smoothing_mm in ((40.0, 9.0), (6.0, 0.0)):
        alone = framed(rising(5, slice_mm), slice_mm, smoothing_mm=smoothing_mm)
        assert [alone.shares(k) for k in range(5)] == [{k: 1.0} for k in range(5)]


def test_a_missing_slice_has_no_share_and_takes_none() -> None:
    volume = rising(9, 6.0)
    volume[4] = 0
    framing = framed(volume, 6.0, smoothing_mm=9.0)
    assert framing.shares(4)[4] == 1.0 and sum(framing.shares(4).values()) == 1.0
    assert framing.shares(3)[4] == framing.shares(5)[4] == 0.0
    assert framing.shares(5)[3] > 0.1


@pytest.mark.parametrize("slices", [1, 2, 11])
def test_each_members_probabilities_are_combined_before_the_uncertainty_is_split(
    slices: int, tmp_path: Path
) -> None:
    volume = np.random.default_rng(1).gamma(2.0, 80.0, (slices, 32, 32))
    framing = framed(volume, 6.0, smoothing_mm=5.0)
    with one_thread():
        predictor = EnsemblePredictor(tiny_bundle(tmp_path / "tiny"), FP32, silent)
        seen: list[int] = []
        result = predictor.predict(
            framing, np.ones(volume.shape, np.uint8), 1, lambda k, mean, _: seen.append(k)
        )
        answers = torch.cat([predictor.probabilities(framing.tiles(k)) for k in range(slices)])
    assert seen == list(range(slices))
    for k in range(slices):
        distances = 6.0 * np.abs(np.arange(slices) - k)
        weights = np.exp(-0.5 * (distances / 5.0) ** 2) * (distances <= 12.5)
        weights = torch.from_numpy(weights / weights.sum()).float()
        combined = torch.einsum("k,kmchw->mchw", weights, answers)
        parts = decompose(framing.restore(k, combined[None]))
        torch.testing.assert_close(
            torch.from_numpy(result.epistemic[k]), parts.epistemic, atol=ROUNDING, rtol=0
        )
        torch.testing.assert_close(
            torch.from_numpy(result.total[k]), parts.total, atol=ROUNDING, rtol=0
        )


def test_tiles_that_wait_for_their_neighbours_are_few(tmp_path: Path) -> None:
    framing = framed(np.random.default_rng(1).gamma(2.0, 80.0, (60, 32, 32)), 6.0, smoothing_mm=6.0)
    predictor = EnsemblePredictor(tiny_bundle(tmp_path / "tiny", members=1), FP32, silent)
    ran: list[int] = []
    answer = predictor.in_batches

    def counted(tiles: torch.Tensor) -> torch.Tensor:
        ran.append(len(tiles))
        return answer(tiles)

    predictor.in_batches = counted
    most = 0

    def observe(k: int, mean: torch.Tensor, _: torch.Tensor) -> None:
        nonlocal most
        most = max(most, sum(ran) - k)

    predictor.predict(framing, np.ones((60, 32, 32), np.uint8), 1, observe)
    assert sum(ran) == 60 and most <= 3 * max(ran)


def test_a_bundle_of_before_keeps_its_card() -> None:
    assert ThighTiles(spacing_mm=1.4).model_dump() == {"kind": "thigh", "spacing_mm": 1.4}
    along = ThighTiles(spacing_mm=1.4, neighbours_mm=6.0, smoothing_mm=9.0)
    given = ModelInput(framing=along)
    assert ModelInput.model_validate_json(given.model_dump_json()) == given
