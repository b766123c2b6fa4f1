"""Slice views that draw into memory, with Slicer's own displayable managers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import slicer
import vtk
from PIL import Image
from vtk.util.numpy_support import vtk_to_numpy

ORIENTATIONS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
_MANAGERS = (
    "vtkMRMLColorLegendDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
)


class OffscreenSliceView:
    """One of Slicer's slice views, without a window.

    Parameters
    ----------
    application : SceneOfSlicer
        Scene and logics.
    name : str
        ``"Red"``, ``"Green"`` or ``"Yellow"``; any other is axial.
    size : tuple of int
        Width and height in pixels.
    """

    def __init__(self, application: Any, name: str, size: tuple[int, int] = (400, 400)) -> None:
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(application.applicationLogic)
        self.logic.SetMRMLScene(application.scene)
        self.sliceNode = self.logic.AddSliceNode(name)
        self.sliceNode.SetOrientation(ORIENTATIONS.get(name, "Axial"))
        # As the layout logic does with the views that the layout shows.
        self.sliceNode.SetMappedInLayout(True)
        application.applicationLogic.GetSliceLogics().AddItem(self.logic)
        self._size = size

        # The image comes first: added after the managers it would hide what they draw.
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        mapper.SetInputConnection(self.logic.GetImageDataConnection())
        self._mapper = mapper
        image = vtk.vtkActor2D()
        image.SetMapper(mapper)
        image.GetProperty().SetDisplayLocationToBackground()
        self._renderer = vtk.vtkRenderer()
        self._renderer.AddViewProp(image)

        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(True)
        self._window.SetMultiSamples(0)
        # The legend has a layer of its own above the image.
        self._window.SetNumberOfLayers(2)
        self._window.AddRenderer(self._renderer)
        self._window.SetSize(*size)
        # Displayable managers look for an interactor that reports events to them.
        self._interactor = vtk.vtkRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)

        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        for manager in _MANAGERS:
            if not factory.IsDisplayableManagerRegistered(manager):
                factory.RegisterDisplayableManager(manager)
        self._managers = factory.InstantiateDisplayableManagers(self._renderer)
        self._managers.SetMRMLDisplayableNode(self.sliceNode)
        self.resize(size)

    def resize(self, size: tuple[int, int]) -> None:
        """Change the size in pixels, as a layout would."""
        self._size = size
        self._window.SetSize(*size)
        self.logic.ResizeSliceNode(*size)

    def render(self) -> npt.NDArray[np.uint8]:
        """Return what the view shows, ``(rows, columns, 3) uint8``, top row first."""
        self.logic.UpdateImageData()
        self._mapper.SetInputConnection(self.logic.GetImageDataConnection())
        self._window.Render()
        pixels = vtk.vtkUnsignedCharArray()
        width, height = self._size
        self._window.GetPixelData(0, 0, width - 1, height - 1, 0, pixels, 0)
        return vtk_to_numpy(pixels).reshape(height, width, 3)[::-1].copy()

    def save(self, path: Path) -> None:
        """Write what the view shows as PNG."""
        Image.fromarray(self.render()).save(path)

    def pixelOf(self, ras: npt.NDArray[np.float64]) -> tuple[int, int]:
        """Return the row and column of a point in mm, RAS."""
        toXy = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.sliceNode.GetXYToRAS(), toXy)
        x, y, _, _ = toXy.MultiplyPoint((*ras, 1.0))
        return self._size[1] - 1 - round(y), round(x)

    def close(self) -> None:
        """Let go of the scene."""
        self._managers.SetMRMLDisplayableNode(None)
        self._managers.SetRenderer(None)
        self._window.Finalize()
