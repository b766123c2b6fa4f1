"""What of the open case is saved: the verified part, shown before, and the sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import qt

from musclefm.review.muscle_slices import parse_slices
from MuscleFMSegmentLib.controllers.export_controller import ExportController
from MuscleFMSegmentLib.process.background import Background
from MuscleFMSegmentLib.process.library_runner import LibraryRunner
from MuscleFMSegmentLib.widgets.message_area import MessageArea
from MuscleFMSegmentLib.widgets.save_panel import SavePanel

if TYPE_CHECKING:
    from musclefm.corrections.case import Reviewed
    from MuscleFMSegmentLib.parameter_node import MuscleFMSegmentParameterNode
    from MuscleFMSegmentLib.review.open_case import OpenCase

_READER = "MuscleFMSegment/Reader"
_PERSON = "MuscleFMSegment/Person/{scan}"


class SaveController:
    """One save at a time.

    Parameters
    ----------
    messages : MessageArea
        Shows what goes wrong.
    background : Background
        Writes the sample.
    exporter : LibraryRunner
        Writes exported files.
    parameters : callable
        Returns the parameter node, None while the module is not shown.
    openCase : callable
        Returns the case that is open, or None.
    onSaved : callable
        Called when the case was saved and the next one is wanted.
    onStored : callable
        Called whenever the open case was saved.
    """

    def __init__(
        self,
        messages: MessageArea,
        background: Background,
        exporter: LibraryRunner,
        parameters: Callable[[], MuscleFMSegmentParameterNode | None],
        openCase: Callable[[], OpenCase | None],
        onSaved: Callable[[], None],
        onStored: Callable[[], None],
    ) -> None:
        self._messages = messages
        self._background = background
        self._parameters = parameters
        self._openCase = openCase
        self._onSaved = onSaved
        self._onStored = onStored
        self._isSaving = False
        self.panel = SavePanel(self.save, self.saveAndNext, self.export)
        self.exporter = ExportController(self.panel, messages, exporter, self.show)

    def begin(self, opened: OpenCase) -> None:
        """Show the pseudonyms that were given before: the reader's, and of the case's person.

        A review that is resumed stays with the reader who began it.
        """
        settings = qt.QSettings()
        opened.review.reader = opened.review.reader or settings.value(_READER, "")
        self.panel.ui.readerEdit.text = opened.review.reader
        self.panel.ui.personEdit.text = settings.value(_personKey(opened), "")

    def save(self) -> None:
        """Save the corrected case as a training sample."""
        self._save(lambda: None)

    def saveAndNext(self) -> None:
        """Save the corrected case and open the next one of the worklist."""
        self._save(self._onSaved)

    def export(self, exportFormat: str) -> None:
        """Write the labels as they are now into a folder that the user chooses."""
        if opened := self._openCase():
            with self._messages.shown():
                opened.review.labels.requireSound()
                self.exporter.export(opened, exportFormat)

    def show(self) -> None:
        """Show what would be verified, and whether the case is saved as it is."""
        opened = self._openCase()
        if opened and not self._isSaving:
            review = opened.review
            left = sum(entry.status in ("to do", "skipped") for entry in review.queue.entries)
            self.panel.show(review.storedSample is not None, left)
            self.showVerified()

    def showVerified(self) -> None:
        """Show what would be verified."""
        opened = self._openCase()
        if opened and (proposed := self._proposed(opened)):
            case = opened.review.case
            names = {
                value: f"{side.capitalize()} {label.name}"
                for value, (side, label) in case.scheme.labels_of_sides().items()
            }
            self.panel.showVerified(proposed, names)

    def _proposed(self, opened: OpenCase) -> Reviewed | None:
        from MuscleFMSegmentLib.review.correction_saving import reviewedPart

        parameters = self._parameters()
        if parameters is None:
            return None
        return reviewedPart(opened.review.visits, parameters.reviewedExtent.value)

    def _verified(self, opened: OpenCase) -> Reviewed | None:
        """Return the part that the reader chose, or else the proposed one.

        Raises
        ------
        MuscleFMError
            What the reader wrote is no list of slices.
        """
        proposed = self._proposed(opened)
        if proposed is None or not self.panel.isChosenByReader:
            return proposed
        if proposed.kind == "slices":
            return replace(proposed, slices=parse_slices(self.panel.ui.verifiedEdit.text))
        # A muscle that the reader adds is verified as a whole.
        muscles = self.panel.checkedMuscles
        unseen = tuple(muscle for muscle in proposed.unseen if muscle.value in muscles)
        return replace(proposed, muscles=muscles, unseen=unseen)

    def _pseudonyms(self) -> tuple[str, str]:
        """Return those of the reader and the person.

        Raises
        ------
        MuscleFMError
            One holds what no pseudonym does.
        """
        from musclefm.corrections.review_log import check_pseudonym

        ui = self.panel.ui
        reader, person = ui.readerEdit.text.strip(), ui.personEdit.text.strip()
        check_pseudonym("reader", reader)
        check_pseudonym("person", person)
        return reader, person

    def _save(self, afterwards: Callable[[], None]) -> None:
        opened = self._openCase()
        if opened and not self._isSaving:
            with self._messages.shown():
                self._store(opened, afterwards)

    def _store(self, opened: OpenCase, afterwards: Callable[[], None]) -> None:
        from MuscleFMSegmentLib.review.correction_saving import Correction

        review = opened.review
        review.followEdits()
        review.labels.requireSound()
        review.noteTime()
        verified = self._verified(opened)
        if verified is None:
            return
        reader, person = self._pseudonyms()
        review.reader = reader
        correction = Correction.of(
            review.case, review.sidedVolume(), verified, review.carrying.unseen, reader
        )
        settings = qt.QSettings()
        settings.setValue(_READER, reader)
        settings.setValue(_personKey(opened), person)
        revision = review.revision

        def saved(sample: str) -> None:
            self._isSaving = False
            if review.revision == revision:
                review.noteStored(sample)
                opened.autosave()
            self.show()
            if self._openCase() is opened:
                self._onStored()
                afterwards()

        def failed(error: Exception) -> None:
            self._isSaving = False
            self.show()
            self._messages.showError(error)

        self._isSaving = True
        self.panel.showSaving()
        self._background.run(lambda: correction.store(opened.folder.input, person), saved, failed)


def _personKey(opened: OpenCase) -> str:
    """Return the key of Slicer's settings for whom a scan shows, whatever its file is called."""
    return _PERSON.format(scan=opened.review.case.provenance["input"]["sha256"][:16])
