"""``obj.connect("signal(type)", function)``, which PySide6 cannot do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore

SIGNATURE = re.compile(r"^(\w+)\s*\((.*)\)$")


def split(signature: str) -> tuple[str, tuple[str, ...]]:
    """Return the name and the argument types of ``name(type, type)``.

    Raises
    ------
    ValueError
        Where the text is no signature.
    """
    match = SIGNATURE.match(signature.strip())
    if not match:
        raise ValueError(f"{signature!r} is no signature of a signal: name(type, type)")
    name, types = match.groups()
    return name, tuple(normalized(entry) for entry in types.split(",") if entry.strip())


def normalized(typeName: str) -> str:
    """Return a C++ type as Qt writes it: no const reference, no blanks, no default mark."""
    text = typeName.replace("?", "").strip()
    match = re.match(r"^const\s+(.*?)\s*&$", text)
    return re.sub(r"\s*([*&,<>])\s*", r"\1", match.group(1) if match else text)


def qtSignal(sender: QtCore.QObject, signature: str) -> QtCore.SignalInstance | None:
    """Return a signal that Qt declares. Qt 6 has no two of one name, but for fewer arguments."""
    name, types = split(signature)
    declared = sender.metaObject().indexOfSignal(f"{name}({','.join(types)})") >= 0
    return getattr(sender, name) if declared else None


class Connections:
    """What one object has connected by signature, so that it can be disconnected again."""

    def __init__(self) -> None:
        self._slots: list[tuple[str, Callable[..., Any], Any, Callable[..., Any]]] = []

    def add(self, signature: str, signal: Any, function: Callable[..., Any]) -> None:
        """Call a function with as many of the signature's arguments as it takes."""
        slot = _slot(function, _accepted(function, len(split(signature)[1])))
        signal.connect(slot)
        self._slots.append((signature, function, signal, slot))

    def remove(self, signature: str, function: Callable[..., Any] | None) -> bool:
        """Disconnect a function, or all of a signature; return whether there was one."""
        mine = [
            entry
            for entry in self._slots
            if split(entry[0]) == split(signature) and function in (None, entry[1])
        ]
        for entry in mine:
            entry[2].disconnect(entry[3])
            self._slots.remove(entry)
        return bool(mine)


def _slot(function: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Return a slot of ``count`` arguments: PySide6 hands over as many as it sees declared."""
    slots: tuple[Callable[..., Any], ...] = (
        lambda: function(),
        lambda first: function(first),
        lambda first, second: function(first, second),
        lambda first, second, third: function(first, second, third),
        lambda first, second, third, fourth: function(first, second, third, fourth),
    )
    return slots[count]


def _accepted(function: Callable[..., Any], count: int) -> int:
    """Return how many of ``count`` arguments a function takes, as PythonQt counts them."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None or code.co_flags & 0x04:
        return count
    bound = hasattr(function, "__self__")
    return min(count, code.co_argcount - bound)
