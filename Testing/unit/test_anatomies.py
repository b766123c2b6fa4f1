"""Label maps come apart into slices of right thighs, in any orientation and of real people."""

import csv
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from musclefm.demo.phantom.anatomies import Anatomy, load_anatomies
from musclefm.demo.phantom.legs import leg_slices, split_columns
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


def test_leg_slices_of_a_map_in_any_orientation_are_right_thighs(
    stored_48_ways: Callable[[Volume], Iterator[Volume]],
) -> None:
    grid = Grid((4, 44, 90), (4.4, 4.4, 100.0), (-170.0, 60.0, -800.0), TURNED)
    labels = parametric_labelmap(SCHEME, np.random.default_rng(3), grid=grid)
    expected = list(leg_slices(labels, "someone"))
    assert len(expected) == 2 * len(labels.array)
    for stored in islice(stored_48_ways(labels), 3, None, 11):
        for leg, same in zip(leg_slices(stored, "someone"), expected, strict=True):
            np.testing.assert_array_equal(leg.labels, same.labels)
            assert leg.height == same.height
            assert leg.spacing_mm == pytest.approx((4.4, 4.4))


@pytest.fixture(scope="module")
def real_anatomies(shared: Path) -> list[Anatomy]:
    return load_anatomies(shared / "anatomies", SCHEME)


def test_every_real_thigh_is_seen_as_a_right_one(real_anatomies: list[Anatomy]) -> None:
    lateral, medial = [3, 8, 11], [1, 5, 6, 7, 10]
    for anatomy in real_anatomies:
        outward = []
        for leg in leg_slices(anatomy.labelmap, anatomy.subject):
            assert leg.subject == anatomy.subject
            columns = [np.nonzero(np.isin(leg.labels, ids))[1] for ids in (lateral, medial)]
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
