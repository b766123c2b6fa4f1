"""Print the lowest versions that pyproject.toml allows, as ``name==version`` lines for pip.

Of the packages that are named, or of all. A bound that no test installs is a guess.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # which pytest brings

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def lowest_versions() -> dict[str, str]:
    """Return the lower bound of each dependency, by its name in lower case."""
    lowest = {}
    for requirement in tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["dependencies"]:
        found = re.match(r"([\w.-]+)>=([\d.]+)", requirement)
        if found is None:
            raise SystemExit(f"{requirement}: no lower bound, give it one in {PYPROJECT.name}")
        lowest[found[1].lower()] = found[2]
    return lowest


def main() -> None:
    lowest = lowest_versions()
    for name in sys.argv[1:] or lowest:
        if name.lower() not in lowest:
            raise SystemExit(f"{name}: not among the dependencies in {PYPROJECT.name}")
        print(f"{name}=={lowest[name.lower()]}")


if __name__ == "__main__":
    main()
