"""Executes the notebook of the documentation, and writes what came of it.

Run after a cell or the API was changed::

    python Testing/packaging/execute_notebook.py
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOK = REPOSITORY / "Resources" / "Docs" / "quickstart.ipynb"
# The machine may be busy with other things.
_START_AT_MOST_S = 600


def execute(notebook: Path, out: Path) -> None:
    """Execute a notebook in an empty folder and write it with its outputs."""
    content = nbformat.read(notebook, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        # The library of this checkout, and no model or correction of whoever runs it.
        os.environ["PYTHONPATH"] = str(REPOSITORY / "MuscleFMSegment")
        os.environ["MUSCLEFM_HOME"] = str(Path(folder) / "home")
        client = NotebookClient(
            content, timeout=None, startup_timeout=_START_AT_MOST_S, kernel_name="python3"
        )
        # This Python, whatever kernels are registered on the machine.
        client.create_kernel_manager().kernel_spec.argv[0] = sys.executable
        client.execute(cwd=folder)
    for cell in content.cells:
        # They say when a cell ran, and so differ each time.
        cell.metadata.pop("execution", None)
    content.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(content, out)


def main() -> None:
    """Execute the notebook in its place, or into another file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=NOTEBOOK)
    execute(NOTEBOOK, parser.parse_args().out)


if __name__ == "__main__":
    main()
