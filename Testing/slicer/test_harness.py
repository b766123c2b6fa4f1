"""The harness shows a scripted module as Slicer does, and refuses what Slicer refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PLAIN_MODULE = Path(__file__).with_name("plain_module") / "PlainModule.py"


@pytest.fixture
def volume(slicer_session):
    """Return a volume of noise with a bright box, in the scene and in the views."""
    import slicer

    array = np.random.default_rng(0).uniform(0, 30, (12, 60, 50)).astype(np.float32)
    array[4:8, 20:40, 10:30] = 90.0
    node = slicer.util.addVolumeFromArray(array, np.diag([2.0, 2.0, 6.0, 1.0]), "thigh")
    node.CreateDefaultDisplayNodes()
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    slicer_session.process()
    return node


def test_a_module_runs_by_mouse_and_keys(slicer_session, volume) -> None:
    widget = slicer_session.openModule(PLAIN_MODULE)
    assert not widget.ui.applyButton.enabled
    widget.ui.inputSelector.setCurrentNode(volume)
    slicer_session.click(widget.ui.applyButton)
    share = float(np.mean(np.arange(12 * 60 * 50) < 4 * 20 * 20))
    assert widget.ui.resultLabel.text == f"{share:.3f}"
    assert widget.ui.levelSlider.value == 40.0

    slicer_session.click(widget.ui.invertedBox)
    assert widget.parameters.inverted is True
    slicer_session.click(widget.ui.applyButton)
    assert widget.ui.resultLabel.text == f"{1 - share:.3f}"

    widget.parameters.level = 95.0
    assert widget.ui.levelSlider.value == 95.0
    with pytest.raises(ValueError):
        widget.parameters.level = 101.0

    slicer_session.keys("n")
    assert widget.pressed == 1
    slicer_session.leaveModule()
    slicer_session.keys("n")
    assert widget.pressed == 1


def test_a_closed_scene_leaves_the_module(slicer_session, volume) -> None:
    widget = slicer_session.openModule(PLAIN_MODULE)
    assert widget.guiTag is not None
    slicer_session.closeScene()
    assert widget.guiTag is None
    assert widget.ui.inputSelector.currentNode() is None
    assert not widget.ui.applyButton.enabled


def test_a_form_can_be_disconnected_from_parameters(slicer_session) -> None:
    widget = slicer_session.openModule(PLAIN_MODULE)
    parameters = widget.parameters
    slicer_session.leaveModule()
    widget.ui.levelSlider.value = 10.0
    assert parameters.level == 40.0
    tag = parameters.connectGui(widget.ui)
    widget.ui.levelSlider.value = 20.0
    assert parameters.level == 20.0
    parameters.disconnectGui(tag)
    widget.ui.levelSlider.value = 30.0
    assert parameters.level == 20.0


def test_an_error_in_a_slot_is_shown_and_seen(slicer_session) -> None:
    import slicer

    empty = slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.float32))
    widget = slicer_session.openModule(PLAIN_MODULE)
    widget.ui.inputSelector.setCurrentNode(empty)
    slicer_session.click(widget.ui.applyButton)
    assert [(message.kind, message.text) for message in slicer_session.messages] == [
        ("critical", "Failed to compute.\n\nthe volume is empty")
    ]
    assert "the volume is empty" in slicer_session.errors.pop()


def test_dialogs_are_answered_and_never_wait(slicer_session) -> None:
    import qt
    import slicer

    slicer_session.answer(qt.QMessageBox.No)
    assert not slicer.util.confirmYesNoDisplay("Go on?")
    assert slicer.util.confirmYesNoDisplay("And now?")
    slicer_session.answer("/somewhere")
    assert qt.QFileDialog.getExistingDirectory(None, "Folder") == "/somewhere"
    assert qt.QFileDialog.getSaveFileName(None, "File") == ""
    assert [message.text for message in slicer_session.messages][:2] == ["Go on?", "And now?"]


def test_a_child_process_talks_to_the_main_thread(slicer_session) -> None:
    import qt
    import slicer

    lines, codes = [], []
    command = [sys.executable, "-c", "print('half'); print('done'); raise SystemExit(3)"]
    slicer.util.launchConsoleProcess(
        command, blocking=False, logCallback=lines.append, completedCallback=codes.append
    )
    slicer_session.waitFor(lambda: codes)
    assert (lines, codes) == (["half", "done"], [3])

    process = qt.QProcess()
    process.connect("finished(int,QProcess::ExitStatus)", lambda code, status: codes.append(code))
    process.start(sys.executable, ["-c", "raise SystemExit(4)"])
    slicer_session.waitFor(lambda: len(codes) == 2)
    assert codes == [3, 4]


def test_views_show_the_scene(slicer_session, volume) -> None:
    picture = slicer_session.screenshot()
    view = slicer_session.sliceView("Red")
    x, y, _ = view.convertRASToXYZ([40.0, 60.0, 36.0])
    corner = view.mapTo(slicer_session.window, view.rect.topLeft())
    inside = picture.pixelColor(corner.x() + round(x), corner.y() + view.height - 1 - round(y))
    x, y, _ = view.convertRASToXYZ([80.0, 100.0, 36.0])
    outside = picture.pixelColor(corner.x() + round(x), corner.y() + view.height - 1 - round(y))
    assert inside.red() == inside.green() == inside.blue()
    assert inside.red() > 200 > 120 > outside.red()


def test_members_that_the_real_class_lacks_are_refused(slicer_session) -> None:
    import ctk
    import qt
    import slicer

    slider = ctk.ctkSliderWidget()
    with pytest.raises(AttributeError, match="setRange"):
        slider.setRange(0, 1)
    with pytest.raises(AttributeError, match="enabeld"):
        slider.enabeld = True
    with pytest.raises(AttributeError, match="no signal"):
        slider.connect("valueChanged(int)", print)
    with pytest.raises(NotImplementedError, match="popupSlider"):
        slider.popupSlider = True
    with pytest.raises(AttributeError, match="no property 'value'"):
        qt.QLabel("text").value = 3
    with pytest.raises(AttributeError, match="isEnabled"):
        qt.QPushButton("text").isEnabled = False
    with pytest.raises(AttributeError):
        qt.QPushButton("text").connect("pushed()", print)
    selector = slicer.qMRMLNodeComboBox()
    with pytest.raises(AttributeError, match="currentNodeName"):
        _ = selector.currentNodeName
    with pytest.raises(NotImplementedError):
        selector.addMenuAction(None)


def test_a_fake_cannot_have_what_the_real_class_lacks(application) -> None:
    from harness.pythonqt.classes import PythonQtType
    from harness.pythonqt.fake import Fake
    from PySide6 import QtWidgets

    def make(base: type, **members: object) -> None:
        PythonQtType("ctkSliderWidget", (Fake, base), members)

    make(QtWidgets.QWidget, reset=lambda self: None)
    with pytest.raises(AssertionError, match="setRange"):
        make(QtWidgets.QWidget, setRange=lambda self, low, high: None)
    with pytest.raises(AssertionError, match="is a QWidget"):
        make(QtWidgets.QSlider)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("noneEnabled", "noneAllowed", "no property noneAllowed"),
        ("setMRMLScene(vtkMRMLScene*)", "setScene(vtkMRMLScene*)", "has no setScene"),
        ('class="ctkSliderWidget"', 'class="ctkSlideWidget"', "no class ctkSlideWidget"),
        ("<receiver>inputSelector", "<receiver>outputSelector", "names outputSelector"),
    ],
)
def test_a_ui_file_is_checked(slicer_session, tmp_path, before, after, complaint) -> None:
    import slicer

    text = (PLAIN_MODULE.parent / "Resources/UI/PlainModule.ui").read_text("utf-8")
    assert before in text
    (tmp_path / "wrong.ui").write_text(text.replace(before, after), "utf-8")
    with pytest.raises(ValueError, match=complaint):
        slicer.util.loadUI(str(tmp_path / "wrong.ui"))


def test_the_table_of_classes_is_the_manifest_s(shared) -> None:
    from harness import make_class_table
    from harness.class_table import TABLE

    manifest = json.loads((shared / "slicer-api" / "manifest.json").read_text("utf-8"))
    text = make_class_table.asText(make_class_table.makeTable(manifest))
    assert TABLE.read_text("utf-8") == text, "run Testing/slicer/harness/make_class_table.py"


def test_the_module_s_own_code_gets_slicer_s_own_utilities(slicer_session) -> None:
    import slicer

    assert Path(slicer.util.__file__).parent.parent.name == "site-packages"
    assert "slicer.ScriptedLoadableModule" in sys.modules
