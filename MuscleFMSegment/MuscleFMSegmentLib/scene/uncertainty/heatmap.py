"""Uncertainty as a heatmap over the slices, with colours that compare between patients."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import slicer
from slicer.i18n import tr as _

from musclefm.defaults import HEAT_OPACITY, UNCERTAIN_FROM
from musclefm.uncertainty.maps import UncertaintyKind
from MuscleFMSegmentLib.scene.nodes import nodesOfClass, slicesOfLayout
from MuscleFMSegmentLib.scene.uncertainty.legend import Legend
from MuscleFMSegmentLib.scene.view_watch import watchViews

_TAG = "MuscleFMHeat"

# Plasma (matplotlib, CC0), at each tenth from 0 to 1: perceptually uniform, safe for
# the colour-blind, and its low end is a visible blue.
_PLASMA = (
    (13, 8, 135), (65, 4, 157), (106, 0, 168), (143, 13, 164), (177, 42, 144), (204, 71, 120),
    (225, 100, 98), (242, 132, 75), (252, 166, 54), (252, 206, 37), (240, 249, 33),
)  # fmt: skip


def heatColours(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLColorTableNode:
    """Return the colours of uncertainty from 0 to 1, made in the scene where they are not yet."""
    node = scene.GetSingletonNode(_TAG, "vtkMRMLColorTableNode")
    if node is not None:
        return node
    node = slicer.vtkMRMLColorTableNode()
    node.SetSingletonTag(_TAG)
    node.SetName(_("MuscleFM uncertainty"))
    node.SetTypeToUser()
    node.SetNumberOfColors(256)
    values = np.linspace(0.0, 1.0, 256)
    tenths = np.linspace(0.0, 1.0, len(_PLASMA))
    channels = [np.interp(values, tenths, channel) / 255 for channel in zip(*_PLASMA, strict=True)]
    for index, (red, green, blue) in enumerate(zip(*channels, strict=True)):
        node.SetColor(index, f"{values[index]:.3f}", float(red), float(green), float(blue), 1.0)
    return scene.AddNode(node)


def showAsHeat(heatmapNode: slicer.vtkMRMLScalarVolumeNode, threshold: float) -> None:
    """Give a volume in the scene the heatmap's look: colours and a range that is always 0 to 1."""
    scene = heatmapNode.GetScene()
    display = slicer.vtkMRMLScalarVolumeDisplayNode()
    # Automatic levels would be computed from all voxels, and then not be used.
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0.0, 1.0)
    display.InterpolateOff()
    display.AutoThresholdOff()
    display.SetThreshold(threshold, 1.0)
    display.ApplyThresholdOn()
    display.SetAndObserveColorNodeID(heatColours(scene).GetID())
    heatmapNode.SetAndObserveDisplayNodeID(scene.AddNode(display).GetID())


class Heatmap:
    """One of a case's heatmaps as the foreground of the layout's slice views, with a legend.

    Views that a later layout brings get it, too. Hidden, and in a view that the
    layout shows no longer, it gives the foreground back to what was there.

    Parameters
    ----------
    scene : vtkMRMLScene
        Whose slice views are meant.
    heatmapNodes : Mapping
        The volumes, as in :class:`CaseInScene`.
    """

    def __init__(
        self,
        scene: slicer.vtkMRMLScene,
        heatmapNodes: Mapping[UncertaintyKind, slicer.vtkMRMLScalarVolumeNode],
    ) -> None:
        self._scene = scene
        self._nodes = dict(heatmapNodes)
        self._kind: UncertaintyKind = "total"
        self._opacity = HEAT_OPACITY
        # The border of every muscle is a little uncertain; slice views cannot let that fade
        # as the library's report does, and it would hide the image.
        self._threshold = UNCERTAIN_FROM
        self._visible = False
        # What the user had in front, by view: volume and opacity.
        self._before: dict[str, tuple[str | None, float]] = {}
        self._legend = Legend(scene)
        self._layout: list[str] = []
        self._stopWatching = watchViews(scene, self._onViews)

    @property
    def kind(self) -> UncertaintyKind:
        """Which uncertainty is shown."""
        return self._kind

    @property
    def opacity(self) -> float:
        """From 0 to 1."""
        return self._opacity

    @property
    def threshold(self) -> float:
        """Normalised uncertainty in [0, 1] below which the image is clear."""
        return self._threshold

    @property
    def isVisible(self) -> bool:
        """Whether the heatmap is shown."""
        return self._visible

    def show(self, kind: UncertaintyKind, opacity: float, threshold: float, visible: bool) -> None:
        """Show the heat as given, and touch the views only where that is new."""
        shown = (kind, opacity, threshold, visible)
        if shown != (self._kind, self._opacity, self._threshold, self._visible):
            self._kind, self._opacity, self._threshold, self._visible = shown
            self.apply()

    def setVisible(self, visible: bool) -> None:
        """Show or hide the heatmap and its legend."""
        self._visible = visible
        self.apply()

    def apply(self) -> None:
        """Bring the slice views in line."""
        shown = self._present().get(self._kind) if self._visible else None
        for node in self._present().values():
            node.GetDisplayNode().SetThreshold(self._threshold, 1.0)
        ours = [composite for _sliceNode, composite in slicesOfLayout(self._scene)]
        self._layout = [composite.GetID() for composite in ours]
        for composite in nodesOfClass(self._scene, "vtkMRMLSliceCompositeNode"):
            current = composite.GetForegroundVolumeID()
            if shown is not None and composite in ours:
                if not self._isOurs(current):
                    self._before[composite.GetID()] = (current, composite.GetForegroundOpacity())
                composite.SetForegroundVolumeID(shown.GetID())
                composite.SetForegroundOpacity(self._opacity)
            elif self._isOurs(current):
                volumeId, opacity = self._before.pop(composite.GetID(), (None, 0.0))
                composite.SetForegroundVolumeID(volumeId)
                composite.SetForegroundOpacity(opacity)
        # A legend is drawn only where its volume is already shown when it is made visible.
        self._legend.show(shown, self._kind)

    def release(self) -> None:
        """Give the views back, and follow the layout no longer."""
        self._stopWatching()
        if not self._scene.IsClosing():
            self.setVisible(False)

    def _onViews(self) -> None:
        if not self._visible:
            return
        if self._layout != [composite.GetID() for _node, composite in slicesOfLayout(self._scene)]:
            self.apply()
        else:
            self._legend.place()

    def _present(self) -> dict[UncertaintyKind, slicer.vtkMRMLScalarVolumeNode]:
        """Return the heatmaps that the user has not deleted."""
        return {kind: node for kind, node in self._nodes.items() if node.GetScene()}

    def _isOurs(self, volumeId: str | None) -> bool:
        return any(node.GetID() == volumeId for node in self._present().values())
