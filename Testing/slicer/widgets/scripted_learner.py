"""A learning whose library answers by a script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripted_library import ScriptedLibrary

TINY_MODEL_AND_STORE = """
import sys
from pathlib import Path
from made_training import made_store
from tiny_ensemble import tiny_bundle

home = Path(sys.argv[1])
tiny_bundle(home / "models" / "tiny", members=2)
made_store(home / "corrections", 5)
"""
STATUS = {
    "schema_version": 1,
    "model": "thigh-demo",
    "installed_version": "base",
    "former_version": "",
    "samples": 12,
    "subjects": 11,
    "new": 5,
    "needed_subjects": 4,
    "state": "none",
    "up_to_date": False,
    "abbreviations": {"vastus lateralis": "VL", "gracilis": "GR"},
    "left_out": [],
}


def muscle(name: str, old: float | None, new: float | None, p: float, verdict: str) -> Any:
    return {
        "name": name,
        "old_dice": old,
        "new_dice": new,
        "old_ece": 0.031,
        "new_ece": 0.024,
        "old_expected_wrong_ml": 81.2,
        "new_expected_wrong_ml": 64.0,
        "p": p,
        "verdict": verdict,
    }


def comparison(verdict: str, reasons: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what ``musclefm learn`` writes, as far as it is shown."""
    return {
        "cases": 3,
        "subjects": 3,
        "old": {"dice": 0.801, "ece": None, "expected_wrong_ml": 812.0},
        "new": {"dice": 0.842, "ece": None, "expected_wrong_ml": 640.0},
        "p": 0.02,
        "verdict": verdict,
        "muscles": [
            muscle("vastus lateralis", 0.70, 0.79, 0.0004, "better"),
            muscle("gracilis", 0.90, 0.88, 0.02, "worse"),
            muscle("sartorius", None, None, 1.0, "not different"),
        ],
        "not_worse": not reasons,
        "reasons": list(reasons),
    }


class Learner:
    """The section's panel alone, on a library that answers by script."""

    def __init__(self, session: Any, home: Path) -> None:
        import qt

        from MuscleFMSegmentLib.controllers.learn_controller import LearnController
        from MuscleFMSegmentLib.process.library_runner import LibraryRunner
        from MuscleFMSegmentLib.widgets.message_area import MessageArea
        from MuscleFMSegmentLib.widgets.ui_files import loadForm, widgetsOf

        self.session = session
        self.library = ScriptedLibrary(dict(STATUS))
        self.folder = home / "learning" / "thigh-demo"
        self.changes = 0
        self._frame = loadForm("MuscleFMSegment")
        self.messages = MessageArea(widgetsOf(self._frame))
        self.control = LearnController(
            self.messages,
            lambda: LibraryRunner(qt.QTimer(), self.library.start),
            lambda: ("thigh-demo", "cpu"),
            self._onModelChanged,
        )
        self.ui = self.control.panel.ui
        self.control.panel.form.show()
        self.look()

    def look(self, **status: Any) -> None:
        """Let the panel see how things stand now."""
        self.library.status |= status
        self.control.refresh()
        self.settle()

    def settle(self) -> None:
        self.session.waitFor(lambda: not self.control.isBusy)
        self.session.process()

    def compare(self, verdict: str, *reasons: str) -> None:
        """Let the library have learned, with this outcome."""
        (self.folder / "candidate").mkdir(parents=True)
        (self.folder / "candidate" / "model.json").write_text("{}")
        plan = {"start": "ab", "samples": ["x"], "recipe": {}}
        (self.folder / "learning.json").write_text(json.dumps(plan))
        reported = json.dumps(comparison(verdict, reasons))
        (self.folder / "comparison.json").write_text(reported)
        self.library.status |= {"state": "finished", "up_to_date": True}

    def finish(self, code: int = 0, errors: tuple[str, ...] = ()) -> None:
        """End the learning that runs."""
        self.library.learning.errors = list(errors)
        self.library.learning.returnCode = code
        self.session.waitFor(lambda: not self.control.isLearning)
        self.settle()

    def close(self) -> None:
        self.control.end()
        for form in (self.control.panel.form, self._frame):
            form.close()
            form.deleteLater()
        self.session.process()

    def _onModelChanged(self) -> None:
        self.changes += 1
