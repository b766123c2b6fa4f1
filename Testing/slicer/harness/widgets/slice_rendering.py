"""One slice, rendered offscreen by Slicer's own displayable managers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
import vtk
from PySide6 import QtGui
from vtk.util.numpy_support import vtk_to_numpy

DISPLAYABLE_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLScalarBarDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
)


def registerDisplayableManagers() -> None:
    """Tell Slicer's factory what a slice view shows, as the application's modules do."""
    factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
    for name in DISPLAYABLE_MANAGERS:
        if not factory.IsDisplayableManagerRegistered(name):
            factory.RegisterDisplayableManager(name)


class SliceRendering:
    """The renderer of a slice node, with its interactor.

    Parameters
    ----------
    sliceNode : vtkMRMLSliceNode
        What to show.
    applicationLogic : vtkMRMLApplicationLogic
        The slice's logic is added to its slice logics.
    requested : callable
        Called when the picture has become old.
    """

    def __init__(
        self, sliceNode: Any, applicationLogic: Any, requested: Callable[[], None]
    ) -> None:
        self.sliceNode = sliceNode
        self.sliceLogic = slicer.vtkMRMLSliceLogic()
        self.sliceLogic.SetMRMLApplicationLogic(applicationLogic)
        self.sliceLogic.SetMRMLScene(sliceNode.GetScene())
        self.sliceLogic.SetSliceNode(sliceNode)
        applicationLogic.GetSliceLogics().AddItem(self.sliceLogic)
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(0)
        self.interactor = vtk.vtkGenericRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        self.renderer = vtk.vtkRenderer()
        self.window.AddRenderer(self.renderer)
        self._addImage()
        self._addManagers()
        self._requested = requested
        for source, event in (
            (self.sliceLogic, vtk.vtkCommand.ModifiedEvent),
            (sliceNode, vtk.vtkCommand.ModifiedEvent),
            (self.sliceLogic.GetSliceCompositeNode(), vtk.vtkCommand.ModifiedEvent),
            (self.group, vtk.vtkCommand.UpdateEvent),
        ):
            source.AddObserver(event, self._onChange)

    def _addImage(self) -> None:
        # Before the displayable managers: added later, fills of segments blend with black.
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._image = vtk.vtkActor2D()
        self._image.SetMapper(self._mapper)
        self._image.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(self._image)

    def _addManagers(self) -> None:
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        self.group = factory.InstantiateDisplayableManagers(self.renderer)
        self.group.SetMRMLDisplayableNode(self.sliceNode)
        self.sliceLogic.SetDisplayableManagerGroup(self.group)
        self.style = slicer.vtkMRMLSliceViewInteractorStyle()
        self.style.SetDisplayableManagers(self.group)
        self.style.SetInteractor(self.interactor)

    def _onChange(self, caller: Any, event: str) -> None:
        self._requested()

    def resize(self, width: int, height: int) -> None:
        """Give the slice the size of its view, in pixels."""
        self.window.SetSize(width, height)
        self.interactor.UpdateSize(width, height)
        self.sliceLogic.ResizeSliceNode(width, height)

    def render(self) -> None:
        """Render what the scene shows now."""
        connection = self.sliceLogic.GetImageDataConnection()
        self._image.SetVisibility(connection is not None)
        self._mapper.SetInputConnection(connection)
        self.window.Render()

    def picture(self) -> QtGui.QImage:
        """Return what was rendered last."""
        grabbed = vtk.vtkWindowToImageFilter()
        grabbed.SetInput(self.window)
        grabbed.ReadFrontBufferOff()
        grabbed.SetShouldRerender(False)
        grabbed.Update()
        image = grabbed.GetOutput()
        width, height, _ = image.GetDimensions()
        pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, 3)
        data = pixels[::-1].copy()
        kind = QtGui.QImage.Format.Format_RGB888
        return QtGui.QImage(data.data, width, height, 3 * width, kind).copy()
