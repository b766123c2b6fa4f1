"""A small scripted module in Slicer's own style, which the harness is tried on."""

from typing import Annotated

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class PlainModule(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("Plain Module")
        self.parent.categories = ["Segmentation"]


@parameterNodeWrapper
class PlainParameters:
    inputVolume: slicer.vtkMRMLScalarVolumeNode
    level: Annotated[float, WithinRange(0.0, 100.0)] = 40.0
    inverted: bool = False


class PlainModuleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.parameters = self.guiTag = None
        self.shortcuts = []
        self.pressed = 0

    def setup(self):
        super().setup()
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/PlainModule.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = PlainModuleLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneClosing)
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.ui.inputSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onVolume)
        self.onVolume(self.ui.inputSelector.currentNode())

    def enter(self):
        self.parameters = PlainParameters(self.logic.getParameterNode())
        self.guiTag = self.parameters.connectParametersToGui(
            {
                "inputVolume": self.ui.inputSelector,
                "level": self.ui.levelSlider,
                "inverted": self.ui.invertedBox,
            }
        )
        shortcut = qt.QShortcut(qt.QKeySequence("n"), slicer.util.mainWindow())
        shortcut.connect("activated()", self.onNext)
        self.shortcuts = [shortcut]

    def exit(self):
        if self.parameters:
            self.parameters.disconnectGui(self.guiTag)
        self.parameters = self.guiTag = None
        for shortcut in self.shortcuts:
            shortcut.delete()
        self.shortcuts = []

    def cleanup(self):
        self.removeObservers()

    def onSceneClosing(self, caller, event):
        self.exit()

    def onVolume(self, node):
        self.ui.applyButton.enabled = node is not None

    def onNext(self):
        self.pressed += 1

    def onApply(self):
        with slicer.util.tryWithErrorDisplay(_("Failed to compute.")):
            share = self.logic.shareAbove(
                self.parameters.inputVolume, self.parameters.level, self.parameters.inverted
            )
            self.ui.resultLabel.text = f"{share:.3f}"


class PlainModuleLogic(ScriptedLoadableModuleLogic):
    def shareAbove(self, volumeNode, level, inverted):
        array = slicer.util.arrayFromVolume(volumeNode)
        if array.max() <= 0:
            raise ValueError("the volume is empty")
        event = vtk.vtkCommand.ModifiedEvent
        volumeNode.InvokeEvent(event)
        share = float((array > level).mean())
        return 1.0 - share if inverted else share
