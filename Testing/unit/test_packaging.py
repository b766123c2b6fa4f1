"""The extension as Slicer builds, lists and installs it: nothing is missing."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from PIL import Image

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # which pytest brings

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "MuscleFMSegment"
RESOURCES = REPOSITORY / "Resources"
STAND_IN = REPOSITORY / "Testing" / "packaging" / "slicer_stand_in" / "read_extension.cmake"
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
# Not installed: what only the repository's page and the extension index show.
PAGE_ONLY = {"Docs", "Icons", "Screenshots"}
LIST_FILES = "run `python Testing/packaging/list_module_files.py`"


def files_below(folder: Path) -> set[Path]:
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {path for path in found if not re.search(r"__pycache__|(^|/)\.", path.as_posix())}


def read_extension(extension: Path, build: Path) -> subprocess.CompletedProcess[str]:
    cmake = shutil.which("cmake")
    assert cmake, "CMake is needed: python -m pip install cmake"
    command = [cmake, f"-DEXTENSION={extension}", f"-DBUILD={build}", "-P", str(STAND_IN)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of scripted modules, filled as Slicer would."""
    build = tmp_path_factory.mktemp("build")
    result = read_extension(REPOSITORY, build)
    assert result.returncode == 0, f"{result.stderr}{LIST_FILES}"
    return build / "lib" / "Slicer-5.12" / "qt-scripted-modules"


def test_every_file_is_installed(installed: Path) -> None:
    shipped = {
        Path("musclefm/Resources") / path
        for path in files_below(RESOURCES)
        if len(path.parts) > 1 and path.parts[0] not in PAGE_ONLY
    }
    expected = (files_below(MODULE) - {Path("CMakeLists.txt")}) | shipped
    assert files_below(installed) == expected, LIST_FILES


def test_extension_and_python_package_ship_the_same_data(installed: Path) -> None:
    package = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    folders = {path.name for path in (installed / "musclefm" / "Resources").iterdir()}
    assert {f"musclefm/Resources/{name}" for name in folders} == set(package.values())


def test_installed_library_finds_its_data(installed: Path, tmp_path: Path) -> None:
    code = (
        "from musclefm.labels.scheme import load_scheme\n"
        "from musclefm.models.registry import find_bundle\n"
        "from musclefm.storage.resources import resource_folder\n"
        "from musclefm.demo.sample import sample_channels\n"
        "assert all(path.is_file() for path in sample_channels().values())\n"
        "assert find_bundle('thigh-demo').scheme == load_scheme('thigh-11')\n"
        "print(resource_folder())"
    )
    environment = {"PYTHONPATH": str(installed), "MUSCLEFM_HOME": str(tmp_path)}
    command = [sys.executable, "-B", "-c", code]
    result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip()) == installed / "musclefm" / "Resources"


@pytest.mark.parametrize(
    ("file", "right", "wrong", "message"),
    [
        ("MuscleFMSegment/CMakeLists.txt", "WITH_GENERIC_TESTS", "WITH_TESTS", "WITH_TESTS"),
        ("MuscleFMSegment/CMakeLists.txt", "musclefm/errors.py", "musclefm/eror.py", "eror.py"),
        ("CMakeLists.txt", "add_subdirectory(Mus", "add_subdirectoy(Mus", "add_subdirectoy"),
        ("CMakeLists.txt", "EXTENSION_ICONURL", "EXTENSION_ICON_URL", "EXTENSION_ICONURL"),
    ],
)
def test_a_typo_in_the_build_files_is_found(
    file: str, right: str, wrong: str, message: str, tmp_path: Path
) -> None:
    copy = tmp_path / "extension"
    shutil.copytree(REPOSITORY, copy, ignore=shutil.ignore_patterns(".*", "Testing"))
    text = (copy / file).read_text("utf-8")
    assert right in text
    (copy / file).write_text(text.replace(right, wrong), "utf-8")
    result = read_extension(copy, tmp_path / "build")
    assert result.returncode != 0
    assert message in result.stderr


def metadata() -> dict[str, str]:
    text = (REPOSITORY / "CMakeLists.txt").read_text("utf-8")
    return dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"]+)"\)$', text, re.MULTILINE))


def test_description_of_the_extension_stands_on_lines_of_its_own() -> None:
    expected = {
        "HOMEPAGE",
        "CONTRIBUTORS",
        "DESCRIPTION",
        "ICONURL",
        "SCREENSHOTURLS",
        "DEPENDS",
        "LICENSE_FILE",
        "README_FILE",
    }
    assert set(metadata()) == expected
    text = (REPOSITORY / "CMakeLists.txt").read_text("utf-8")
    assert re.findall(r"^project\((\w+)\)$", text, re.MULTILINE) == ["MuscleFMSegment"]
    assert metadata()["DEPENDS"] == "PyTorch"


def test_pictures_of_the_extension_are_in_the_repository() -> None:
    addresses = [metadata()["ICONURL"], *metadata()["SCREENSHOTURLS"].split()]
    owner_and_name = urlparse(metadata()["HOMEPAGE"]).path
    for address in addresses:
        path = urlparse(address).path
        prefix = f"{owner_and_name}/main/"
        assert path.startswith(prefix)
        assert (REPOSITORY / path.removeprefix(prefix)).is_file()


@pytest.mark.parametrize("folder", [RESOURCES / "Icons", MODULE / "Resources" / "Icons"])
def test_icon_is_drawn_on_a_clear_square(folder: Path) -> None:
    with Image.open(folder / "MuscleFMSegment.png") as icon:
        assert icon.size == (128, 128) and icon.mode == "RGBA"
        alpha = icon.getchannel("A")
        assert alpha.getpixel((0, 0)) == 0 and alpha.getpixel((64, 64)) == 255
        small = icon.resize((16, 16), Image.Resampling.LANCZOS).convert("RGB")
        red, _, blue = (np.asarray(channel, dtype=int) for channel in small.split())
    assert np.count_nonzero((red > 180) & (blue < 120)) > 8, "a toolbar hides the warm spot"


# Fields of slicer-extension-catalog-entry-schema-v1.0.1.json in Slicer's repository.
ENTRY_FIELDS = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
ENTRY_REQUIRED = {"$schema", "category", "scm_url"}


def test_entry_for_the_extension_index() -> None:
    entry = json.loads((RESOURCES / "MuscleFMSegment.json").read_text("utf-8"))
    assert set(entry) >= ENTRY_REQUIRED
    assert {name: type(value) for name, value in entry.items()} == {
        name: kind for name, kind in ENTRY_FIELDS.items() if name in entry
    }
    assert entry["$schema"].endswith("/slicer-extension-catalog-entry-schema-v1.0.1.json#")
    assert entry["scm_type"] in ("git", "local") and entry["tier"] in (1, 3, 5)
    assert entry["scm_url"] == metadata()["HOMEPAGE"] + ".git"
    # The index takes no repository without Slicer in its name.
    assert Path(entry["scm_url"]).stem == "SlicerMuscleFMSegment"
    assert " ".join(entry["build_dependencies"]) == metadata()["DEPENDS"]


def test_slicer_installs_what_the_python_package_demands() -> None:
    lines = (MODULE / "Resources" / "requirements.txt").read_text("utf-8").splitlines()
    requirements = [line for line in lines if not line.startswith("#")]
    from_extension, *others = PYPROJECT["project"]["dependencies"]
    assert from_extension.startswith("torch>") and requirements == others


def test_terminology_file_is_that_of_the_label_schemes(tmp_path: Path) -> None:
    script = REPOSITORY / "Testing" / "packaging" / "write_terminology.py"
    made = tmp_path / "made.term.json"
    subprocess.run([sys.executable, str(script), "--out", str(made)], check=True)
    (committed,) = (MODULE / "Resources").glob("*.term.json")
    assert committed.read_text("utf-8") == made.read_text("utf-8"), (
        "run `python Testing/packaging/write_terminology.py`"
    )


# Fields of dcmqi's segment-context-schema.json; a type or modifier may have no others.
CODE_FIELDS = {"CodingSchemeDesignator": 16, "CodeValue": 16, "CodeMeaning": 64}
EXTRA_FIELDS = {"SNOMEDCTConceptID", "recommendedDisplayRGBValue", "cid", "contextGroupName"}


def check_code(code: dict[str, object], *more: str) -> None:
    assert set(CODE_FIELDS) <= set(code) <= set(CODE_FIELDS) | EXTRA_FIELDS | set(more)
    for field, longest in CODE_FIELDS.items():
        value = code[field]
        assert isinstance(value, str) and 0 < len(value) <= longest
    colour = code.get("recommendedDisplayRGBValue", [0, 0, 0])
    assert isinstance(colour, list) and len(colour) == 3
    assert all(isinstance(channel, int) and 0 <= channel <= 255 for channel in colour)


def test_terminology_file_keeps_to_its_schema() -> None:
    (path,) = (MODULE / "Resources").glob("*.term.json")
    content = json.loads(path.read_text("utf-8"))
    assert set(content) == {
        "SegmentationCategoryTypeContextName",
        "@schema",
        "SegmentationCodes",
    }
    # Slicer looks for the schema's name in the first 400 characters.
    assert "/segment-context-schema.json" in path.read_text("utf-8")[:400]
    (category,) = content["SegmentationCodes"]["Category"]
    check_code(category, "showAnatomy", "Type")
    assert category["Type"]
    for muscle in category["Type"]:
        check_code(muscle, "3dSlicerLabel", "Modifier")
        assert [side["CodeMeaning"] for side in muscle["Modifier"]] == ["Right", "Left"]
        for side in muscle["Modifier"]:
            check_code(side)
