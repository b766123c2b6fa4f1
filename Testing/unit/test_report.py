"""The report shows the right side on the left, says what was found, and needs nothing else."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from musclefm.anatomy.scheme import load_scheme
from musclefm.phantom.parametric import parametric_labelmap
from musclefm.report.case import ReportCase
from musclefm.report.display import CaseDisplay, Window
from musclefm.report.document import render_report
from musclefm.report.gallery import heat_legend, region_picture, slice_pictures
from musclefm.report.layers import Frame, outline_layer
from musclefm.report.palettes import HEAT_FROM, label_palette
from musclefm.report.pictures import overview_png
from musclefm.review.muscles import summarise_muscles
from musclefm.review.regions import FlagRule, flag_regions
from musclefm.uncertainty.maps import LEFT, RIGHT, ClassStatistics, EnsembleMaps
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

SCHEME = load_scheme("thigh-11")
AXIAL = Grid((9, 72, 140), (2.5, 2.5, 12.0), (-175.0, -90.0, -300.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
RULE = FlagRule(opening_mm=2.5)


def _turned(grid: Grid) -> Grid:
    """Tilt a grid by angles as a technician does, about its origin."""
    a, b = np.deg2rad([9.0, -6.0])
    tilt = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    direction = tilt @ turn @ np.reshape(grid.direction, (3, 3))
    return replace(grid, direction=tuple(direction.ravel().tolist()))


def _stored(maps: EnsembleMaps, image: Volume, axes, flips) -> tuple[EnsembleMaps, Volume]:
    """Store a case with its axes permuted and flipped, each voxel where it was in the patient.

    ``axes`` and ``flips`` are for array axes (K, J, I).
    """
    grid = image.grid
    direction = np.reshape(grid.direction, (3, 3))
    origin = np.array(grid.origin)
    columns, spacing = [], []
    for axis, flip in reversed(list(zip(axes, flips, strict=True))):
        world = direction[:, 2 - axis]
        step = grid.spacing[2 - axis]
        if flip:
            origin = origin + world * step * (grid.shape[axis] - 1)
        columns.append(-world if flip else world)
        spacing.append(step)
    stored = Grid(
        tuple(grid.shape[axis] for axis in axes),
        tuple(spacing),
        tuple(origin.tolist()),
        tuple(np.stack(columns, axis=1).ravel().tolist()),
    )

    def move(array):
        flipped = np.flip(array.transpose(axes), [n for n, flip in enumerate(flips) if flip])
        return np.ascontiguousarray(flipped)

    fields = ("labels", "muscle", "sides", "total", "aleatoric", "epistemic", "variance", "error")
    moved = {name: move(getattr(maps, name)) for name in fields}
    return replace(maps, grid=stored, **moved), Volume(move(image.array), stored)


def _ensemble(seed: int = 4) -> tuple[EnsembleMaps, Volume]:
    """Return what three members say of a phantom's thighs, and its image.

    They disagree about the left vastus lateralis, whose far part one of them misses.
    """
    rng = np.random.default_rng(seed)
    grid = _turned(AXIAL)
    truth = parametric_labelmap(SCHEME, rng, grid=AXIAL).array
    classes = SCHEME.class_count
    column = np.arange(AXIAL.shape[2])
    sides = np.where(column < AXIAL.shape[2] // 2, RIGHT, LEFT).astype(np.uint8)
    sides = np.broadcast_to(sides, AXIAL.shape).copy()
    members = []
    for missing in (0.1, 0.4, 0.9):
        hot = (np.arange(classes)[:, None, None, None] == truth).astype(np.float32)
        lateral = np.where((truth == 3) & (column > 115), np.float32(missing), np.float32(0))
        hot[0] += lateral
        hot[3] -= lateral
        soft = ndimage.gaussian_filter(hot, (0, 0, 0.6, 0.6)) + 1e-3
        members.append(soft / soft.sum(axis=0))
    p = np.stack(members)
    mean = p.mean(axis=0)
    total = -(mean * np.log(mean)).sum(axis=0)
    aleatoric = -(p * np.log(p)).sum(axis=1).mean(axis=0)
    labels = mean.argmax(axis=0).astype(np.uint8)
    votes = p.argmax(axis=1)
    mass, inside = np.zeros((2, classes)), np.zeros((2, classes))
    overlap = np.zeros((2, classes, 3, 3))
    for at, side in enumerate((RIGHT, LEFT)):
        here = sides == side
        mass[at] = mean[:, here].sum(axis=1)
        for c in range(classes):
            inside[at, c] = mean[c][here & (labels == c)].sum()
            votes_for = (votes == c) & here
            overlap[at, c] = np.einsum("akji,bkji->ab", votes_for, votes_for, dtype=float)
    body = ndimage.binary_dilation(truth > 0, ndimage.generate_binary_structure(3, 1), iterations=4)
    image = np.where(truth > 0, 300.0, np.where(body, 900.0, 0.0))
    image = np.hypot(image + 25 * rng.standard_normal(image.shape), 25.0).astype(np.float32)
    maps = EnsembleMaps(
        grid=grid,
        scheme=SCHEME,
        labels=labels,
        muscle=(mean[1:].argmax(axis=0) + 1).astype(np.uint8),
        sides=sides,
        total=total.astype(np.float32),
        aleatoric=aleatoric.astype(np.float32),
        epistemic=(total - aleatoric).astype(np.float32),
        variance=p.var(axis=0).mean(axis=0).astype(np.float32),
        error=(1 - mean.max(axis=0)).astype(np.float32),
        statistics=ClassStatistics(mass, inside, overlap),
    )
    return maps, Volume(image, grid)


def _case(maps: EnsembleMaps, image: Volume, rule: FlagRule = RULE) -> ReportCase:
    regions = flag_regions(maps, rule)
    return ReportCase(
        title="Thigh muscles on MR",
        created="2026-01-02T03:04:05+00:00",
        image=image,
        maps=maps,
        regions=regions.queue,
        region_labels=regions.labelmap,
        muscles=summarise_muscles(maps, regions.queue),
        model_title="Phantom ensemble",
        model_version="2.1.0",
        model_sha256="c0ffee" * 10,
        device="CPU, float32",
        notes=("Fat & water were given, <checked>.",),
    )


@pytest.fixture(scope="module")
def seen():
    return _ensemble()


@pytest.fixture(scope="module", params=["canonical", "coronal, flipped", "sagittal", "upside down"])
def case(seen, request) -> ReportCase:
    axes, flips = {
        "canonical": ((0, 1, 2), (False, False, False)),
        "coronal, flipped": ((1, 0, 2), (True, True, True)),
        "sagittal": ((2, 0, 1), (False, True, False)),
        "upside down": ((0, 1, 2), (True, True, True)),
    }[request.param]
    return _case(*_stored(*seen, axes, flips))


@pytest.fixture(scope="module")
def axial_case(seen) -> ReportCase:
    return _case(*seen)


@pytest.fixture(scope="module")
def page(axial_case) -> str:
    return render_report(axial_case)


def _pixels(uri: str, mode: str = "RGBA") -> np.ndarray:
    head, data = uri.split(",", 1)
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert(mode))


def _colours(pixels: np.ndarray) -> set[tuple[int, ...]]:
    """Return the colours of an RGBA picture, what is fully transparent left out."""
    packed = np.unique(np.ascontiguousarray(pixels).view(np.uint32))
    colours = packed.view(np.uint8).reshape(-1, 4).tolist()
    return {tuple(colour) for colour in colours if colour[3]}


class _Reader(HTMLParser):
    """Collects a page's tags and texts, and insists that tags are closed in order."""

    VOID = frozenset({"meta", "img", "input", "line", "rect", "br", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" in self._open:
            return
        self.texts.append(data)
        if self._open and {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def test_the_patients_left_is_on_the_right_of_the_picture_and_anterior_is_up(case):
    ras = case.image.grid.ijk_to_ras
    k, j, i = np.indices(case.image.grid.shape)
    voxels = np.stack([i, j, k, np.ones_like(i)], axis=-1)
    position = voxels @ ras.T
    middle = position.reshape(-1, 4).mean(axis=0)
    spot = np.linalg.norm(position[..., :2] - middle[:2] - (-90.0, 40.0), axis=-1) < 14.0
    marked = Volume(np.where(spot, np.float32(5000), case.image.array * 0.1), case.image.grid)
    for picture in slice_pictures(CaseDisplay(replace(case, image=marked)), 3):
        grey = _pixels(picture.image, "L").astype(float)
        assert grey.shape == picture.size[::-1]
        # Without the margin, where the letters and the scale bar are.
        rows, columns = np.nonzero(ndimage.binary_opening(grey > 150, iterations=9))
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
        for name in ("labels", "muscle", "sides", "total", "aleatoric", "variance", "error")
    }
    coarse = replace(maps, grid=halved, epistemic=arrays["total"] - arrays["aleatoric"], **arrays)
    thick = _case(coarse, Volume(np.ascontiguousarray(image.array[:, ::2]), halved))
    proportions = [
        picture.size[0] / picture.size[1]
        for case in (thick, _case(maps, image))
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
        wrong = np.where(inside, case.maps.error, 0).sum(axis=other_axes, dtype=float)
        picture = region_picture(display, region)
        assert wrong[picture.index] == pytest.approx(wrong.max(), rel=1e-5)
        assert region.slices[0] <= picture.index <= region.slices[1]
        border = _pixels(picture.border)
        rows, columns = np.nonzero(border[..., 3])
        assert border.shape[:2] == picture.size[::-1]
        assert 0 < np.ptp(rows) < border.shape[0] and 0 < np.ptp(columns) < border.shape[1]


def test_the_page_is_well_formed_and_needs_nothing_else(page):
    reader = _Reader(page)
    assert reader.all("html")[0]["lang"] == "en"
    for image in reader.all("img"):
        assert image["src"].startswith("data:image/")
        assert image["alt"].strip()
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in reader.tags}
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for link in reader.all("a"):
        assert link["href"].startswith("#") and link["href"][1:] in ids
    for label in reader.all("label"):
        assert label["for"] in ids
    without_pictures = re.sub(r"data:image/[^\"]*", "", page)
    assert "://" not in without_pictures and "url(" not in without_pictures
    assert len(page) < 6_000_000


def test_the_page_says_what_was_found(axial_case, page):
    text = _Reader(page).text
    assert text.count("Research use only. Not for clinical use.") >= 2
    for expected in ("Phantom ensemble", "2.1.0", "CPU, float32", "140 × 72 × 9", "c0ffee"):
        assert expected in text
    assert "Fat & water were given, <checked>." in text
    assert "<checked>" not in page
    assert not re.search(r"\b(nan|inf|None|Undefined)\b", text)
    for region in axial_case.regions:
        assert f"{region.id} {region.side.capitalize()} {', '.join(region.muscles)}" in text
    share = sum(x.expected_wrong_voxels for x in axial_case.regions) / axial_case.maps.error.sum()
    assert 0.1 < share < 1
    assert f"{100 * share:.0f} % of expected wrong voxels" in text
    assert f"{100 * share:.0f} % up to here" in text


def test_both_sides_of_a_muscle_share_a_row_and_gaps_are_dashes(axial_case):
    volume = {("right", 3): 412.34, ("left", 3): 98.76}
    muscles = tuple(
        replace(
            muscle,
            volume_ml=volume.get((muscle.side, muscle.label_id), 0.0),
            fat_fraction=0.371 if (muscle.side, muscle.label_id) == ("left", 3) else None,
            expected_dice=0.912 if muscle.label_id == 3 else float("nan"),
            member_dice=float("nan"),
            flagged=(muscle.side, muscle.label_id) == ("left", 3),
        )
        for muscle in axial_case.muscles
    )
    reader = _Reader(render_report(replace(axial_case, muscles=muscles)))
    rows = {row[0].split(" ")[0]: row for row in reader.rows if len(row) == 13}
    lateralis = next(row for row in reader.rows if row[0].startswith("Vastus lateralis"))
    right, left = lateralis[1:7], lateralis[7:13]
    assert (right[0], right[1], right[3], right[4], right[5]) == ("412.3", "—", "0.91", "—", "")
    assert (left[0], left[1], left[3], left[4], left[5]) == (
        "98.8",
        "37\u202f%",
        "0.91",
        "—",
        "check",
    )
    assert rows["Gracilis"][4] == "—"
    assert len([row for row in reader.rows if len(row) == 13]) == len(SCHEME.labels) + 1
    assert "nan" not in reader.text.lower().split()


def test_a_long_queue_has_forty_pictures_and_then_a_table(axial_case):
    worst = axial_case.regions[0]
    queue = tuple(
        replace(worst, id=n, expected_wrong_voxels=worst.expected_wrong_voxels / 60)
        for n in range(1, 46)
    )
    ids = np.zeros_like(axial_case.region_labels)
    voxels = np.flatnonzero(axial_case.region_labels == worst.id)[:45]
    ids.ravel()[voxels] = np.arange(1, 46)
    long = replace(axial_case, regions=queue, region_labels=ids)
    reader = _Reader(render_report(long))
    items = [x["id"] for tag, x in reader.tags if tag in ("li", "tr") and "id" in x]
    assert items == [f"region-{n}" for n in range(1, 46)]
    assert sum("region-" in (x.get("id") or "") for x in reader.all("li")) == 40
    assert [row[0] for row in reader.rows if len(row) == 8][1:] == [str(n) for n in range(41, 46)]


def test_a_case_without_regions_or_muscles_is_reported_all_the_same(seen):
    maps, image = seen
    nothing = replace(
        maps,
        labels=np.zeros_like(maps.labels),
        error=np.zeros_like(maps.error),
        total=np.zeros_like(maps.total),
    )
    broken = image.array.copy()
    broken[0] = np.nan
    text = _Reader(render_report(_case(nothing, image.with_array(broken)))).text
    assert "0 regions to check" in text and "No muscle was found" in text
    assert not re.search(r"\b(nan|inf)\b", text)


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


def test_arrays_of_another_grid_are_refused(axial_case):
    other = Volume(axial_case.image.array, replace(axial_case.image.grid, spacing=(1.0, 1.0, 1.0)))
    with pytest.raises(ValueError, match="different grids"):
        replace(axial_case, image=other)
