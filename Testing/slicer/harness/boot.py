"""Starting Slicer's stand-in: modules to import, the scene, the window."""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
import types
from pathlib import Path
from typing import Any

from harness.pythonqt.fake import Fake
from harness.session import Session
from harness.slicer_base import nameWidgets, useSlicersOwn

# Offscreen and without the X server: what is shown is copied into Qt's own windows.
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

WIDGETS = (
    "harness.widgets.ctk_boxes",
    "harness.widgets.ctk_containers",
    "harness.widgets.ctk_paths",
    "harness.widgets.ctk_sliders",
    "harness.widgets.mrml_widgets",
    "harness.widgets.node_combo_box",
    "harness.widgets.segment_editor_widget",
    "harness.widgets.segments_table_view",
    "harness.widgets.slice_view",
    "harness.modules",
)
STAND_INS = {
    "slicer.ScriptedLoadableModule": "harness.stand_ins.scripted_loadable_module",
    "slicer.i18n": "harness.stand_ins.i18n",
    "slicer.packaging": "harness.stand_ins.packaging",
    "slicer.parameterNodeWrapper": "harness.stand_ins.parameter_node_wrapper",
    "PyTorchUtils": "harness.stand_ins.pytorch_utils",
    "SampleData": "harness.stand_ins.sample_data",
}


def boot(temporary: Path) -> Session:
    """Start the application once in this process.

    Parameters
    ----------
    temporary
        A folder for its settings and temporary files.
    """
    from harness.pythonqt.qt_module import makeQt

    _keepNone()
    qt = makeQt()
    sys.modules["qt"] = qt
    fakes = _fakes()
    qt.QUiLoader.fakes = fakes
    ctk = types.ModuleType("ctk")
    sys.modules["ctk"] = ctk
    import slicer

    for name, fake in fakes.items():
        setattr(ctk if name.startswith("ctk") else slicer, name, fake)
    if own := useSlicersOwn():
        nameWidgets(own, ctk)
    for name, source in STAND_INS.items():
        if name.startswith("slicer."):
            module = importlib.import_module(name if own else source)
            setattr(slicer, name.removeprefix("slicer."), module)
        else:
            module = importlib.import_module(source)
        sys.modules[name] = module
    return _start(temporary)


def _keepNone() -> None:
    """Give None references to lose.

    PySide6's functions return None without counting it, as if it were immortal, which it is
    from Python 3.12 on: before, a long run ends with "deallocating None".
    """
    if sys.version_info < (3, 12):
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40


def _fakes() -> dict[str, type]:
    found: dict[str, type] = {}
    for name in WIDGETS:
        for entry in vars(importlib.import_module(name)).values():
            if isinstance(entry, type) and issubclass(entry, Fake) and entry is not Fake:
                found[entry.__name__] = entry
    return found


def _start(temporary: Path) -> Session:
    import slicer

    from harness.application import qSlicerApplication
    from harness.io_manager import qSlicerIOManager
    from harness.main_window import qSlicerMainWindow
    from harness.modules import qSlicerModuleManager, qSlicerScriptedLoadableModule
    from harness.scene import startScene
    from harness.widgets.layout_manager import qSlicerLayoutManager

    application = qSlicerApplication(temporary)
    slicer.app = application
    slicer.modules = types.SimpleNamespace()
    slicerScene = startScene(temporary)
    manager, layout = qSlicerModuleManager(), qSlicerLayoutManager()
    parts: dict[str, Any] = {"ioManager": qSlicerIOManager(slicerScene)}
    application._start(slicerScene, moduleManager=manager, layoutManager=layout, **parts)
    for name, logic in slicerScene.moduleLogics.items():
        manager._add(qSlicerScriptedLoadableModule(name, logic))
    window = qSlicerMainWindow(manager)
    layout._start(slicerScene.scene, slicerScene.applicationLogic, window._views)
    return Session(application, window)
