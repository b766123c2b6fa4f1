"""What Slicer's and CTK's real classes have: names only, kept beside the harness.

``make_class_table.py`` writes the table from ../shared/slicer-api/manifest.json.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.pythonqt.signals import split

TABLE = Path(__file__).with_name("class_table.json")


@dataclass(frozen=True)
class RealClass:
    """The public members of one class, without those that it inherits from Qt.

    Attributes
    ----------
    name
        Name of the C++ class.
    qtBase
        Name of the Qt class under it; empty where there is none.
    ancestors
        The class and its bases down to Qt's, nearest first.
    properties
        Name of the reader and of the writer (None where it is read-only) by property.
    signals
        Argument types of every overload by signal.
    slots
        Likewise by slot.
    members
        Names of all that can be called or read, accessors of properties included.
    """

    name: str
    qtBase: str
    ancestors: tuple[str, ...]
    properties: dict[str, tuple[str, str | None]]
    signals: dict[str, tuple[tuple[str, ...], ...]]
    slots: dict[str, tuple[tuple[str, ...], ...]]
    members: frozenset[str]

    def hasSignal(self, signature: str) -> bool:
        """Return whether a signal of this name and these types is declared here."""
        name, types = split(signature)
        return types in self.signals.get(name, ())


@cache
def table() -> dict[str, dict]:
    """Return the kept table: the classes' own members by class."""
    return json.loads(TABLE.read_text("utf-8"))


@cache
def realClass(name: str) -> RealClass:
    """Return a class with all that it inherits from other classes of Slicer and CTK.

    Raises
    ------
    LookupError
        Where the table lacks the class.
    """
    if name not in table():
        raise LookupError(f"{name} is not in {TABLE.name}: run make_class_table.py")
    own = table()[name]
    bases = [realClass(base) for base in own["bases"] if base in table()]
    qtBases = [base for base in own["bases"] if base not in table()]
    qtBases += [base.qtBase for base in bases if base.qtBase]
    properties = {key: value for base in bases for key, value in base.properties.items()}
    properties |= {key: tuple(value) for key, value in own["properties"].items()}
    signals = {key: value for base in bases for key, value in base.signals.items()}
    signals |= {key: _types(value) for key, value in own["signals"].items()}
    slots = {key: value for base in bases for key, value in base.slots.items()}
    slots |= {key: _types(value) for key, value in own["slots"].items()}
    members = {*own["methods"], *signals, *slots, *properties}
    members |= {accessor for pair in properties.values() for accessor in pair if accessor}
    for base in bases:
        members |= base.members
    ancestors = (name, *(ancestor for base in bases for ancestor in base.ancestors))
    return RealClass(
        name,
        qtBases[0] if qtBases else "",
        ancestors,
        properties,
        signals,
        slots,
        frozenset(members),
    )


def _types(overloads: list[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(split(f"f({overload})")[1] for overload in overloads)
