"""Where the shipped data lies: beside the installed code, or in the checkout.

The Python package and the Slicer extension both install it into ``musclefm/Resources``.
"""

from pathlib import Path


def resource_folder() -> Path:
    """Return the folder that holds ``LabelSchemes``, ``Models`` and ``Samples``.

    Raises
    ------
    FileNotFoundError
        The installation is damaged: neither place holds the folder.
    """
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "Resources", package.parents[1] / "Resources"):
        if (candidate / "LabelSchemes").is_dir():
            return candidate
    raise FileNotFoundError("musclefm's Resources folder is missing: install the package again")
