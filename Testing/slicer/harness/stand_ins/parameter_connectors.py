"""How the stand-in for slicer.parameterNodeWrapper connects values with widgets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from harness.stand_ins.parameter_types import (
    Choice,
    Decimals,
    Maximum,
    Minimum,
    ParameterType,
    SingleStep,
    WithinRange,
)


@dataclass(frozen=True)
class Connector:
    """A widget that shows a parameter.

    Attributes
    ----------
    widget
        The widget.
    signal
        The signal that tells of the user's change.
    read, write
        Get the widget's value, and set it.
    """

    widget: Any
    signal: str
    read: Callable[[], Any]
    write: Callable[[Any], None]


def connectorOf(widget: Any, declared: ParameterType) -> Connector:
    """Return how a widget shows a type.

    Raises
    ------
    RuntimeError
        Where Slicer knows no such pair.
    """
    name, kind = type(widget).__name__, declared.kind
    for names, kinds, connect in CONNECTORS:
        if name in names and issubclass(kind, kinds) and not (kind is bool and bool not in kinds):
            return connect(widget, declared)
    raise RuntimeError(f"Unable to create GUI connector from {kind} to a {name}")


def _attribute(signal: str, attribute: str) -> Callable[[Any, ParameterType], Connector]:
    def connect(widget: Any, declared: ParameterType) -> Connector:
        return Connector(
            widget,
            signal,
            lambda: getattr(widget, attribute),
            lambda value: setattr(widget, attribute, value),
        )

    return connect


def _number(signal: str) -> Callable[[Any, ParameterType], Connector]:
    def connect(widget: Any, declared: ParameterType) -> Connector:
        within = declared.annotation(WithinRange)
        least, most = declared.annotation(Minimum), declared.annotation(Maximum)
        low = within.minimum if within else least.minimum if least else None
        high = within.maximum if within else most.maximum if most else None
        if "Slider" in type(widget).__name__ and None in (low, high):
            raise RuntimeError("Cannot have a connection to a slider where the type is unbounded")
        widget.minimum = -(2**31) if low is None else low
        widget.maximum = 2**31 - 1 if high is None else high
        for annotation, attribute in ((Decimals, "decimals"), (SingleStep, "singleStep")):
            if declared.annotation(annotation):
                setattr(widget, attribute, declared.annotation(annotation).value)
        return _attribute(signal, "value")(widget, declared)

    return connect


def _choices(widget: Any, declared: ParameterType) -> Connector:
    if issubclass(declared.kind, Enum):
        values = list(declared.kind)
        labels = [value.label() if hasattr(value, "label") else value.name for value in values]
    else:
        choice = declared.annotation(Choice)
        if choice is None:
            raise RuntimeError("A combo box of plain values requires the Choice annotation")
        values = list(choice.choices)
        labels = [str(value) for value in values]
    widget.clear()
    widget.addItems(labels)

    def write(value: Any) -> None:
        widget.currentIndex = values.index(value)

    return Connector(widget, "currentIndexChanged(int)", lambda: values[widget.currentIndex], write)


def _node(widget: Any, declared: ParameterType) -> Connector:
    widget.nodeTypes = [declared.kind.__name__]
    return Connector(
        widget, "currentNodeChanged(vtkMRMLNode*)", widget.currentNode, widget.setCurrentNode
    )


CONNECTORS: tuple[tuple[tuple[str, ...], tuple[type, ...], Callable[..., Connector]], ...] = (
    (("QCheckBox",), (bool,), _attribute("stateChanged(int)", "checked")),
    (("QSlider", "QSpinBox"), (int,), _number("valueChanged(int)")),
    (("QDoubleSpinBox", "ctkSliderWidget"), (float,), _number("valueChanged(double)")),
    (("QComboBox",), (Enum, int, float, str, bool), _choices),
    (("QLineEdit",), (str,), _attribute("textChanged(QString)", "text")),
    (("qMRMLNodeComboBox",), (object,), _node),
)
