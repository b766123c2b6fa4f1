"""The streamed ensemble gives what a plain computation over all voxels gives."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from tiny_ensemble import ROUNDING, SCHEME, TINY, WHOLE_SLICES, bundle_of, tiny_bundle
from torch import Tensor

from musclefm.anatomy.thighs import Thighs
from musclefm.errors import MuscleFMError
from musclefm.inference.device import Runtime
from musclefm.inference.predictor import EnsemblePredictor, Prediction
from musclefm.inference.thigh_tiles import ThighFraming
from musclefm.models.bundle import Bundle
from musclefm.models.intensity import PercentileIntensity
from musclefm.models.manifest import ThighTiles
from musclefm.networks.architecture import SamArchitecture
from musclefm.networks.sam import MultiClassSam
from musclefm.progress import ProgressEvent, silent

CLASSES = SCHEME.class_count
FP32 = Runtime(torch.device("cpu"), bf16=False)
SHAPE = (5, 40, 70)


@pytest.fixture(scope="module")
def thighs() -> Thighs:
    membership = np.ones(SHAPE, np.uint8)
    membership[:, :, 33:] = 2
    centres = np.stack([np.tile([20.0, 17.0], (5, 1)), np.tile([21.0, 52.0], (5, 1))])
    return Thighs(2, membership, centres)


@pytest.fixture(scope="module")
def framing(thighs: Thighs) -> ThighFraming:
    image = np.random.default_rng(0).gamma(2.0, 80.0, (1, *SHAPE)).astype(np.float32)
    image = np.repeat(np.repeat(image[:, :, ::5, ::5], 5, axis=2), 5, axis=3)
    return ThighFraming(
        image,
        (10.0, 4.0, 4.0),
        thighs,
        (False, True),
        TINY.input_size,
        ThighTiles(spacing_mm=4.5),
        PercentileIntensity(),
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def prediction(bundle: Bundle, framing: ThighFraming, thighs: Thighs) -> Prediction:
    return EnsemblePredictor(bundle, FP32, silent).predict(framing, thighs.membership, 2)


def direct(
    bundle: Bundle, framing: ThighFraming, temperature: float = 1.0
) -> npt.NDArray[np.float64]:
    """Return each member's probabilities ``(M, C, K, J, I)``, one network and slice at a time."""
    volumes = []
    for index in range(len(bundle.manifest.members)):
        member = bundle.load_member(index)
        slices = []
        for k in range(framing.slice_count):
            with torch.no_grad():
                softmax = (member(framing.tiles(k)) / temperature).softmax(dim=1)
            slices.append(framing.restore(k, softmax[:, None])[0].numpy())
        volumes.append(np.stack(slices, axis=1))
    answers = np.stack(volumes).astype(np.float64)
    return np.asarray(answers / answers.sum(axis=1, keepdims=True))


def entropy(p: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
    return -np.sum(p * np.log(np.maximum(p, 1e-300)), axis=axis)


def same(first: Prediction, second: Prediction) -> None:
    for name in ("total", "aleatoric", "epistemic", "variance", "least_confidence"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), atol=ROUNDING)
    assert (first.labels == second.labels).mean() > 0.999
    assert (first.top_muscle == second.top_muscle).mean() > 0.999


def test_maps_are_those_of_a_plain_computation(
    bundle: Bundle, framing: ThighFraming, prediction: Prediction
) -> None:
    answers = direct(bundle, framing)
    mean = answers.mean(axis=0)
    total, aleatoric = entropy(mean, 0), entropy(answers, 1).mean(axis=0)
    assert len(np.unique(mean.argmax(axis=0))) > 3 and (total - aleatoric).max() > 0.05
    np.testing.assert_allclose(prediction.total, total, atol=ROUNDING)
    np.testing.assert_allclose(prediction.aleatoric, aleatoric, atol=ROUNDING)
    np.testing.assert_allclose(prediction.epistemic, total - aleatoric, atol=ROUNDING)
    np.testing.assert_allclose(prediction.variance, answers.var(axis=0).mean(axis=0), atol=ROUNDING)
    np.testing.assert_allclose(prediction.least_confidence, 1 - mean.max(axis=0), atol=ROUNDING)
    runner_up, best = np.sort(mean, axis=0)[-2:]
    clear = best - runner_up > ROUNDING
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(prediction.labels[clear], mean.argmax(axis=0)[clear])
    muscles = np.sort(mean[1:], axis=0)
    clear = muscles[-1] - muscles[-2] > ROUNDING
    np.testing.assert_array_equal(prediction.top_muscle[clear], mean[1:].argmax(axis=0)[clear] + 1)
    for name in ("total", "aleatoric", "epistemic", "variance", "least_confidence"):
        assert getattr(prediction, name).dtype == np.float32
    assert prediction.labels.dtype == prediction.top_muscle.dtype == np.uint8


def test_sums_over_voxels_are_those_of_a_loop(
    bundle: Bundle, framing: ThighFraming, thighs: Thighs, prediction: Prediction
) -> None:
    answers = direct(bundle, framing)
    mean, votes = answers.mean(axis=0), answers.argmax(axis=1)
    statistics = prediction.statistics
    for thigh in (0, 1):
        mine = thighs.membership == thigh + 1
        for c in range(CLASSES):
            mass = mean[c][mine].sum()
            assert statistics.probability_mass[thigh, c] == pytest.approx(mass, rel=1e-3, abs=0.1)
            inside = mean[c][mine & (prediction.labels == c)].sum()
            assert statistics.probability_inside[thigh, c] == pytest.approx(
                inside, rel=1e-3, abs=0.1
            )
            for a in range(3):
                for b in range(3):
                    both = (mine & (votes[a] == c) & (votes[b] == c)).sum()
                    assert (
                        abs(statistics.member_overlap[thigh, c, a, b] - both) <= 0.001 * mine.sum()
                    )
    assert statistics.probability_mass.sum() == pytest.approx(np.prod(SHAPE), rel=1e-5)


def test_one_network_alone_never_disagrees(
    tmp_path: Path, framing: ThighFraming, thighs: Thighs
) -> None:
    alone = tiny_bundle(tmp_path / "alone", members=1)
    result = EnsemblePredictor(alone, FP32, silent).predict(framing, thighs.membership, 2)
    assert result.total.max() > 0.1
    np.testing.assert_allclose(result.aleatoric, result.total, atol=1e-5)
    assert result.epistemic.max() < 1e-5 and result.variance.max() == 0
    overlap = result.statistics.member_overlap
    assert overlap.shape == (2, CLASSES, 1, 1) and overlap.sum() == np.prod(SHAPE)


def test_temperature_softens_the_answers(
    tmp_path: Path, framing: ThighFraming, thighs: Thighs, prediction: Prediction
) -> None:
    soft = tiny_bundle(tmp_path / "soft", temperature=2.5)
    result = EnsemblePredictor(soft, FP32, silent).predict(framing, thighs.membership, 2)
    mean = direct(soft, framing, temperature=2.5).mean(axis=0)
    np.testing.assert_allclose(result.total, entropy(mean, 0), atol=ROUNDING)
    assert result.total.mean() > prediction.total.mean()


OWN_FAMILY = TINY.model_copy(update={"depth": 3, "input_channels": 3})
SAMS = OWN_FAMILY.model_copy(
    update={"stem": (), "window": 3, "global_blocks": (1,), "relative_positions": True}
)


@pytest.mark.parametrize("architecture", [OWN_FAMILY, SAMS], ids=["own", "SAM"])
def test_members_encode_together_as_far_as_they_are_equal(
    architecture: SamArchitecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    networks = [MultiClassSam(architecture, CLASSES).eval() for _ in range(5)]
    # Of the first one's encoder: the tokens and a block, then from the second all blocks; all;
    # and nothing, though its last block is the first one's.
    for member, model, begins in (
        (1, 0, ("pos_embed", "patch_embed.", "blocks.0.")),
        (2, 1, ("pos_embed", "patch_embed.", "blocks.")),
        (3, 0, ("",)),
        (4, 0, ("blocks.2.",)),
    ):
        state = networks[model].image_encoder.state_dict()
        equal = {name: value for name, value in state.items() if name.startswith(begins)}
        networks[member].image_encoder.load_state_dict(equal, strict=False)
    bundle = bundle_of(tmp_path / "late", networks, WHOLE_SLICES)
    predictor = EnsemblePredictor(bundle, FP32, silent)
    tiles = torch.randn(2, 3, TINY.input_size, TINY.input_size)
    with torch.no_grad():
        expected = torch.stack([network(tiles).softmax(dim=1) for network in networks], dim=1)
    ran = []
    block = type(networks[0].image_encoder.blocks[0])
    forward = block.forward
    monkeypatch.setattr(block, "forward", lambda self, x: ran.append(len(x)) or forward(self, x))
    torch.testing.assert_close(predictor.probabilities(tiles), expected, rtol=0, atol=ROUNDING)
    # Three of the first, two of the second, none of third and fourth, three of the last.
    assert ran == [2] * 8
    # Equal weights lie in memory once.
    addresses = {
        parameter.data_ptr()
        for member in predictor._members
        for name, parameter in member.image_encoder.named_parameters()
        if name.startswith("blocks.0.mlp.lin1.weight")
    }
    assert len(addresses) == 2


def test_slices_that_show_nothing_are_run_once_and_come_back_the_same(
    bundle: Bundle, framing: ThighFraming, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = EnsemblePredictor(bundle, FP32, silent)
    tiles = framing.tiles(1)
    blank = torch.full_like(tiles, -0.5)
    expected = predictor.probabilities(torch.cat([blank, tiles]))
    ran = limit_memory(predictor, 99, monkeypatch)
    first = predictor.in_batches(torch.cat([blank, tiles, blank]))
    again = predictor.in_batches(blank)
    assert ran == [3]
    for found in (first[:4], torch.cat([first[4:], first[2:4]]), torch.cat([again, first[2:4]])):
        torch.testing.assert_close(found, expected, rtol=0, atol=ROUNDING)


class Reported(list[ProgressEvent]):
    """Keeps all that is reported of progress."""

    def __call__(self, event: ProgressEvent) -> None:
        self.append(event)


def limit_memory(
    predictor: EnsemblePredictor, most: int, monkeypatch: pytest.MonkeyPatch
) -> list[int]:
    """Let more than ``most`` tiles at once exhaust the GPU; return the batches that ran."""
    ran: list[int] = []
    answer: Callable[[Tensor], Tensor] = predictor.probabilities

    def limited(tiles: Tensor) -> Tensor:
        if len(tiles) > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        ran.append(len(tiles))
        return answer(tiles)

    monkeypatch.setattr(predictor, "probabilities", limited)
    return ran


@pytest.mark.parametrize("most", [1, 3])
def test_full_gpu_memory_makes_batches_smaller_once_and_results_the_same(
    bundle: Bundle,
    framing: ThighFraming,
    thighs: Thighs,
    prediction: Prediction,
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events = Reported()
    predictor = EnsemblePredictor(bundle, FP32, events)
    ran = limit_memory(predictor, most, monkeypatch)
    result = predictor.predict(framing, thighs.membership, 2)
    same(result, prediction)
    # Ten tiles in all; the largest power of two that fits.
    assert sum(ran) == 10 and max(ran) == {1: 1, 3: 2}[most]
    assert sum("memory" in event.message for event in events) == 1


def test_a_gpu_too_small_for_one_tile_is_said_in_one_line(
    bundle: Bundle, framing: ThighFraming, thighs: Thighs, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = EnsemblePredictor(bundle, FP32, silent)
    limit_memory(predictor, 0, monkeypatch)
    with pytest.raises(MuscleFMError, match="--device cpu"):
        predictor.predict(framing, thighs.membership, 2)


def test_half_precision_gives_nearly_the_same_labels(
    bundle: Bundle, framing: ThighFraming, thighs: Thighs, prediction: Prediction
) -> None:
    half = Runtime(torch.device("cpu"), bf16=True)
    result = EnsemblePredictor(bundle, half, silent).predict(framing, thighs.membership, 2)
    assert (result.labels == prediction.labels).mean() > 0.95
    members = direct(bundle, framing).mean(axis=0)
    runner_up, best = np.sort(members, axis=0)[-2:]
    clear = best - runner_up > 0.05
    assert clear.mean() > 0.3
    assert (result.labels == prediction.labels)[clear].mean() > 0.995
    assert np.abs(result.total - prediction.total).mean() < 0.02
    assert not np.array_equal(result.total, prediction.total)
    np.testing.assert_allclose(result.total, result.aleatoric + result.epistemic, atol=1e-5)


def test_weights_kept_in_half_precision_answer_as_those_that_autocast_makes(
    bundle: Bundle, framing: ThighFraming
) -> None:
    half = Runtime(torch.device("cpu"), bf16=True)
    tiles = framing.tiles(0)
    predictor = EnsemblePredictor(bundle, half, silent)
    kept = {parameter.dtype for parameter in predictor._members[0].parameters()}
    assert kept == {torch.bfloat16, torch.float32}
    member = half.place(bundle.load_member(0))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = member(tiles).float().softmax(dim=1)
    torch.testing.assert_close(predictor.probabilities(tiles)[:, 0], expected, rtol=0, atol=1e-4)


def test_slices_are_shown_in_order_and_progress_reaches_its_end(
    bundle: Bundle, framing: ThighFraming, thighs: Thighs, prediction: Prediction
) -> None:
    seen: list[int] = []

    def observe(k: int, mean: Tensor, _: Tensor) -> None:
        seen.append(k)
        assert mean.shape == (CLASSES, *SHAPE[1:])
        assert (mean.argmax(dim=0).numpy() == prediction.labels[k]).mean() > 0.999

    events = Reported()
    predictor = EnsemblePredictor(bundle, FP32, events)
    predictor.predict(framing, thighs.membership, 2, observe)
    assert seen == list(range(SHAPE[0]))
    for stage, total in (("load", 3), ("segment", SHAPE[0])):
        reported = [event for event in events if event.stage == stage]
        assert [event.done for event in reported] == sorted(event.done for event in reported)
        assert {event.total for event in reported} == {total} and reported[-1].done == total


def test_a_start_for_training_does_not_segment(bundle: Bundle) -> None:
    manifest = bundle.manifest.model_copy(update={"role": "start"})
    with pytest.raises(MuscleFMError, match="pretrained checkpoint"):
        EnsemblePredictor(Bundle(bundle.folder, manifest, bundle.scheme), FP32, silent)
