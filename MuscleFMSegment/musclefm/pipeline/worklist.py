"""A folder of cases under way: which are segmented, reviewed and saved, most expected errors first.

The folder of a worklist holds ``worklist.json`` and a folder a case, whose name
is a keyed hash of the scan's path, as file names often name patients. In it,
``input`` has the images as they were segmented, a NRRD file a channel, and
``results`` what the library found. Only who segments writes the index; that a
case is in review or saved stands in the session beside its results. Several
programs may segment one worklist: each case is of the program that holds its lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.pipeline.find_cases import CaseFiles, find_cases
from musclefm.pipeline.series_choices import choice_text, choose_series
from musclefm.pipeline.worklist_index import (
    INDEX_LOCK,
    UNSURE,
    CaseState,
    CaseStatus,
    Index,
    IndexedCase,
    IndexFile,
    Progress,
)
from musclefm.progress import Progress as ProgressReceiver
from musclefm.progress import silent
from musclefm.review.session_file import read_session
from musclefm.storage.lock import NoLocksError, acquired_lock
from musclefm.storage.targets import require_new_folder
from musclefm.storage.user_data import make_private_folder
from musclefm.volumes.formats.decoded import SeriesChoice

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
    choice : SeriesChoice
        Which series and echo to take of every case for which ``choices`` says nothing.
    choices : Path, optional
        A file that says it case by case, see :func:`choose_series`.

    Raises
    ------
    MuscleFMError
        There is no scan; the worklist or the choices cannot be read or written, are
        of another version, or the worklist would lie among other files.
    """

    def __init__(
        self,
        folder: Path,
        out: Path,
        progress: ProgressReceiver = silent,
        *,
        choice: SeriesChoice | None = None,
        choices: Path | None = None,
    ) -> None:
        if folder.resolve() == out.resolve():
            raise MuscleFMError(
                "the worklist would lie among the scans", "give it a folder of its own"
            )
        found = find_cases(folder, progress)
        self.cases = choose_series(found, folder, choice or SeriesChoice(), choices)
        self._folder = folder
        self._out = out
        self._index = IndexFile(out)
        # Of the cases that run, or may, for this process.
        self._running: set[str] = set()
        if not self._index.exists:
            _make(out)
            self._index.change(lambda made: made or Index(salt=secrets.token_hex(16)))
        self._salt = self._index.read().salt

    def states(self, processing: bool = True) -> tuple[CaseState, ...]:
        """Return how far the cases are now, most expected wrong first.

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
        indexed = {case.key: case for case in self._index.read().cases}
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
                    expected_wrong_ml=known.expected_wrong_ml,
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
        expected_wrong_ml: float | None = None,
        fault: str = "",
    ) -> None:
        """Write down how far a case is; for who segments.

        Raises
        ------
        MuscleFMError
            The index cannot be read or written.
        """
        key = self.key(case)

        def noted(index: Index) -> Index:
            before = next((known for known in index.cases if known.key == key), None)
            choice = before.choice if before else ""
            if status == "ready":
                choice = choice_text(case.choice)
            elif status == "running" and choice != choice_text(case.choice):
                choice = UNSURE
            entry = IndexedCase(
                key=key,
                status=status,
                expected_wrong_ml=expected_wrong_ml,
                fault=fault,
                choice=choice,
            )
            others = [other for other in index.cases if other.key != key]
            return index.model_copy(update={"cases": (*others, entry)})

        self._change(noted)
        if status == "running":
            self._running.add(key)
        else:
            self._running.discard(key)

    def known(self, case: CaseFiles) -> IndexedCase:
        """Return what is written down of a case.

        Raises
        ------
        MuscleFMError
            The index cannot be read.
        """
        key = self.key(case)
        found = (known for known in self._index.read().cases if known.key == key)
        return next(found, IndexedCase(key=key, status="waiting"))

    def forget_failed(self) -> None:
        """Let all cases that failed wait again; for who begins to segment.

        Raises
        ------
        MuscleFMError
            The index cannot be read or written.
        """
        self._change(lambda index: _waiting(index, lambda case: case.status == "failed"))

    def forget_running(self) -> None:
        """Let what runs here wait again; for who was asked to stop, rather than killed.

        Raises
        ------
        MuscleFMError
            The index cannot be read or written.
        """
        self._change(
            lambda index: _waiting(
                index, lambda case: case.status == "running" and case.key in self._running
            )
        )
        self._running.clear()

    def run_elsewhere(self, cases: Iterable[CaseFiles]) -> None:
        """Take cases that other processes run on behalf of this one for its own, when it stops."""
        self._running.update(map(self.key, cases))

    @contextlib.contextmanager
    def taken(self, case: CaseFiles) -> Iterator[bool]:
        """Keep other programs from segmenting a case; tell whether none of them does so now.

        The lock is the operating system's and ends with the program.

        Raises
        ------
        MuscleFMError
            The lock file is a link, a folder or a device.
        OSError
            The folder cannot be written.
        """
        with contextlib.ExitStack() as stack:
            try:
                lock = acquired_lock(self._out / f".{self.key(case)}.lock", _HeldElsewhereError())
                stack.callback(lock.release)
            except _HeldElsewhereError:
                yield False
                return
            except NoLocksError:
                # The work is done all the same, if twice.
                pass
            yield True

    def key(self, case: CaseFiles) -> str:
        """Return what the worklist calls a case."""
        name = case.path.relative_to(self._folder).as_posix()
        salt = bytes.fromhex(self._salt)
        return hashlib.blake2b(name.encode(), digest_size=8, key=salt).hexdigest()

    def _change(self, change: Callable[[Index], Index]) -> None:
        self._index.change(lambda index: change(index or Index(salt=self._salt)))


class _HeldElsewhereError(MuscleFMError):
    """Another program holds the lock of a case."""

    def __init__(self) -> None:
        super().__init__("another program segments this case", "wait until it is done")


def _waiting(index: Index, forgotten: Callable[[IndexedCase], bool]) -> Index:
    """Return the index with some cases waiting; the choice that their results are of stays."""
    cases = (
        IndexedCase(key=case.key, status="waiting", choice=case.choice) if forgotten(case) else case
        for case in index.cases
    )
    return index.model_copy(update={"cases": tuple(cases)})


def _make(out: Path) -> None:
    try:
        require_new_folder(out)
    except MuscleFMError:
        # Another program may be about to make the same worklist.
        if not (out / INDEX_LOCK).is_file():
            raise
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
    return place, -(state.expected_wrong_ml or 0.0)
