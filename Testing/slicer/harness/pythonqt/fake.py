"""Fakes of Slicer's and CTK's classes, each held to what the real class has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from PySide6 import QtCore

from harness.class_table import RealClass, realClass
from harness.pythonqt.classes import PythonQtObject
from harness.pythonqt.signals import split


class Fake(PythonQtObject):
    """Base of all fakes. A fake is named as the real class and derives from its Qt base.

    A member that the real class lacks raises AttributeError; one that it has, but that is
    not faked, NotImplementedError. Of a property, the accessors come by themselves.
    Signals that differ from another in their types only are declared under a name of the
    harness's own, and given in ``_overloads`` by signature.
    """

    _real: RealClass
    _overloads: Mapping[str, str] = MappingProxyType({})

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._real = realClass(cls.__name__)
        qtBase = next(base for base in cls.__mro__ if base.__module__.startswith("PySide6"))
        assert qtBase.__name__ == cls._real.qtBase, f"{cls.__name__} is a {cls._real.qtBase}"
        allowed = cls._real.members | set(dir(qtBase)) | set(dir(Fake))
        invented = {name for name in vars(cls) if not name.startswith("_")} - allowed
        assert not invented, f"the real {cls.__name__} has no {sorted(invented)}"
        for name, (reader, writer) in cls._real.properties.items():
            if name in vars(cls):
                _giveAccessors(cls, name, reader, writer)

    def __getattr__(self, name: str) -> Any:
        kind = type(self)._real
        if name in kind.members:
            raise NotImplementedError(f"{kind.name}.{name} is real, but the harness lacks it")
        raise AttributeError(f"{kind.name} has no {name!r}")

    def _refuse(self, name: str) -> None:
        self.__getattr__(name)
        raise AttributeError(f"{type(self)._real.name}.{name} cannot be set")

    @classmethod
    def _isQts(cls) -> bool:
        return cls.__name__ == cls._real.name

    def _signalOf(self, signature: str) -> Any:
        name, types = split(signature)
        if not type(self)._real.hasSignal(signature):
            return super()._signalOf(signature)
        text = f"{name}({','.join(types)})"
        return getattr(self, type(self)._overloads.get(text, name))

    def _kept(self) -> dict[object, Any]:
        return self.__dict__.setdefault("_values", {})

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *type(self)._real.members})


def stored(kind: type | str, default: Any, changed: Callable[[Any], None] | None = None) -> Any:
    """Return a property that keeps what it was given, and calls a function when it changes."""
    key = object()

    def read(self: Any) -> Any:
        return self._kept().get(key, default)

    def write(self: Any, value: Any) -> None:
        if value != read(self):
            self._kept()[key] = value
            if changed:
                changed(self)

    return QtCore.Property(kind, read, write)


def _giveAccessors(cls: type, name: str, reader: str, writer: str | None) -> None:
    if reader != name and not hasattr(cls, reader):
        setattr(cls, reader, lambda self: getattr(self, name))
    if writer and writer not in vars(cls):
        setattr(cls, writer, lambda self, value: setattr(self, name, value))
