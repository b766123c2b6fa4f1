"""The module as Slicer sees it: light, its own self-test, and the way for scripts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from playing import MODULE, settle

HEAVY = {"torch", "scipy", "SimpleITK", "pydantic"}


def test_opening_the_module_imports_nothing_heavy(tmp_path: Path) -> None:
    """A fresh Slicer may lack these packages: they are looked for when they are needed."""
    script = tmp_path / "open.py"
    script.write_text(
        f"""
import os, sys
from pathlib import Path
sys.path[:0] = {[str(Path(__file__).parents[1])]!r}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(name)
from harness.virtual_display import VirtualDisplay
screen = VirtualDisplay()
os.environ["DISPLAY"] = screen.name
from harness import boot
session = boot(Path({str(tmp_path)!r}))
sys.meta_path.insert(0, Refuse())
panel = session.openModule({str(MODULE)!r}).panel
session.process(300)
found = {HEAVY!r} & set(sys.modules)
print("IMPORTED", sorted(found), "ERRORS", session.errors, "SHOWN", panel.ui.messageFrame.visible)
screen.stop()
sys.stdout.flush()
os._exit(0)
"""
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300
    )
    assert "IMPORTED [] ERRORS [] SHOWN False" in done.stdout, done.stdout + done.stderr


def test_reload_and_test_plays_the_sample_through(module: Any, session: Any) -> None:
    import MuscleFMSegment

    MuscleFMSegment.MuscleFMSegmentTest().runTest()
    assert not session.messages


@pytest.fixture
def packages() -> Iterator[None]:
    """Give other tests back the packages that they have imported."""
    before = {name: module for name, module in sys.modules.items() if _isOurs(name)}
    yield
    for name in [name for name in sys.modules if _isOurs(name)]:
        del sys.modules[name]
    sys.modules.update(before)


def _isOurs(name: str) -> bool:
    return name.partition(".")[0] in ("MuscleFMSegment", "MuscleFMSegmentLib", "musclefm")


def test_reload_brings_new_code_and_leaves_the_module_ready(
    opened: Any, session: Any, water: Any, packages: None
) -> None:
    before = sys.modules["MuscleFMSegmentLib.controllers.module_panel"]
    library = sys.modules["musclefm.review.queue"]
    session.keys("n")
    slicer.modules.MuscleFMSegmentWidget.onReload()
    session.process()
    panel = slicer.modules.MuscleFMSegmentWidget.panel
    assert type(panel) is not type(opened) and opened.control.openCase is None
    assert sys.modules["MuscleFMSegmentLib.controllers.module_panel"] is not before
    assert panel.segment.ui.inputSelector.currentNode() is water
    assert panel.segment.ui.applyButton.enabled
    assert panel.ui.resumeFrame.visible, "the review was not kept"
    session.click(panel.ui.resumeButton)
    settle(panel, session)
    assert sys.modules["musclefm.review.queue"] is not library
    assert panel.control.openCase.review.queue.position == 0
    session.keys("k")
    assert panel.control.openCase.review.queue.entries[0].status == "accepted"
    assert not session.messages


def test_a_script_waits_for_the_results(module: Any, water: Any, few_slices: Any) -> None:
    import MuscleFMSegment

    fat = slicer.util.loadVolume(str(few_slices["fat"]))
    reported: list[str] = []
    case = MuscleFMSegment.MuscleFMSegmentLogic().segment(
        water, fat, device="cpu", onProgress=lambda update: reported.append(update.text)
    )
    assert np.count_nonzero(case.modelLabels) and case.fatFraction is not None
    assert case.segmentationNode.GetScene() is slicer.mrmlScene
    assert any(text.startswith("Slice ") for text in reported)


def test_keys_and_views_are_the_modules_only_while_it_is_shown(opened: Any, session: Any) -> None:
    review = opened.control.openCase.review
    session.leaveModule()
    session.keys("n")
    assert review.queue.position is None
    session.openModule(MODULE)
    session.keys("n")
    settle(opened, session)
    assert review.queue.position == 0


def test_a_key_that_somebody_else_has_is_left_to_them(opened: Any, session: Any) -> None:
    import qt

    review = opened.control.openCase.review
    session.leaveModule()
    pressed: list[str] = []
    action = qt.QAction("Mine", session.window)
    action.setShortcut(qt.QKeySequence("s"))
    action.connect("triggered()", lambda: pressed.append("s"))
    session.window.addAction(action)
    session.openModule(MODULE)
    session.keys("n")
    session.keys("s")
    session.window.removeAction(action)
    assert pressed == ["s"] and review.queue.entries[0].status == "to do"


def test_a_module_that_is_loaded_late_registers_its_sample_once(session: Any) -> None:
    from MuscleFMSegmentLib.startup.registration import CATEGORY

    slicer.modules.sampleDataSources = {}
    session.openModule(MODULE)
    assert len(slicer.modules.sampleDataSources[CATEGORY]) == 1
    slicer.modules.sampleDataSources = {}
    # The panel is made again, and Slicer does not start up again.
    slicer.util.reloadScriptedModule("MuscleFMSegment")
    assert [source["sampleName"] for source in slicer.modules.sampleDataSources[CATEGORY]] == [
        "SevereThighs"
    ]


def test_a_closed_case_leaves_no_table_in_the_editor(opened: Any, session: Any) -> None:
    table = opened.control.correct.editor.findChildren("qMRMLSegmentsTableView")[0]
    assert table.segmentationNode() is opened.control.openCase.review.case.segmentationNode
    opened.control.close()
    assert table.segmentationNode() is None


def test_the_editor_follows_what_other_modules_did(
    opened: Any, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    session.leaveModule()
    for name in ("updateEffectList", "updateWidgetFromMRML"):
        monkeypatch.setattr(
            type(opened.control.correct.editor), name, lambda editor, name=name: asked.append(name)
        )
    session.openModule(MODULE)
    assert asked[:2] == ["updateEffectList", "updateWidgetFromMRML"]
