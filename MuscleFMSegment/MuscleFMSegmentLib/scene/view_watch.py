"""Hearing of the slice views: those of now, and those that a later layout brings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import slicer
import vtk

from MuscleFMSegmentLib.scene.nodes import nodesOfClass

_SLICE = "vtkMRMLSliceNode"

# What is to be called at the end, in its order; None where each is called at once.
_gathered: dict[Callable[[], None], None] | None = None


@contextmanager
def gathered() -> Iterator[None]:
    """Let those who watch the views hear once, at the end, of all that changes inside.

    To fit a view and to move it are some twenty changes.
    """
    global _gathered
    if _gathered is not None:
        yield
        return
    _gathered = {}
    try:
        yield
    finally:
        waiting, _gathered = _gathered, None
        for onChanged in waiting:
            onChanged()


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

    def tell() -> None:
        if observed and not scene.IsClosing():
            onChanged()

    def changed(caller: vtk.vtkObject, event: str) -> None:
        if _gathered is not None:
            _gathered[tell] = None
        else:
            tell()

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
