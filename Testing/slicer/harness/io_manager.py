"""slicer.app.coreIOManager(): loads and saves files with Slicer's own readers and writers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6 import QtCore

from harness.pythonqt.classes import PythonQtType
from harness.pythonqt.fake import Fake
from harness.scene import SceneOfSlicer

SCENES = (".mrml", ".mrb")


class qSlicerIOManager(Fake, QtCore.QObject, metaclass=PythonQtType):
    """Reads volumes, segmentations and scenes with Slicer's own readers."""

    newFileLoaded = QtCore.Signal("QVariantMap")
    fileSaved = QtCore.Signal("QVariantMap")

    def __init__(self, slicerScene: SceneOfSlicer) -> None:
        super().__init__()
        self._slicerScene = slicerScene

    def fileType(self, path: str) -> str:
        if path.endswith(SCENES):
            return "SceneFile"
        return "SegmentationFile" if ".seg." in Path(path).name else "VolumeFile"

    def loadNodes(
        self, fileType: str, properties: dict[str, Any], loaded: Any = None, messages: Any = None
    ) -> bool:
        path = str(properties["fileName"])
        name = properties.get("name") or Path(path).name.split(".")[0]
        if fileType == "SceneFile":
            return self._loadScene(path, properties.get("clear", False))
        logics = self._slicerScene.moduleLogics
        if fileType == "VolumeFile":
            labelmap = bool(properties.get("labelmap", False))
            node = logics["Volumes"].AddArchetypeVolume(path, name, int(labelmap))
            if node is not None and properties.get("show", True):
                self._show(node, labelmap)
        elif fileType == "SegmentationFile":
            node = logics["Segmentations"].LoadSegmentationFromFile(path, True, name)
        else:
            raise NotImplementedError(f"the harness cannot load a {fileType}")
        if node is not None and loaded is not None:
            loaded.AddItem(node)
        return node is not None

    def loadScene(self, path: str, clear: bool = True) -> bool:
        return self._loadScene(path, clear)

    def saveScene(self, path: str, screenshot: Any = None) -> bool:
        scene = self._slicerScene.scene
        if path.endswith(".mrb"):
            return bool(scene.WriteToMRB(path, None))
        scene.SetURL(path)
        return bool(scene.Commit())

    def saveNodes(self, fileType: str, properties: dict[str, Any], messages: Any = None) -> bool:
        if fileType == "SceneFile":
            return self.saveScene(str(properties["fileName"]))
        node = self._slicerScene.scene.GetNodeByID(properties["nodeID"])
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        storage.SetFileName(str(properties["fileName"]))
        storage.SetUseCompression(bool(properties.get("useCompression", True)))
        return bool(storage.WriteData(node))

    def fileWriterFileType(self, node: Any) -> str:
        return "SegmentationFile" if node.IsA("vtkMRMLSegmentationNode") else "VolumeFile"

    def _loadScene(self, path: str, clear: bool) -> bool:
        scene = self._slicerScene.scene
        if path.endswith(".mrb"):
            return bool(scene.ReadFromMRB(path, clear, None))
        scene.SetURL(path)
        return bool(scene.Connect() if clear else scene.Import())

    def _show(self, node: Any, labelmap: bool) -> None:
        logic = self._slicerScene.applicationLogic
        selection = logic.GetSelectionNode()
        if labelmap:
            selection.SetActiveLabelVolumeID(node.GetID())
        else:
            selection.SetActiveVolumeID(node.GetID())
        logic.PropagateVolumeSelection()
