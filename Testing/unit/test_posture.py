"""However a patient lies, left stays the patient's left, and the reader learns what is unsure."""

from dataclasses import replace

import numpy as np
import pytest
from made_report_case import ensemble, report_case
from scipy import ndimage
from test_thighs import right_share
from thigh_images import T1, body, picture, read, read_legs
from tiny_ensemble import tiny_bundle

from musclefm.anatomy.thighs import Thighs, find_thighs
from musclefm.inference.case import run_case
from musclefm.inference.device import choose_runtime
from musclefm.inference.field_notes import field_findings, sparse_note
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.labels.sides import LEFT
from musclefm.models.manifest import ModelInput, WholeSlice
from musclefm.models.registry import find_bundle
from musclefm.pipeline.segment import segment_case
from musclefm.progress import silent
from musclefm.results.report.document import render_report
from musclefm.results.tables import muscles_from_csv, muscles_table
from musclefm.review.muscles import summarise_muscles
from musclefm.volumes.channels import Channels
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import canonical_view
from musclefm.volumes.volume import Volume

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SIDES = ("right", "left")


def turned(array, degrees):
    return ndimage.rotate(array, degrees, axes=(1, 2), reshape=False, order=0)


@pytest.mark.parametrize("degrees", [-45, -25, 20, 35, 45])
def test_legs_rolled_by_up_to_45_degrees_stay_two(shared, degrees):
    right, left, grid = read_legs(shared / "anatomies" / "HV002_2_0000.nii.gz")
    image = picture(right + left, body(right, grid) | body(left, grid), **T1)
    right, left, image = (
        turned(np.pad(x, ((0, 0), (25, 25), (25, 25))), degrees) for x in (right, left, image)
    )
    thighs = find_thighs(Volume(image, Grid(image.shape, grid.spacing, grid.origin, AXIAL)))
    assert thighs.count == 2
    assert right_share(thighs, right, left) > 0.99
    assert thighs.turn_degrees == pytest.approx(-degrees, abs=8)


@pytest.mark.parametrize("degrees", [-45, -20, 0, 30, 45])
@pytest.mark.parametrize("apart_mm", [110, 180])
def test_two_round_legs_are_two_however_wide_the_gap_and_rolled(degrees, apart_mm):
    shape = (5, 150, 150)
    row, column = (np.indices(shape[1:]) - 74.5) * 2.0
    turn = np.radians(degrees)
    across, along = np.cos(turn) * apart_mm / 2, np.sin(turn) * apart_mm / 2
    legs = [np.hypot(row - s * along, column - s * across) < 45 for s in (-1, 1)]
    rng = np.random.default_rng(7)
    image = np.hypot(np.where(legs[0] | legs[1], 100, 0) + 5 * rng.standard_normal(shape), 4)
    thighs = find_thighs(Volume(image.astype(np.float32), Grid(shape, (2, 2, 8), (0, 0, 0), AXIAL)))
    assert thighs.count == 2
    assert thighs.turn_degrees == pytest.approx(degrees, abs=2)
    for number, leg in enumerate(legs, start=1):
        assert (thighs.membership[:, leg] == number).mean() > 0.99


@pytest.mark.parametrize("degrees", [-45, 30, 45])
@pytest.mark.parametrize("name", ["station5-knee", "station7-proximal"])
def test_real_scans_rolled_by_up_to_45_degrees_show_two(shared, name, degrees):
    scan = read(shared / "scans" / "dixon" / f"{name}.nii.gz")
    image, grid = few_slices(scan, np.s_[2::7], padding=80)
    seen = ndimage.rotate(image, degrees, axes=(1, 2), reshape=False, order=1)
    thighs = find_thighs(Volume(seen, grid))
    assert thighs.count == 2
    assert thighs.turn_degrees == pytest.approx(-degrees, abs=3)


def sided(maps):
    return np.where(maps.labels > 0, maps.labels + 20 * (maps.sides == LEFT), 0)


@pytest.fixture(scope="module")
def demo():
    """Return a function that segments ``(K, J, I)`` on a grid with the shipped ensemble."""
    bundle = find_bundle("thigh-demo")
    predictor = EnsemblePredictor(bundle, choose_runtime("cpu"), silent)
    return lambda image, grid: run_case(image[None], grid, bundle, predictor)


def few_slices(scan, chosen, padding=0):
    """Return some slices of a scan as an axial volume, and its grid."""
    image = np.pad(scan.array[chosen], ((0, 0), (padding, padding), (padding, padding)))
    spacing = (*scan.grid.spacing[:2], scan.grid.spacing[2] * chosen.step)
    return image, Grid(image.shape, spacing, (0.0, 0.0, 0.0), AXIAL)


@pytest.mark.parametrize("name", ["station6-midthigh", "station7-proximal"])
def test_a_prone_scan_gives_exactly_what_the_plain_scan_gives(shared, demo, name):
    scan = read(shared / "scans" / "dixon" / f"{name}.nii.gz")
    image, grid = few_slices(scan, np.s_[3::7])
    # An odd number of rows and columns, which the coarse search does not divide.
    image = image[:, 1:, 1:]
    grid = replace(grid, shape=image.shape)
    plain = demo(image, grid)
    prone = demo(np.ascontiguousarray(image[:, ::-1, ::-1]), grid)
    assert plain.labels.any()
    assert (sided(prone)[:, ::-1, ::-1] == sided(plain)).mean() > 0.9999
    assert any("180 degrees" in note for note in prone.notes)
    assert not any("180 degrees" in note for note in plain.notes)


def test_a_pelvis_and_a_calf_are_not_taken_for_a_prone_patient(shared, demo):
    for name in ("station7-proximal", "calf-water"):
        scan = read(shared / "scans" / "dixon" / f"{name}.nii.gz")
        image, grid = few_slices(scan, np.s_[len(scan.array) // 2 :: 4])
        assert not any("180 degrees" in note for note in demo(image, grid).notes), name


@pytest.mark.parametrize("orientation", ["stored", "canonical"])
def test_whole_slices_are_turned_where_the_network_is_surer_of_them_so(
    monkeypatch, tmp_path, orientation
):
    rng = np.random.default_rng(3)
    grid = Grid((3, 40, 64), (4.0, 4.0, 20.0), (0.0, 0.0, 0.0), AXIAL)
    row, column = np.ogrid[:40, :64]
    legs = np.hypot(row - 18, np.minimum(abs(column - 20), abs(column - 44))) < 10
    image = (np.where(legs, 100, 1) * rng.uniform(0.8, 1.2, grid.shape)).astype(np.float32)
    card = ModelInput(framing=WholeSlice(orientation=orientation))
    bundle = tiny_bundle(tmp_path / "tiny", 2, card)
    predictor = EnsemblePredictor(bundle, choose_runtime("cpu"), silent)

    def turned_where(reported, array):
        monkeypatch.setattr("musclefm.inference.case.looks_upside_down", lambda *_: reported)
        return run_case(array[None], grid, bundle, predictor)

    plain = turned_where(False, image)
    prone = turned_where(True, np.ascontiguousarray(image[:, ::-1, ::-1]))
    assert (prone.labels[:, ::-1, ::-1] == plain.labels).mean() > 0.999
    np.testing.assert_allclose(prone.total[:, ::-1, ::-1], plain.total, atol=1e-4)
    # Files of a patient who lies as the header says are stored in many ways, so that a
    # network which sees them as stored is no witness of the sides.
    kept = orientation == "stored"
    assert ((prone.sides[:, ::-1, ::-1] == plain.sides).mean() > 0.9) == (not kept)
    assert ((prone.sides == plain.sides).mean() > 0.9) == kept
    assert any("180 degrees" in note for note in prone.notes)


def dice(labels, reference):
    same = np.count_nonzero((labels == reference) & (reference > 0))
    return 2 * same / (np.count_nonzero(labels) + np.count_nonzero(reference))


def test_a_rolled_scan_gives_what_the_plain_scan_gives(shared, demo):
    scan = read(shared / "scans" / "dixon" / "station6-midthigh.nii.gz")
    image, grid = few_slices(scan, np.s_[6::9], padding=50)
    plain = demo(image, grid)
    assert not plain.notes
    # Resampling the image alone, seen level, costs 0.02 to 0.04; where the thighs are found
    # by a fraction of a pixel otherwise, 0.01 to 0.02 more.
    for degrees in (7, 40):
        maps = demo(np.maximum(ndimage.rotate(image, degrees, axes=(1, 2), reshape=False), 0), grid)
        assert dice(turned(sided(maps), -degrees), sided(plain)) > 0.93, degrees
        assert any("the thighs lie rolled" in note for note in maps.notes) == (degrees > 10)


def test_a_lone_rolled_thigh_is_seen_as_if_level(shared, demo):
    scan = read(shared / "scans" / "dixon" / "station6-midthigh.nii.gz")
    image, grid = few_slices(scan, np.s_[6::9])
    image = np.pad(image[:, :, 160:], ((0, 0), (50, 50), (80, 80)))
    grid = replace(grid, shape=image.shape)
    plain = demo(image, grid)
    seen = np.maximum(ndimage.rotate(image, 40, axes=(1, 2), reshape=False), 0)
    maps = demo(seen, grid)
    assert dice(turned(sided(maps), -40), sided(plain)) > 0.9
    rolled = [
        any("the thigh seems to lie rolled" in note for note in x.notes) for x in (plain, maps)
    ]
    assert rolled == [False, True]


def test_a_roll_that_the_header_tells_changes_nothing(shared, demo):
    scan = read(shared / "scans" / "dixon" / "station6-midthigh.nii.gz")
    image, grid = few_slices(scan, np.s_[6::9])
    cosine, sine = np.cos(np.radians(30)), np.sin(np.radians(30))
    direction = (cosine, -sine, 0.0, sine, cosine, 0.0, 0.0, 0.0, 1.0)
    reported = demo(image, replace(grid, direction=direction))
    assert (sided(reported) == sided(demo(image, grid))).mean() > 0.9999


def findings(labels, **reported):
    """Return what is said of a volume of thighs stored from head to foot."""
    direction = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
    stored = Grid(labels.shape, (2.0, 2.0, 10.0), (0.0, 0.0, 0.0), direction)
    membership = np.ones(labels.shape, np.uint8)
    count = reported.pop("count", 2)
    thighs = Thighs(count, membership, np.zeros((count, len(labels), 2)), **reported)
    return field_findings(thighs, SIDES[:count], labels, canonical_view(stored))


def test_slices_of_pelvis_and_knee_are_named_as_the_file_counts_them():
    labels = np.zeros((10, 20, 20), np.uint8)
    for k, rows in enumerate((2, 4, 16, 18, 18, 18, 18, 10, 4, 2)):
        labels[k, :rows] = 1
    areas = (1600.0,) * 10
    contact = (0.0,) * 7 + (0.8, 0.9, 0.9)
    found = findings(labels, contact=contact, areas_mm2=areas)
    assert found.beyond_thigh == (0, 1, 2, 8, 9)
    pelvis, knee = found.notes
    assert "pelvis" in pelvis and "slices 0 to 2 (along k)" in pelvis
    assert "knee" in knee and "slices 8 to 9" in knee
    whole = findings(labels[3:7], contact=(0.0,) * 4, areas_mm2=areas[:4])
    assert not whole.notes and not whole.beyond_thigh


def test_one_thigh_and_an_unsure_finding_are_said():
    labels = np.ones((3, 5, 5), np.uint8)
    (alone,) = findings(labels, count=1, votes=0.0).notes
    assert "only one thigh was found, taken for the right one" in alone
    (maybe,) = findings(labels, count=1, votes=0.2).notes
    assert "some slices look like two" in maybe
    (unsure,) = findings(labels, votes=0.3).notes
    assert "unsure" in unsure
    assert not findings(labels, votes=0.9).notes


def test_slices_far_apart_are_said_where_no_thickness_is_known():
    far = Grid((7, 4, 4), (1.0, 1.0, 40.0), (0.0, 0.0, 0.0), AXIAL)
    assert "40 mm apart" in sparse_note(far, 0)
    assert not sparse_note(replace(far, spacing=(1.0, 1.0, 6.0)), 0)


def test_a_volume_that_counts_more_than_the_thigh_is_marked_in_table_and_report():
    maps, image = ensemble()
    axis = canonical_view(maps.grid).axes[0]
    end = maps.labels.shape[axis] - 1
    inside = np.moveaxis(maps.labels, axis, 0)[end]
    muscles = summarise_muscles(replace(maps, beyond_thigh=(end,)), (), gaps=True)
    for muscle in muscles:
        sides = np.moveaxis(maps.sides, axis, 0)[end]
        side = sides == (LEFT if muscle.side == "left" else 3 - LEFT)
        counted = bool(((inside == muscle.label_id) & side).any())
        assert ("beyond" in muscle.volume_includes) == counted
        assert ("gaps" in muscle.volume_includes) == (muscle.volume_ml > 0)
    assert any("beyond" in muscle.volume_includes for muscle in muscles)
    again = muscles_from_csv(muscles_table(muscles))
    assert [x.volume_includes for x in again] == [x.volume_includes for x in muscles]
    plain = report_case(maps, image)
    page = render_report(replace(plain, muscles=muscles))
    assert "*†</td>" in page and "fills the gaps between slices" in page
    assert "†" not in render_report(plain)


@pytest.mark.parametrize("has_gaps", [False, True])
def test_gaps_that_the_files_tell_of_are_marked_beside_every_volume(tmp_path, has_gaps):
    grid = Grid((4, 48, 64), (3.0, 3.0, 5.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1, 0, 0, 0, 1))
    image = np.zeros(grid.shape, np.float32)
    image[:, 8:40, 8:56] = np.random.default_rng(0).uniform(50, 100, (4, 32, 48))
    channels = Channels({"image": Volume(image, grid)}, (), "0" * 64, has_gaps=has_gaps)
    bundle = tiny_bundle(tmp_path / "tiny")
    muscles = segment_case(channels, bundle, choose_runtime("cpu"), silent).muscles
    shown = [muscle for muscle in muscles if muscle.volume_ml > 0]
    assert shown and all(("gaps" in muscle.volume_includes) == has_gaps for muscle in shown)
