"""Write the names-only table of Slicer's classes that the module and the harness use.

Run it, from the repository's root, after the module or the harness takes up a new class:
``python Testing/slicer/harness/make_class_table.py``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
MANIFEST = REPOSITORY.parent / "shared" / "slicer-api" / "manifest.json"
CLASS_NAME = re.compile(r"\b(?:qMRML|qSlicer|ctk)[A-Z]\w+")
METHOD_KINDS = ("invokables", "enums")
DECORATORS = "PythonQtDecorators"
# Every scripted module calls these; the manifest was read from the headers by patterns that
# their declarations do not fit.
UNREAD = {
    "qSlicerAbstractCoreModule": {"logic", "widgetRepresentation", "createNewWidgetRepresentation"}
}


def usedClasses(manifest: dict[str, dict]) -> set[str]:
    """Return the classes that the module and the harness name, and all their bases."""
    sources = [
        path
        for folder in (REPOSITORY / "MuscleFMSegment", HERE)
        for path in folder.rglob("*")
        if path.suffix in (".py", ".ui")
    ]
    named = {name for path in sources for name in CLASS_NAME.findall(path.read_text("utf-8"))}
    used: set[str] = set()
    waiting = [name for name in named if name in manifest]
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += [base for base in manifest[name].get("bases", []) if base in manifest]
    return used


def classEntry(name: str, manifest: dict[str, dict]) -> dict:
    """Return the members of a class, with what Python decorators add to it."""
    entry = manifest[name]
    methods = {method for kind in METHOD_KINDS for method in entry.get(kind, {})}
    methods |= {value for values in entry.get("enums", {}).values() for value in values}
    methods |= UNREAD.get(name, set())
    for decorator in (key for key in manifest if key.endswith(DECORATORS)):
        for method, overloads in manifest[decorator].get("slots", {}).items():
            if method.startswith(f"static_{name}_"):
                methods.add(method.removeprefix(f"static_{name}_"))
            elif any(types[:1] == [f"{name}*"] for types in overloads):
                methods.add(method)
    return {
        "bases": entry.get("bases", []),
        "properties": {
            key: [value["read"], value["write"]]
            for key, value in sorted(entry.get("properties", {}).items())
        },
        "signals": _signatures(entry.get("signals", {})),
        "slots": _signatures(entry.get("slots", {})),
        "methods": sorted(methods),
    }


def makeTable(manifest: dict[str, dict]) -> dict[str, dict]:
    """Return the entries of all classes that are used."""
    return {name: classEntry(name, manifest) for name in sorted(usedClasses(manifest))}


def asText(classes: dict[str, dict]) -> str:
    """Return the table as JSON, one class a line."""
    lines = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in classes.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _signatures(functions: dict[str, list[list[str]]]) -> dict[str, list[str]]:
    """Return the argument types by function, every way that default arguments allow."""
    found: dict[str, list[str]] = {}
    for name, overloads in sorted(functions.items()):
        ways = []
        for types in overloads:
            needed = sum(not entry.endswith("?") for entry in types)
            plain = [entry.removesuffix("?") for entry in types]
            ways += [", ".join(plain[:count]) for count in range(len(types), needed - 1, -1)]
        found[name] = ways
    return found


if __name__ == "__main__":
    manifest = json.loads(MANIFEST.read_text("utf-8"))
    (HERE / "class_table.json").write_text(asText(makeTable(manifest)), "utf-8")
