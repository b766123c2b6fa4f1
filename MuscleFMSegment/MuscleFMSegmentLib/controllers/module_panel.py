"""The module's panel: its parts put together, and Slicer's events handed to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from MuscleFMSegmentLib.controllers.download_controller import DownloadController
from MuscleFMSegmentLib.controllers.inventory_controller import InventoryController
from MuscleFMSegmentLib.controllers.learn_controller import LearnController
from MuscleFMSegmentLib.controllers.peek import Peek
from MuscleFMSegmentLib.controllers.resume_controller import ResumeController
from MuscleFMSegmentLib.controllers.review_controller import ReviewContext, ReviewController
from MuscleFMSegmentLib.controllers.run_controller import RunController
from MuscleFMSegmentLib.controllers.sections import Sections
from MuscleFMSegmentLib.controllers.shortcuts import Shortcuts, reviewKeys
from MuscleFMSegmentLib.controllers.worklist_controller import WorklistController
from MuscleFMSegmentLib.process.background import Background
from MuscleFMSegmentLib.process.library_runner import LibraryRunner
from MuscleFMSegmentLib.process.worker import Worker
from MuscleFMSegmentLib.scene.nodes import firstInput, isInput, nodesOfClass, slicesAlongLeg
from MuscleFMSegmentLib.startup.installer import Installer
from MuscleFMSegmentLib.widgets.message_area import MessageArea
from MuscleFMSegmentLib.widgets.segment_panel import SegmentPanel
from MuscleFMSegmentLib.widgets.ui_files import loadForm, widgetsOf

if TYPE_CHECKING:
    from MuscleFMSegmentLib.parameter_node import MuscleFMSegmentParameterNode
    from MuscleFMSegmentLib.process.segmentation_run import SegmentationRun
    from MuscleFMSegmentLib.review.review_folders import ReviewFolder


class ModulePanel:
    """All of the module that is seen.

    Parameters
    ----------
    layout : qt.QLayout
        Of the module's widget.
    """

    def __init__(self, layout: Any) -> None:
        self.form = loadForm("MuscleFMSegment")
        layout.addWidget(self.form)
        ui = self.ui = widgetsOf(self.form)
        self.messages = MessageArea(ui)
        self.background = Background(qt.QTimer())
        self._parameters: MuscleFMSegmentParameterNode | None = None
        self._unfollow: Callable[[], None] = lambda: None
        self._installer = Installer()
        self._exporter = LibraryRunner(qt.QTimer())
        self.segment = SegmentPanel(
            self.apply, self.stop, self._chosen, lambda name: self.download.toggle(name)
        )
        self.inventory = InventoryController(
            self.segment, self.messages, LibraryRunner(qt.QTimer()), qt.QTimer(), self._chosen
        )
        self._worker = Worker()
        runner = LibraryRunner(qt.QTimer(), self._worker.begin)
        self.run = RunController(
            self.segment,
            self.messages,
            runner,
            self.background,
            self._onResults,
            self.inventory.noteRun,
        )
        self.download = DownloadController(
            self.segment, self.messages, LibraryRunner(qt.QTimer()), self.inventory.refreshAndChoose
        )
        self.control = ReviewController(
            ReviewContext(
                messages=self.messages,
                background=self.background,
                exporter=self._exporter,
                makeTimer=qt.QTimer,
                parameters=lambda: self._parameters,
                onOpened=self._onOpened,
                onLost=self._onLost,
                onSaved=self._onSaved,
                onStep=lambda: self.sections.follow(),
            )
        )
        self.resume = ResumeController(ui, self.messages, self.control)
        self.worklist = WorklistController(
            self.messages, self.control, LibraryRunner(qt.QTimer()), self.segment.choice
        )
        self.learn = LearnController(
            self.messages,
            lambda: LibraryRunner(qt.QTimer()),
            self.segment.choice,
            self.inventory.refresh,
        )
        self.sections = Sections(
            ui,
            {
                "segment": self.segment.form,
                "review": self.control.review.form,
                "correct": self.control.correct.form,
                "save": self.control.saving.panel.form,
                "learn": self.learn.panel.form,
                "worklist": self.worklist.panel.form,
                "muscles": self.control.muscles.form,
                "uncertainty": self.control.uncertainty.form,
            },
            lambda: self.control.openCase,
        )
        ui.learnSection.connect("contentsCollapsed(bool)", lambda collapsed: self._showLearning())
        for frame in (ui.messageFrame, ui.installFrame, ui.resumeFrame):
            # A colour of the palette stays readable in Slicer's dark style.
            frame.setBackgroundRole(qt.QPalette.AlternateBase)
        ui.installButton.connect("clicked()", self.install)
        ui.installFrame.setVisible(False)
        self._peek = Peek(qt.Qt.Key_U, self.control.peek, self.toggleHeat)
        keys = reviewKeys(self.control, self._peek.begin)
        self.shortcuts = Shortcuts(slicer.util.mainWindow() or self.form, keys)
        self.control.review.showKeys([(key.sequences[0], key.title) for key in keys])
        self._widgets = widgetsOf(self.form)

    def setParameters(self, parameters: MuscleFMSegmentParameterNode | None) -> None:
        """Follow a parameter node, or none."""
        self._unfollow()
        self._unfollow = lambda: None
        self._parameters = parameters
        if parameters is None:
            return
        self._offerInputs()
        parameters.inputVolume = parameters.inputVolume or firstInput(slicer.mrmlScene)
        # What Slicer's wrapper adds is not declared.
        node: Any = parameters
        guiTag = node.connectGui(self._widgets)
        # After Slicer's wrapper has read the node anew: VTK calls the first observer of a priority
        # last, and that is the wrapper's of the first parameter.
        observation = node.AddObserver(
            vtk.vtkCommand.ModifiedEvent, lambda caller, event: self._follow(), -1.0
        )

        def unfollow() -> None:
            node.disconnectGui(guiTag)
            node.RemoveObserver(observation)

        self._unfollow = unfollow
        self.segment.showChoice(parameters.modelName, parameters.deviceName)
        self._follow()

    def _offerInputs(self) -> None:
        """Offer images of the user's alone, and let nothing else be chosen."""
        volumes = nodesOfClass(slicer.mrmlScene, "vtkMRMLScalarVolumeNode")
        self.segment.hideVolumes([node.GetID() for node in volumes if not isInput(node)])
        for name in ("inputVolume", "secondVolume"):
            node = getattr(self._parameters, name, None)
            if node is not None and not isInput(node):
                setattr(self._parameters, name, None)

    def enter(self) -> None:
        """Be ready to work: keys, views, and what is known of models and devices."""
        self.control.correct.enter()
        self.shortcuts.install()
        self._checkPackages()

    def exit(self) -> None:
        """Keep the review, and leave keys and views to other modules."""
        self.inventory.exit()
        self.shortcuts.remove()
        self._peek.end()
        self.control.correct.exit()
        self.control.autosave()

    def sceneAboutToClose(self) -> None:
        """End what runs and keep what is open."""
        self.run.end()
        self.control.close(removeNodes=False)

    def sceneClosed(self) -> None:
        """Begin anew, and offer to resume what was not saved."""
        self.sections.follow()
        # Once what was open is on the disk.
        self.background.then(self._offerInterrupted)

    def cleanup(self) -> None:
        """End all that runs, and keep what is open."""
        self.exit()
        self.run.end()
        self._worker.end()
        self.worklist.end()
        self.learn.end()
        self.inventory.end()
        self.download.end()
        self._exporter.end()
        self.control.close()
        self.resume.release()
        self.background.wait()
        self.setParameters(None)

    def apply(self) -> None:
        """Segment the chosen volume, unless packages have gone since the module was opened."""
        if self._parameters and self._hasPackages():
            with self.messages.shown():
                self.run.start(self._chosenRun(self._parameters))

    def stop(self) -> None:
        """Stop the segmentation."""
        self.run.stop()

    def install(self) -> None:
        """Install the missing packages."""
        with self.messages.shown():
            self.messages.clear()
            # It holds the packages that it has imported.
            self._worker.end()
            self._installer.install()
        self._checkPackages()

    def toggleHeat(self) -> None:
        """Show or hide the heat."""
        if self._parameters:
            self._parameters.heatVisible = not self._parameters.heatVisible

    def _checkPackages(self) -> None:
        if self._hasPackages():
            self._follow()
            self.inventory.enter()
            self._offerInterrupted()

    def _hasPackages(self) -> bool:
        """Tell whether the library can run; offer what is missing where it cannot."""
        missing = self._installer.missing()
        self.ui.installFrame.setVisible(bool(missing))
        if missing:
            self.ui.installLabel.text = _(
                "These Python packages are needed once: {names}. They come from the internet; "
                "PyTorch may take several GB. Slicer's own packages stay as they are."
            ).format(names=", ".join(missing))
            self.segment.setReady(False, _("Install the packages first"))
        return not missing

    def _offerInterrupted(self) -> None:
        with self.messages.shown():
            if not self._installer.missing():
                self.resume.offer()

    def _chosenRun(self, parameters: MuscleFMSegmentParameterNode) -> SegmentationRun:
        from MuscleFMSegmentLib.process.segmentation_run import SegmentationRun

        nodes = (parameters.inputVolume, parameters.secondVolume)
        names = parameters.dixonPair.value if nodes[1] else ("image",)
        channels = dict(zip(names, nodes, strict=False))
        return SegmentationRun(channels, *self.segment.choice())

    def _chosen(self) -> None:
        if self._parameters:
            self._parameters.modelName, self._parameters.deviceName = self.segment.choice()
        self._showDemand()
        self._showLearning()

    def _showDemand(self) -> None:
        node = self._parameters.inputVolume if self._parameters else None
        self.inventory.showDemand(slicesAlongLeg(node) if node else 0)

    def _showLearning(self) -> None:
        if self.segment.hasInventory and not self.ui.learnSection.collapsed:
            self.learn.refresh()

    def _follow(self) -> None:
        if (parameters := self._parameters) is None:
            return
        self._offerInputs()
        self.segment.showSecondImage(parameters.secondVolume is not None)
        hasVolume = parameters.inputVolume is not None
        self.segment.setReady(
            hasVolume and not self.ui.installFrame.isVisible(),
            _("Segment the volume") if hasVolume else _("Choose a volume first"),
        )
        self._showDemand()
        self.control.followParameters()

    def _onResults(self, folder: ReviewFolder, run: SegmentationRun) -> None:
        self.control.open(folder, run.volumeNode, onFailed=folder.remove)

    def _onOpened(self) -> None:
        self.resume.release()
        self.worklist.refresh()
        self._offerInputs()
        self.sections.begin()

    def _onLost(self) -> None:
        self.sections.follow()
        if not slicer.mrmlScene.IsClosing():
            self.messages.show(_("the case was deleted from the scene: its review is kept"))
            self.background.then(self._offerInterrupted)

    def _onSaved(self) -> None:
        self.messages.clear()
        self._showLearning()
        self.worklist.openNext()
