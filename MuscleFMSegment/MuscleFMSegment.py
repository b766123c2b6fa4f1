"""The scripted module MuscleFMSegment of 3D Slicer.

Only what Slicer asks of a module is here; see the package MuscleFMSegmentLib.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from musclefm.defaults import DEFAULT_DEVICE, DEFAULT_MODEL
from MuscleFMSegmentLib.parameter_node import DixonPair, MuscleFMSegmentParameterNode

_HOME_VARIABLE = "MUSCLEFM_HOME"
_PACKAGES = ("MuscleFMSegmentLib", "musclefm")
_PAPER = (
    "Casali N, Brusaferri A, Baselli G, Moscatelli M, Aquino D, Grisoli M, Rizzo G, "
    "Mastropietro A. Exploring foundation models for multi-class muscle segmentation in MR "
    "images of neuromuscular disorders: A comparative analysis of accuracy and uncertainty. "
    "Computer Methods and Programs in Biomedicine 2025, 109035."
)
_PAPER_ADDRESS = "https://doi.org/10.1016/j.cmpb.2025.109035"
_ANATOMIES = "Multimodal-Multiethnic-Thigh-Muscle-MRI-analysis"
_ANATOMIES_ADDRESS = f"https://github.com/Hirriririir/{_ANATOMIES}"

if TYPE_CHECKING:
    from MuscleFMSegmentLib.process.progress_updates import ProgressUpdate
    from MuscleFMSegmentLib.scene.case import CaseInScene


class MuscleFMSegment(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Muscle FM Segment")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = []
        parent.contributors = [_("The MuscleFMSegment developers")]
        parent.helpText = _(
            "Segments thigh muscles on MR with a deep ensemble of Segment Anything models, shows "
            "where it may be wrong, and leads the reader through what to check. Research use "
            "only, not for clinical use."
        )
        paper, anatomies = (
            f'<a href="{address}">{name}</a>'
            for address, name in ((_PAPER_ADDRESS, _PAPER), (_ANATOMIES_ADDRESS, _ANATOMIES))
        )
        parent.acknowledgementText = _(
            "<p>This module implements the method of the paper below; please cite it. The module "
            "is independent work, not the authors'.</p><p>{paper}</p><p>The shipped ensemble "
            "learned from rendered images, made from label maps of {anatomies} (Apache-2.0), and "
            "from four real scans without labels of mfroeling/QMRITools (BSD-3-Clause). The "
            "sample is rendered. Research use only, not for clinical use. Licence: Apache-2.0.</p>"
        ).format(paper=paper, anatomies=anatomies)
        slicer.app.connect("startupCompleted()", _register)


def _register() -> None:
    """Give Slicer the sample and the muscles' codes, once."""
    from MuscleFMSegmentLib.startup.registration import loadTerminology, registerSampleData

    if registerSampleData():
        loadTerminology(slicer.modules.terminologies.logic())


class MuscleFMSegmentWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's place in Slicer's panel."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)

    def setup(self) -> None:
        """Build the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        from MuscleFMSegmentLib.controllers.module_panel import ModulePanel

        # Slicer may have started up long before it loaded the module.
        _register()
        self.logic = MuscleFMSegmentLogic()
        self.panel = ModulePanel(self.layout)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        # Slicer's Reload makes the widget anew in a panel that is shown already.
        if self.parent.isEntered:
            self.enter()

    def onReload(self) -> None:
        """Load the module anew with the packages beside it, which Slicer would not."""
        self.cleanup()
        for name in list(sys.modules):
            if name.partition(".")[0] in _PACKAGES:
                del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def cleanup(self) -> None:
        """End what runs and keep what is open, before the module is unloaded."""
        self.removeObservers()
        self.panel.cleanup()

    def enter(self) -> None:
        """Connect the panel to the scene."""
        self._initializeParameterNode()
        self.panel.enter()

    def exit(self) -> None:
        """Disconnect the panel from the scene."""
        self.panel.exit()
        self.panel.setParameters(None)

    def onSceneStartClose(self, caller, event) -> None:
        """End the job and keep the review."""
        self.panel.sceneAboutToClose()
        self.panel.setParameters(None)

    def onSceneEndClose(self, caller, event) -> None:
        """Begin anew."""
        if self.parent.isEntered:
            self._initializeParameterNode()
        self.panel.sceneClosed()

    def onSceneEndImport(self, caller, event) -> None:
        """Take over the settings of a scene that was opened."""
        if self.parent.isEntered:
            self._initializeParameterNode()

    def _initializeParameterNode(self) -> None:
        with self.panel.messages.shown():
            parameters = self.logic.getParameterNode()
            if self.logic.hasResetParameters:
                self.panel.messages.show(
                    _("the settings of this scene are of another version: they were set anew")
                )
            self.panel.setParameters(parameters)


class MuscleFMSegmentLogic(ScriptedLoadableModuleLogic):
    """The way without the panel, for scripts."""

    def getParameterNode(self) -> MuscleFMSegmentParameterNode:
        """Return the module's parameters.

        Those of a scene that another version saved are set anew where they cannot be
        read; :attr:`hasResetParameters` is then true.
        """
        node = super().getParameterNode()
        self.hasResetParameters = False
        try:
            parameters = MuscleFMSegmentParameterNode(node)
            for name in MuscleFMSegmentParameterNode.__annotations__:
                parameters.getValue(name)
        except (ValueError, KeyError):
            self.hasResetParameters = True
            for name in node.GetParameterNames():
                node.UnsetParameter(name)
            parameters = MuscleFMSegmentParameterNode(node)
        return parameters

    def segment(
        self,
        volumeNode: slicer.vtkMRMLScalarVolumeNode,
        secondVolumeNode: slicer.vtkMRMLScalarVolumeNode | None = None,
        pair: DixonPair = DixonPair.WATER_AND_FAT,
        model: str = DEFAULT_MODEL,
        device: str = DEFAULT_DEVICE,
        folder: Path | None = None,
        onProgress: Callable[[ProgressUpdate], None] = lambda update: None,
        onLog: Callable[[str], None] = lambda line: None,
    ) -> CaseInScene:
        """Segment a volume, wait for it, and load the results into the scene.

        Parameters
        ----------
        volumeNode, secondVolumeNode : vtkMRMLScalarVolumeNode
            The image, or the two of a Dixon scan.
        pair : DixonPair
            What the two are.
        model, device : str
            As ``musclefm segment`` takes them.
        folder : Path, optional
            Where the results are kept; without, they are in the scene alone.
        onProgress, onLog : callable
            Given how far it is, and each line of the log.

        Raises
        ------
        MuscleFMError
            The volumes, the model or the device cannot be used, or the run failed.
        """
        import qt

        from MuscleFMSegmentLib.process.library_runner import LibraryRunner, Outcome
        from MuscleFMSegmentLib.process.progress_updates import SEGMENT_STAGES
        from MuscleFMSegmentLib.process.segmentation_run import SegmentationRun
        from MuscleFMSegmentLib.scene.input_volume import inputImages, writeInput
        from MuscleFMSegmentLib.scene.results import loadResults

        nodes = (volumeNode, secondVolumeNode) if secondVolumeNode else (volumeNode,)
        names = pair.value if secondVolumeNode else ("image",)
        run = SegmentationRun(dict(zip(names, nodes, strict=True)), model, device)
        run.check()
        runner = LibraryRunner(qt.QTimer())
        outcomes: list[Outcome] = []
        with tempfile.TemporaryDirectory() as temporary:
            results = folder or Path(temporary) / "results"
            writeInput(inputImages(run.channels), Path(temporary))
            command = run.command(Path(temporary), results)
            runner.run(command, outcomes.append, onProgress, onLog, SEGMENT_STAGES)
            try:
                runner.wait(slicer.app.processEvents)
            finally:
                runner.end()
            if outcomes[0].kind != "finished":
                raise outcomes[0].error
            return loadResults(slicer.mrmlScene, results, volumeNode)


class MuscleFMSegmentTest(ScriptedLoadableModuleTest):
    """What "Reload and Test" runs: the shipped sample, from volume to saved correction."""

    def setUp(self) -> None:
        """Begin with an empty scene, and a folder for the user's data that is thrown away."""
        slicer.mrmlScene.Clear()
        self._home = os.environ.get(_HOME_VARIABLE)
        self._folder = tempfile.TemporaryDirectory()
        os.environ[_HOME_VARIABLE] = self._folder.name

    def tearDown(self) -> None:
        """Leave the user's own data as they were."""
        slicer.mrmlScene.Clear()
        os.environ.pop(_HOME_VARIABLE)
        if self._home is not None:
            os.environ[_HOME_VARIABLE] = self._home
        self._folder.cleanup()

    def runTest(self) -> None:
        """Run the test."""
        self.setUp()
        try:
            self.test_sampleFromVolumeToCorrection()
        finally:
            self.tearDown()

    def test_sampleFromVolumeToCorrection(self) -> None:
        """Segment the sample, go through regions, edit, undo and save."""
        from MuscleFMSegmentLib.self_test import playThrough

        slicer.util.selectModule("MuscleFMSegment")
        playThrough(slicer.modules.MuscleFMSegmentWidget.panel, self.delayDisplay)
