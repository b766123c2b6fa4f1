"""The mouse in slice views, while the Segment Editor paints or erases."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from harness.widgets.editor_effects import brushRadius, brushStroke
from harness.widgets.observations import Observations

MODES = {"Paint": "ModificationModeAdd", "Erase": "ModificationModeRemove"}
FIRST = 1000.0
"""Priority before Slicer's own observers of a view."""


class EditorBrush:
    """Gathers a stroke from press to release, and edits by Slicer's own logic."""

    def __init__(self, editor: Any) -> None:
        self._editor = editor
        self._observations = Observations(editor)
        self._points: list[list[float]] = []

    def watch(self, layoutManager: Any) -> None:
        """Listen to the mouse in all slice views."""
        self.unwatch()
        for name in layoutManager.sliceViewNames():
            self._watchView(layoutManager.sliceWidget(name).sliceView())

    def unwatch(self) -> None:
        """Listen no more."""
        self._observations.clear()

    def _watchView(self, view: Any) -> None:
        interactor = view.interactor()
        tags: dict[str, int] = {}

        def on(caller: Any, event: str) -> None:
            if self._take(view, event):
                caller.GetCommand(tags[event]).SetAbortFlag(1)

        for event in ("LeftButtonPressEvent", "MouseMoveEvent", "LeftButtonReleaseEvent"):
            tags[event] = self._observations.add(interactor, event, on, FIRST)

    def _take(self, view: Any, event: str) -> bool:
        """Take part in an event of a view; return whether nobody else shall."""
        effect = self._editor.activeEffect()
        if effect is None or effect.name not in MODES:
            self._points.clear()
            return False
        pressed = event == "LeftButtonPressEvent"
        if not pressed and not self._points:
            return False
        x, y = view.interactor().GetEventPosition()
        self._points.append(view.convertXYZToRAS([x, y, 0.0]))
        if event == "LeftButtonReleaseEvent":
            self._draw(effect, view)
        return True

    def _draw(self, effect: Any, view: Any) -> None:
        radius = brushRadius(effect, view)
        points = _filled(np.array(self._points), radius)
        self._points.clear()
        toRas = view.mrmlSliceNode().GetSliceToRAS()
        normal = np.array([toRas.GetElement(row, 2) for row in range(3)])
        isSphere = effect.integerParameter("BrushSphere")
        paint(self._editor, effect.name, points, radius, None if isSphere else normal)


def paint(
    editor: Any, effectName: str, points: np.ndarray, radius: float, normal: np.ndarray | None
) -> None:
    """Paint or erase in the selected segment, as one step of undo, within the masking."""
    logic, node = editor._logic, editor.mrmlSegmentEditorNode()
    logic.SaveStateForUndo()
    logic.UpdateReferenceGeometryImage()
    logic.ResetModifierLabelmapToDefault()
    logic.UpdateAlignedSourceVolume()
    modifier = logic.GetModifierLabelmap()
    brushStroke(modifier, points, radius, normal)
    logic.ModifySegmentByLabelmap(
        node.GetSegmentationNode(),
        node.GetSelectedSegmentID(),
        modifier,
        getattr(logic, MODES[effectName]),
        True,
        False,
    )
    editor.updateWidgetFromMRML()


def _filled(points: np.ndarray, radius: float) -> np.ndarray:
    """Return points close enough together that a brush leaves no gaps between them."""
    found = [points[:1]]
    for start, end in pairwise(points):
        count = max(int(np.ceil(np.linalg.norm(end - start) / max(radius / 2, 0.1))), 1)
        share = np.linspace(0, 1, count + 1)[1:, None]
        found.append(start + share * (end - start))
    return np.concatenate(found)
