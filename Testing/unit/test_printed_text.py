"""No name, card or header commands the terminal, the log or the browser that shows it."""

import dataclasses
import json
import unicodedata

import numpy as np
import pytest
from made_bundles import variant
from made_dicom import write_series
from made_report_case import ensemble, report_case
from tiny_ensemble import tiny_bundle

from musclefm.cli.main import main
from musclefm.cli.terminal.progress_output import progress_output
from musclefm.progress import ProgressEvent
from musclefm.results.report.document import render_report

# A colour, a title, a link, a C1 sequence, a bell, a bidirectional override, a line of our own.
HOSTILE = "\x1b[31mA\x1b]0;B\x07\x1b]8;;http://x\x1b\\C\x9b2JD\u202eE\u2028musclefm: F\rG\x08\x00H"
CARD = ("description", "training_data", "licence", "intended_use")


def harmful(text):
    """Return the characters of a text that are no text; each line may end in a line feed."""
    return {c for c in text if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029"} - {"\n"}


@pytest.fixture
def said(capfd):
    """Return a function that runs a command and returns what it printed, once it is harmless."""

    def run(*arguments, code=0):
        try:
            returned = main(list(map(str, arguments)))
        except SystemExit as end:
            returned = end.code
        out, err = capfd.readouterr()
        assert returned == code, err
        assert harmful(out + err) == set()
        return out + err

    return run


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("models") / "tiny", members=1).folder


def of_whole_numbers(volume):
    return volume.with_array(np.round(volume.array))


@pytest.mark.parametrize("field", CARD)
def test_the_card_of_a_model(field, tiny, tmp_path, said):
    assert "[31mA" in said("models", "show", variant(tiny, tmp_path / "m", **{field: HOSTILE}))


def test_a_title_of_control_characters_is_refused(tiny, tmp_path, said):
    hostile = variant(tiny, tmp_path / "m", title=HOSTILE)
    assert "control characters" in said("models", "show", hostile, code=2)


def test_names_and_versions_of_models_in_the_list(tiny, tmp_path, said):
    models = tmp_path / "home" / "models"
    models.mkdir(parents=True)
    variant(tiny, models / "tiny", name="tiny", version=HOSTILE)
    variant(tiny, models / "odd", scheme=HOSTILE)
    (models / HOSTILE.replace("/", "").replace("\0", "")).mkdir()
    listed = said("models", "list")
    assert "tiny" in listed and "odd" in listed


def test_the_name_of_a_metric(tiny, tmp_path, said):
    assert "[31mA" in said("models", "show", variant(tiny, tmp_path / "m", metrics={HOSTILE: 0.5}))


@pytest.mark.parametrize(
    "arguments",
    [
        ["models", "show", HOSTILE.replace("\0", "")],
        ["models", "import", HOSTILE.replace("\0", ""), "--name", "x"],
        ["models", "import", "nowhere", "--name", HOSTILE.replace("\0", "")],
        ["segment", "x.nii.gz", "--out", "out", "--device", HOSTILE.replace("\0", "")],
        ["segment", "--channel", HOSTILE.replace("\0", "") + "=x", "--out", "out"],
        ["corrections", "show", HOSTILE.replace("\0", "")],
        ["corrections", "verify", HOSTILE.replace("\0", "")],
        ["info", HOSTILE.replace("\0", "")],
        ["info", HOSTILE],
        ["info", "\ud800"],
        ["info", "\udcff\udcfe"],
        ["info", "x" * 70_000],
        ["info", ""],
        ["segment", "x.nii.gz", "--out", ""],
        ["models", "show", ""],
        [HOSTILE],
        ["info", "x", "--echo", HOSTILE],
    ],
)
def test_what_the_user_gave(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = said(*arguments, code=2)
    *usage, last = printed.splitlines()
    assert last.startswith("musclefm") and len(last) < 1000
    assert not usage or usage[0].startswith("usage: musclefm")
    assert list(tmp_path.iterdir()) == []


def test_the_headers_of_a_dicom_series(tmp_path, oblique_volume, said):
    hostile = "\x1b[31mA\x1b]0;B\x07\b"
    write_series(
        tmp_path / "series",
        of_whole_numbers(oblique_volume),
        BodyPartExamined=hostile,
        SeriesDescription=hostile,
        ImageType=["ORIGINAL", "PRIMARY", hostile],
        SequenceName=hostile,
    )
    assert "Size" in said("info", tmp_path / "series")


def test_words_of_a_mapping_and_names_of_segments(tmp_path, oblique_volume, said):
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps({"1": HOSTILE}))
    write_series(tmp_path / "series", of_whole_numbers(oblique_volume))
    image = tmp_path / "series"
    printed = said(
        "corrections", "add", "--image", image, "--labels", image / "slice0001.dcm",
        "--mapping", mapping, code=2,
    )  # fmt: skip
    assert printed.startswith("musclefm: ")


@pytest.mark.parametrize("style", ["json", "bar"])
def test_messages_of_progress(style, capfd):
    with progress_output(style) as progress:
        progress(ProgressEvent("read", 0, 1, HOSTILE))
        progress(ProgressEvent("read", 0, 0, HOSTILE))
    out, err = capfd.readouterr()
    assert harmful(out + err) == set()
    for line in out.splitlines():
        assert harmful(json.loads(line)["message"]) == set()
    assert len(out.splitlines()) == (2 if style == "json" else 0)


def test_titles_and_notes_of_the_report():
    texts = dict.fromkeys(("title", "model_title", "device"), HOSTILE)
    case = dataclasses.replace(report_case(*ensemble()), notes=(HOSTILE,), **texts)
    page = render_report(case)
    assert harmful(page) == set() and "[31mA" in page
