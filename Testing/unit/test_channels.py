"""Channels of a Dixon scan: what a model is given, and the fat fraction."""

import numpy as np
import pytest

from musclefm.errors import MuscleFMError
from musclefm.volumes.channels import Channels, read_channels
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume


@pytest.fixture
def tissue():
    """Return water and fat of muscle, of fatty muscle, of fat and of air."""
    rng = np.random.default_rng(5)
    grid = Grid((4, 20, 30), (1.5, 1.5, 6.0), (0.0, -700.0, 40.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    fraction = np.repeat([[0.05], [0.4], [0.9], [0.5]], 5, axis=0)
    signal = np.repeat([[300.0], [320.0], [400.0], [1.0]], 5, axis=0)
    signal = signal * rng.uniform(0.9, 1.1, grid.shape)
    water, fat = (1 - fraction) * signal, fraction * signal
    return {
        name: Volume(array.astype(np.float32), grid)
        for name, array in {
            "water": water,
            "fat": fat,
            "in-phase": water + fat,
            "out-of-phase": np.abs(water - fat),
        }.items()
    }


def channels(tissue, *names):
    return Channels({name: tissue[name] for name in names}, (), "")


def test_in_and_out_of_phase_follow_from_water_and_fat(tissue):
    provided = channels(tissue, "fat", "water").provide(["in-phase", "out-of-phase"])
    assert provided.shape == (2, 4, 20, 30)
    assert provided.dtype == np.float32
    np.testing.assert_allclose(provided[0], tissue["in-phase"].array, rtol=1e-5)
    np.testing.assert_allclose(provided[1], tissue["out-of-phase"].array, rtol=1e-4, atol=1e-3)


def test_water_and_fat_follow_from_the_phases_only_where_water_prevails(tissue):
    given = channels(tissue, "in-phase", "out-of-phase")
    water, fat = given.provide(["water", "fat"])
    muscle, fatty = np.s_[:, :10], np.s_[:, 10:15]
    np.testing.assert_allclose(water[muscle], tissue["water"].array[muscle], rtol=1e-4)
    np.testing.assert_allclose(fat[muscle], tissue["fat"].array[muscle], rtol=1e-3)
    np.testing.assert_allclose(water[fatty], tissue["fat"].array[fatty], rtol=1e-4)
    assert fat.min() >= 0
    assert "swapped where fat prevails" in given.derivation_notes(["water"])[0]
    assert given.derivation_notes(["in-phase"]) == ()
    assert channels(tissue, "water", "fat").derivation_notes(["water", "in-phase"]) == ()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("water",), "water"),
        (("out-of-phase",), "out-of-phase"),
        (("out-of-phase", "in-phase"), "in-phase"),
        (("fat", "water"), "water"),
        (("water", "in-phase"), "in-phase"),
    ],
)
def test_a_model_of_one_image_gets_the_best_there_is(tissue, given, expected):
    provided = channels(tissue, *given).provide(["image"])
    np.testing.assert_allclose(provided[0], tissue[expected].array, rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ("in-phase", ["in-phase", "out-of-phase"]),
        ("water", ["in-phase", "out-of-phase"]),
        ("image", ["water", "fat"]),
    ],
)
def test_one_image_is_not_enough_for_a_model_of_two(tissue, given, needed):
    image = Channels({given: tissue["water"]}, (), "")
    with pytest.raises(MuscleFMError) as raised:
        image.provide(needed)
    for name in needed:
        assert f"--channel {name}=PATH" in str(raised.value)


def test_fat_fraction_of_all_tissues_and_none_of_air(tissue):
    fraction = channels(tissue, "water", "fat").fat_fraction()
    expected = np.broadcast_to(np.repeat([[0.05], [0.4], [0.9]], 5, axis=0), (4, 15, 30))
    np.testing.assert_allclose(fraction[:, :15], expected, rtol=1e-5)
    assert np.isnan(fraction[:, 15:]).all()
    assert fraction.dtype == np.float32


def test_no_fat_fraction_from_magnitudes_of_the_phases(tissue):
    assert channels(tissue, "in-phase", "out-of-phase").fat_fraction() is None
    assert channels(tissue, "water").fat_fraction() is None


def test_real_water_and_fat_give_plausible_fractions(shared):
    dixon = shared / "scans" / "dixon"
    paths = {name: dixon / f"calf-{name}.nii.gz" for name in ("water", "fat")}
    scan = read_channels(paths)
    fraction = scan.fat_fraction()
    total = scan.images["water"].array + scan.images["fat"].array
    bright = total > np.percentile(total, 90)
    assert np.nanmin(fraction) >= 0 and np.nanmax(fraction) <= 1
    assert np.isfinite(fraction[bright]).all()
    # Muscle, subcutaneous fat and marrow, and only their borders in between.
    muscle, border, fat = np.histogram(fraction[bright], bins=[0, 0.2, 0.8, 1])[0] / bright.sum()
    assert muscle > 0.5 and fat > 0.05 and border < 0.2
    swapped = read_channels({"water": paths["fat"], "fat": paths["water"]})
    assert swapped.sha256 != scan.sha256


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        ({"spacing": (1.5, 1.5, 5.0)}, "1.5 x 1.5 x 6 against 1.5 x 1.5 x 5 mm a voxel"),
        ({"origin": (2.0, -700.0, 40.0)}, "up to 2 mm apart"),
        ({"direction": (-1, 0, 0, 0, -1, 0, 0, 0, 1)}, "mm apart"),
        ({"shape": (3, 20, 30)}, "30 x 20 x 4 against 30 x 20 x 3 voxels"),
    ],
)
def test_channels_of_different_grids_are_distinguished(tmp_path, tissue, change, reported):
    water = tissue["water"]
    other = Grid(**{**vars(water.grid), **change})
    fat = Volume(tissue["fat"].array[: other.shape[0]], other)
    write_volume(water, tmp_path / "jane doe water.nii.gz")
    write_volume(fat, tmp_path / "jane doe fat.nii.gz")
    with pytest.raises(MuscleFMError) as raised:
        read_channels({name: tmp_path / f"jane doe {name}.nii.gz" for name in ("water", "fat")})
    assert str(raised.value).startswith("water and fat lie on different grids (")
    assert reported in str(raised.value)
    assert "doe" not in str(raised.value)


def test_a_bad_channel_is_called_by_its_name(tmp_path, tissue):
    write_volume(tissue["water"], tmp_path / "water.nii.gz")
    (tmp_path / "fat.nii.gz").touch()
    with pytest.raises(MuscleFMError, match=r"^the fat image is an empty file"):
        read_channels({name: tmp_path / f"{name}.nii.gz" for name in ("water", "fat")})


def test_an_unknown_channel_names_the_known(tmp_path):
    with pytest.raises(MuscleFMError, match="no channel called t1: give in-phase"):
        read_channels({"t1": tmp_path})


def test_the_same_scan_has_the_same_hash_whatever_its_files(tmp_path, tissue):
    for name in ("water", "fat"):
        write_volume(tissue[name], tmp_path / f"{name}.nii.gz")
        write_volume(tissue[name], tmp_path / f"other {name}.nii")
    one = read_channels({name: tmp_path / f"{name}.nii.gz" for name in ("water", "fat")})
    other = read_channels({name: tmp_path / f"other {name}.nii" for name in ("fat", "water")})
    assert one.sha256 == other.sha256
    assert one.grid.matches(tissue["water"].grid)
