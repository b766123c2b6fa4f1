"""Nothing lies in the library that only its own tests call."""

import ast
import re
from collections import Counter
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "MuscleFMSegment"

# What others than this project's code call, and why.
CALLED_FROM_OUTSIDE = {
    "MuscleFMSegmentTest": "Slicer runs it",
    "schema_text": "writes the committed JSON Schemas",
    "overview_png": "draws the pictures of the README and the notebook",
    "list_series": "for scripts: what a DICOM folder holds",
    "verify_sample": "for scripts: one sample of a large store",
    "corrected_slices": "for scripts: on which slices a reader worked",
}


def defined(tree: ast.Module) -> set[str]:
    """Return the public functions and classes of a module."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {x.name for x in tree.body if isinstance(x, kinds) and not x.name.startswith("_")}


def mentioned(tree: ast.Module) -> Counter[str]:
    """Return the names that a module uses, imports or spells in a string."""
    names: Counter[str] = Counter()
    for node in ast.walk(tree):
        match node:
            case ast.Name(ctx=ast.Load()):
                names[node.id] += 1
            case ast.Attribute():
                names[node.attr] += 1
            case ast.alias():
                names[node.name] += 1
            case ast.Constant() if isinstance(node.value, str) and node.value.isidentifier():
                names[node.value] += 1
    return names


def test_every_public_function_is_called() -> None:
    trees = {path: ast.parse(path.read_text("utf-8")) for path in SOURCES.rglob("*.py")}
    used = sum((mentioned(tree) for tree in trees.values()), Counter())
    templates = " ".join(path.read_text("utf-8") for path in SOURCES.rglob("*.j2"))
    used.update(re.findall(r"\w+", templates))
    idle = {
        f"{path.relative_to(SOURCES)}: {name}"
        for path, tree in trees.items()
        for name in defined(tree)
        if not used[name] and name not in CALLED_FROM_OUTSIDE
    }
    assert idle == set()
    assert sum(map(len, map(defined, trees.values()))) > 300
