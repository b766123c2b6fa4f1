"""A test's hands and eyes: opens modules, clicks, types, draws, looks."""

from __future__ import annotations

import importlib.util
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtTest, QtWidgets

from harness.modules import qSlicerScriptedLoadableModule
from harness.pythonqt.dialogs import DIALOGS, Message
from harness.scene import useApplicationLogic
from harness.widgets.ctk_containers import ctkCollapsibleButton

Key = QtCore.Qt.Key
NO_MODIFIER = QtCore.Qt.KeyboardModifier.NoModifier
LEFT = QtCore.Qt.MouseButton.LeftButton


class Session:
    """The running application.

    Attributes
    ----------
    application
        ``slicer.app``.
    window
        Slicer's main window.
    errors
        Errors that slots and observers raised, as tracebacks; nobody else sees them.
    """

    def __init__(self, application: Any, window: Any) -> None:
        self.application = application
        self.window = window
        self.errors: list[str] = []
        self._opened: list[str] = []
        sys.excepthook = self._onError
        window.resize(1400, 900)
        window.show()
        self.process()

    def takeOver(self) -> None:
        """Make this application's scene Slicer's again, after tests that had one of their own."""
        slicer.mrmlScene = self.application.mrmlScene()
        useApplicationLogic(self.application.applicationLogic())

    @property
    def messages(self) -> list[Message]:
        """The dialogs that the user would have seen."""
        return DIALOGS.messages

    def answer(self, *answers: Any) -> None:
        """Answer the dialogs to come, in order."""
        DIALOGS.answers.extend(answers)

    def forget(self) -> None:
        """Forget messages, answers and errors."""
        DIALOGS.clear()
        self.errors.clear()

    def openModule(self, path: str | Path) -> Any:
        """Load a scripted module as Slicer does, show it, and return its Python widget."""
        path = Path(path).resolve()
        name = path.stem
        manager = self.application.moduleManager()
        if manager.module(name) is None:
            self._load(name, path)
        slicer.util.selectModule(name)
        self.process()
        return getattr(slicer.modules, f"{name}Widget")

    def leaveModule(self) -> None:
        """Go to another module, so that the open one is left."""
        slicer.util.selectModule("Volumes")
        self.process()

    def closeModules(self) -> None:
        """Leave and unload the modules that were opened, with their parameter nodes."""
        self.leaveModule()
        for name in self._opened:
            node = slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLScriptedModuleNode")
            if node is not None:
                slicer.mrmlScene.RemoveNode(node)
            module = self.application.moduleManager().module(name)
            self.application.moduleManager()._remove(name)
            if module._widget is not None:
                module._widget.deleteLater()
            for attribute in (f"{name}Widget", f"{name}Instance"):
                if hasattr(slicer.modules, attribute):
                    delattr(slicer.modules, attribute)
        self._opened.clear()
        self.process()

    def closeScene(self) -> None:
        """Close the scene, as File, Close Scene does."""
        slicer.mrmlScene.Clear(0)
        self.process()

    def process(self, milliseconds: int = 0) -> None:
        """Let the application run for a while."""
        end = time.monotonic() + milliseconds / 1000
        while True:
            self.application.processEvents()
            self.application.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete.value)
            if time.monotonic() >= end:
                return
            time.sleep(0.005)

    def waitFor(self, condition: Callable[[], Any], seconds: float = 300.0) -> Any:
        """Let the application run until a condition holds; return what it gave.

        Raises
        ------
        TimeoutError
            Where it does not hold in time.
        """
        end = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > end:
                raise TimeoutError(f"not within {seconds:.0f} s")
            self.process(10)
        return found

    def click(self, widget: QtWidgets.QWidget, x: int | None = None, y: int | None = None) -> None:
        """Click into the middle of a widget, or on a point in it.

        A section that it lies folded in is unfolded first.

        Raises
        ------
        AssertionError
            Where the user could not: it is hidden or disabled.
        """
        self._unfold(widget)
        assert widget.isVisible(), f"{widget.objectName} cannot be seen"
        assert widget.isEnabled(), f"{widget.objectName} is disabled"
        self._reveal(widget)
        middle = widget.rect.center()
        point = QtCore.QPoint(middle.x() if x is None else x, middle.y() if y is None else y)
        if isinstance(widget, QtWidgets.QCheckBox):
            point = QtCore.QPoint(8, middle.y())
        QtTest.QTest.mouseClick(widget, LEFT, NO_MODIFIER, point)
        self.process()

    def keys(self, text: str) -> None:
        """Press a key, written as a key sequence: "n", "Shift+N", "Ctrl+Return"."""
        combination = QtGui.QKeySequence(text)[0]
        if self.application.activeWindow() is None:
            self.window.activateWindow()
            self.waitFor(self.application.activeWindow)
        window = self.application.activeWindow().windowHandle()
        QtTest.QTest.keyClick(window, combination.key(), combination.keyboardModifiers())
        self.process()

    def sliceView(self, name: str = "Red") -> Any:
        """Return the view of a slice: "Red", "Yellow" or "Green"."""
        return self.application.layoutManager().sliceWidget(name).sliceView()

    def stroke(self, points: list[tuple[float, float, float]], view: str = "Red") -> None:
        """Draw with the left mouse button through points in mm, RAS, in a slice view."""
        widget = self.sliceView(view)
        places = [self._place(widget, point) for point in points]
        QtTest.QTest.mousePress(widget, LEFT, NO_MODIFIER, places[0])
        for place in places[1:]:
            QtTest.QTest.mouseMove(widget, place)
        QtTest.QTest.mouseRelease(widget, LEFT, NO_MODIFIER, places[-1])
        self.process()

    def screenshot(self, path: str | Path | None = None) -> QtGui.QImage:
        """Return a picture of the whole window, and write it where a path is given."""
        for name in self.application.layoutManager().sliceViewNames():
            self.sliceView(name).forceRender()
        self.process()
        picture = self.window.grab().toImage()
        if path is not None:
            assert picture.save(str(path)), f"{path} could not be written"
        return picture

    def _load(self, name: str, path: Path) -> None:
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        description = importlib.util.spec_from_file_location(name, path)
        source = importlib.util.module_from_spec(description)
        sys.modules[name] = source
        description.loader.exec_module(source)
        module = qSlicerScriptedLoadableModule(name, path=str(path))
        # Looked up late: a reload puts another source there.
        module._makeWidget = lambda parent: getattr(sys.modules[name], f"{name}Widget")(parent)
        self.application.moduleManager()._add(module)
        module._python = getattr(source, name)(module)
        setattr(slicer.modules, f"{name}Instance", module._python)
        self._opened.append(name)
        # Slicer makes its modules before it has started up, and tells them so once.
        self.application.startupCompleted.emit()
        self.application.disconnect("startupCompleted()")

    def _unfold(self, widget: QtWidgets.QWidget) -> None:
        parent = widget.parentWidget()
        while parent is not None:
            if isinstance(parent, ctkCollapsibleButton) and parent.collapsed:
                parent.collapsed = False
                self.process()
            parent = parent.parentWidget()

    def _reveal(self, widget: QtWidgets.QWidget) -> None:
        """Scroll the panel to a widget."""
        parent = widget.parentWidget()
        while parent is not None and not isinstance(parent, QtWidgets.QScrollArea):
            parent = parent.parentWidget()
        if parent is not None:
            parent.ensureWidgetVisible(widget)
            self.process()

    @staticmethod
    def _place(view: Any, ras: tuple[float, float, float]) -> QtCore.QPoint:
        x, y, _ = view.convertRASToXYZ(list(ras))
        return QtCore.QPoint(round(x), round(view.height - 1 - y))

    def _onError(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        self.errors.append("".join(traceback.format_exception(kind, error, trace)))
        sys.__excepthook__(kind, error, trace)
