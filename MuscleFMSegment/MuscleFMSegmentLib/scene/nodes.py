"""Looking nodes up and taking them away."""

from __future__ import annotations

from typing import Any

import slicer
import vtk


def nodesOfClass(scene: slicer.vtkMRMLScene, className: str) -> list[Any]:
    """Return all nodes of a class, subclasses included."""
    found = scene.GetNodesByClass(className)
    # Python would keep the collection for good: the call returns it owned.
    found.UnRegister(None)
    return [found.GetItemAsObject(number) for number in range(found.GetNumberOfItems())]


def removeDisplayed(scene: slicer.vtkMRMLScene, node: Any) -> None:
    """Remove a displayable node with its display and storage nodes, if it is still there."""
    if node.GetScene() is None:
        return
    attached = [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
    attached += [node.GetNthStorageNode(n) for n in range(node.GetNumberOfStorageNodes())]
    scene.RemoveNode(node)
    for other in attached:
        if other is not None and other.GetScene() is not None:
            scene.RemoveNode(other)


def slicesAlongLeg(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> int:
    """Return how many slices a volume has along its axis closest to inferior-superior."""
    image = volumeNode.GetImageData()
    if image is None:
        return 0
    directions = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASDirectionMatrix(directions)
    along = [abs(directions.GetElement(2, axis)) for axis in range(3)]
    return int(image.GetDimensions()[along.index(max(along))])
