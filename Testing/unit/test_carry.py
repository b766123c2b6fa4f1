"""Carrying a muscle that was corrected in some slices to those between."""

from dataclasses import replace

import numpy as np
import pytest

from musclefm.labels.sided import IGNORE
from musclefm.review.carry import carry_corrections
from musclefm.review.muscle_slices import MuscleSlices
from musclefm.volumes.grid import Grid

MUSCLE, NEIGHBOUR = 3, 8
AXIAL = Grid((25, 60, 70), (2.0, 2.0, 10.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def thigh(grid, radius_mm=14.0, shift_mm=0.0):
    """Return a muscle that runs obliquely along the leg, thickest in its middle."""
    k, j, i = np.indices(grid.shape)
    x, y, z = (at * mm for at, mm in zip((i, j, k), grid.spacing, strict=True))
    height = (z - 20.0) / 200.0
    around = np.hypot(x - 60.0 - 12.0 * height - shift_mm, y - 58.0 + 10.0 * height)
    belly = radius_mm * np.sin(np.pi * np.clip(height, 0.0, 1.0)) ** 0.5
    inside = (around < belly) & (height >= 0.0) & (height <= 1.0)
    return np.where(inside, np.uint8(MUSCLE), np.uint8(0))


def corrected(model, right, slices, axis=2):
    """Return the model's labels, right in some slices."""
    labels = model.copy()
    at = list(slices)
    np.moveaxis(labels, 2 - axis, 0)[at] = np.moveaxis(right, 2 - axis, 0)[at]
    return labels


def dice(labels, right, value=MUSCLE):
    a, b = labels == value, right == value
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def carry(labels, model, slices, grid=AXIAL, axis=2):
    return carry_corrections(labels, model, grid, [MuscleSlices(MUSCLE, tuple(slices), axis)])


@pytest.mark.parametrize("slice_mm", [3.0, 10.0, 30.0])
def test_a_muscle_that_the_model_drew_too_small_gets_its_size_in_slices_of_any_thickness(slice_mm):
    grid = replace(AXIAL, shape=(round(240 / slice_mm), 60, 70), spacing=(2.0, 2.0, slice_mm))
    right, model = thigh(grid), thigh(grid, radius_mm=8.0, shift_mm=6.0)
    slices = [round(mm / slice_mm) for mm in (45.0, 120.0, 195.0)]
    labels = corrected(model, right, slices)
    found = carry(labels, model, slices, grid)
    assert dice(found.labels, right) > max(dice(labels, right) + 0.1, 0.87)
    (carried,) = found.slices
    assert carried.value == MUSCLE and not set(carried.slices) & set(slices)
    different = np.flatnonzero((found.labels != labels).any(axis=(1, 2)))
    assert carried.slices == tuple(different.tolist())


@pytest.mark.parametrize("axis", [0, 1])
def test_coronal_and_sagittal_corrections_are_carried_along_their_own_normal(axis):
    right, model = thigh(AXIAL), thigh(AXIAL, radius_mm=9.0)
    inside = np.flatnonzero(right.any(axis=tuple(at for at in range(3) if at != 2 - axis)))
    slices = np.linspace(inside[0] + 2, inside[-1] - 2, 4).astype(int).tolist()
    labels = corrected(model, right, slices, axis)
    found = carry(labels, model, slices, axis=axis)
    assert dice(found.labels, right) > dice(labels, right) + 0.1
    for index in slices:
        at = np.moveaxis(found.labels, 2 - axis, 0)[index]
        assert (at == np.moveaxis(labels, 2 - axis, 0)[index]).all()


def test_the_way_a_volume_is_stored_changes_nothing():
    right, model = thigh(AXIAL), thigh(AXIAL, radius_mm=9.0)
    labels = corrected(model, right, [8, 16])
    straight = carry(labels, model, [8, 16]).labels
    cos, sin = np.cos(0.35), np.sin(0.35)
    oblique = replace(AXIAL, direction=(1, 0, 0, 0, cos, -sin, 0, sin, cos))
    assert (carry(labels, model, [8, 16], oblique).labels == straight).all()
    # A sagittal stack, with the same voxels in patient space.
    turned = Grid((60, 70, 25)[::1], (10.0, 2.0, 2.0), (0, 0, 0), (0, 1, 0, 0, 0, 1, 1, 0, 0))
    moved = [np.ascontiguousarray(np.moveaxis(x, 0, 2)) for x in (labels, model)]
    found = carry_corrections(*moved, turned, [MuscleSlices(MUSCLE, (8, 16), 0)])
    assert (np.moveaxis(found.labels, 2, 0) == straight).all()


def test_finer_pixels_give_the_same_outline_in_mm():
    coarse = carried_volume(AXIAL)
    fine = carried_volume(replace(AXIAL, shape=(25, 120, 140), spacing=(1.0, 1.0, 10.0)))
    assert abs(coarse / fine - 1) < 0.05


def carried_volume(grid):
    right, model = thigh(grid), thigh(grid, radius_mm=9.0)
    labels = corrected(model, right, [6, 18])
    return (carry(labels, model, [6, 18], grid).labels > 0).sum() * grid.voxel_volume_mm3


def test_neighbours_and_what_is_unknown_keep_every_voxel():
    right, model = thigh(AXIAL), thigh(AXIAL, radius_mm=8.0)
    model[:, :, 38:46][model[:, :, 38:46] == 0] = NEIGHBOUR
    model[11, 20:24, 20:40] = IGNORE
    labels = corrected(model, np.where(right > 0, right, model), [6, 12, 18])
    found = carry(labels, model, [6, 12, 18]).labels
    for value in (NEIGHBOUR, IGNORE):
        assert ((found == value) == (labels == value)).all()
    assert (found == MUSCLE).sum() > (labels == MUSCLE).sum()


def test_two_muscles_that_are_carried_together_share_what_lies_between_them():
    right = thigh(AXIAL)
    beside = thigh(AXIAL, shift_mm=26.0) > 0
    right[beside & (right == 0)] = NEIGHBOUR
    model = np.where(thigh(AXIAL, radius_mm=22.0) > 0, np.uint8(MUSCLE), np.uint8(0))
    slices = (5, 10, 15, 20)
    labels = corrected(model, right, slices)
    known = [MuscleSlices(value, slices) for value in (MUSCLE, NEIGHBOUR)]
    found = carry_corrections(labels, model, AXIAL, known)
    assert dice(labels, right, NEIGHBOUR) < 0.4
    assert min(dice(found.labels, right, value) for value in (MUSCLE, NEIGHBOUR)) > 0.85
    backwards = carry_corrections(labels, model, AXIAL, known[::-1])
    assert (backwards.labels == found.labels).mean() > 0.999


def test_slices_that_the_reader_corrected_or_accepted_stay_as_they_are():
    right, model = thigh(AXIAL), thigh(AXIAL, radius_mm=9.0)
    labels = corrected(model, right, [8, 16])
    accepted = [12, 13]
    found = carry(labels, model, [8, 16, *accepted])
    assert (found.labels[[8, 12, 13, 16]] == labels[[8, 12, 13, 16]]).all()
    assert (found.labels[10] != labels[10]).any()


def test_a_muscle_that_ends_between_two_slices_tapers():
    right = thigh(AXIAL)
    model = np.zeros_like(right)
    labels = corrected(model, right, [12, 24])
    assert not labels[24].any(), "the muscle has ended there"
    found = carry(labels, model, [12, 24]).labels
    areas = (found == MUSCLE).sum(axis=(1, 2))[12:]
    assert areas[1] > 0 and (np.diff(areas) <= 0).all() and not areas[-3:].any()


def test_both_heads_of_a_muscle_are_carried():
    right = np.maximum(thigh(AXIAL, 9.0), thigh(AXIAL, 9.0, shift_mm=40.0))
    model = thigh(AXIAL, 9.0)
    labels = corrected(model, right, [6, 12, 18])
    found = carry(labels, model, [6, 12, 18]).labels
    second = np.s_[:, :, 45:]
    assert dice(labels[second], right[second]) < 0.3 and dice(found[second], right[second]) > 0.8


def test_one_corrected_slice_reaches_a_limited_way_and_fades_into_the_model():
    grid = replace(AXIAL, shape=(60, 60, 70), spacing=(2.0, 2.0, 10.0))
    model = np.zeros(grid.shape, np.uint8)
    model[:, 25:35, 25:35] = MUSCLE
    labels = model.copy()
    labels[30, 22:38, 22:38] = MUSCLE
    found = carry(labels, model, [30], grid)
    areas = (found.labels == MUSCLE).sum(axis=(1, 2))
    assert (np.diff(areas[30:]) <= 0).all() and (areas[30:] == areas[30::-1][:30]).all()
    assert 100 < areas[31] <= 256 and areas[39] == 100
    assert found.slices[0].slices == tuple(
        np.flatnonzero(found.labels.any((1, 2)) & (areas != 100) & (np.arange(60) != 30))
    )


def test_a_muscle_that_runs_aslant_is_moved_rather_than_faded():
    right = np.zeros(AXIAL.shape, np.uint8)
    for k in range(25):
        right[k, 20:28, 8 + 2 * k : 16 + 2 * k] = MUSCLE
    labels = corrected(np.zeros_like(right), right, [4, 11, 18])
    found = carry(labels, np.zeros_like(right), [4, 11, 18]).labels
    assert dice(found[4:19], right[4:19]) > 0.8


def test_slices_that_the_model_is_sure_of_change_less():
    right, model = thigh(AXIAL), thigh(AXIAL, radius_mm=9.0)
    labels = corrected(model, right, [6, 18])
    uncertainty = np.full(AXIAL.shape, 0.5, np.float32)
    known = [MuscleSlices(MUSCLE, (6, 18))]
    alike = carry_corrections(labels, model, AXIAL, known, uncertainty).labels
    assert (alike == carry_corrections(labels, model, AXIAL, known).labels).all()
    uncertainty[12] = 0.01
    sure = carry_corrections(labels, model, AXIAL, known, uncertainty).labels
    assert (sure[12] != model[12]).sum() < 0.5 * (alike[12] != model[12]).sum()
    assert (sure[10] == alike[10]).mean() > 0.99


def test_a_model_that_was_right_is_left_alone_far_from_the_correction():
    right = thigh(AXIAL)
    labels = corrected(right, right, [8, 12, 16])
    assert dice(carry(labels, right, [8, 12, 16]).labels, right) > 0.97


def test_nothing_known_or_nothing_drawn_changes_nothing():
    model = thigh(AXIAL)
    assert carry(model, model, []).slices == ()
    empty = np.zeros_like(model)
    found = carry(empty, empty, [3, 9])
    assert not found.labels.any() and found.slices == ()


def test_the_labels_given_are_not_written_to_and_the_answer_is_always_the_same():
    right, model = thigh(AXIAL), thigh(AXIAL, radius_mm=9.0)
    labels = corrected(model, right, [8, 16])
    labels.flags.writeable = model.flags.writeable = False
    first, second = (carry(labels, model, [16, 8, 8]) for _ in range(2))
    assert (first.labels == second.labels).all() and first.slices == second.slices
