"""Looking nodes up and taking them away."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

ROLE_ATTRIBUTE = "MuscleFMSegment.Role"
"""What a volume that the module made shows; it is saved with the scene."""

_FIRST_VIEW = "vtkMRMLSliceCompositeNodeRed"


def nodesOfClass(scene: slicer.vtkMRMLScene, className: str) -> list[Any]:
    """Return all nodes of a class, subclasses included."""
    found = scene.GetNodesByClass(className)
    # Python would keep the collection for good: the call returns it owned.
    found.UnRegister(None)
    return [found.GetItemAsObject(number) for number in range(found.GetNumberOfItems())]


def slicesOfLayout(scene: slicer.vtkMRMLScene) -> list[tuple[Any, Any]]:
    """Return the slice nodes that the current layout shows, each with its composite node.

    A scene holds those of other layouts and modules, too; they are the user's.
    """
    found = []
    for sliceNode in nodesOfClass(scene, "vtkMRMLSliceNode"):
        composite = slicer.vtkMRMLSliceLogic.GetSliceCompositeNode(sliceNode)
        if sliceNode.IsMappedInLayout() and composite is not None:
            found.append((sliceNode, composite))
    return found


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


def isInput(node: Any) -> bool:
    """Return whether a node is a volume that may be segmented: an image, and none of ours."""
    return bool(
        node.GetClassName() == "vtkMRMLScalarVolumeNode"
        and not node.GetHideFromEditors()
        and node.GetAttribute(ROLE_ATTRIBUTE) is None
    )


def firstInput(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLScalarVolumeNode | None:
    """Return the volume in the background of the red view, else the first one of the scene."""
    volumes = [node for node in nodesOfClass(scene, "vtkMRMLScalarVolumeNode") if isInput(node)]
    composite = scene.GetNodeByID(_FIRST_VIEW)
    shown = composite.GetBackgroundVolumeID() if composite else None
    return next((node for node in volumes if node.GetID() == shown), next(iter(volumes), None))


def slicesAlongLeg(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> int:
    """Return how many slices a volume has along its axis closest to inferior-superior."""
    image = volumeNode.GetImageData()
    if image is None:
        return 0
    directions = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASDirectionMatrix(directions)
    along = [abs(directions.GetElement(2, axis)) for axis in range(3)]
    return int(image.GetDimensions()[along.index(max(along))])
