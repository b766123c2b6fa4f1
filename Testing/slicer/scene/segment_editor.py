"""What Slicer's Segment Editor effects do to voxels, through the editor's own logic."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import slicer

from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.geometry import voxels

_MODES = {
    "paint": slicer.vtkSlicerSegmentEditorLogic.ModificationModeAdd,
    "erase": slicer.vtkSlicerSegmentEditorLogic.ModificationModeRemove,
    "replace": slicer.vtkSlicerSegmentEditorLogic.ModificationModeSet,
}


class SegmentEditor:
    """The logic behind ``qMRMLSegmentEditorWidget``, driven without a mouse.

    Parameters
    ----------
    application : SceneOfSlicer
        Scene and logics.
    editorNode : vtkMRMLSegmentEditorNode
        Masking, overwriting and the selected segment are its.
    case : CaseInScene
        What is edited.
    """

    def __init__(self, application: Any, editorNode: Any, case: CaseInScene) -> None:
        self._case = case
        self._editorNode = editorNode
        self.logic = slicer.vtkSlicerSegmentEditorLogic()
        self.logic.SetMRMLApplicationLogic(application.applicationLogic)
        self.logic.SetMRMLScene(application.scene)
        self.logic.SetSegmentEditorNode(editorNode)
        self.logic.SetSegmentationNode(case.segmentationNode)
        self.logic.SetSourceVolumeNode(case.volumeNode)

    def apply(self, where: npt.NDArray[np.bool_], how: str, *, bypass: bool = False) -> None:
        """Apply an effect to voxels of the volume, as one step that can be undone.

        Parameters
        ----------
        where : ndarray
            ``(K, J, I) bool``.
        how : str
            ``"paint"``, ``"erase"`` or ``"replace"`` (as thresholding does).
        bypass : bool
            Whether the effect bypasses masking, as logical operators do unless set otherwise.
        """
        self.logic.SaveStateForUndo()
        self.logic.ResetModifierLabelmapToDefault()
        self.logic.UpdateMaskLabelmap()
        modifier = self.logic.GetModifierLabelmap()
        assert modifier.GetDimensions()[::-1] == where.shape
        voxels(modifier)[:] = where
        modifier.Modified()
        self.logic.ModifySegmentByLabelmap(
            self._case.segmentationNode,
            self._editorNode.GetSelectedSegmentID(),
            modifier,
            _MODES[how],
            False,
            bypass,
        )
