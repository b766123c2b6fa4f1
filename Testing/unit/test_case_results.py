"""A case's results are the same object before they are written and after they are read."""

import json

import numpy as np
import pytest
from made_report_case import ensemble
from tiny_ensemble import THIGH_TILES, tiny_bundle

from musclefm.errors import MuscleFMError
from musclefm.inference.device import choose_runtime
from musclefm.pipeline.segment import segment_case
from musclefm.progress import silent
from musclefm.results.case import read_results, write_results
from musclefm.results.files import PROVENANCE_FILE, READ_FILES, RESULT_FILES
from musclefm.volumes.channels import Channels
from musclefm.volumes.volume import Volume


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "tiny"
    bundle = tiny_bundle(folder, 2, THIGH_TILES, temperature=1.7)
    _, image = ensemble()
    images = {"water": image, "fat": Volume(image.array / 3, image.grid)}
    channels = Channels(images, notes=("the slices have gaps",), sha256="c" * 64)
    runtime = choose_runtime("cpu", "fp32")
    return segment_case(channels, bundle, runtime, silent, keep_probabilities=True)


@pytest.fixture
def folder(case, tmp_path):
    write_results(case, tmp_path / "results", silent)
    return tmp_path / "results"


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_read_is_what_was_written(case, folder):
    read = read_results(folder)
    assert read.grid.matches(case.grid) and read.scheme == case.scheme
    for name in ("sided_labels", "labels", "region_labels", "fat_fraction"):
        one, other = getattr(read, name), getattr(case, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert read.uncertainty.keys() == case.uncertainty.keys()
    for kind, array in case.uncertainty.items():
        np.testing.assert_array_equal(read.uncertainty[kind], array)
    assert read.regions == case.regions and read.sides == case.sides == ("right", "left")
    assert read.report() == case.report()
    assert read.notes == case.notes and case.notes


def test_written_again_every_file_is_the_same_byte_for_byte(folder, tmp_path):
    write_results(read_results(folder), tmp_path / "again", silent)
    assert content(tmp_path / "again") == content(folder)
    assert content(folder).keys() == {PROVENANCE_FILE, *RESULT_FILES}


@pytest.mark.parametrize("name", READ_FILES)
def test_a_file_that_was_changed_is_refused(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(MuscleFMError, match="not as it was written"):
        read_results(folder)


def test_a_report_that_was_changed_is_not_passed_on(folder, tmp_path):
    (folder / "report.html").write_text("another")
    case = read_results(folder)
    with pytest.raises(MuscleFMError, match=r"report\.html is not as it was written"):
        write_results(case, tmp_path / "again", silent)
    assert not (tmp_path / "again").exists()


def test_results_of_versions_that_kept_no_hashes_still_open(case, folder):
    provenance = json.loads((folder / PROVENANCE_FILE).read_text())
    del provenance["files"], provenance["notes"]
    (folder / PROVENANCE_FILE).write_text(json.dumps(provenance))
    table = (folder / "muscles.csv").read_text().splitlines()
    (folder / "muscles.csv").write_text("\n".join(row.rpartition(",")[0] for row in table) + "\n")
    read = read_results(folder)
    assert len(read.muscles) == len(case.muscles) and read.notes == ()


@pytest.mark.parametrize("notes", [3, "a line", [3], {"a": "b"}])
def test_notes_that_no_run_wrote_are_refused(folder, notes):
    provenance = json.loads((folder / PROVENANCE_FILE).read_text())
    (folder / PROVENANCE_FILE).write_text(json.dumps({**provenance, "notes": notes}))
    with pytest.raises(MuscleFMError, match="no results"):
        read_results(folder)


def test_control_characters_of_forged_notes_reach_nobody(folder):
    provenance = json.loads((folder / PROVENANCE_FILE).read_text())
    provenance["notes"] = ["\x1b[2Jall is well\n\u202e"]
    (folder / PROVENANCE_FILE).write_text(json.dumps(provenance))
    (note,) = read_results(folder).notes
    assert "all is well" in note and not {"\x1b", "\n", "\u202e"} & set(note)


def test_a_folder_without_results_says_what_to_give(tmp_path):
    with pytest.raises(MuscleFMError, match=r"no results of a case.*musclefm segment"):
        read_results(tmp_path)
