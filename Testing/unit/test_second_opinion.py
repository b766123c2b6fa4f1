"""A second opinion: where it disagrees is to be checked, and nothing that it cannot know."""

import json
import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from made_regions import made_region
from made_report_case import ensemble
from tiny_ensemble import THIGH_TILES, tiny_bundle

import musclefm
from musclefm.cli.main import main
from musclefm.errors import MuscleFMError
from musclefm.evaluation.second_opinion import (
    SecondOpinion,
    find_disagreement,
    read_second_opinion,
)
from musclefm.exchange.alignment import nearest_on_grid
from musclefm.labels.scheme import load_scheme
from musclefm.results.case import read_results
from musclefm.results.disagreement import by_rank, flag_disagreement, with_second_opinion
from musclefm.review.queue import ReviewQueue
from musclefm.review.regions import DEFAULT_RULE, Regions
from musclefm.review.session import ReviewSession
from musclefm.review.session_file import (
    load_second_opinion,
    load_session,
    remove_session,
    save_second_opinion,
    save_session,
)
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

SCHEME = load_scheme("thigh-11")
LEFT = len(SCHEME.labels)
# Turned by 16 degrees about the body's axis.
TURNED = (0.96, 0.28, 0.0, -0.28, 0.96, 0.0, 0.0, 0.0, 1.0)
GRID = Grid((6, 40, 80), (2.0, 2.0, 6.0), (-70.0, 10.0, 40.0), TURNED)
RF, VL, VI, AM = 2, 3, 4, 6


def thighs(muscles=(RF, VL, VI, AM)):
    """Return sided labels ``(K, J, I) uint8``: a block a muscle, in two thighs."""
    labels = np.zeros(GRID.shape, np.uint8)
    for place, value in enumerate(muscles):
        row, column = 4 + 16 * (place // 2), 4 + 16 * (place % 2)
        labels[:, row : row + 14, column : column + 14] = value
        labels[:, row : row + 14, 80 - column - 14 : 80 - column] = value + LEFT
    return labels


def in_question(theirs, ours=None, merged=()):
    opinion = SecondOpinion(Volume(theirs, GRID), merged)
    return find_disagreement(opinion, thighs() if ours is None else ours, SCHEME)


def flagged(theirs, found=(), labelmap=None, wrong=None):
    nothing = np.zeros(GRID.shape, np.uint16)
    regions = Regions(DEFAULT_RULE, found, nothing if labelmap is None else labelmap)
    uncertainty = np.full(GRID.shape, 0.01, np.float32)
    return flag_disagreement(regions, in_question(theirs), uncertainty, SCHEME, GRID, wrong)


def test_the_same_labels_are_in_no_question() -> None:
    assert not in_question(thighs()).any()


def test_a_disagreement_is_listed_under_our_muscle_or_else_theirs() -> None:
    theirs = thighs()
    theirs[1:4, 6:14, 6:14] = VI
    theirs[1:4, 34:39, 70:78] = AM + LEFT
    found = in_question(theirs)
    assert set(np.unique(found)) == {0, RF, AM + LEFT}
    np.testing.assert_array_equal(found > 0, theirs != thighs())


@pytest.mark.parametrize("what", ["missing", "one side", "slices", "merged", "ignored", "sides"])
def test_what_it_cannot_know_is_no_disagreement(what: str) -> None:
    theirs, merged = thighs(), ()
    if what == "missing":
        theirs[np.isin(theirs, (VI, VI + LEFT))] = 0
    elif what == "one side":
        theirs[theirs > LEFT] = 0
    elif what == "slices":
        theirs[::2] = 0
    elif what == "merged":
        theirs[np.isin(theirs, (VL, VI))] = RF
        theirs[np.isin(theirs, (VL + LEFT, VI + LEFT))] = RF + LEFT
        merged = ((RF, VL, VI),)
    elif what == "ignored":
        theirs[:, 6:12, 6:12] = 255
    elif what == "sides":
        theirs = thighs()[:, :, ::-1].copy()
    assert not in_question(theirs, merged=merged).any()


def test_a_region_is_ranked_by_a_half_of_its_voxels_or_more() -> None:
    theirs = thighs()
    theirs[1:4, 4:18, 4:18] = 0
    theirs[2:5, 20:34, 22:30] = 0
    wrong = np.full(GRID.shape, 0.1, np.float32)
    wrong[2:5, 20:34, 22:30] = 0.9
    known = flagged(theirs, wrong=wrong)
    first, second = by_rank(known).queue
    assert (first.muscles, second.muscles) == (("adductor magnus",), ("rectus femoris",))
    assert first.expected_wrong_voxels == pytest.approx(0.9 * 3 * 14 * 8, rel=0.08)
    assert second.expected_wrong_voxels == pytest.approx(0.5 * 3 * 14 * 14, rel=0.08)
    assert first.reason == second.reason == "disagrees with the second opinion"
    assert (first.disagreement, first.side, first.slices) == (1.0, "right", (2, 4))
    for queued in by_rank(known).queue:
        assert (by_rank(known).labelmap == queued.id).sum() == queued.voxels


def test_rims_and_specks_are_left_out() -> None:
    theirs = thighs()
    theirs[:, 4, :] = 0
    theirs[2, 24:27, 24:27] = 0
    assert flagged(theirs).queue == ()


def test_what_was_flagged_keeps_its_id_and_rises_by_what_is_in_question() -> None:
    theirs = thighs()
    theirs[:5, 4:18, 4:18] = 0
    theirs[:5, 20:34, 46:60] = VI + LEFT
    labelmap = np.zeros(GRID.shape, np.uint16)
    labelmap[:2, 4:18, 4:18] = 1
    before = replace(made_region(1, 78.4), voxels=392)
    found = flagged(theirs, (before,), labelmap)
    assert [known.id for known in found.queue] == [1, 2, 3]
    old, *new = found.queue
    assert (old.label_ids, old.slices, old.voxels) == (before.label_ids, (0, 1), 392)
    assert old.expected_wrong_voxels == pytest.approx(0.5 * 392)
    assert old.disagreement == 1.0
    assert {(x.side, x.muscles[0]) for x in new} == {
        ("right", "rectus femoris"), ("left", "adductor magnus"),
    }  # fmt: skip
    np.testing.assert_array_equal(found.labelmap == 1, labelmap == 1)


def test_a_file_of_any_geometry_lies_where_it_lies(tmp_path, stored_48_ways) -> None:
    labels = Volume(thighs(), GRID)
    for stored in islice(stored_48_ways(labels), 2, None, 9):
        write_volume(stored, tmp_path / "labels.nii.gz")
        opinion = read_second_opinion(tmp_path / "labels.nii.gz", SCHEME, GRID)
        np.testing.assert_array_equal(opinion.labels.array, thighs())
    # Finer, upright voxels, of which the first lie outside the image.
    fine = Grid((30, 170, 190), (1.0, 1.0, 2.0), (-90.0, -20.0, 30.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    write_volume(nearest_on_grid(labels, fine), tmp_path / "fine.nrrd")
    again = read_second_opinion(tmp_path / "fine.nrrd", SCHEME, GRID).labels.array
    assert (again != thighs()).mean() < 0.01
    assert not flagged(again).queue


def test_groups_of_totalsegmentator_are_compared_as_groups(tmp_path) -> None:
    ours = thighs()
    groups = np.zeros(GRID.shape, np.uint8)
    groups[np.isin(ours, (RF, VL, VI))] = 2
    groups[np.isin(ours, (RF + LEFT, VL + LEFT, VI + LEFT))] = 1
    groups[1:4, 4:18, 20:34] = 0
    write_volume(Volume(groups, GRID), tmp_path / "labels.nii.gz")
    opinion = read_second_opinion(
        tmp_path / "labels.nii.gz", SCHEME, GRID, Path("totalsegmentator")
    )
    assert opinion.mapping == opinion.record["mapping"] == "totalsegmentator"
    found = find_disagreement(opinion, ours, SCHEME)
    np.testing.assert_array_equal(found, np.where((ours == VL) & (groups == 0), VL, 0))


def test_labels_of_another_scan_are_refused(tmp_path) -> None:
    elsewhere = replace(GRID, origin=(900.0, 0.0, 0.0))
    write_volume(Volume(thighs(), elsewhere), tmp_path / "labels.nii.gz")
    with pytest.raises(MuscleFMError, match="no muscle within the image"):
        read_second_opinion(tmp_path / "labels.nii.gz", SCHEME, GRID)


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """Return a folder: a scan, a model, its results, and values of another program for them."""
    folder = tmp_path_factory.mktemp("scan")
    _, image = ensemble()
    write_volume(image, folder / "scan.nii.gz")
    tiny_bundle(folder / "model", 2, THIGH_TILES)
    case = musclefm.segment(
        folder / "scan.nii.gz", model=folder / "model", device="cpu", out=folder / "alone"
    )
    sided = case.sided_labels
    value = int(np.bincount(sided[sided > 0]).argmax())
    other = sided.astype(np.int16) + 100 * (sided > 0)
    # The largest muscle is shown in its first slice only.
    first = np.argwhere(sided == value)[0][0]
    other[first + 1 :][sided[first + 1 :] == value] = 0
    write_volume(Volume(other, case.grid), folder / "other.nii.gz")
    meanings = {
        str(100 + v): f"{side} {label.name}"
        for v, (side, label) in SCHEME.labels_of_sides().items()
    }
    (folder / "mapping.json").write_text(json.dumps(meanings))
    return folder, value


def test_the_command_ranks_it_among_the_others_and_says_what_it_took(scan, capsys) -> None:
    folder, value = scan
    options = ["--second-opinion", folder / "other.nii.gz", "--mapping", folder / "mapping.json"]
    command = ["segment", folder / "scan.nii.gz", "--model", folder / "model", "--device", "cpu"]
    assert main([*map(str, [*command, "--out", folder / "both", *options])]) == 0
    said = capsys.readouterr()
    assert "disagrees" in said.out and "the second opinion (file " in said.err
    alone, both = (musclefm.open_results(folder / name) for name in ("alone", "both"))
    np.testing.assert_array_equal(alone.sided_labels, both.sided_labels)
    side, label = SCHEME.labels_of_sides()[value]
    found = [x for x in both.regions if x.disagrees and x.side == side]
    assert found and any(label.id in x.label_ids for x in found)
    wrong = [x.expected_wrong_voxels for x in both.regions]
    assert wrong == sorted(wrong, reverse=True)
    record = both.provenance["second_opinion"]
    assert len(record["sha256"]) == len(record["mapping"]) == 64
    assert any(record["sha256"][:12] in note for note in both.notes)
    report = (folder / "both" / "report.html").read_text()
    assert record["sha256"][:12] in report and "disagrees with the second opinion" in report
    # One that is chosen later, in Slicer, is not drawn in it.
    assert "a second opinion chosen there too, is kept in session.json" in report
    assert "other.nii.gz" not in report + (folder / "both" / "provenance.json").read_text()
    # Without probabilities the same is found after the fact.
    opinion = read_second_opinion(
        folder / "other.nii.gz", SCHEME, alone.grid, folder / "mapping.json"
    )
    later = with_second_opinion(read_results(folder / "alone"), opinion)
    assert [x.id for x in later.queue[: len(alone.regions)]] == [x.id for x in alone.regions]
    # Groups at the limit of what stands on its own may fall on either side of it.
    assert ((later.labelmap > 0) == (both.region_labels > 0)).mean() > 0.99


def test_bad_second_opinions_are_refused_in_one_line(scan, tmp_path, capsys) -> None:
    folder, _ = scan
    command = ["segment", folder / "scan.nii.gz", "--model", folder / "model", "--out"]
    for options, said in (
        (["--second-opinion", folder / "other.nii.gz"], "does not know"),
        (["--second-opinion", folder / "missing.nii.gz"], "not a file"),
        (["--mapping", "musclemap"], "of a second opinion"),
    ):
        assert main([*map(str, [*command, tmp_path / "out", *options])]) == 2
        error = capsys.readouterr().err
        assert said in error and error.startswith("musclefm: ") and error.count("\n") == 1
        assert not (tmp_path / "out").exists()


def test_a_review_keeps_it_and_what_was_done_before(scan, tmp_path) -> None:
    folder, _ = scan
    results = read_results(folder / "alone")
    opinion = read_second_opinion(
        folder / "other.nii.gz", SCHEME, results.grid, folder / "mapping.json"
    )
    queue = ReviewQueue(results.regions)
    queue.next()
    done = queue.current.region.id
    queue.accept()
    found = with_second_opinion(results, opinion)
    queue.replace_regions(found.queue, kept=range(1, len(results.regions) + 1))
    assert {x.region.id for x in queue.entries} == {x.id for x in found.queue}
    assert {x.region.id: x.status for x in queue.entries}[done] == "accepted"
    stored = save_second_opinion(tmp_path, opinion)
    session = ReviewSession.of(queue, results.provenance, second_opinion=stored)
    save_session(tmp_path, session, Volume(results.sided_labels, results.grid))
    kept, _ = load_session(tmp_path)
    again = load_second_opinion(tmp_path, kept.second_opinion)
    assert (again.sha256, again.mapping) == (opinion.sha256, opinion.mapping)
    restored = kept.queue(with_second_opinion(results, again).queue)
    assert restored.entries == queue.entries
    (tmp_path / stored.labels_file).write_bytes(b"changed")
    with pytest.raises(MuscleFMError, match="labels of the second opinion were changed"):
        load_second_opinion(tmp_path, kept.second_opinion)
    remove_session(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_worklist_takes_each_case_with_the_file_of_its_name(scan, tmp_path, capsys) -> None:
    folder, _ = scan
    for name in ("scans/first.nii.gz", "scans/second/scan.nii.gz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "scan.nii.gz", tmp_path / name)
    opinions = tmp_path / "opinions"
    opinions.mkdir()
    options = ["--model", folder / "model", "--device", "cpu", "--progress", "json"]
    command = ["worklist", tmp_path / "scans", "--out", tmp_path / "list", *options]
    command = [*map(str, command)]
    asked = ["--second-opinion", str(opinions), "--mapping", str(folder / "mapping.json")]
    assert main([*command, *asked]) == 2
    assert "no second opinion has the name of a case" in capsys.readouterr().err
    assert main([*command, *asked[2:]]) == 2
    assert main(command) == 0
    found = musclefm.open_worklist(tmp_path / "scans", tmp_path / "list")

    def opinion(name):
        state = next(state for state in found.states() if state.path.name == f"{name}.nii.gz")
        results = musclefm.open_results(state.results)
        made = (state.results / "provenance.json").stat().st_mtime_ns
        return results.provenance.get("second_opinion"), results, made

    before = {name: opinion(name) for name in ("first", "scan")}
    shutil.copy(folder / "other.nii.gz", opinions / "first.nii.gz")
    capsys.readouterr()
    assert main([*command, *asked]) == 0
    assert "note: 1 of 2 cases have no second opinion" in capsys.readouterr().err
    known, results, made = opinion("first")
    assert known["mapping"] and any(region.disagrees for region in results.regions)
    assert opinion("scan")[2] == before["scan"][2] and made != before["first"][2]
    # What is done stays, and so it does where none is asked for.
    for again in (asked, []):
        assert main([*command, *again]) == 0
        assert opinion("first")[2] == made
    # A new case without one says so in its report.
    shutil.copy(folder / "scan.nii.gz", tmp_path / "scans" / "third.nii.gz")
    assert main([*command, *asked]) == 0
    found = musclefm.open_worklist(tmp_path / "scans", tmp_path / "list")
    assert any("no second opinion was found" in note for note in opinion("third")[1].notes)
    # Another folder's files of the same name are ambiguous.
    shutil.copytree(tmp_path / "scans" / "second", tmp_path / "scans" / "fourth")
    shutil.copy(folder / "other.nii.gz", opinions / "scan.nii.gz")
    capsys.readouterr()
    assert main([*command, *asked]) == 2
    assert "two cases" in capsys.readouterr().err
