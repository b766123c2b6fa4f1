"""Reader and person have pseudonyms that are remembered; the person's is kept as a hash alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playing import chooseVerified, openResults, settle

from musclefm.corrections.store import CorrectionStore


@pytest.fixture(autouse=True)
def settings(session: Any) -> Iterator[Any]:
    import qt

    settings = qt.QSettings()
    settings.remove("MuscleFMSegment")
    yield settings
    settings.remove("MuscleFMSegment")


def save(module: Any, session: Any, reader: str, person: str) -> None:
    ui = module.control.saving.panel.ui
    ui.readerEdit.text, ui.personEdit.text = reader, person
    chooseVerified(module, "whole case")
    session.click(ui.saveButton)
    settle(module, session)


def test_they_go_with_the_sample_and_come_back(
    opened: Any, session: Any, water: Any, results: Path, home: Path
) -> None:
    ui = opened.control.saving.panel.ui
    assert ui.readerEdit.text == "" and ui.personEdit.text == ""
    save(opened, session, "reader-1", " person-7 ")
    (sample,) = CorrectionStore().samples()
    assert sample.record.review.reader == "reader-1" and sample.record.subject_key
    kept = [path for path in home.rglob("*") if path.is_file()]
    assert kept and not any(b"person-7" in path.read_bytes() for path in kept)

    opened.control.close()
    assert ui.personEdit.text == ""
    openResults(opened, session, water, results)
    assert (ui.readerEdit.text, ui.personEdit.text) == ("reader-1", "person-7")
    save(opened, session, "reader-2", "")
    again = max(CorrectionStore().samples(), key=lambda found: found.record.saved_at)
    assert again.record.review.reader == "reader-2"
    assert again.record.subject_key == sample.record.subject_key


def test_a_review_that_is_resumed_stays_with_the_reader_who_began_it(
    opened: Any, session: Any, settings: Any
) -> None:
    saving, review = opened.control.saving, opened.control.openCase.review
    save(opened, session, "reader-1", "")
    assert review.session().reader == "reader-1"
    # Another one uses this computer meanwhile.
    settings.setValue("MuscleFMSegment/Reader", "reader-2")
    saving.begin(opened.control.openCase)
    assert saving.panel.ui.readerEdit.text == "reader-1"
    review.reader = ""
    saving.begin(opened.control.openCase)
    assert saving.panel.ui.readerEdit.text == review.session().reader == "reader-2"


@pytest.mark.parametrize(("reader", "person"), [("Dr. A B", ""), ("", "Jane Doe")])
def test_a_name_with_spaces_is_refused(
    opened: Any, session: Any, settings: Any, reader: str, person: str
) -> None:
    save(opened, session, reader, person)
    assert "pseudonym" in opened.messages.text
    assert opened.control.openCase.review.storedSample is None
    assert not [key for key in settings.allKeys() if key.startswith("MuscleFMSegment/")]
