"""The labels of another program for all cases of a worklist, by the names of the cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.pipeline.find_cases import CaseFiles, OpinionFiles
from musclefm.volumes.files_by_name import case_name, files_by_name, is_image_or_labels


def with_second_opinions(
    cases: Sequence[CaseFiles], folder: Path, mapping: Path | None
) -> tuple[CaseFiles, ...]:
    """Return cases with the file of a folder that bears their name, as far as there is one.

    A case bears the name of its file without the ending, or of its folder.

    Raises
    ------
    MuscleFMError
        The folder cannot be read, or has two files of one name; two cases have the name
        of one file; or no file has the name of a case.
    """
    try:
        files = files_by_name(filter(is_image_or_labels, folder.iterdir()), "second opinions")
    except OSError as error:
        raise MuscleFMError(
            "the folder of second opinions cannot be read"
            f" ({error.strerror or 'input or output error'})",
            "give a folder that has a file CASE.nii.gz for each case",
        ) from error
    names = [case_name(case.path.resolve()) for case in cases]
    if any(count > 1 and name in files for name, count in Counter(names).items()):
        raise MuscleFMError(
            "two cases of the worklist have the name of one second opinion",
            "rename the scans so that each has a name of its own",
        )
    if not files.keys() & set(names):
        raise MuscleFMError(
            "no second opinion has the name of a case",
            "name each file after its scan's file or folder: CASE.nii.gz",
        )
    return tuple(
        replace(case, opinion=OpinionFiles(files.get(name), mapping))
        for case, name in zip(cases, names, strict=True)
    )
