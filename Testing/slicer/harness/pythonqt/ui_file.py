"""A .ui file, checked against the classes that it names."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PySide6 import QtCore, QtWidgets

from harness.class_table import RealClass, realClass
from harness.pythonqt.signals import split

Connection = tuple[str, str, str, str]


def _qtClass(name: str) -> type | None:
    found = getattr(QtWidgets, name, None) or getattr(QtCore, name, None)
    return found if isinstance(found, type) else None


@dataclass(frozen=True)
class UiFile:
    """The parsed file.

    Attributes
    ----------
    path
        Where it lies.
    root
        Its XML.
    """

    path: Path
    root: ElementTree.Element

    @classmethod
    def read(cls, path: str | Path) -> UiFile:
        """Parse a file."""
        return cls(Path(path), ElementTree.parse(path).getroot())

    def check(self) -> None:
        """Raise ValueError where a class, a property or a connection is not real."""
        found = [*self._wrongClasses(), *self._wrongProperties(), *self._wrongConnections()]
        if found:
            raise ValueError(f"{self.path.name}: {'; '.join(found)}")

    def slicerConnections(self) -> list[Connection]:
        """Return the connections that QUiLoader cannot make: those of Slicer's widgets."""
        return [
            connection
            for connection in self._connections()
            if _qtClass(self._classes()[connection[0]]) is None
            or _qtClass(self._classes()[connection[2]]) is None
        ]

    def forQt(self) -> bytes:
        """Return the file without what QUiLoader cannot read: Slicer's signals and enums."""
        root = copy.deepcopy(self.root)
        for widget in root.iter("widget"):
            for entry in widget.findall("property"):
                if _qtClass(widget.get("class", "")) is None and _enumerators(entry):
                    widget.remove(entry)
        foreign = self.slicerConnections()
        for group in root.iter("connections"):
            for entry in group.findall("connection"):
                if _parts(entry) in foreign:
                    group.remove(entry)
        return ElementTree.tostring(root)

    def _classes(self) -> dict[str, str]:
        """Return the class by object name."""
        widgets = {
            entry.get("name", ""): entry.get("class", "") for entry in self.root.iter("widget")
        }
        return widgets | {entry.get("name", ""): "QAction" for entry in self.root.iter("action")}

    def _connections(self) -> list[Connection]:
        return [_parts(entry) for entry in self.root.iter("connection")]

    def _wrongClasses(self) -> Iterator[str]:
        declared = {
            entry.findtext("class", ""): entry.findtext("extends", "")
            for entry in self.root.iter("customwidget")
        }
        for name in sorted({entry.get("class", "") for entry in self.root.iter("widget")}):
            if _qtClass(name):
                continue
            real = _real(name)
            if real is None:
                yield f"no class {name}"
            elif name not in declared:
                yield f"{name} is not among the custom widgets"
            elif declared[name] not in (*real.ancestors, *_qtAncestors(real.qtBase)):
                yield f"{name} does not extend {declared[name]}"

    def _wrongProperties(self) -> Iterator[str]:
        for widget in self.root.iter("widget"):
            kind = widget.get("class", "")
            for entry in widget.findall("property"):
                name = entry.get("name", "")
                if entry.get("stdset") != "0" and not _hasProperty(kind, name):
                    yield f"{kind} {widget.get('name')} has no property {name}"
                for owner, enumerator in _enumerators(entry):
                    real = _real(owner)
                    if real is not None and enumerator not in real.members:
                        yield f"{owner} has no {enumerator}"

    def _wrongConnections(self) -> Iterator[str]:
        classes = self._classes()
        for sender, signal, receiver, slot in self._connections():
            for name, signature, find in ((sender, signal, _hasSignal), (receiver, slot, _hasSlot)):
                if name not in classes:
                    yield f"a connection names {name}, which is not here"
                elif not find(classes[name], signature):
                    yield f"{classes[name]} {name} has no {signature}"


def _enumerators(entry: ElementTree.Element) -> list[tuple[str, str]]:
    """Return the classes and the names of a property's enumerators."""
    text = entry.findtext("set") or entry.findtext("enum") or ""
    names = [name.rpartition("::") for name in text.split("|") if "::" in name]
    return [(owner, enumerator) for owner, _, enumerator in names]


def _parts(entry: ElementTree.Element) -> Connection:
    sender, signal, receiver, slot = (
        entry.findtext(part, "") for part in ("sender", "signal", "receiver", "slot")
    )
    return sender, signal, receiver, slot


def _real(name: str) -> RealClass | None:
    try:
        return realClass(name)
    except LookupError:
        return None


def _qtAncestors(name: str) -> tuple[str, ...]:
    found = _qtClass(name)
    return tuple(entry.__name__ for entry in found.__mro__) if found else ()


def _metaObject(kind: str) -> QtCore.QMetaObject | None:
    real = _real(kind)
    found = _qtClass(real.qtBase if real else kind)
    return found.staticMetaObject if found else None


def _hasProperty(kind: str, name: str) -> bool:
    real, metaObject = _real(kind), _metaObject(kind)
    return (real is not None and name in real.properties) or (
        metaObject is not None and metaObject.indexOfProperty(name) >= 0
    )


def _hasSignal(kind: str, signature: str) -> bool:
    real, metaObject = _real(kind), _metaObject(kind)
    return (real is not None and real.hasSignal(signature)) or (
        metaObject is not None and metaObject.indexOfSignal(signature) >= 0
    )


def _hasSlot(kind: str, signature: str) -> bool:
    real, metaObject = _real(kind), _metaObject(kind)
    name, arguments = split(signature)
    return (real is not None and arguments in real.slots.get(name, ())) or (
        metaObject is not None and metaObject.indexOfSlot(signature) >= 0
    )
