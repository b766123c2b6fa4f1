"""Learning from corrections in the module: begun, stopped, gone on with, compared, taken back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playing import MODULE
from scripted_learner import TINY_MODEL_AND_STORE, Learner
from scripted_library import event


@pytest.fixture
def learner(session: Any, home: Path) -> Any:
    made = Learner(session, home)
    yield made
    made.close()


def cells(table: Any) -> list[list[str]]:
    return [
        [table.item(row, column).text() for column in range(table.columnCount)]
        for row in range(table.rowCount)
    ]


@pytest.mark.parametrize(
    ("status", "reported", "isReady"),
    [
        ({}, "12 corrected cases are stored, 5 of them new", True),
        ({"samples": 0, "subjects": 0, "new": 0}, "No corrected case is stored yet", False),
        ({"new": 0}, "has learned from all of them", False),
        ({"samples": 3, "subjects": 3, "new": 3}, "at least 4 persons", False),
        ({"left_out": ["sample 1-2 is damaged: remove it"]}, "sample 1-2 is damaged", True),
    ],
)
def test_what_there_is_to_learn_from_is_reported(
    learner: Any, status: dict[str, Any], reported: str, isReady: bool
) -> None:
    learner.look(**status)
    assert reported in learner.ui.learnLabel.text
    assert learner.ui.learnButton.enabled == isReady
    assert not learner.ui.comparisonFrame.visible and not learner.ui.backButton.visible
    assert "the first version" in learner.ui.versionLabel.text
    assert "Research use only" in learner.ui.learnNoteLabel.text


def test_a_better_version_is_used_on_a_yes_and_gone_back_from(learner: Any) -> None:
    session, ui = learner.session, learner.ui
    session.click(ui.learnButton)
    options = ["--model", "thigh-demo", "--device", "cpu", "--progress", "json"]
    assert learner.library.asked == [["learn", *options]]
    assert ui.learnButton.text == "Stop" and ui.learnProgressFrame.visible
    learner.library.learning.out = [event("train", 30, 60, "member 2 of 3, epoch 4, DSC 0.8")]
    session.waitFor(lambda: "member 2 of 3" in ui.learnProgressLabel.text)
    assert 300 < ui.learnProgressBar.value < 600
    learner.compare("better")
    learner.finish()

    assert "has learned" in learner.messages.text
    assert "better: mean Dice 0.801 → 0.842 on 3 held-out cases" in ui.verdictLabel.text
    assert cells(ui.comparisonTable) == [
        ["All", "0.801 → 0.842", "–", "812.0 → 640.0", "0.02", "better"],
        ["VL", "0.700 → 0.790", "3.1% → 2.4%", "81.2 → 64.0", "<0.001", "better"],
        ["GR", "0.900 → 0.880", "3.1% → 2.4%", "81.2 → 64.0", "0.02", "worse"],
        ["sartorius", "–", "3.1% → 2.4%", "81.2 → 64.0", "1", "not different"],
    ]
    assert ui.comparisonTable.item(1, 0).toolTip() == "vastus lateralis"
    assert not ui.learnButton.enabled, "the same would come of it again"
    assert len(learner.library.asked) == 1, "nothing is installed without a yes"

    learner.library.status |= {"state": "none", "new": 0, "former_version": "base"}
    learner.library.status["installed_version"] = "20261125-170000-311-0123abcd"
    session.click(ui.useButton)
    learner.settle()
    assert learner.library.asked[1] == ["models", "import", str(learner.folder / "candidate")]
    assert learner.changes == 1 and not ui.comparisonFrame.visible
    assert not (learner.folder / "candidate").exists()
    assert "25 Nov 2026" in ui.versionLabel.text and "first version" in ui.backButton.toolTip

    session.click(ui.backButton)
    learner.settle()
    assert learner.library.asked[2] == ["models", "rollback", "thigh-demo"]
    assert learner.changes == 2 and not session.messages, "a pop-up was shown"


def test_a_worse_version_is_not_offered(learner: Any) -> None:
    learner.compare("worse", "mean Dice from 0.842 to 0.801")
    learner.look()
    reported = learner.ui.verdictLabel.text
    assert "is worse" in reported and "not offered: mean Dice from 0.842 to 0.801" in reported
    assert learner.ui.comparisonTable.visible and not learner.ui.useButton.visible
    learner.library.status |= {"state": "none", "up_to_date": False}
    learner.session.click(learner.ui.discardButton)
    learner.settle()
    assert not learner.ui.comparisonFrame.visible and learner.ui.learnButton.enabled
    assert not (learner.folder / "comparison.json").exists()
    assert learner.library.asked == []


def test_it_is_reported_where_few_cases_cannot_tell_a_difference(learner: Any) -> None:
    learner.compare("not different")
    learner.look()
    reported = learner.ui.verdictLabel.text
    assert reported.startswith("The new version is not different: mean Dice 0.801 → 0.842")
    assert "too few for the test to show a difference" in reported and learner.ui.useButton.visible


def test_a_learning_that_was_stopped_can_be_gone_on_with(learner: Any) -> None:
    ui = learner.ui
    learner.session.click(ui.learnButton)
    learner.session.click(ui.learnButton)
    assert learner.library.learning.isAsked and not ui.learnButton.enabled
    learner.library.status["state"] = "under way"
    learner.library.status["up_to_date"] = True
    learner.finish(143, ("musclefm: stopped",))
    assert ui.learnButton.text == "Resume learning" and ui.learnButton.enabled
    assert not ui.learnProgressFrame.visible and not learner.messages.text
    learner.session.click(ui.learnButton)
    assert learner.library.asked[0] == learner.library.asked[1]


def test_a_learning_that_fails_is_reported_with_its_log(learner: Any) -> None:
    learner.session.click(learner.ui.learnButton)
    learner.finish(2, ("musclefm: the disk is full: free some space",))
    assert learner.messages.text == "The disk is full: free some space"
    assert "disk is full" in learner.ui.learnLogText.plainText
    assert (
        learner.ui.learnButton.text == "Learn from corrections" and learner.ui.learnButton.enabled
    )


def test_the_end_of_the_module_ends_a_learning(learner: Any) -> None:
    learner.session.click(learner.ui.learnButton)
    learner.control.end()
    assert learner.library.learning.returnCode == 143 and not learner.control.isLearning


def test_the_way_is_reported_with_the_time_left(session: Any) -> None:
    from MuscleFMSegmentLib.process.progress_updates import LEARN_STAGES, ProgressReader

    now = [0.0]
    progress = ProgressReader(LEARN_STAGES, lambda: now[0])
    texts, fractions, news = [], [], []
    for seconds, line in (
        (0, event("read", 3, 0, "3 cases")),
        (4, event("train", 100, 400, "member 2 of 4")),
        (5, event("encode", 4, 8, "image embeddings, version 2")),
        (40, event("train", 150, 400, "member 2 of 4")),
        (64, event("train", 200, 400, "member 3 of 4")),
        (65, event("train", 201, 400, "member 3 of 4, epoch 1, DSC 0.81")),
        (90, event("validate", 1, 4, "members")),
        (95, event("compare", 1, 0, "case 2")),
    ):
        now[0] = seconds
        update = progress.take(line)
        texts.append(update.text)
        fractions.append(update.fraction)
        news.append(update.isLogWorthy)
    assert texts[0] == "Reading the corrections: 3 cases"
    assert texts[1] == "Learning: member 2 of 4", "what was done before says nothing of the pace"
    assert texts[4] == "Learning: member 3 of 4; about 2 min left at most"
    assert "50%" in texts[2] and texts[7].endswith(": case 2")
    assert fractions == sorted(fractions) and fractions[-1] < 1
    assert news == [True, True, True, False, False, True, True, True]
    assert progress.take("Traceback (most recent call last):") is None


@pytest.mark.parametrize(
    ("version", "title"),
    [
        ("base", "the first version"),
        ("20261125-170559-311-0123abcd", "the version of 25 Nov 2026, "),
        ("mine", "version mine"),
    ],
)
def test_versions_have_names_for_people(session: Any, version: str, title: str) -> None:
    from MuscleFMSegmentLib.widgets.learn_panel import versionTitle

    assert versionTitle(version).startswith(title)


def test_a_tiny_model_learns_in_the_module(session: Any, home: Path) -> None:
    folders = (MODULE.parent, Path(__file__).parents[2] / "unit")
    subprocess.run(
        [os.environ["MUSCLEFM_LIBRARY_PYTHON"], "-c", TINY_MODEL_AND_STORE, str(home)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))},
        check=True,
    )
    panel = session.openModule(MODULE).panel
    learn, ui = panel.learn, panel.learn.panel.ui
    panel.ui.learnSection.collapsed = False
    session.waitFor(lambda: panel.segment.hasInventory)
    panel.segment.showChoice("tiny", "cpu")
    learn.refresh()
    session.waitFor(lambda: "5 of them new" in ui.learnLabel.text)

    session.click(ui.learnButton)
    session.waitFor(lambda: ui.learnProgressLabel.text != "Starting")
    session.click(ui.learnButton)
    session.waitFor(lambda: not learn.isLearning)
    session.waitFor(lambda: ui.learnButton.text == "Resume learning")
    session.click(ui.learnButton)
    session.waitFor(lambda: not learn.isLearning)
    session.waitFor(lambda: ui.comparisonFrame.visible)
    assert "on 1 held-out case" in ui.verdictLabel.text and ui.comparisonTable.rowCount == 12
    assert "the first version" in ui.versionLabel.text

    # Random weights may have learned nothing, and then there is no button to press.
    learn.use()
    session.waitFor(lambda: "the version of" in ui.versionLabel.text)
    assert "has learned from all of them" in ui.learnLabel.text
    session.click(ui.backButton)
    session.waitFor(lambda: "the first version" in ui.versionLabel.text)
    assert "5 of them new" in ui.learnLabel.text
    assert not session.messages, "a pop-up was shown"
