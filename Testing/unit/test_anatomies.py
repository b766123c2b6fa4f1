"""Label maps come apart into slices of right thighs, in any orientation and of real people."""

import csv
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from musclefm.demo.phantom.anatomies import Anatomy, load_anatomies
from musclefm.demo.phantom.between_slices import densely_labelled
from musclefm.demo.phantom.legs import Leg, both_legs, split_columns
from musclefm.demo.phantom.parametric import parametric_labelmap
from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import load_scheme
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

SCHEME = load_scheme("thigh-11")
# Turned by 16 degrees about the body's axis.
TURNED = (0.96, 0.28, 0.0, -0.28, 0.96, 0.0, 0.0, 0.0, 1.0)


def test_thighs_come_apart_at_the_gap_between_them() -> None:
    labels = np.zeros((10, 40), np.uint8)
    labels[:, 4:14] = labels[:, 22:36] = 1
    middle = split_columns(labels)
    assert middle is not None and 14 <= middle <= 22
    labels[:, 14:22] = 1
    assert split_columns(labels) is None
    assert split_columns(np.zeros((10, 40), np.uint8)) is None


def test_legs_of_a_map_in_any_orientation_are_right_ones(
    stored_48_ways: Callable[[Volume], Iterator[Volume]],
) -> None:
    grid = Grid((4, 44, 90), (4.4, 4.4, 100.0), (-170.0, 60.0, -800.0), TURNED)
    labels = parametric_labelmap(SCHEME, np.random.default_rng(3), grid=grid)
    expected = list(both_legs(labels, "someone"))
    assert [len(leg.labels) for leg in expected] == [4, 4]
    for stored in islice(stored_48_ways(labels), 3, None, 11):
        for leg, same in zip(both_legs(stored, "someone"), expected, strict=True):
            np.testing.assert_array_equal(leg.labels, same.labels)
            assert leg.spacing_mm == pytest.approx((100.0, 4.4, 4.4))


def test_thighs_that_touch_are_split_where_their_next_slice_is() -> None:
    labels = np.zeros((3, 20, 60), np.uint8)
    labels[:, 4:16, 8:28] = 1
    labels[:, 4:16, 33:53] = 2
    labels[2, 4:16, 28:33] = 1
    grid = Grid((3, 20, 60), (4.0, 4.0, 30.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    right, left = both_legs(Volume(labels, grid), "someone")
    assert len(right.labels) == len(left.labels) == 3
    assert (right.labels != 2).all() and (left.labels == 2).sum() == (labels == 2).sum()


def oblique(shift: int, slices: int = 2) -> Leg:
    """Return a leg with a thin muscle that runs across and a thick one that ends."""
    labels = np.zeros((slices, 40, 60), np.uint8)
    for k in range(slices):
        labels[k, 6:11, 5 + k * shift : 10 + k * shift] = 1
    labels[0, 20:32, 20:40] = 2
    return Leg(labels, (24.0, 2.0, 2.0), "someone")


def test_labels_between_slices_follow_a_thin_oblique_muscle_and_taper_off() -> None:
    leg = oblique(shift=14)
    dense = densely_labelled(leg)
    assert dense.spacing_mm == (3.0, 2.0, 2.0) and len(dense.labels) == 9
    np.testing.assert_array_equal(dense.labels[[0, -1]], leg.labels)
    thin = (dense.labels == 1).sum(axis=(1, 2))
    assert (thin >= 16).all() and (thin <= 30).all()
    columns = [np.nonzero(labels == 1)[1].mean() for labels in dense.labels]
    np.testing.assert_allclose(np.diff(columns), 14 / 8, atol=0.8)
    ending = (dense.labels == 2).sum(axis=(1, 2))
    assert (np.diff(ending) <= 0).all() and ending[0] > ending[2] > ending[4] and ending[-1] == 0


def test_a_section_comes_with_its_neighbours_at_a_distance_in_mm() -> None:
    dense = densely_labelled(oblique(shift=2, slices=3))
    sections = dense.sections(8, 6.0)
    assert sections.below is not None and sections.above is not None
    for shown, k in ((sections.below, 6), (sections.labels, 8), (sections.above, 10)):
        np.testing.assert_array_equal(shown, dense.labels[k])
    assert sections.height == 0.5 and sections.spacing_mm == (2.0, 2.0)
    end = dense.sections(1, 6.0)
    assert end.below is None and end.above is not None
    alone = dense.sections(8, None)
    assert alone.below is None and alone.above is None


@pytest.fixture(scope="module")
def real_anatomies(shared: Path) -> list[Anatomy]:
    return load_anatomies(shared / "anatomies", SCHEME)


def test_every_real_thigh_is_seen_as_a_right_one(real_anatomies: list[Anatomy]) -> None:
    lateral, medial = [3, 8, 11], [1, 5, 6, 7, 10]
    for anatomy in real_anatomies:
        outward = []
        for leg in both_legs(anatomy.labelmap, anatomy.subject):
            assert leg.subject == anatomy.subject
            for labels in leg.labels[leg.usable()]:
                columns = [np.nonzero(np.isin(labels, ids))[1] for ids in (lateral, medial)]
                if all(len(found) > 20 for found in columns):
                    outward.append(columns[0].mean() < columns[1].mean())
        assert len(outward) > 8
        assert all(outward), anatomy.subject


def test_two_maps_of_one_person_have_one_subject(
    real_anatomies: list[Anatomy], shared: Path
) -> None:
    subjects = [anatomy.subject for anatomy in real_anatomies]
    twice = {subject for subject in subjects if subjects.count(subject) > 1}
    assert twice == {"THIGH_022", "THIGH_031"}
    with (shared / "anatomies" / "subjects.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(set(subjects)) == len({row["subject"] for row in rows})


def test_a_folder_without_usable_label_maps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MuscleFMError, match="no label maps"):
        load_anatomies(tmp_path, SCHEME)
    alien = np.full((2, 4, 4), 200, np.uint8)
    write_volume(
        Volume(alien, Grid((2, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), TURNED)),
        tmp_path / "alien.nii.gz",
    )
    with pytest.raises(MuscleFMError, match="200"):
        load_anatomies(tmp_path, SCHEME)
