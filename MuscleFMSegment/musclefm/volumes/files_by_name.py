"""Images and labels of a folder, each named after its case."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.storage.regular_file import is_file

_ENDINGS = (
    ".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".img.gz", ".img", ".dcm",
)  # fmt: skip


def files_by_name(paths: Iterable[Path], what: str) -> dict[str, Path]:
    """Return files and folders by the names of their cases; of two of one name is an error."""
    found: dict[str, Path] = {}
    for path in sorted(paths):
        if found.setdefault(case_name(path), path) != path:
            raise MuscleFMError(
                f"two {what} have one name but for its ending", "keep one of them in the folder"
            )
    return found


def is_image_or_labels(path: Path) -> bool:
    """Tell by its name whether a path may be an image or a file of labels."""
    return not path.name.startswith(".") and path.name.lower().endswith(_ENDINGS) and is_file(path)


def case_name(path: Path) -> str:
    """Return the name of a file without the ending of its format, or of a folder."""
    name = path.name
    ending = next((end for end in _ENDINGS if name.lower().endswith(end)), "")
    return name[: len(name) - len(ending)] if is_file(path) or ending else name
