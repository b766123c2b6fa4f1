"""Every text that the module in Slicer shows can be translated."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "MuscleFMSegment"
FILES = [*sorted((SOURCES / "MuscleFMSegmentLib").rglob("*.py")), SOURCES / "MuscleFMSegment.py"]
NAMES = [path.relative_to(SOURCES).as_posix() for path in FILES]

# What shows a text that it is called with, in Qt, in Slicer and in the module.
SHOWING = {
    "setText", "setToolTip", "setStatusTip", "setWhatsThis", "setWindowTitle", "setTitle",
    "setPlaceholderText", "setTitleText", "setHorizontalHeaderLabels", "setSuffix", "setPrefix",
    "setLabelText", "setInformativeText", "appendPlainText", "addItem", "insertItem", "addTab",
    "addRow", "addAction", "addButton", "drawText", "SetName", "GenerateUniqueName",
    "AddNewNodeByClass", "QLabel", "QPushButton", "QToolButton", "QCheckBox", "QRadioButton",
    "QGroupBox", "QAction", "QMenu", "QTableWidgetItem", "QMessageBox", "getExistingDirectory",
    "getOpenFileName", "getSaveFileName", "information", "warning", "critical", "question",
    "errorDisplay", "warningDisplay", "infoDisplay", "messageBox", "showStatusMessage",
    "delayDisplay", "confirmOkCancelDisplay", "confirmYesNoDisplay",
    "confirmRetryCloseDisplay", "MuscleFMError", "TransformAboveError", "ProgressUpdate",
    "Outcome", "setCell", "showProcessing", "setReady", "show", "plainToolTip",
}  # fmt: skip
SHOWN_ATTRIBUTES = {"text", "toolTip", "title", "helpText", "acknowledgementText", "contributors"}

# Texts with spaces that nobody sees: names of Slicer's, formats, statuses and marks of the library.
UNSEEN = {
    "Binary labelmap",
    "Segmentation category and type - MuscleFMSegment",
    "ModuleNotFoundError: No module named",
    ", epoch ",
    "to do",
    "in review",
    "under way",
    "not different",
    "%d %b, %H:%M",
    "%d %b %Y, %H:%M",
}
# Kinds of nodes and outcomes.
TECHNICAL = re.compile(r"vtkMRML\w+|finished|stopped|failed")


def parsed(name: str) -> ast.Module:
    return ast.parse((SOURCES / name).read_text("utf-8"))


def is_translation(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("_", "translate")
    )


def literals(node: ast.AST) -> Iterator[ast.Constant]:
    """Yield the texts below a node that are not translated, formats of numbers left out."""
    if is_translation(node):
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node
        return
    if isinstance(node, ast.FormattedValue):
        yield from literals(node.value)
        return
    # What is compared, looked up or keyed by a text does not show it.
    if isinstance(node, ast.Compare):
        return
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") not in ("format", "join"):
        # What another function makes of a text is looked at there.
        children = [node.func]
    elif isinstance(node, ast.Subscript):
        children = [node.value]
    elif isinstance(node, ast.Dict):
        children = list(node.values)
    for child in children:
        yield from literals(child)


def docstrings(tree: ast.Module) -> set[int]:
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def shown(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the expressions that become texts of Slicer's window."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in SHOWING:
                yield from node.args
                yield from (k.value for k in node.keywords if k.arg not in ("colour",))
        elif isinstance(node, ast.Assign):
            targets = {getattr(target, "attr", "") for target in node.targets}
            if targets & SHOWN_ATTRIBUTES:
                yield node.value


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shown_is_translated(name: str) -> None:
    tree = parsed(name)
    bare = {
        (literal.lineno, literal.value)
        for expression in shown(tree)
        for literal in literals(expression)
        # A sign or a unit is the same in every language.
        if re.search(r"[^\W\d_]{3}", re.sub(r"<[^>]*>", "", literal.value))
        and not TECHNICAL.fullmatch(literal.value)
    }
    assert not bare


# The assertions of the self-test are for developers.
@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("self_test.py")])
def test_no_other_sentence_is_left_untranslated(name: str) -> None:
    """A sentence may reach the window over a variable."""
    tree = parsed(name)
    unseen = docstrings(tree)
    names = {
        id(value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_PAPER"
        for value in ast.walk(node)
    }
    translated_texts = {
        id(inner) for node in ast.walk(tree) if is_translation(node) for inner in ast.walk(node)
    }
    bare = {
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in unseen | names | translated_texts
        and re.search(r"\w[ ]+\w", node.value)
        and node.value not in UNSEEN
        and not node.value.lstrip().startswith("<")
    }
    assert not bare


@pytest.mark.parametrize("name", NAMES)
def test_the_extraction_tool_finds_every_text(name: str) -> None:
    calls = [node for node in ast.walk(parsed(name)) if is_translation(node)]
    assert all(
        call.args
        and all(isinstance(x, ast.Constant) and isinstance(x.value, str) for x in call.args)
        for call in calls
    )
    called = [call for call in calls if call.func.id == "_"]
    source = (SOURCES / name).read_text("utf-8")
    assert not called or "from slicer.i18n import tr as _\n" in source
