"""The muscle table and the files that carry it and the queue to other programs."""

import csv
import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import load_scheme
from musclefm.labels.sides import LEFT, RIGHT
from musclefm.results.tables import (
    RegionsDocument,
    muscles_from_csv,
    muscles_table,
    regions_document,
    regions_from_json,
)
from musclefm.review.muscles import summarise_muscles
from musclefm.review.regions import flag_regions
from musclefm.uncertainty.maps import ClassStatistics, EnsembleMaps
from musclefm.volumes.grid import Grid

SCHEME = load_scheme("thigh-12")
GRID = Grid((6, 40, 60), (1.5, 1.5, 5.0), (-45.0, -30.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def _statistics(probabilities, members, sides):
    """Sum members' probabilities (M, C, K, J, I), the plain way."""
    classes = probabilities.shape[0]
    mass, inside = np.zeros((2, classes)), np.zeros((2, classes))
    overlap = np.zeros((2, classes, len(members), len(members)))
    labels = probabilities.argmax(0)
    votes = members.argmax(1)
    for at, side in enumerate((RIGHT, LEFT)):
        here = sides == side
        for c in range(classes):
            mass[at, c] = probabilities[c][here].sum()
            inside[at, c] = probabilities[c][here & (labels == c)].sum()
            for a, vote in enumerate(votes):
                for b, other in enumerate(votes):
                    overlap[at, c, a, b] = (here & (vote == c) & (other == c)).sum()
    return ClassStatistics(mass, inside, overlap)


@pytest.fixture(scope="module")
def maps():
    """Two legs of noisy blocks of muscles 1, 2 and 3 (3 on the left only), three members."""
    rng = np.random.default_rng(3)
    truth = np.zeros(GRID.shape, np.intp)
    for start in (5, 35):
        truth[:, 5:20, start : start + 20] = 1
        truth[:, 20:35, start : start + 20] = 2
    truth[:, 20:35, 45:55] = 3
    logits = 4.0 * (np.arange(SCHEME.class_count)[:, None, None, None] == truth)
    logits[2, :, 8:18, 8:18] += 4.0
    members = np.exp(logits + rng.normal(0.0, 0.7, (3, *logits.shape)))
    members /= members.sum(axis=1, keepdims=True)
    p = members.mean(axis=0)
    sides = np.full(GRID.shape, RIGHT, np.uint8)
    sides[:, :, 30:] = LEFT
    total = -(p * np.log(p)).sum(axis=0)
    aleatoric = -(members * np.log(members)).sum(axis=1).mean(axis=0)
    return EnsembleMaps(
        GRID,
        SCHEME,
        p.argmax(0).astype(np.uint8),
        (p[1:].argmax(0) + 1).astype(np.uint8),
        sides,
        total.astype(np.float32),
        aleatoric.astype(np.float32),
        (total - aleatoric).astype(np.float32),
        members.var(axis=0).mean(axis=0).astype(np.float32),
        (1 - p.max(0)).astype(np.float32),
        _statistics(p, members, sides),
    )


def _row(muscles, side, name):
    (muscle,) = (x for x in muscles if x.side == side and x.name == name)
    return muscle


def test_every_muscle_of_both_sides_is_measured(maps):
    muscles = summarise_muscles(maps, flag_regions(maps).queue)
    assert len(muscles) == 2 * len(SCHEME.labels)
    for muscle in muscles:
        side = RIGHT if muscle.side == "right" else LEFT
        inside = (maps.labels == muscle.label_id) & (maps.sides == side)
        assert muscle.volume_ml == pytest.approx(inside.sum() * 1.5 * 1.5 * 5.0 / 1000)
        assert muscle.expected_wrong_voxels == pytest.approx(
            maps.least_confidence[inside].sum(), rel=1e-5
        )
        if inside.any():
            mean = maps.total[inside].mean() / np.log(SCHEME.class_count)
            assert muscle.mean_uncertainty == pytest.approx(mean, rel=1e-5)
            assert 0 < muscle.expected_dice < 1
            assert 0 < muscle.member_dice <= 1
        else:
            assert math.isnan(muscle.mean_uncertainty)
            assert math.isnan(muscle.expected_dice)
    assert _row(muscles, "left", "vastus intermedius").volume_ml > 1.0
    assert _row(muscles, "right", "vastus intermedius").volume_ml < 0.1


def test_only_muscles_with_a_region_in_the_queue_are_flagged(maps):
    queue = flag_regions(maps).queue
    assert queue
    muscles = summarise_muscles(maps, queue)
    flagged = {(muscle.side, muscle.name) for muscle in muscles if muscle.flagged}
    assert flagged == {(region.side, name) for region in queue for name in region.muscles}
    assert not _row(muscles, "left", "gracilis").flagged


def test_a_thigh_that_is_not_in_the_image_has_no_rows(maps):
    alone = replace(maps, sides=np.full(GRID.shape, LEFT, np.uint8))
    assert {muscle.side for muscle in summarise_muscles(alone, ())} == {"left"}
    nothing = replace(maps, labels=np.zeros_like(maps.labels))
    assert summarise_muscles(nothing, ()) == ()


def test_fat_is_averaged_where_it_is_defined(maps):
    fat = np.full(GRID.shape, np.nan, np.float32)
    fat[:, :, :15] = 0.2
    fat[:3, :, :15] = 0.6
    muscles = summarise_muscles(maps, (), fat)
    assert _row(muscles, "right", "vastus lateralis").fat_fraction == pytest.approx(0.4, abs=0.02)
    assert _row(muscles, "left", "vastus lateralis").fat_fraction is None
    assert _row(summarise_muscles(maps, ()), "right", "vastus lateralis").fat_fraction is None


def test_the_table_can_be_read_back_and_leaves_undefined_cells_empty(maps):
    fat = np.where(maps.sides == RIGHT, np.float32(0.25), np.float32(np.nan))
    muscles = summarise_muscles(maps, flag_regions(maps).queue, fat)
    text = muscles_table(muscles)
    rows = list(csv.DictReader(io.StringIO(text)))
    by_name = {(row["Side"], row["Muscle"]): row for row in rows}
    assert by_name["right", "vastus lateralis"]["Fat fraction [0-1]"] == "0.25"
    assert by_name["left", "vastus lateralis"]["Fat fraction [0-1]"] == ""
    assert by_name["right", "gracilis"]["Expected Dice [0-1]"] == ""
    for muscle, same in zip(muscles, muscles_from_csv(text), strict=True):
        for name, value in vars(muscle).items():
            if isinstance(value, float):
                assert getattr(same, name) == pytest.approx(value, rel=1e-5, nan_ok=True)
            else:
                assert getattr(same, name) == value


@pytest.mark.parametrize("change", [("Side", "side"), ("right", "wrong"), ("\n", ",1\n")])
def test_another_table_is_refused(maps, change):
    text = muscles_table(summarise_muscles(maps, ()))
    with pytest.raises(MuscleFMError, match=r"muscles\.csv cannot be read"):
        muscles_from_csv(text.replace(*change))
    with pytest.raises(MuscleFMError):
        muscles_from_csv("")


def test_the_queue_survives_its_file(maps):
    regions = flag_regions(maps)
    text = regions_document(maps, regions).model_dump_json()
    document = regions_from_json(text)
    assert document.regions == regions.queue
    assert document.rule == regions.rule
    assert document.label_scheme == "thigh-12"
    assert document.expected_wrong_voxels == pytest.approx(maps.least_confidence.sum(), rel=1e-5)
    inside = maps.least_confidence[regions.labelmap > 0].sum() / maps.least_confidence.sum()
    assert document.share_in_regions == pytest.approx(inside, rel=1e-4)
    assert 0 < inside < 1


def test_every_number_of_a_region_has_its_meaning_in_the_file(maps):
    document = regions_document(maps, flag_regions(maps)).model_dump(mode="json")
    explained = set(document["units"])
    numbers = {key for key, value in document["regions"][0].items() if not isinstance(value, str)}
    assert numbers - {"id", "muscles", "label_ids", "voxels"} == explained
    schema = RegionsDocument.model_json_schema()
    assert set(document) == set(schema["properties"])


def test_a_damaged_queue_is_refused_in_one_line(maps):
    document = regions_document(maps, flag_regions(maps)).model_dump(mode="json")
    faults = (
        {**document, "schema_version": 2},
        {**document, "surprise": 1},
        {**document, "regions": [{**document["regions"][0], "side": "middle"}]},
        {**document, "regions": [{**document["regions"][0], "id": 7}]},
    )
    for fault in (*map(json.dumps, faults), "", "[", json.dumps(document)[:-40]):
        with pytest.raises(MuscleFMError, match=r"regions\.json cannot be read") as caught:
            regions_from_json(fault)
        assert "\n" not in str(caught.value)
