"""Writes the names of all files that the extension installs into its CMakeLists.txt.

Slicer's build system wants every file by name. Run after a file was added, moved or removed::

    python Testing/packaging/list_module_files.py
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "MuscleFMSegment"
CMAKE_FILE = MODULE / "CMakeLists.txt"
SHIPPED_FOLDERS = (
    *("DataSets", "LabelMappings", "LabelSchemes", "Models", "Phantom", "Samples", "Schemas"),
)


def files_below(folder: Path) -> list[Path]:
    """Return all files below a folder in the order of names, without what tools leave there."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not is_left_by_tools(path.relative_to(folder)))


def is_left_by_tools(path: Path) -> bool:
    """Tell whether a path below a folder is a cache of Python, mypy or ruff."""
    return any(part == "__pycache__" or part.startswith(".") for part in path.parts)


def module_files() -> dict[str, list[str]]:
    """Return the lists by the names of their CMake variables, relative as CMake needs them."""
    sources = [path for path in files_below(MODULE) if path != CMAKE_FILE]
    resources = REPOSITORY / "Resources"
    shipped = [path for name in SHIPPED_FOLDERS for path in files_below(resources / name)]
    return {
        "MODULE_PYTHON_SCRIPTS": _names((p for p in sources if p.suffix == ".py"), MODULE),
        "MODULE_PYTHON_RESOURCES": _names((p for p in sources if p.suffix != ".py"), MODULE),
        "SHIPPED_RESOURCES": _names(shipped, resources),
    }


def _names(paths: Iterable[Path], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def main() -> None:
    """Put the lists into the CMake file, each in the place of the one that is there."""
    text = CMAKE_FILE.read_text("utf-8")
    for variable, names in module_files().items():
        lines = "\n".join([f"set({variable}", *(f"  {name}" for name in names), "  )"])
        text, count = re.subn(rf"set\({variable}\n.*?\n  \)", lines, text, flags=re.DOTALL)
        if count != 1:
            raise SystemExit(f"{CMAKE_FILE} does not set {variable} exactly once")
    CMAKE_FILE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
