"""slicer.modules and the module manager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from harness.pythonqt.classes import PythonQtType
from harness.pythonqt.fake import Fake, stored


class qSlicerScriptedLoadableModule(Fake, QtCore.QObject, metaclass=PythonQtType):
    """A module as the application sees it; ``parent`` of the scripted one."""

    title = stored(str, "")
    helpText = stored(str, "")
    acknowledgementText = stored(str, "")
    hidden = stored(bool, False)
    index = stored(int, -1)
    name = stored(str, "")
    path = stored(str, "")
    icon = stored("QVariant", None)
    categories = stored("QStringList", [])
    dependencies = stored("QStringList", [])
    contributors = stored("QStringList", [])
    associatedNodeTypes = stored("QStringList", [])

    def __init__(self, name: str, logic: Any = None, path: str = "") -> None:
        super().__init__()
        self._logic, self._widget, self._makeWidget = logic, None, None
        self.name = name
        self.path = path

    def logic(self) -> Any:
        return self._logic

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget | None:
        if self._widget is None and self._makeWidget is not None:
            self._widget = qSlicerScriptedLoadableModuleWidget(self.name, self._makeWidget)
        return self._widget


class qSlicerScriptedLoadableModuleWidget(Fake, QtWidgets.QWidget, metaclass=PythonQtType):
    """The widget in the module panel that holds a scripted module's own."""

    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, name: str, makeWidget: Callable[[Any], Any]) -> None:
        super().__init__()
        self._name, self._entered, self._makeWidget = name, False, makeWidget
        QtWidgets.QVBoxLayout(self)
        self._python = None
        self.reload()

    def self(self) -> Any:
        return self._python

    def reload(self) -> None:
        self._python = self._makeWidget(self)
        setattr(slicer.modules, f"{self._name}Widget", self._python)
        self._python.setup()

    def setMRMLScene(self, scene: Any) -> None:
        self.mrmlSceneChanged.emit(scene)

    def enter(self) -> None:
        if not self._entered:
            self._entered = True
            if hasattr(self._python, "enter"):
                self._python.enter()

    def exit(self) -> None:
        if self._entered:
            self._entered = False
            if hasattr(self._python, "exit"):
                self._python.exit()

    moduleName = QtCore.Property(str, lambda self: self._name)
    isEntered = QtCore.Property(bool, lambda self: self._entered)


class qSlicerModuleFactoryManager(Fake, QtCore.QObject, metaclass=PythonQtType):
    """Knows which modules are loaded."""

    def loadedModuleNames(self) -> list[str]:
        return self.parent().modulesNames()

    def isLoaded(self, name: str) -> bool:
        return name in self.loadedModuleNames()


class qSlicerModuleManager(Fake, QtCore.QObject, metaclass=PythonQtType):
    """Modules by name."""

    moduleLoaded = QtCore.Signal(str)
    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, qSlicerScriptedLoadableModule] = {}
        self._factory = qSlicerModuleFactoryManager(self)

    def factoryManager(self) -> qSlicerModuleFactoryManager:
        return self._factory

    def module(self, name: str) -> qSlicerScriptedLoadableModule | None:
        return self._modules.get(name)

    def modulesNames(self) -> list[str]:
        return list(self._modules)

    def _add(self, module: qSlicerScriptedLoadableModule) -> None:
        self._modules[module.name] = module
        setattr(slicer.modules, module.name.lower(), module)
        self.moduleLoaded.emit(module.name)

    def _remove(self, name: str) -> None:
        self.moduleAboutToBeUnloaded.emit(name)
        del self._modules[name]
        delattr(slicer.modules, name.lower())
