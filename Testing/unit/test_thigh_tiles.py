"""What a tile shows of a thigh comes back to where it was, millimetre for millimetre.

The tiles themselves are the oracle: the one-hot labels are given as channels, so
each tile holds the true answer as the tile's own sampling sees it.
"""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage

from musclefm.anatomy.thighs import Thighs
from musclefm.demo.phantom.parametric import ParametricThigh, Person
from musclefm.inference.thigh_tiles import ThighFraming
from musclefm.labels.scheme import load_scheme
from musclefm.models.intensity import PercentileIntensity
from musclefm.models.manifest import ThighTiles

SCHEME = load_scheme("thigh-11")
CLASSES = SCHEME.class_count
PERCENTILES = PercentileIntensity()
MIN_MAX = PercentileIntensity(low=0.0, high=100.0)
Labels = npt.NDArray[np.uint8]


def framed(
    image: npt.NDArray[np.float32],
    spacing: tuple[float, float],
    thighs: Thighs,
    mirrored: tuple[bool, ...],
    size: int,
    tile_mm: float,
    intensity: PercentileIntensity = PERCENTILES,
) -> ThighFraming:
    """Frame slices that are seen one by one."""
    rule = ThighTiles(spacing_mm=tile_mm)
    return ThighFraming(image, (5.0, *spacing), thighs, mirrored, size, rule, intensity)


def right_thigh(height: float, spacing: tuple[float, float], extent_mm: float = 180.0) -> Labels:
    """Return a right thigh ``(J, I)`` on pixels of any shape."""
    person = Person(1.0, 3, {label.id: 1.0 for label in SCHEME.labels})
    drawn = ParametricThigh(SCHEME).draw(person, height, 0.5, round(extent_mm / 0.5))
    rows, columns = (np.arange(0, extent_mm - 0.5, step) / 0.5 for step in spacing)
    return drawn[np.ix_(rows.astype(int), columns.astype(int))]


def both_thighs(spacing: tuple[float, float]) -> tuple[Labels, Thighs]:
    """Return labels ``(K, J, I)`` of thighs at unequal places, and where they are."""
    slices = []
    for height in (0.35, 0.6):
        thigh = right_thigh(height, spacing)
        moved = np.roll(thigh, round(9 / spacing[0]), axis=0)
        slices.append(np.concatenate([thigh, moved[:, ::-1]], axis=1))
    labels = np.stack(slices)
    half = labels.shape[2] // 2
    membership = np.ones(labels.shape, np.uint8)
    membership[:, :, half:] = 2
    return labels, Thighs(2, membership, centres_of(labels, membership, 2))


def centres_of(labels: Labels, membership: Labels, count: int) -> npt.NDArray[np.float64]:
    return np.array(
        [
            [ndimage.center_of_mass((here > 0) & (own == thigh)) for here, own in pairs]
            for thigh in range(1, count + 1)
            for pairs in [list(zip(labels, membership, strict=True))]
        ]
    )


def round_trip(
    labels: Labels,
    spacing: tuple[float, float],
    thighs: Thighs,
    mirrored: tuple[bool, ...],
    size: int,
    tile_mm: float,
) -> tuple[Labels, torch.Tensor]:
    """Send labels through tiles and back; return labels and probabilities of each slice."""
    one_hot = np.stack([labels == value for value in range(1, CLASSES)]).astype(np.float32)
    framing = framed(one_hot, spacing, thighs, mirrored, size, tile_mm, MIN_MAX)
    assert framing.slice_count == len(labels)
    answers = []
    for k in range(framing.slice_count):
        tiles = framing.tiles(k)
        assert tiles.shape == (thighs.count, CLASSES - 1, size, size)
        shown = (tiles * 0.25 + 0.5).clamp(0, 1)
        background = (1 - shown.sum(dim=1, keepdim=True)).clamp(min=0)
        oracle = torch.cat([background, shown], dim=1)
        oracle = oracle / oracle.sum(dim=1, keepdim=True)
        # Two members, of which the second is never sure.
        unsure = 0.5 * oracle + 0.5 / CLASSES
        answers.append(framing.restore(k, torch.stack([oracle, unsure], dim=1)))
    probabilities = torch.stack(answers)
    assert probabilities.shape == (len(labels), 2, CLASSES, *labels.shape[1:])
    found = probabilities.argmax(dim=2).numpy().astype(np.uint8)
    np.testing.assert_array_equal(found[:, 0], found[:, 1])
    return found[:, 0], probabilities


def agreement(found: Labels, labels: Labels) -> float:
    labelled = labels > 0
    return float((found == labels)[labelled].mean())


def worst_mm(found: Labels, labels: Labels, spacing: tuple[float, float]) -> float:
    """Return how far the farthest wrong voxel lies from voxels of its new label."""
    farthest = 0.0
    for here, there in zip(found, labels, strict=True):
        for value in np.unique(here[here != there]):
            away = ndimage.distance_transform_edt(there != value, sampling=spacing)
            farthest = max(farthest, float(away[(here == value) & (there != value)].max()))
    return farthest


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 1.5), (1.7, 1.1)])
def test_labels_of_both_thighs_come_back(spacing: tuple[float, float]) -> None:
    labels, thighs = both_thighs(spacing)
    found, probabilities = round_trip(labels, spacing, thighs, (False, True), 192, 0.9)
    assert agreement(found, labels) >= 0.99
    assert worst_mm(found, labels, spacing) <= max(spacing)
    assert (found[labels == 0] == 0).mean() > 0.995
    torch.testing.assert_close(probabilities.sum(dim=2), torch.ones_like(probabilities[:, :, 0]))
    assert (probabilities >= 0).all()


def test_tiles_coarser_than_the_slice_lose_no_more_than_their_pixel() -> None:
    spacing = (0.8, 0.8)
    labels, thighs = both_thighs(spacing)
    found, _ = round_trip(labels, spacing, thighs, (False, True), 128, 1.6)
    assert agreement(found, labels) > 0.93
    assert worst_mm(found, labels, spacing) <= 1.6


def test_a_left_thigh_looks_like_a_right_one() -> None:
    spacing = (1.0, 1.0)
    right = right_thigh(0.5, spacing)[None]
    labels = np.concatenate([right, right[:, :, ::-1]], axis=2)
    membership = np.repeat(np.array([1, 2], np.uint8), right.shape[2])
    membership = np.broadcast_to(membership, labels.shape)
    thighs = Thighs(2, membership, centres_of(labels, membership, 2))
    image = (labels[None] * 20.0).astype(np.float32)
    framing = framed(image, spacing, thighs, (False, True), 128, 1.5)
    first, second = framing.tiles(0)
    torch.testing.assert_close(first, second, rtol=0, atol=1e-4)
    plain = framed(image, spacing, thighs, (False, False), 128, 1.5)
    torch.testing.assert_close(plain.tiles(0)[1].flip(-1), second, rtol=0, atol=1e-4)


@pytest.mark.parametrize("mirrored", [False, True])
def test_one_thigh_near_the_edge_comes_back_where_it_is_seen(mirrored: bool) -> None:
    spacing = (1.1, 1.1)
    whole = right_thigh(0.5, spacing)
    rows, columns = np.nonzero(whole)
    # The image ends within the thigh on two sides.
    labels = np.ascontiguousarray(whole[: rows.max() - 12, columns.min() + 15 :])[None]
    membership = np.ones(labels.shape, np.uint8)
    thighs = Thighs(1, membership, centres_of(labels, membership, 1))
    found, probabilities = round_trip(labels, spacing, thighs, (mirrored,), 192, 0.9)
    assert agreement(found, labels) >= 0.99
    # Beyond the image is air, which reaches half into its outermost voxels.
    inner = np.s_[:, 1:-1, 1:-1]
    assert worst_mm(found[inner], labels[inner], spacing) <= 1.1
    torch.testing.assert_close(probabilities.sum(dim=2), torch.ones_like(probabilities[:, :, 0]))


def test_a_thigh_larger_than_its_tile_is_background_beyond_it() -> None:
    spacing = (1.0, 1.0)
    labels = right_thigh(0.5, spacing)[None]
    membership = np.ones(labels.shape, np.uint8)
    thighs = Thighs(1, membership, centres_of(labels, membership, 1))
    found, probabilities = round_trip(labels, spacing, thighs, (False,), 64, 1.0)
    row, column = thighs.centres[0, 0]
    rows, columns = np.indices(labels.shape[1:])
    inside = (np.abs(rows - row) <= 31) & (np.abs(columns - column) <= 31)
    beyond = (np.abs(rows - row) > 33) | (np.abs(columns - column) > 33)
    assert agreement(found[:, inside], labels[:, inside]) >= 0.98
    assert labels[0][beyond].any() and not found[0][beyond].any()
    assert (probabilities[0, :, 0][:, torch.from_numpy(beyond)] == 1).all()


@pytest.mark.parametrize("tile_mm", [1.0, 1.6])
def test_a_tile_never_shows_the_other_thigh(tile_mm: float) -> None:
    spacing = (1.0, 1.0)
    shape = (1, 120, 160)
    membership = np.ones(shape, np.uint8)
    membership[:, :, 80:] = 2
    # The thighs touch: the tile of each reaches far into the other.
    thighs = Thighs(2, membership, np.array([[[60.0, 55.0]], [[60.0, 105.0]]]))
    texture = np.random.default_rng(0).uniform(10, 20, (1, *shape)).astype(np.float32)
    columns = np.arange(160)

    def tiles(image: npt.NDArray[np.float32], mirrored: tuple[bool, ...]) -> torch.Tensor:
        return framed(image, spacing, thighs, mirrored, 96, tile_mm).tiles(0)

    for mirrored in ((False, True), (True, False)):
        before = tiles(texture, mirrored)
        for thigh, lit in ((0, columns < 77), (1, columns > 82)):
            after = tiles(np.where(lit, texture + 1000, texture), mirrored)
            assert torch.equal(after[1 - thigh], before[1 - thigh])
            assert not torch.equal(after[thigh], before[thigh])
        for thigh, centre in enumerate((55.0, 105.0)):
            seen = centre + (np.arange(96) - 47.5) * tile_mm
            seen = seen[::-1] if mirrored[thigh] else seen
            beyond = seen > 80 if thigh == 0 else seen < 79
            assert beyond.sum() > 10 and (before[thigh, 0][:, beyond.copy()] == -2).all()


def test_an_answer_goes_only_to_its_own_thigh() -> None:
    shape = (1, 60, 80)
    membership = np.ones(shape, np.uint8)
    membership[:, :, 40:] = 2
    centres = np.array([[[30.0, 30.0]], [[30.0, 50.0]]])
    thighs = Thighs(2, membership, centres)
    image = np.zeros((1, *shape), np.float32)
    framing = framed(image, (1.0, 1.0), thighs, (False, True), 64, 1.0)
    answers = torch.zeros(2, 1, 3, 16, 16)
    answers[0, :, 1] = 1
    answers[1, :, 2] = 1
    restored = framing.restore(0, answers)[0].argmax(dim=0).numpy()
    assert set(np.unique(restored[:, :40])) <= {0, 1} and (restored[20:40, 20:40] == 1).all()
    assert set(np.unique(restored[:, 40:])) <= {0, 2} and (restored[20:40, 40:60] == 2).all()


def test_a_thigh_that_left_the_slice_gives_background() -> None:
    shape = (1, 40, 40)
    centres = np.array([[[20.0, 400.0]]])
    thighs = Thighs(1, np.ones(shape, np.uint8), centres)
    image = np.ones((1, *shape), np.float32)
    framing = framed(image, (1.0, 1.0), thighs, (False,), 32, 1.0)
    assert torch.isfinite(framing.tiles(0)).all()
    answers = torch.zeros(1, 2, 3, 8, 8)
    answers[:, :, 1] = 1
    restored = framing.restore(0, answers)
    assert (restored[:, 0] == 1).all() and (restored[:, 1:] == 0).all()


def test_intensity_is_scaled_over_the_tile_alone() -> None:
    """A bright spot elsewhere in the slice, or another unit, changes no tile."""
    shape = (1, 80, 160)
    membership = np.ones(shape, np.uint8)
    membership[:, :, 80:] = 2
    thighs = Thighs(2, membership, np.array([[[40.0, 40.0]], [[40.0, 120.0]]]))
    image = np.random.default_rng(1).gamma(3.0, 50.0, (1, *shape)).astype(np.float32)

    def tiles(values: npt.NDArray[np.float32]) -> torch.Tensor:
        return framed(values, (1.0, 1.0), thighs, (False, True), 64, 1.0).tiles(0)

    reference = tiles(image)
    assert reference.min() == -2 and reference.max() == 2
    torch.testing.assert_close(tiles(image * np.float32(12.5)), reference, atol=1e-4, rtol=0)
    spot = image.copy()
    spot[0, 0, 2, 158] = 1e6
    torch.testing.assert_close(tiles(spot)[0], reference[0])
