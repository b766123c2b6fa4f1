"""Stand-in for slicer.parameterNodeWrapper: typed attributes of a real parameter node."""

from __future__ import annotations

import typing
import weakref
from collections.abc import Callable
from typing import Any

import slicer
import vtk

from harness.stand_ins.parameter_connectors import Connector, connectorOf
from harness.stand_ins.parameter_types import (
    Choice,
    Decimals,
    Default,
    Maximum,
    Minimum,
    ParameterType,
    SingleStep,
    WithinRange,
)

__all__ = [
    "Choice",
    "Decimals",
    "Default",
    "Maximum",
    "Minimum",
    "SingleStep",
    "SlicerParameterNamePropertyName",
    "WithinRange",
    "isParameterNodeWrapper",
    "parameterNodeWrapper",
]

SlicerParameterNamePropertyName = "SlicerParameterName"


def parameterNodeWrapper(classtype: type | None = None) -> Any:
    """Make a class of annotations one that keeps its attributes in a parameter node."""
    return _wrapped if classtype is None else _wrapped(classtype)


def isParameterNodeWrapper(entry: Any) -> bool:
    """Return whether a class or an object is of this kind."""
    return isinstance(entry, _Wrapper) or (isinstance(entry, type) and issubclass(entry, _Wrapper))


def _wrapped(declared: type) -> type:
    hints = typing.get_type_hints(declared, include_extras=True)
    parameters = {name: ParameterType.of(hint) for name, hint in hints.items()}
    reserved = parameters.keys() & vars(_Wrapper).keys()
    if reserved:
        raise ValueError(f"Cannot use reserved names {sorted(reserved)} in a parameterNodeWrapper")
    members = dict(vars(declared))
    members["_defaults"] = {
        name: members.get(name, kind.default) for name, kind in parameters.items()
    }
    members["_parameters"] = parameters
    members |= {name: _attribute(name) for name in parameters}
    for name in ("__dict__", "__weakref__"):
        members.pop(name, None)
    return type(declared.__name__, (_Wrapper, *declared.__bases__[:-1]), members)


def _attribute(name: str) -> property:
    return property(
        lambda self: self.getValue(name), lambda self, value: self.setValue(name, value)
    )


def _readerOf(owner: weakref.ref[_Wrapper], name: str) -> Callable[[Any, str], None]:
    def read(caller: Any, event: str) -> None:
        if (wrapper := owner()) is not None:
            wrapper._readAnew(name)

    return read


class _Wrapper:
    """A parameter node with typed attributes.

    As in Slicer, values are kept, and read anew by an observer of each parameter.
    """

    _parameters: dict[str, ParameterType]
    _defaults: dict[str, Any]

    def __init__(self, parameterNode: Any, prefix: str | None = None) -> None:
        self.parameterNode = parameterNode
        self._prefix = prefix or ""
        self._guis: dict[int, tuple[dict[str, Connector], dict[str, Callable[[], None]], int]] = {}
        self._nextTag, self._updating = 0, False
        self._values: dict[str, Any] = {}
        self._written: set[str] = set()
        self._readers: list[int] = []
        for name in self._parameters:
            self._values[name] = self._read(name)
            read = _readerOf(weakref.ref(self), name)
            self._readers.append(self.AddObserver(vtk.vtkCommand.ModifiedEvent, read))

    def __del__(self) -> None:
        for reader in self._readers:
            self.RemoveObserver(reader)

    def default(self, name: str) -> Any:
        return Default(self._defaults[name])

    def getValue(self, name: str) -> Any:
        return self._values[name]

    def setValue(self, name: str, value: Any) -> None:
        self._parameters[name].check(value)
        self._written.add(name)
        try:
            with slicer.util.NodeModify(self.parameterNode):
                self._write(name, value)
                self._values[name] = self._read(name)
        finally:
            self._written.discard(name)

    def connectGui(self, gui: Any) -> int:
        """Connect all widgets that name a parameter; return what disconnects them."""
        isWidget = hasattr(gui, "isWidgetType")
        widgets = gui.findChildren() if isWidget else vars(gui).values()
        named = {widget.property(SlicerParameterNamePropertyName): widget for widget in widgets}
        named.pop(None, None)
        return self.connectParametersToGui(named)

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        """Connect widgets by parameter; return what disconnects them."""
        for name in mapping:
            if name not in self._parameters:
                raise ValueError(f"Cannot find a param with the given name: {name}")
        connectors = {
            name: connectorOf(widget, self._parameters[name]) for name, widget in mapping.items()
        }
        slots = {name: self._slot(name, connector) for name, connector in connectors.items()}
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.widget.connect(connector.signal, slots[name])
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onModified)
        self._nextTag += 1
        self._guis[self._nextTag] = (connectors, slots, observer)
        return self._nextTag

    def disconnectGui(self, tag: int | None) -> None:
        connectors, slots, observer = self._guis.pop(tag, ({}, {}, None))
        for name, connector in connectors.items():
            connector.widget.disconnect(connector.signal, slots[name])
        if observer is not None:
            self.RemoveObserver(observer)

    def StartModify(self) -> int:
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified: int) -> None:
        self.parameterNode.EndModify(wasModified)

    def AddObserver(self, event: Any, callback: Any, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()

    def _read(self, name: str) -> Any:
        kind = self._parameters[name]
        if kind.isNode:
            return self.parameterNode.GetNodeReference(self._prefix + name)
        if not self.parameterNode.HasParameter(self._prefix + name):
            self._write(name, self._defaults[name])
        return kind.fromText(self.parameterNode.GetParameter(self._prefix + name))

    def _write(self, name: str, value: Any) -> None:
        kind = self._parameters[name]
        if kind.isNode:
            identifier = value.GetID() if value is not None else None
            self.parameterNode.SetNodeReferenceID(self._prefix + name, identifier)
        else:
            self.parameterNode.SetParameter(self._prefix + name, kind.asText(value))

    def _readAnew(self, name: str) -> None:
        if name not in self._written:
            self._values[name] = self._read(name)

    def _slot(self, name: str, connector: Connector) -> Callable[[], None]:
        def onChanged() -> None:
            if not self._updating:
                self.setValue(name, connector.read())

        return onChanged

    def _onModified(self, caller: Any, event: str) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            for connectors, _, _ in self._guis.values():
                for name, connector in connectors.items():
                    connector.write(self.getValue(name))
        finally:
            self._updating = False
