"""The library keeps to its shape: arrows one way, no circles, light to start, small files."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from musclefm.defaults import (
    DEFAULT_DEVICE,
    DEFAULT_MODEL,
    DEFAULT_SCHEME,
    HEAT_OPACITY,
    UNCERTAIN_FROM,
)
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.results.files import PROVENANCE_FILE, RESULT_FILES
from musclefm.storage.resources import resource_folder

# The checkout's: what is installed lies beside the packages of others.
SOURCES = Path(__file__).resolve().parents[2] / "MuscleFMSegment"
SCHEMES = sorted(path.stem for path in (resource_folder() / "LabelSchemes").glob("*.json"))
FOREIGN = {"slicer", "qt", "ctk", "vtk", "vtkmodules", "MuscleFMSegmentLib"}
LONGEST_FILE = 300
LARGEST_FOLDER = 14

# The whole order, lowest first: a room imports from the lines before its own, never
# from its own line or a later one. ``musclefm`` alone is the package's own file.
LAYERS = (
    ("musclefm", "musclefm.defaults", "musclefm.plain_text", "musclefm.progress"),
    ("musclefm.errors",),
    ("musclefm.out_of_memory", "musclefm.storage", "musclefm.networks"),
    ("musclefm.labels", "musclefm.volumes"),
    ("musclefm.anatomy", "musclefm.models", "musclefm.uncertainty"),
    ("musclefm.exchange", "musclefm.inference"),
    ("musclefm.evaluation",),
    ("musclefm.datasets", "musclefm.review"),
    ("musclefm.results",),
    ("musclefm.corrections", "musclefm.pipeline"),
    ("musclefm.training",),
    ("musclefm.demo",),
    ("musclefm.benchmark",),
    ("musclefm.api",),
    ("musclefm.cli",),
    ("musclefm.__main__",),
    ("MuscleFMSegmentLib.parameter_node", "MuscleFMSegmentLib.scene"),
    ("MuscleFMSegmentLib.process",),
    ("MuscleFMSegmentLib.startup",),
    ("MuscleFMSegmentLib.review", "MuscleFMSegmentLib.widgets"),
    ("MuscleFMSegmentLib.controllers",),
    ("MuscleFMSegmentLib.self_test",),
    ("MuscleFMSegment",),
)
LEVELS = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in SOURCES.rglob("*.py")}


def imported(module: str) -> set[str]:
    """Return all that a module imports: in functions and for type checkers, too."""
    names: set[str] = set()
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    if module == "musclefm":
        # It names the API for type checkers, and is itself below all that it names.
        tree.body = [node for node in tree.body if not isinstance(node, ast.If)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{module} imports relatively"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = inner & MODULES.keys()
            names |= modules if modules == inner else modules | {node.module}
    return names


@cache
def texts(module: str) -> list[str]:
    """Return all texts of a module's code, docstrings left out."""
    nodes = list(ast.walk(ast.parse(MODULES[module].read_text("utf-8"))))
    reported = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in reported
    ]


IMPORTS = {module: imported(module) for module in MODULES}
INNER = {module: names & MODULES.keys() - {module} for module, names in IMPORTS.items()}


def room(module: str) -> str:
    """Return the room a module lies in: two parts of its name."""
    return ".".join(module.split(".")[:2])


def circles(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return what is left of a graph when all that leads to no circle is taken away."""
    graph = {name: set(targets) for name, targets in graph.items()}
    for target in set().union(*graph.values()):
        graph.setdefault(target, set())
    while leaves := {name for name, targets in graph.items() if not targets}:
        graph = {name: targets - leaves for name, targets in graph.items() if name not in leaves}
    return graph


def test_the_library_knows_nothing_of_slicer() -> None:
    found = {
        (module, name)
        for module, names in IMPORTS.items()
        for name in names
        if module.split(".")[0] == "musclefm" and name.split(".")[0] in FOREIGN
    }
    assert not found


def test_every_room_has_its_layer() -> None:
    rooms = {room(module) for module in MODULES} - {"MuscleFMSegmentLib"}
    assert rooms == LEVELS.keys()


def test_every_import_goes_down_the_layers() -> None:
    upward = {
        (module, name)
        for module, names in INNER.items()
        for name in names
        if room(name) != room(module) and LEVELS[room(name)] >= LEVELS[room(module)]
    }
    assert not upward


# What every command may use beside the API: words, numbers, checks of a place before work.
BESIDE_THE_API = {
    *("musclefm.api", "musclefm.cli", "musclefm.defaults", "musclefm.errors"),
    *("musclefm.plain_text", "musclefm.progress", "musclefm.storage"),
}
# Names for help texts, and what decision 9 gives no second name in the API.
FURTHER = {
    "add": {"musclefm.results.files"},
    "benchmark": {"musclefm.results.benchmark"},
    "corrections": {"musclefm.corrections.verification", "musclefm.exchange.formats"},
    "datasets": {"musclefm.datasets.catalogue"},
    "demo": {"musclefm.demo"},
    "download": {"musclefm.models.imports"},
    "evaluate": {"musclefm.evaluation.cohort", "musclefm.results.evaluation.files"},
    "export": {"musclefm.exchange.formats"},
    "info": {"musclefm.anatomy.thighs", "musclefm.volumes"},
    "inventory": {"musclefm.inference.inventory"},
    "learn": {"musclefm.training.learning.folder", "musclefm.training.learning.status"},
    "models": {"musclefm.models"},
    "phantom": {"musclefm.demo", "musclefm.evaluation.cohort.severity"},
    "segment": {"musclefm.results.files"},
    "train": {"musclefm.networks.architecture", "musclefm.training.recipe"},
    "train_demo": {"musclefm.demo", "musclefm.inference.device"},
    "worklist": {"musclefm.results.reading"},
}
COMMANDS = sorted(
    name
    for name, path in MODULES.items()
    if name.startswith("musclefm.cli.commands.") and path.name != "__init__.py"
)


def imported_to_run(module: str) -> set[str]:
    """Return what a module imports of the library, but for what only type checkers do."""
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    tree.body = [node for node in tree.body if not isinstance(node, ast.If)]
    found: set[str] = set()
    for node in (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)):
        inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
        found |= inner or {str(node.module)}
    return {name for name in found if name.startswith("musclefm")}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_calls_the_api(command: str) -> None:
    further = FURTHER.get(command.rpartition(".")[2], set())
    allowed = tuple(f"{name}." for name in BESIDE_THE_API | further)
    names = imported_to_run(command)
    assert {name for name in names if not f"{name}.".startswith(allowed)} == set()
    for name in further:
        assert any(f"{used}.".startswith(f"{name}.") for used in names), f"{name} is not used"


def test_no_module_imports_itself_in_a_circle() -> None:
    assert sum(map(len, INNER.values())) > len(INNER), "the imports were not found"
    assert not circles(INNER)


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES.values()} - {SOURCES}))
def test_no_circle_leads_through_the_parts_of_a_folder(folder: Path) -> None:
    prefix = ".".join(folder.relative_to(SOURCES).parts) + "."

    def part(module: str) -> str | None:
        return module[len(prefix) :].split(".")[0] if module.startswith(prefix) else None

    graph: dict[str, set[str]] = {}
    for module, names in INNER.items():
        if own := part(module):
            graph.setdefault(own, set()).update(
                other for name in names if (other := part(name)) and other != own
            )
    assert not (graph and circles(graph))


STARTED_WITHOUT_TORCH = [
    "musclefm.cli.main",
    "musclefm.cli.commands.segment",
    "musclefm.volumes.reading",
    "musclefm.api.segmentation",
    "musclefm.api.evaluation.cohorts",
    "musclefm.api.evaluation.evaluation",
    "musclefm.api.evaluation.cohort_evaluation",
    "musclefm.api.training",
    *("musclefm.api.corrections", "musclefm.api.exports", "musclefm.api.worklists"),
]


@pytest.mark.parametrize("module", STARTED_WITHOUT_TORCH)
def test_starting_does_not_wait_for_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    environment = {"PYTHONPATH": str(SOURCES), "PATH": ""}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()


@pytest.mark.parametrize("name", SCHEMES)
def test_labels_of_a_scheme_can_be_distinguished(name: str) -> None:
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


def test_nothing_but_its_owner_spells_the_names_of_a_results_folder() -> None:
    names = {PROVENANCE_FILE, *RESULT_FILES}
    spelled = {
        module: found
        for module in MODULES
        if (found := {name for name in names for text in texts(module) if name in text})
    }
    assert spelled == {"musclefm.results.files": names}


@cache
def constants(module: str) -> list[object]:
    """Return the values of all constants of a module, docstrings included."""
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]


@pytest.mark.parametrize(
    ("default", "rooms"),
    [
        (DEFAULT_MODEL, ("musclefm", "MuscleFMSegment")),
        (DEFAULT_SCHEME, ("musclefm", "MuscleFMSegment")),
        # These values mean other things elsewhere.
        (DEFAULT_DEVICE, ("MuscleFMSegment",)),
        (HEAT_OPACITY, ("MuscleFMSegment",)),
        (UNCERTAIN_FROM, ("MuscleFMSegment", "musclefm.review", "musclefm.results")),
    ],
)
def test_a_default_is_in_one_place(default: object, rooms: tuple[str, ...]) -> None:
    modules = {module for module in MODULES if module.startswith(rooms)} - {"musclefm.defaults"}
    assert {module for module in modules if default in constants(module)} == set()


def test_no_file_is_too_long_to_read() -> None:
    lengths = {
        module: len(path.read_text("utf-8").splitlines()) for module, path in MODULES.items()
    }
    assert {module: n for module, n in lengths.items() if n > LONGEST_FILE} == {}


def test_no_folder_holds_too_much_to_overlook() -> None:
    counts: dict[Path, int] = {}
    for path in MODULES.values():
        if path.name != "__init__.py":
            counts[path.parent] = counts.get(path.parent, 0) + 1
    assert {str(folder): n for folder, n in counts.items() if n > LARGEST_FOLDER} == {}
