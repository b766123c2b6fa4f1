"""The classes of the ``qt`` module: real Qt that refuses what PythonQt refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6 import QtCore

from harness.pythonqt.signals import Connections, qtSignal

ObjectType = type(QtCore.QObject)


class PythonQtType(ObjectType):
    """Type of the classes that ``qt`` shows; each stands for the Qt class under it."""

    def __new__(cls, name: str, bases: tuple[type, ...], members: dict[str, Any]) -> type:
        # PySide6 finds these two in the object's own class only, before any base class.
        members.setdefault("connect", PythonQtObject.connect)
        members.setdefault("disconnect", PythonQtObject.disconnect)
        return super().__new__(cls, name, bases, members)

    def __instancecheck__(cls, instance: object) -> bool:
        plain = cls.__dict__.get("plainQtClass")
        return isinstance(instance, plain) if plain else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        plain = cls.__dict__.get("plainQtClass")
        return issubclass(subclass, plain) if plain else super().__subclasscheck__(subclass)


class PythonQtObject:
    """What PythonQt adds to every QObject."""

    _guarded = True

    def className(self) -> str:
        return type(self).__name__

    def delete(self) -> None:
        self.deleteLater()

    def connect(self, signature: str, function: Callable[..., Any]) -> bool:
        self._connections().add(signature, self._signalOf(signature), function)
        return True

    def disconnect(self, signature: str, function: Callable[..., Any] | None = None) -> bool:
        self._signalOf(signature)
        return self._connections().remove(signature, function)

    def _signalOf(self, signature: str) -> Any:
        signal = qtSignal(self, signature)
        if signal is None:
            raise AttributeError(f"{self.className()} has no signal {signature}")
        return signal

    def findChildren(self, kind: type | str = QtCore.QObject, name: str | None = None) -> list[Any]:
        plain = getattr(kind, "plainQtClass", kind)
        found = super().findChildren(QtCore.QObject if isinstance(plain, str) else plain)
        return [
            child
            for child in found
            if (not isinstance(plain, str) or child.inherits(plain))
            and name in (None, child.objectName)
        ]

    def __setattr__(self, name: str, value: Any) -> None:
        refused = PythonQtObject._guarded and type(self)._isQts() and not name.startswith("_")
        if refused and not isSettable(type(self), name):
            self._refuse(name)
        super().__setattr__(name, value)

    def _refuse(self, name: str) -> None:
        raise AttributeError(f"{self.className()} has no property {name!r} to be set")

    @classmethod
    def _isQts(cls) -> bool:
        """Whether this is Qt's own class: a script may add what it likes to its own."""
        return "plainQtClass" in cls.__dict__

    def _connections(self) -> Connections:
        if "_slots" not in self.__dict__:
            self._slots = Connections()
        return self._slots


def isSettable(kind: type, name: str) -> bool:
    """Return whether a class has a property of this name."""
    return isinstance(getattr(kind, name, None), (property, QtCore.Property))


# PySide6's name for it; PythonQt has Qt 5's.
def _exec(self: Any, *arguments: Any) -> Any:
    return self.exec(*arguments)


def pythonQtClass(plain: type, manners: type | None = None) -> type:
    """Return the class that ``qt`` shows for a class of PySide6, with further manners."""
    members: dict[str, Any] = {"plainQtClass": plain, "__module__": "qt"}
    if hasattr(plain, "exec") and manners is None:
        members["exec_"] = _exec
    bases = (PythonQtObject, plain) if manners is None else (manners, PythonQtObject, plain)
    return PythonQtType(plain.__name__, bases, members)
