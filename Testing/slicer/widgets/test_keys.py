"""The module's keys: none of Slicer's, and all of them shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from playing import settle, sidedLabels

SLICERS = Path(__file__).resolve().parents[1] / "slicer_keys.json"


def test_no_key_is_one_of_slicers(module: Any) -> None:
    import qt

    taken = {
        qt.QKeySequence(key).toString(): where
        for where, keys in json.loads(SLICERS.read_text("utf-8")).items()
        for key in keys
    }
    ours = [qt.QKeySequence(text) for key in module.shortcuts._keys for text in key.sequences]
    assert len(ours) == 9 and all(key.toString() for key in ours)
    assert {key.toString(): taken[key.toString()] for key in ours if key.toString() in taken} == {}


def test_the_panel_shows_all_keys(opened: Any, session: Any) -> None:
    module, ui = opened, opened.control.review.ui
    assert not ui.keysLabel.visible
    session.click(ui.keysButton)
    assert ui.keysLabel.visible
    for key in module.shortcuts._keys:
        assert f"<b>{key.sequences[0]}</b>" in ui.keysLabel.text and key.title in ui.keysLabel.text
    for button, key in ((ui.acceptButton, "K"), (ui.flagButton, "M"), (ui.skipButton, "S")):
        assert f"({key})" in button.text and f"({key})" in button.toolTip


def test_keys_of_slicers_effects_and_views_change_nothing(opened: Any, session: Any) -> None:
    session.keys("n")
    queue, labels = opened.control.openCase.review.queue, sidedLabels(opened)
    opened.control.correct.editor.setActiveEffectByName("Paint")
    for key in ("a", "f", "b", "x"):
        session.keys(key)
    settle(opened, session)
    assert queue.position == 0 and queue.current.status == "to do" and not queue.current.flagged
    assert np.array_equal(sidedLabels(opened), labels)
