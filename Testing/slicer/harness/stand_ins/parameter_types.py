"""How the stand-in for slicer.parameterNodeWrapper stores typed values in a real node."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

import slicer


@dataclass(frozen=True)
class Default:
    """Annotation: the value to begin with."""

    value: Any


@dataclass(frozen=True)
class Choice:
    """Annotation: the values that are allowed."""

    choices: Any

    def check(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"{value!r} is not one of {self.choices}")


@dataclass(frozen=True)
class Minimum:
    """Annotation: the least value."""

    minimum: float

    def check(self, value: float) -> None:
        if value < self.minimum:
            raise ValueError(f"{value} is below {self.minimum}")


@dataclass(frozen=True)
class Maximum:
    """Annotation: the greatest value."""

    maximum: float

    def check(self, value: float) -> None:
        if value > self.maximum:
            raise ValueError(f"{value} is above {self.maximum}")


@dataclass(frozen=True)
class WithinRange:
    """Annotation: the least and the greatest value."""

    minimum: float
    maximum: float

    def check(self, value: float) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum} and {self.maximum}")


@dataclass(frozen=True)
class Decimals:
    """Annotation: the decimals that a widget shows."""

    value: int


@dataclass(frozen=True)
class SingleStep:
    """Annotation: the step of a widget."""

    value: float


@dataclass(frozen=True)
class ParameterType:
    """A declared type, taken apart.

    Attributes
    ----------
    kind
        The type without annotations, and without None.
    optional
        Whether None is allowed.
    annotations
        What came with it.
    """

    kind: type
    optional: bool
    annotations: tuple[Any, ...]

    @classmethod
    def of(cls, declared: Any) -> ParameterType:
        """Take a declared type apart.

        Raises
        ------
        TypeError
            Where the stand-in cannot store it.
        """
        annotations: tuple[Any, ...] = ()
        if typing.get_origin(declared) is typing.Annotated:
            declared, *rest = typing.get_args(declared)
            annotations = tuple(rest)
        optional = False
        if typing.get_origin(declared) in (typing.Union, types.UnionType):
            members = [entry for entry in typing.get_args(declared) if entry is not type(None)]
            optional, declared = len(members) < len(typing.get_args(declared)), members[0]
        if not isinstance(declared, type) or not issubclass(declared, STORED):
            raise TypeError(f"the stand-in for parameterNodeWrapper cannot store {declared}")
        return cls(declared, optional, annotations)

    @property
    def isNode(self) -> bool:
        """Whether the values are nodes of the scene."""
        return issubclass(self.kind, slicer.vtkMRMLNode)

    @property
    def default(self) -> Any:
        """The value to begin with, where the class gives none."""
        given = self.annotation(Default)
        if given is not None:
            return given.value
        if self.optional or self.isNode:
            return None
        choice = self.annotation(Choice)
        if choice is not None:
            return choice.choices[0]
        if issubclass(self.kind, Enum):
            return next(iter(self.kind))
        within = self.annotation(WithinRange) or self.annotation(Minimum)
        return self.kind(within.minimum) if within is not None else self.kind()

    def annotation(self, kind: type) -> Any:
        """Return the first annotation of a kind."""
        return next((entry for entry in self.annotations if isinstance(entry, kind)), None)

    def check(self, value: Any) -> None:
        """Raise where a value is not of this type, or not allowed."""
        if value is None and (self.optional or self.isNode):
            return
        numeric = self.kind is float and isinstance(value, int)
        if not isinstance(value, self.kind) and not numeric:
            raise TypeError(f"{value!r} is no {self.kind.__name__}")
        for entry in self.annotations:
            if hasattr(entry, "check"):
                entry.check(value)

    def asText(self, value: Any) -> str:
        """Return what is stored for a value that is no node."""
        if value is None:
            return ""
        return value.name if isinstance(value, Enum) else str(value)

    def fromText(self, text: str) -> Any:
        """Return the value of what was stored."""
        if self.optional and not text:
            return None
        if self.kind is bool:
            return text == "True"
        return self.kind[text] if issubclass(self.kind, Enum) else self.kind(text)


STORED = (bool, int, float, str, Enum, PurePath, slicer.vtkMRMLNode)
