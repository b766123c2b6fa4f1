"""Names of Slicer, Qt and VTK in source code, checked without running it."""

from __future__ import annotations

import ast
import enum
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from PySide6 import QtCore

ROOTS = ("ctk", "qt", "slicer", "vtk")
# PySide6 and Qt 6 have these; PythonQt and Qt 5, which Slicer ships, do not.
ONLY_IN_QT_6 = {"exec": "exec_()", "position": "pos()", "globalPosition": "globalPos()"}
# Set by Slicer's application while it runs, each on an object of its own.
SET_LATER = ("slicer.modules.",)


def wrongNames(path: Path) -> list[str]:
    """Return what a source file names that Slicer 5.12 lacks, as ``line: name``."""
    tree = ast.parse(path.read_text("utf-8"))
    found = [*_unknown(tree), *_keywords(tree), *_newer(tree)]
    return [f"{line}: {text}" for line, text in sorted(set(found))]


def _chain(node: ast.expr) -> tuple[str, ...] | None:
    """Return the names of ``a.b.c``."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else None


def _chains(tree: ast.AST) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the names that begin with an imported module of Slicer."""
    imported = {
        alias.asname or alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    for node in ast.walk(tree):
        chain = _chain(node) if isinstance(node, ast.Attribute) else None
        if chain and chain[0] in ROOTS and chain[0] in imported:
            yield node.lineno, chain


def _unknown(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for line, chain in _chains(tree):
        text = ".".join(chain)
        if text.startswith(SET_LATER):
            continue
        owner: Any = importlib.import_module(chain[0])
        for name in chain[1:]:
            if isinstance(owner, type) and issubclass(owner, enum.Enum):
                yield line, f"{text}: Qt 5 has no scoped enumerators"
                break
            try:
                owner = getattr(owner, name)
            except AttributeError:
                yield line, f"{text} does not exist"
                break
            except NotImplementedError:
                break
            if not isinstance(owner, (ModuleType, type)) and not isinstance(owner, QtCore.QObject):
                break


def _keywords(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        chain = _chain(node.func) if isinstance(node, ast.Call) else None
        if chain and chain[0] in ("qt", "ctk") and node.keywords:
            yield node.lineno, f"{'.'.join(chain)}: PythonQt takes no keyword arguments"


def _newer(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            if name in ONLY_IN_QT_6 and not node.args:
                yield node.lineno, f".{name}() is Qt 6's; Slicer's Qt 5 has {ONLY_IN_QT_6[name]}"
