"""Slicer's real scene and logics, started without the application."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
import vtk

MODULE_LOGICS = {
    "Colors": "vtkSlicerColorLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Units": "vtkSlicerUnitsLogic",
    "Volumes": "vtkSlicerVolumesLogic",
}


@dataclass(frozen=True)
class SceneOfSlicer:
    """A scene with the logics that the application would have made.

    Attributes
    ----------
    scene
        ``slicer.mrmlScene``.
    applicationLogic
        ``slicer.app.applicationLogic()``.
    moduleLogics
        The modules' logics by name of the module.
    """

    scene: Any
    applicationLogic: Any
    moduleLogics: dict[str, Any]


def startScene(temporary: Path) -> SceneOfSlicer:
    """Make the scene, and set ``slicer.mrmlScene``.

    Parameters
    ----------
    temporary
        A folder for what Slicer unpacks.
    """
    scene = slicer.vtkMRMLScene()
    applicationLogic = slicer.vtkSlicerApplicationLogic()
    applicationLogic.SetTemporaryPath(str(temporary))
    applicationLogic.SetMRMLScene(scene)
    applicationLogic.SetSliceLogics(vtk.vtkCollection())
    applicationLogic.SetViewLogics(vtk.vtkCollection())
    _startRemoteInput(scene, temporary)
    # The wheel holds no files of colours and terminologies, which the logics complain about.
    vtk.vtkObject.GlobalWarningDisplayOff()
    moduleLogics = {}
    for name, className in MODULE_LOGICS.items():
        logic = getattr(slicer, className)()
        logic.SetMRMLApplicationLogic(applicationLogic)
        if name == "Terminologies":
            logic.SetUserContextsPath(str(temporary))
        logic.SetMRMLScene(scene)
        applicationLogic.SetModuleLogic(name, logic)
        moduleLogics[name] = logic
    applicationLogic.SetColorLogic(moduleLogics["Colors"])
    moduleLogics["Colors"].AddDefaultColorNodes()
    vtk.vtkObject.GlobalWarningDisplayOn()
    useApplicationLogic(applicationLogic)
    slicer.mrmlScene = scene
    return SceneOfSlicer(scene, applicationLogic, moduleLogics)


def useApplicationLogic(applicationLogic: Any) -> None:
    """Let new views belong to an application's logic."""
    for factory in (
        slicer.vtkMRMLSliceViewDisplayableManagerFactory,
        slicer.vtkMRMLThreeDViewDisplayableManagerFactory,
    ):
        factory.GetInstance().SetMRMLApplicationLogic(applicationLogic)


def _startRemoteInput(scene: Any, temporary: Path) -> None:
    """Give the scene what it reads .mrb files with."""
    remote, data = slicer.vtkMRMLRemoteIOLogic(), slicer.vtkDataIOManagerLogic()
    cache = temporary / "RemoteIO"
    cache.mkdir(parents=True, exist_ok=True)
    remote.GetCacheManager().SetRemoteCacheDirectory(str(cache))
    remote.SetMRMLScene(scene)
    remote.AddDataIOToScene()
    data.SetMRMLScene(scene)
    data.SetAndObserveDataIOManager(remote.GetDataIOManager())
    scene.remoteInput = (remote, data)
