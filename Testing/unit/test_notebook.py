"""The notebook of the documentation runs, and still says what it shows."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOK = REPOSITORY / "Resources" / "Docs" / "quickstart.ipynb"
EXECUTE = REPOSITORY / "Testing" / "packaging" / "execute_notebook.py"
AGAIN = "run `python Testing/packaging/execute_notebook.py`"
LARGEST = 500_000
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def committed():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    out = tmp_path_factory.mktemp("notebook") / "executed.ipynb"
    command = [sys.executable, str(EXECUTE), "--out", str(out)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return nbformat.read(out, as_version=4)


def texts(cell):
    """Return what a cell prints and shows as text, spaces aside."""
    found = [
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
    ]
    return " ".join(" ".join(found).split())


def pictures(notebook):
    """Return how many pictures each cell of code shows; what it prints may come in pieces."""
    codes = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [sum("image/png" in x.get("data", {}) for x in cell.outputs) for cell in codes]


def test_it_is_small_and_executed_from_top_to_bottom(committed):
    assert NOTEBOOK.stat().st_size < LARGEST
    codes = [cell for cell in committed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in codes] == list(range(1, len(codes) + 1)), AGAIN
    assert sum(pictures(committed)) >= 2
    outputs = [output for cell in codes for output in cell.outputs]
    assert not [x for x in outputs if x.output_type == "error" or x.get("name") == "stderr"]
    nbformat.validate(committed)


def test_it_holds_no_path_of_whoever_ran_it(committed):
    text = NOTEBOOK.read_text("utf-8")
    assert not re.search(r"/(home|root|tmp|Users)/|[A-Z]:\\\\Users", text)
    assert committed.metadata.keys() == {"kernelspec", "language_info"}


def test_what_it_says_is_still_true(committed, executed):
    assert [cell.source for cell in executed.cells] == [cell.source for cell in committed.cells]
    assert pictures(executed) == pictures(committed)
    for before, now in zip(committed.cells, executed.cells, strict=True):
        if before.cell_type != "code":
            continue
        assert NUMBER.sub("#", texts(now)) == NUMBER.sub("#", texts(before)), AGAIN
        # Sums in another order may turn a last digit.
        expected = [float(number) for number in NUMBER.findall(texts(before))]
        found = [float(number) for number in NUMBER.findall(texts(now))]
        assert found == pytest.approx(expected, rel=0.02, abs=0.011), AGAIN
