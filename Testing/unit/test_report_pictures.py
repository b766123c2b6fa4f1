"""The report's pictures show the right side on the left and mean what the legend says."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from made_report_case import SCHEME, ensemble, report_case, stored
from PIL import Image
from scipy import ndimage

from musclefm.labels.sides import LEFT
from musclefm.results.report.case import ReportCase
from musclefm.results.report.display import CaseDisplay, Window
from musclefm.results.report.gallery import heat_legend, region_picture, slice_pictures
from musclefm.results.report.layers import Frame, outline_layer, region_layer
from musclefm.results.report.number_places import place_numbers
from musclefm.results.report.palettes import HEAT_FROM, label_palette
from musclefm.results.report.pictures import overview_png
from musclefm.uncertainty.maps import EnsembleMaps
from musclefm.volumes.volume import Volume


@pytest.fixture(scope="module")
def seen() -> tuple[EnsembleMaps, Volume]:
    return ensemble()


@pytest.fixture(scope="module", params=["canonical", "coronal, flipped", "sagittal", "upside down"])
def case(seen, request) -> ReportCase:
    axes, flips = {
        "canonical": ((0, 1, 2), (False, False, False)),
        "coronal, flipped": ((1, 0, 2), (True, True, True)),
        "sagittal": ((2, 0, 1), (False, True, False)),
        "upside down": ((0, 1, 2), (True, True, True)),
    }[request.param]
    return report_case(*stored(*seen, axes, flips))


@pytest.fixture(scope="module")
def axial_case(seen) -> ReportCase:
    return report_case(*seen)


def _pixels(uri: str, mode: str = "RGBA") -> np.ndarray:
    head, data = uri.split(",", 1)
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert(mode))


def _colours(pixels: np.ndarray) -> set[tuple[int, ...]]:
    """Return the colours of an RGBA picture, what is fully transparent left out."""
    packed = np.unique(np.ascontiguousarray(pixels).view(np.uint32))
    colours = packed.view(np.uint8).reshape(-1, 4).tolist()
    return {tuple(colour) for colour in colours if colour[3]}


def test_the_patients_left_is_on_the_right_of_the_picture_and_anterior_is_up(case):
    ras = case.image.grid.ijk_to_ras
    k, j, i = np.indices(case.image.grid.shape)
    voxels = np.stack([i, j, k, np.ones_like(i)], axis=-1)
    position = voxels @ ras.T
    middle = position.reshape(-1, 4).mean(axis=0)
    spot = np.linalg.norm(position[..., :2] - middle[:2] - (-90.0, 40.0), axis=-1) < 14.0
    marked = replace(
        case,
        image=Volume(np.where(spot, np.float32(2500), case.image.array), case.image.grid),
        maps=replace(
            case.maps,
            labels=np.where(spot, 3, 0).astype(np.uint8),
            total=np.where(spot, 2.0, 0.0).astype(np.float32),
        ),
        regions=(replace(case.regions[0], id=1),),
        region_labels=spot.astype(np.uint16),
    )
    for picture in slice_pictures(CaseDisplay(marked), 3):
        # The letters and the scale bar are thin.
        grey = ndimage.binary_opening(_pixels(picture.image, "L") > 150, iterations=9)
        layers = [_pixels(x)[..., 3] > 0 for x in (picture.outlines, picture.heat, picture.borders)]
        for shown in (grey, *layers):
            assert shown.shape == picture.size[::-1]
            rows, columns = np.nonzero(shown)
            assert len(rows) > 0
            assert columns.min() > picture.size[0] / 2
            assert rows.max() < picture.size[1] * 0.55


def test_slices_carry_their_index_and_position_on_the_input_grid(case):
    display = CaseDisplay(case)
    pictures = slice_pictures(display, 12)
    axis = "ijk".index(display.slice_axis)
    assert [picture.index for picture in pictures] in (list(range(9)), list(range(9))[::-1])
    heights = []
    for picture in pictures:
        centre = (np.array(case.image.grid.shape[::-1]) - 1) / 2
        centre[axis] = picture.index
        height = float((case.image.grid.ijk_to_ras @ [*centre, 1.0])[2])
        letter, number, unit = picture.position.split()
        assert unit == "mm"
        assert {"S": 1, "I": -1}[letter] * float(number) == pytest.approx(height, abs=0.06)
        heights.append(height)
    assert heights == sorted(heights)


def test_heat_has_the_legends_colour_at_known_voxels_of_the_right_slice(case):
    values = (0.05, 0.35, 0.6, 0.95)
    total = np.zeros_like(case.maps.total)
    display = CaseDisplay(case)
    axis = 2 - "ijk".index(display.slice_axis)
    for index, value in enumerate(values):
        where = [slice(None)] * 3
        where[axis] = index
        total[tuple(where)] = value * np.log(SCHEME.class_count)
    hot = replace(case, maps=replace(case.maps, total=total))
    legend = _pixels(heat_legend())[0]
    drawn = {x.index: _pixels(x.heat) for x in slice_pictures(CaseDisplay(hot), 12)}
    for index, value in enumerate(values):
        expected = tuple(legend[round(value * 255)].tolist())
        assert expected[3] == (0 if value < HEAT_FROM else 255)
        assert _colours(drawn[index]) == ({expected} if expected[3] else set())
    assert _colours(drawn[len(values)]) == set()


def test_heat_grows_lighter_with_uncertainty():
    legend = _pixels(heat_legend())[0].astype(float)
    luminance = legend[legend[:, 3] == 255][:, :3] @ [0.2126, 0.7152, 0.0722]
    assert np.all(np.diff(luminance) > -1.0)
    assert luminance[-1] - luminance[0] > 120


def test_outlines_follow_the_borders_in_the_schemes_colours():
    labels = np.zeros((30, 40), np.uint8)
    labels[5:25, 5:20] = 1
    labels[5:25, 20:35] = 2
    frame = Frame.fit(Window(0, 30, 0, 40), (1.0, 1.0), 300 * 400)
    assert frame.size == (400, 300)
    drawn = np.asarray(outline_layer(labels, frame, label_palette(SCHEME), 3).convert("RGBA"))
    first, second = ((*SCHEME.label(n).colour, 255) for n in (1, 2))
    border = drawn[150]
    for column, colour in ((52, first), (198, first), (202, second), (347, second)):
        near = {tuple(x) for x in border[column - 3 : column + 4].tolist()}
        assert colour in near, column
    for column in (20, 120, 280, 380):
        assert border[column, 3] == 0
    assert _colours(drawn) == {first, second}


def test_every_muscle_of_a_slice_is_outlined(axial_case):
    for picture in slice_pictures(CaseDisplay(axial_case), 12):
        shown = np.unique(axial_case.maps.labels[picture.index]).tolist()
        expected = {(*SCHEME.label(n).colour, 255) for n in shown if n}
        assert _colours(_pixels(picture.outlines)) == expected


def test_pixels_that_are_not_square_are_drawn_in_proportion(seen):
    maps, image = seen
    halved = replace(image.grid, spacing=(2.5, 5.0, 12.0), shape=(9, 36, 140))
    arrays = {
        name: np.ascontiguousarray(getattr(maps, name)[:, ::2])
        for name in (
            "labels",
            "top_muscle",
            "sides",
            "total",
            "aleatoric",
            "variance",
            "least_confidence",
        )
    }
    coarse = replace(maps, grid=halved, epistemic=arrays["total"] - arrays["aleatoric"], **arrays)
    thick = report_case(coarse, Volume(np.ascontiguousarray(image.array[:, ::2]), halved))
    proportions = [
        picture.size[0] / picture.size[1]
        for case in (thick, report_case(maps, image))
        for picture in slice_pictures(CaseDisplay(case), 1)
    ]
    assert proportions[0] == pytest.approx(proportions[1], rel=0.08)


def test_a_regions_picture_shows_it_where_it_is_most_uncertain(case):
    assert case.regions
    display = CaseDisplay(case)
    axis = 2 - "ijk".index(display.slice_axis)
    for region in case.regions:
        inside = case.region_labels == region.id
        other_axes = tuple(a for a in range(3) if a != axis)
        wrong = np.where(inside, case.maps.least_confidence, 0).sum(axis=other_axes, dtype=float)
        picture = region_picture(display, region)
        assert wrong[picture.index] == pytest.approx(wrong.max(), rel=1e-5)
        assert region.slices[0] <= picture.index <= region.slices[1]
        border = _pixels(picture.border)
        rows, columns = np.nonzero(border[..., 3])
        assert border.shape[:2] == picture.size[::-1]
        assert 0 < np.ptp(rows) < border.shape[0] and 0 < np.ptp(columns) < border.shape[1]


def test_the_overview_shows_left_on_the_right_and_the_legend(axial_case):
    total = np.zeros_like(axial_case.maps.total)
    total[(axial_case.maps.sides == LEFT) & (axial_case.maps.labels > 0)] = 2.0
    hot = replace(axial_case, maps=replace(axial_case.maps, total=total))
    png = overview_png(hot, columns=1)
    assert png.startswith(b"\x89PNG")
    sheet = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    legend = _pixels(heat_legend())[0]
    colour = legend[round(2.0 / np.log(SCHEME.class_count) * 255), :3]
    rows, columns = np.nonzero((sheet == colour).all(axis=-1))
    panel = rows < rows.min() + 150
    width = slice_pictures(CaseDisplay(hot), 1)[0].size
    drawn_width = (300 * 150 * width[0] / width[1]) ** 0.5
    assert panel.sum() > 500
    assert columns[panel].min() > 8 + drawn_width / 2
    for label in SCHEME.labels:
        assert (sheet == label.colour).all(axis=-1).any(), label.name


def test_numbers_of_neighbouring_regions_do_not_print_over_one_another():
    regions = np.zeros((40, 60), np.uint16)
    for number, row in enumerate(range(10, 30, 3), start=11):
        regions[row : row + 2, 20:26] = number
    frame = Frame.fit(Window(0, 40, 0, 60), (1.0, 1.0), 400 * 600)
    # White is the letters' alone; whole letters have as many pixels as written one by one.
    together = np.asarray(region_layer(regions, frame, 3, 28)) == 254
    alone = [
        np.asarray(region_layer(np.where(regions == n, n, 0), frame, 3, 28)) == 254
        for n in np.unique(regions[regions > 0])
    ]
    assert together.sum() == sum(letters.sum() for letters in alone)


def test_crowded_numbers_stay_inside_the_picture():
    wanted = [(190, 95)] * 300
    corners = place_numbers(wanted, [(30, 14)] * len(wanted), (200, 100))
    assert all(0 <= x <= 170 and 0 <= y <= 86 for x, y in corners)
    assert corners[0] == (170, 86)
