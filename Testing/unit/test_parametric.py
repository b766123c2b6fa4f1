"""Thighs drawn at random: whole, symmetric, the right way round, and smaller when atrophied."""

import numpy as np
import numpy.typing as npt
import pytest

from musclefm.demo.phantom.legs import both_legs
from musclefm.demo.phantom.parametric import ParametricThigh, Person, parametric_labelmap
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

SCHEME = load_scheme("thigh-11")
IDS = {label.abbreviation: label.id for label in SCHEME.labels}
PIXEL_MM = 2.5
CANVAS = 96


def grid(slices: int = 12, rows: int = 80, columns: int = 161) -> Grid:
    return Grid(
        shape=(slices, rows, columns),
        spacing=(PIXEL_MM, PIXEL_MM, 30.0),
        origin=(-130.0, 45.0, -900.0),
        direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    )


def person(size: float = 1.0, **atrophy: float) -> Person:
    widths = {label.id: atrophy.get(label.abbreviation, 1.0) for label in SCHEME.labels}
    return Person(size=size, seed=5, atrophy=widths)


def draw(who: Person, height: float) -> npt.NDArray[np.uint8]:
    return ParametricThigh(SCHEME).draw(who, height, PIXEL_MM, CANVAS)


def areas(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    return np.bincount(labels.ravel(), minlength=SCHEME.class_count)


@pytest.fixture(scope="module")
def thighs() -> Volume:
    return parametric_labelmap(SCHEME, np.random.default_rng(2), grid=grid())


@pytest.mark.parametrize(("scheme", "unknown"), [("thigh-11", set()), ("thigh-12", {"AL"})])
def test_every_muscle_with_a_known_shape_is_in_every_person(scheme: str, unknown: set[str]) -> None:
    labels = load_scheme(scheme)
    wanted = {label.id for label in labels.labels if label.abbreviation not in unknown}
    for seed in range(4):
        volume = parametric_labelmap(labels, np.random.default_rng(seed), grid=grid(20))
        assert volume.array.dtype == np.uint8
        assert set(np.unique(volume.array)) == {0} | wanted


def test_a_muscle_has_the_same_shape_under_any_id() -> None:
    """The schemes list muscles in different orders; the one person draws with each."""

    def vastus_lateralis(scheme: LabelScheme) -> npt.NDArray[np.bool_]:
        alone = scheme.model_copy(
            update={
                "labels": tuple(
                    label.model_copy(update={"id": 1})
                    for label in scheme.labels
                    if label.abbreviation == "VL"
                )
            }
        )
        drawn = ParametricThigh(alone).draw(Person(1.0, 5, {1: 1.0}), 0.5, PIXEL_MM, CANVAS)
        return np.asarray(drawn == 1)

    of_eleven, of_twelve = (vastus_lateralis(load_scheme(f"thigh-{n}")) for n in (11, 12))
    assert of_eleven.any()
    np.testing.assert_array_equal(of_eleven, of_twelve)


def test_right_and_left_are_mirror_images(thighs: Volume) -> None:
    np.testing.assert_array_equal(thighs.array, thighs.array[:, :, ::-1])


def test_muscles_lie_where_the_patient_has_them(thighs: Volume) -> None:
    k, j, i = np.indices(thighs.array.shape)
    x, y, z = np.tensordot(
        thighs.grid.ijk_to_lps[:3], np.stack([i, j, k, np.ones_like(i)]).astype(float), axes=1
    )
    middle = x[thighs.array > 0].mean()

    def place(abbreviation: str, side: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        muscle = (thighs.array == IDS[abbreviation]) & side
        return np.array([axis[muscle].mean() for axis in (x, y, z)])

    for side, leftward in ((x > middle, 1), (x < middle, -1)):
        lateral, medial = place("VL", side), place("GR", side)
        assert leftward * (lateral[0] - medial[0]) > 40
        anterior, posterior = place("RF", side), place("ST", side)
        assert posterior[1] - anterior[1] > 40
        proximal, distal = place("RF", side), place("BFS", side)
        assert proximal[2] - distal[2] > 30


def test_the_same_seed_gives_the_same_person_and_another_seed_another() -> None:
    first, again, other = (
        parametric_labelmap(SCHEME, np.random.default_rng(seed), grid=grid(3)).array
        for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.02


def test_an_atrophied_muscle_is_smaller_and_the_others_are_not() -> None:
    healthy, atrophied = areas(draw(person(), 0.5)), areas(draw(person(VL=0.6), 0.5))
    lateral = IDS["VL"]
    assert 0.2 < atrophied[lateral] / healthy[lateral] < 0.7
    others = [label.id for label in SCHEME.labels if label.id != lateral and healthy[label.id]]
    assert len(others) >= 8
    assert (atrophied[others] >= healthy[others]).all()


def test_atrophy_of_all_muscles_shrinks_the_thigh() -> None:
    everything = {label.abbreviation: 0.7 for label in SCHEME.labels}
    for height in (0.2, 0.5, 0.8):
        healthy, atrophied = (
            areas(draw(person(), height)),
            areas(draw(person(**everything), height)),
        )
        assert atrophied[1:].sum() < 0.8 * healthy[1:].sum()


def test_area_grows_with_the_square_of_the_size() -> None:
    small, large = (areas(draw(person(size), 0.5))[1:].sum() for size in (0.8, 1.2))
    assert large / small == pytest.approx((1.2 / 0.8) ** 2, rel=0.08)


def test_a_person_changes_little_from_slice_to_slice() -> None:
    for height in (0.3, 0.5, 0.7):
        here, above = draw(person(), height), draw(person(), height + 0.02)
        muscle = (here > 0) | (above > 0)
        assert (here == above)[muscle].mean() > 0.9


def test_sections_for_training_are_of_right_thighs_of_many_people() -> None:
    thigh, rng = ParametricThigh(SCHEME), np.random.default_rng(4)
    drawn = [thigh.sections(rng, SCHEME, 9.0) for _ in range(12)]
    assert all(one.labels.any() and 0 <= one.height <= 1 for one in drawn)
    assert len({int((one.labels > 0).sum()) for one in drawn}) == len(drawn)
    seen = 0
    for one in drawn:
        columns = [np.nonzero(one.labels == IDS[name])[1] for name in ("VL", "GR")]
        if all(len(found) for found in columns):
            seen += 1
            assert columns[0].mean() < columns[1].mean()
    assert seen > 3
    # The neighbours show the same person, a little further along.
    for one in drawn:
        for other in (one.below, one.above):
            if other is not None:
                muscle = (one.labels > 0) | (other > 0)
                assert (one.labels == other)[muscle].mean() > 0.3
    assert sum(one.below is not None for one in drawn) > 8
    alone = thigh.sections(rng, SCHEME, None)
    assert alone.below is None and alone.above is None


def test_both_thighs_come_apart_into_equal_right_ones(thighs: Volume) -> None:
    right, left = both_legs(thighs, "someone")
    np.testing.assert_array_equal(right.labels, left.labels)
    assert len(right.labels) == int(thighs.array.any(axis=(1, 2)).sum())
    assert right.sections(0, 30.0).height == 0
    assert right.sections(len(right.labels) - 1, 30.0).height == 1
