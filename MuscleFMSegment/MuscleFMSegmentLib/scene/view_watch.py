"""Hearing of the slice views: those of now, and those that a later layout brings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
import vtk

from MuscleFMSegmentLib.scene.nodes import nodesOfClass

_SLICE = "vtkMRMLSliceNode"


def watchViews(scene: slicer.vtkMRMLScene, onChanged: Callable[[], None]) -> Callable[[], None]:
    """Call a function whenever a slice view changes or comes; return what ends that.

    A view changes with its slice, its field of view, its size, and when a layout
    shows it or no longer does.

    Parameters
    ----------
    scene : vtkMRMLScene
        Whose views are meant.
    onChanged : callable
        Called without arguments, not while the scene is being closed.
    """
    observed: list[tuple[Any, int]] = []

    def changed(caller: vtk.vtkObject, event: str) -> None:
        if not scene.IsClosing():
            onChanged()

    def observe(sliceNode: Any) -> None:
        observed.append((sliceNode, sliceNode.AddObserver(vtk.vtkCommand.ModifiedEvent, changed)))

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def added(caller: vtk.vtkObject, event: str, node: Any) -> None:
        if node.IsA(_SLICE):
            observe(node)
        # A view is complete only with its composite node, whichever comes first.
        if node.IsA(_SLICE) or node.IsA("vtkMRMLSliceCompositeNode"):
            changed(caller, event)

    def stop() -> None:
        for node, tag in observed:
            node.RemoveObserver(tag)
        observed.clear()

    for sliceNode in nodesOfClass(scene, _SLICE):
        observe(sliceNode)
    observed.append((scene, scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, added)))
    return stop
