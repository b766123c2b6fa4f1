"""The folder of a case's results: whose it is, how it is replaced, and whether it is whole.

``provenance.json`` names every other file with its size and hash. So a folder is
this library's only where its provenance lies in it, a file that the user has
changed is never replaced, and a reader notices files of two runs.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.results.files import PROVENANCE_FILE, RESULT_FILES
from musclefm.results.reading import WrittenFile, content_of, is_written, parsed_provenance
from musclefm.review.session_file import SESSION_FILE
from musclefm.storage.atomic import atomic_text, staged_contents, writing_errors
from musclefm.storage.regular_file import sha256_of
from musclefm.storage.staging import (
    clear_leftovers,
    half_published,
    is_partial,
    mark_publishing,
    publication,
    sync_folder,
)
from musclefm.storage.targets import ANOTHER_FOLDER


def check_results_folder(out: Path, inputs: Iterable[Path] = ()) -> None:
    """Require that results can be put into a folder, before work is spent on them.

    Parameters
    ----------
    out : Path
        Is not there yet, is empty, or holds results of this library as they were
        written, beside which other files may lie.
    inputs : iterable of Path
        Files and folders that are read, none of which may be replaced.

    Raises
    ------
    MuscleFMError
        The folder holds something else, or a review of its results; an input would be
        replaced; or it cannot be written.
    """
    out = out.resolve()
    with writing_errors():
        _refuse_inputs(out, inputs)
        _refuse_other_files(out)
    with staged_contents(out):
        pass


@contextlib.contextmanager
def staged_results(out: Path) -> Iterator[Path]:
    """Yield a hidden folder for results, which take the place of earlier ones when all went well.

    A new folder appears by one rename. In one that exists, the files are replaced one
    by one and the provenance last: whoever opens a folder of which only a part was
    replaced notices by the hashes. On any exception ``out`` is as before.

    Parameters
    ----------
    out : Path
        See :func:`check_results_folder`.

    Yields
    ------
    Path
        An empty folder; :func:`write_provenance` is to be called for it at last.

    Raises
    ------
    MuscleFMError
        As :func:`check_results_folder`, or the disk is full.
    """
    out = out.resolve()
    with writing_errors():
        _refuse_other_files(out)
    with staged_contents(out) as folder:
        yield folder
        with writing_errors(), publication(folder):
            if out.is_dir():
                _refuse_other_files(out)
                _replace(folder, out)
            else:
                sync_folder(folder)
                folder.rename(out)
                sync_folder(out.parent)


def write_provenance(folder: Path, provenance: Mapping[str, object]) -> None:
    """Write what made results, with size and hash of each of their files, which are there.

    Raises
    ------
    MuscleFMError
        It cannot be written.
    """
    files = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
        for name in RESULT_FILES
        if (folder / name).is_file()
    }
    text = json.dumps({**provenance, "files": files}, indent=2) + "\n"
    atomic_text(folder / PROVENANCE_FILE, text)


def _refuse_inputs(out: Path, inputs: Iterable[Path]) -> None:
    places = [out, *(out / name for name in (*RESULT_FILES, PROVENANCE_FILE))]
    for given in inputs:
        if any(place.exists() and given.exists() and place.samefile(given) for place in places):
            raise MuscleFMError("the results would replace the image itself", ANOTHER_FOLDER)


def _refuse_other_files(out: Path) -> None:
    """Refuse a folder in which something of the user's could be replaced."""
    if not out.is_dir():
        return
    if all(is_partial(path.name) for path in out.iterdir()) and not half_published(out):
        return
    known = _known_files(out)
    if (out / SESSION_FILE).exists():
        raise MuscleFMError("the folder holds a review of its results", ANOTHER_FOLDER)
    for name in RESULT_FILES:
        if os.path.lexists(out / name) and not is_written(out / name, known.get(name, [])):
            raise MuscleFMError(
                f"{name} in the folder for the results was changed or is not of MuscleFM",
                ANOTHER_FOLDER,
            )


def _known_files(out: Path) -> dict[str, list[WrittenFile]]:
    """Return the files that runs of this library wrote, those of a killed one included."""
    known: dict[str, list[WrittenFile]] = {}
    found = False
    for folder in (out, *half_published(out)):
        content = content_of(folder / PROVENANCE_FILE)
        provenance = parsed_provenance(content) if content else None
        if provenance is None:
            continue
        found = True
        if provenance.files is None:
            raise MuscleFMError(
                "the folder holds results of an earlier version, which may have been changed",
                ANOTHER_FOLDER,
            )
        for name, file in provenance.files.items():
            known.setdefault(name, []).append(file)
    if not found:
        raise MuscleFMError(
            "the folder for the results holds files that are not of MuscleFM", ANOTHER_FOLDER
        )
    return known


def _replace(folder: Path, out: Path) -> None:
    mark_publishing(folder)
    for name in RESULT_FILES:
        if (folder / name).is_file():
            (folder / name).replace(out / name)
        else:
            # That of an earlier run would pass for this one's.
            (out / name).unlink(missing_ok=True)
    sync_folder(out)
    (folder / PROVENANCE_FILE).replace(out / PROVENANCE_FILE)
    sync_folder(out)
    clear_leftovers(out, half_published=True)
