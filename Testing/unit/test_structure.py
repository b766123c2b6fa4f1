"""The library keeps to its shape: arrows one way, no circles, light to start, small files."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import musclefm
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.storage.resources import resource_folder

PACKAGE = Path(musclefm.__file__).resolve().parent
SCHEMES = sorted(path.stem for path in (resource_folder() / "LabelSchemes").glob("*.json"))
FOREIGN = {"slicer", "qt", "ctk", "vtk", "vtkmodules", "MuscleFMSegmentLib"}
LONGEST_FILE = 400


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in PACKAGE.rglob("*.py")}


def runtime_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree, past what only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for branch in child.orelse:
                yield branch
                yield from runtime_nodes(branch)
            continue
        yield child
        yield from runtime_nodes(child)


def imported(module: str) -> set[str]:
    """Return all that a module imports, with the modules of ``from package import module``."""
    names: set[str] = set()
    for node in runtime_nodes(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{module} imports relatively"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = inner & MODULES.keys()
            names |= modules if modules == inner else modules | {node.module}
    return names


IMPORTS = {module: imported(module) for module in MODULES}


def layer(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_the_library_knows_nothing_of_slicer() -> None:
    found = {
        (module, name)
        for module, names in IMPORTS.items()
        for name in names
        if name.split(".")[0] in FOREIGN
    }
    assert not found


def test_arrows_lead_from_the_command_line_through_workflows_to_parts() -> None:
    upward = {
        (module, name)
        for module, names in IMPORTS.items()
        for name in names
        if name.startswith("musclefm.")
        and (
            (layer(name) == "cli" and layer(module) not in ("cli", "__main__"))
            or (layer(name) == "workflows" and layer(module) not in ("cli", "workflows"))
        )
    }
    assert not upward


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {module: names & MODULES.keys() - {module} for module, names in IMPORTS.items()}
    assert sum(map(len, graph.values())) > len(graph), "the imports were not found"
    while True:
        leaves = {module for module, names in graph.items() if not names}
        if not leaves:
            break
        graph = {module: names - leaves for module, names in graph.items() if module not in leaves}
    assert not graph


@pytest.mark.parametrize("module", ["musclefm.cli.main", "musclefm.volumes.reading"])
def test_starting_does_not_wait_for_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    environment = {"PYTHONPATH": str(PACKAGE.parent), "PATH": ""}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()


@pytest.mark.parametrize("name", SCHEMES)
def test_labels_of_a_scheme_can_be_told_apart(name: str) -> None:
    scheme = load_scheme(name)
    assert isinstance(scheme, LabelScheme) and scheme.name == name
    labels = scheme.labels
    for values in (
        {label.name for label in labels},
        {label.abbreviation for label in labels},
        {label.colour for label in labels},
        {(label.code.scheme, label.code.value) for label in labels},
    ):
        assert len(values) == len(labels)
    assert all(0 <= channel <= 255 for label in labels for channel in label.colour)


def test_the_schemes_of_the_issue_are_shipped() -> None:
    assert {"thigh-11", "thigh-12"} <= set(SCHEMES)
    assert [len(load_scheme(f"thigh-{count}").labels) for count in (11, 12)] == [11, 12]


def test_a_muscle_is_the_same_in_every_scheme() -> None:
    by_abbreviation: dict[str, set[tuple[str, str, str]]] = {}
    for name in SCHEMES:
        for label in load_scheme(name).labels:
            entry = (label.name, label.code.scheme, label.code.value)
            by_abbreviation.setdefault(label.abbreviation, set()).add(entry)
    assert all(len(entries) == 1 for entries in by_abbreviation.values())


def test_no_file_is_too_long_to_read() -> None:
    lengths = {
        module: len(path.read_text("utf-8").splitlines()) for module, path in MODULES.items()
    }
    assert {module: n for module, n in lengths.items() if n > LONGEST_FILE} == {}
