"""References of other programs: what they do not tell apart is merged, never background."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_training import GRID, thighs

import musclefm
from musclefm.corrections.case import Reviewed
from musclefm.corrections.corrected_case import CorrectionFiles, read_corrected_case
from musclefm.errors import MuscleFMError
from musclefm.exchange.read_labels import read_labels
from musclefm.labels.mapping import merged_muscles, parse_mapping, read_mapping
from musclefm.labels.scheme import load_scheme
from musclefm.volumes.channels import Channels
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

THIGH_11, THIGH_12 = load_scheme("thigh-11"), load_scheme("thigh-12")
SHAPE = GRID.shape


def written(folder: Path, values: list[int]) -> Path:
    """Write a labelmap with a slab of each value, whatever side it lies on."""
    array = np.zeros(SHAPE, np.int32)
    for place, value in enumerate(values):
        array[0, place] = value
    write_volume(Volume(array.astype(np.float32), GRID), folder / "labels.nii.gz")
    return folder / "labels.nii.gz"


def values_of(scheme, **sides):
    """Return the sided value of each muscle, e.g. ``VL="right"``."""
    by_name = {(s, x.abbreviation): v for v, (s, x) in scheme.labels_of_sides().items()}
    return [by_name[side, name] for name, side in sides.items()]


def read(path: Path, name: str, scheme):
    mapping = read_mapping(Path(name), scheme)
    array = read_labels(path, scheme, mapping=mapping).volume.array
    return array[0, :, 0], [set(group) for group in merged_muscles(mapping)]


def test_labels_of_musclemap_map_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, [7101, 7112, 7192, 7211, 7221, 6171, 8000])
    found, merged = read(path, "musclemap", THIGH_12)
    expected = values_of(THIGH_12, VL="left", VI="right", BFS="right", AL="left")
    assert found[:7].tolist() == [*expected, 0, 0, 0] and merged == []
    # What a scheme has not is background, of which nothing else is said.
    found, _ = read(path, "musclemap", THIGH_11)
    assert found[3] == 0 and found[:3].tolist() == values_of(
        THIGH_11, VL="left", VI="right", BFS="right"
    )


@pytest.mark.parametrize("scheme", [THIGH_11, THIGH_12])
def test_labels_of_totalsegmentator_are_groups(tmp_path: Path, scheme) -> None:
    found, merged = read(written(tmp_path, [1, 2, 3, 6, 7, 12]), "totalsegmentator", scheme)
    ids = {label.abbreviation: label.id for label in scheme.labels}
    quadriceps = {ids[name] for name in ("RF", "VL", "VI", "VM")}
    hamstrings = {ids[name] for name in ("BFL", "BFS", "ST", "SM")}
    assert merged == [quadriceps, hamstrings]
    count = len(scheme.labels)
    # The medial compartment holds muscles that the schemes have not: nothing is known of it.
    assert found[:6].tolist() == [
        *(min(quadriceps) + count, min(quadriceps), 255),
        *(min(hamstrings), ids["SA"] + count, 0),
    ]


def reference(folder: Path) -> tuple[Volume, Path]:
    """Return sided labels of thigh-11 and a file in which two heads are one."""
    _, labels = thighs(0)
    labels[(labels == 7)] = 8
    short = (labels == 8) & (np.indices(SHAPE)[1] % 2 == 0)
    labels[short] = 11
    merged = np.where(np.isin(labels, (8, 11)), 9, np.where(labels == 3, 1, 0))
    write_volume(Volume(merged.astype(np.uint8), GRID), folder / "reference.nii.gz")
    (folder / "map.json").write_text(
        json.dumps({"1": "right VL", "9": "right BFL + BFS", "*": "background"})
    )
    return Volume(labels, GRID), folder / "reference.nii.gz"


def test_merged_muscles_are_one_in_scoring_and_nothing_in_learning(tmp_path: Path) -> None:
    labels, path = reference(tmp_path)
    found = musclefm.evaluate(labels, path, scheme="thigh-11", mapping=tmp_path / "map.json")
    dice = found.details.muscle_dice
    assert dice[3 - 1] == dice[8 - 1] == 1.0 and np.isnan(dice[11 - 1])
    image, _ = thighs(0)
    case, _ = read_corrected_case(
        Channels({"image": Volume(image, GRID)}, (), ""),
        CorrectionFiles(labels=path, scheme="thigh-11", mapping=tmp_path / "map.json"),
        lambda scheme, grid: Reviewed("all"),
    )
    right = np.isin(labels.array, (3, 8, 11))
    expected = np.where(labels.array == 3, 3, np.where(right, 255, 0))
    np.testing.assert_array_equal(case.labels.array, expected)


@pytest.mark.parametrize(
    "texts", [{"1": "VL + glutaeus"}, {"1": "VL + ignore"}, {"1": "VL + background"}]
)
def test_groups_of_unknown_muscles_are_refused(texts: dict[str, str]) -> None:
    with pytest.raises(MuscleFMError, match="no muscle of"):
        parse_mapping(texts, THIGH_11)


def test_shipped_mappings_hold_for_every_shipped_scheme() -> None:
    for name in ("musclemap", "totalsegmentator"):
        for scheme in (THIGH_11, THIGH_12):
            known = {target.label_id for target in read_mapping(Path(name), scheme).values()}
            assert {label.id for label in scheme.labels if label.abbreviation == "SA"} <= known
