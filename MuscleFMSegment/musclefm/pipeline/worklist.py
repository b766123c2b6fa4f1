"""A folder of cases under way: which are segmented, reviewed and saved, most expected errors first.

The folder of a worklist holds ``worklist.json`` and a folder a case, whose name
is a keyed hash of the scan's path, as file names often name patients. In it,
``input`` has the images as they were segmented, a NRRD file a channel, and
``results`` what the library found. Only who segments writes the index; that a
case is in review or saved stands in the session beside its results.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from musclefm.errors import MuscleFMError
from musclefm.pipeline.find_cases import CaseFiles, find_cases
from musclefm.pipeline.worklist_index import (
    INDEX_FILE,
    SCHEMA_VERSION,
    CaseState,
    CaseStatus,
    Index,
    IndexedCase,
    Progress,
)
from musclefm.progress import Progress as ProgressReceiver
from musclefm.progress import silent
from musclefm.review.session_file import read_session
from musclefm.storage.atomic import atomic_text
from musclefm.storage.lock import NoLocksError, acquired_lock
from musclefm.storage.regular_file import read_regular
from musclefm.storage.targets import require_new_folder
from musclefm.storage.user_data import make_private_folder

_LOCK_FILE = ".lock"
# Of a hundred thousand cases.
_LARGEST_INDEX = 64 << 20
_BUSY = MuscleFMError(
    "another program segments the cases of this worklist", "wait until it is done, or stop it"
)

_IN_LIST: tuple[tuple[CaseStatus, ...], ...] = (
    ("in review", "ready"), ("running",), ("waiting",), ("failed",), ("saved",),
)  # fmt: skip


class Worklist:
    """The cases of a folder, and how far each is.

    Parameters
    ----------
    folder : Path
        Holds the scans, see :func:`find_cases`.
    out : Path
        The folder of the worklist; made if it is not there.
    progress : ProgressReceiver
        Called while a large folder is searched, as stage ``"find"``.

    Raises
    ------
    MuscleFMError
        There is no scan; the worklist cannot be read or written, is of another
        version, or would lie among other files.
    """

    def __init__(self, folder: Path, out: Path, progress: ProgressReceiver = silent) -> None:
        if folder.resolve() == out.resolve():
            raise MuscleFMError(
                "the worklist would lie among the scans", "give it a folder of its own"
            )
        self.cases: tuple[CaseFiles, ...] = find_cases(folder, progress)
        self._folder = folder
        self._out = out
        if not (out / INDEX_FILE).is_file():
            _make(out)
            self._write(Index(salt=secrets.token_hex(16)))
        self._salt = self._read().salt

    def states(self, processing: bool = True) -> tuple[CaseState, ...]:
        """Return how far the cases are now, most expected wrong voxels first.

        After those that wait for the reader come those that wait for the
        network, failed ones and saved ones.

        Parameters
        ----------
        processing : bool
            Whether something is segmenting; without, no case is running.

        Raises
        ------
        MuscleFMError
            The index cannot be read.
        """
        indexed = {case.key: case for case in self._read().cases}
        states = []
        for case in self.cases:
            key = self.key(case)
            known = indexed.get(key) or IndexedCase(key=key, status="waiting")
            folder = self._out / key
            states.append(
                CaseState(
                    path=case.path,
                    folder=folder,
                    status=_status(known, folder / "results", processing),
                    expected_wrong_voxels=known.expected_wrong_voxels,
                    fault=known.fault,
                )
            )
        return tuple(sorted(states, key=_place))

    def case_folder(self, case: CaseFiles) -> Path:
        """Return the folder of a case in the worklist."""
        return self._out / self.key(case)

    def note(
        self,
        case: CaseFiles,
        status: Progress,
        expected_wrong_voxels: float | None = None,
        fault: str = "",
    ) -> None:
        """Write down how far a case is; for who segments.

        Raises
        ------
        MuscleFMError
            The index cannot be read or written.
        """
        noted = IndexedCase(
            key=self.key(case),
            status=status,
            expected_wrong_voxels=expected_wrong_voxels,
            fault=fault,
        )
        index = self._read()
        others = [other for other in index.cases if other.key != noted.key]
        self._write(index.model_copy(update={"cases": (*others, noted)}))

    def forget_unfinished(self) -> dict[str, int]:
        """Let all cases that are not ready wait again; for who begins to segment.

        Returns
        -------
        dict of str to int
            Keys of the cases at which the program was killed, and how often in a row:
            1, or 2 for twice or more.

        Raises
        ------
        MuscleFMError
            The index cannot be read or written.
        """
        index = self._read()
        ready = tuple(case for case in index.cases if case.status == "ready")
        killed = {
            case.key: 2 if case.fault else 1 for case in index.cases if case.status == "running"
        }
        self._write(index.model_copy(update={"cases": ready}))
        return killed

    def forget_running(self) -> None:
        """Let the running case wait again; for who was asked to stop, rather than killed.

        Raises
        ------
        MuscleFMError
            The index cannot be read or written.
        """
        index = self._read()
        others = tuple(case for case in index.cases if case.status != "running")
        self._write(index.model_copy(update={"cases": others}))

    @contextlib.contextmanager
    def sole_processing(self) -> Iterator[None]:
        """Keep other programs from segmenting the same worklist.

        Raises
        ------
        MuscleFMError
            Another one does so.
        OSError
            The folder cannot be written.
        """
        with contextlib.ExitStack() as stack:
            # Without locks the work is done all the same, if twice.
            with contextlib.suppress(NoLocksError):
                stack.callback(acquired_lock(self._out / _LOCK_FILE, _BUSY).release)
            yield

    def key(self, case: CaseFiles) -> str:
        """Return what the worklist calls a case."""
        name = case.path.relative_to(self._folder).as_posix()
        salt = bytes.fromhex(self._salt)
        return hashlib.blake2b(name.encode(), digest_size=8, key=salt).hexdigest()

    def _read(self) -> Index:
        try:
            text = read_regular(self._out / INDEX_FILE, _LARGEST_INDEX, links=False)
            version = json.loads(text)["schema_version"]
            if version != SCHEMA_VERSION:
                raise MuscleFMError(
                    f"the worklist has format {version}, and this version of MuscleFM reads "
                    f"format {SCHEMA_VERSION}",
                    "open it with the version that made it, or begin another one",
                )
            return Index.model_validate_json(text)
        except OSError as error:
            raise MuscleFMError(
                f"the worklist cannot be read ({error.strerror or 'input or output error'})",
                "check the access rights of its folder",
            ) from error
        except (ValidationError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise MuscleFMError(
                "the worklist is damaged", f"remove its {INDEX_FILE}, and all is segmented again"
            ) from error

    def _write(self, index: Index) -> None:
        atomic_text(self._out / INDEX_FILE, index.model_dump_json(indent=2) + "\n")


def _make(out: Path) -> None:
    require_new_folder(out)
    try:
        make_private_folder(out)
    except OSError as error:
        raise MuscleFMError(
            f"the folder of the worklist cannot be made ({error.strerror})",
            "give another one that can be written",
        ) from error


def _status(known: IndexedCase, results: Path, processing: bool) -> CaseStatus:
    if known.status == "running" and not processing:
        return "waiting"
    if known.status != "ready":
        return known.status
    if not results.is_dir():
        return "waiting"
    try:
        session = read_session(results)
    except MuscleFMError:
        # Opening the case reports what is wrong with it.
        return "in review"
    if session is None:
        return "ready"
    return "saved" if session.stored_sample else "in review"


def _place(state: CaseState) -> tuple[int, float]:
    place = next(place for place, group in enumerate(_IN_LIST) if state.status in group)
    return place, -(state.expected_wrong_voxels or 0.0)
