"""The report says what was found, in one page that needs nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from made_report_case import SCHEME, ensemble, report_case

from musclefm.results.report.case import ReportCase
from musclefm.results.report.document import render_report
from musclefm.uncertainty.maps import EnsembleMaps
from musclefm.volumes.volume import Volume


@pytest.fixture(scope="module")
def seen() -> tuple[EnsembleMaps, Volume]:
    return ensemble()


@pytest.fixture(scope="module")
def axial_case(seen) -> ReportCase:
    return report_case(*seen)


@pytest.fixture(scope="module")
def page(axial_case) -> str:
    return render_report(axial_case)


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
        volume = region.expected_wrong_voxels * axial_case.maps.grid.voxel_volume_mm3 / 1000
        assert f"{volume:.1f} mL, " in text
    share = (
        sum(x.expected_wrong_voxels for x in axial_case.regions)
        / axial_case.maps.least_confidence.sum()
    )
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
    assert [row[0] for row in reader.rows if len(row) == 9][1:] == [str(n) for n in range(41, 46)]


def test_a_case_without_regions_or_muscles_is_reported_all_the_same(seen):
    maps, image = seen
    nothing = replace(
        maps,
        labels=np.zeros_like(maps.labels),
        least_confidence=np.zeros_like(maps.least_confidence),
        total=np.zeros_like(maps.total),
    )
    broken = image.array.copy()
    broken[0] = np.nan
    text = _Reader(render_report(report_case(nothing, image.with_array(broken)))).text
    assert "0 regions to check" in text and "No muscle was found" in text
    assert not re.search(r"\b(nan|inf)\b", text)


def test_arrays_of_another_grid_are_refused(axial_case):
    other = Volume(axial_case.image.array, replace(axial_case.image.grid, spacing=(1.0, 1.0, 1.0)))
    with pytest.raises(ValueError, match="different grids"):
        replace(axial_case, image=other)
