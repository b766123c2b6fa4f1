"""Qt properties as attributes, as PythonQt shows them; the setters stay."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6 import QtCore, QtGui, QtWidgets

MODULES = (QtCore, QtGui, QtWidgets)

# Qt itself asks the Python class for these while it lays widgets out.
VIRTUAL_GETTERS = frozenset({"sizeHint", "minimumSizeHint"})
# The static function of this name is what scripts call.
STATIC_FUNCTIONS = frozenset({"singleShot"})


def qtClasses() -> dict[str, type]:
    """Return all classes of QObjects by name."""
    found = {}
    for module in MODULES:
        # PySide6 makes its classes when they are asked for: vars() would miss them.
        for name in dir(module):
            entry = getattr(module, name)
            if isinstance(entry, type) and issubclass(entry, QtCore.QObject):
                found[name] = entry
    return found


def showPropertiesAsAttributes(classes: dict[str, type]) -> None:
    """Make every Qt property of the classes an attribute, and ``name`` the object's name."""
    for qtClass in sorted(classes.values(), key=lambda entry: len(entry.__mro__)):
        metaObject = qtClass.staticMetaObject
        for index in range(metaObject.propertyCount()):
            entry = metaObject.property(index)
            name = entry.name()
            inherited = isinstance(getattr(qtClass, name, None), property)
            if not inherited and name not in VIRTUAL_GETTERS | STATIC_FUNCTIONS:
                setattr(qtClass, name, _attribute(qtClass, name, entry.isWritable()))
    QtCore.QObject.name = QtCore.QObject.objectName


def _attribute(qtClass: type, name: str, writable: bool) -> property:
    capital = name[0].upper() + name[1:]
    getter = _method(qtClass, name) or _method(qtClass, f"is{capital}")
    setter = _method(qtClass, f"set{capital}")

    def read(self: Any) -> Any:
        _checkAlive(self)
        return getter(self) if getter else self.property(name)

    def write(self: Any, value: Any) -> None:
        _checkAlive(self)
        if setter:
            setter(self, value)
        else:
            self.setProperty(name, value)

    return property(read, write if writable else None)


def _checkAlive(instance: QtCore.QObject) -> None:
    """Raise where Qt has destroyed an object: PySide6 may crash there, PythonQt complains."""
    if not shiboken6.isValid(instance):
        raise ReferenceError(f"{type(instance).__name__} was destroyed")


def _method(qtClass: type, name: str) -> Callable[..., Any] | None:
    found = getattr(qtClass, name, None)
    if isinstance(found, types.BuiltinFunctionType):
        return lambda self, *arguments: found(*arguments)
    return found if callable(found) and not isinstance(found, type) else None
