"""What models, folders and the library say is shown as text, not obeyed."""

from __future__ import annotations

from typing import Any

HOSTILE = "\x1b]0;A\x07<img src='http://x/y'>\u202eB\u2028C"
SHOWN = "\ufffd]0;A\ufffd<img src='http://x/y'>\ufffdB C"
ESCAPED = "\ufffd]0;A\ufffd&lt;img src=&#x27;http://x/y&#x27;&gt;\ufffdB C"


def test_messages_and_logs_show_what_is_said(module: Any, session: Any) -> None:
    import qt

    module.messages.show(HOSTILE)
    assert module.messages.text == SHOWN
    label = module.messages._ui.messageLabel
    assert label.textFormat == qt.Qt.PlainText
    module.segment.log(HOSTILE)
    assert module.segment.ui.logText.plainText.splitlines() == [SHOWN]


def test_a_cell_and_its_tool_tip_show_the_text(module: Any) -> None:
    from MuscleFMSegmentLib.widgets.table_cells import plainToolTip, setCell

    table = module.worklist.panel.ui.caseTable
    table.setRowCount(1)
    setCell(table, 0, 0, HOSTILE)
    assert table.item(0, 0).text() == SHOWN
    assert table.item(0, 0).toolTip() == f"<span>{ESCAPED}</span>"
    assert plainToolTip("vastus lateralis") == "vastus lateralis"


def test_a_card_shows_all_its_fields_as_text(module: Any) -> None:
    from MuscleFMSegmentLib.widgets.model_card import cardHtml

    texts = ("name", "title", "version", "description", "intended_use", "scheme_title")
    model = dict.fromkeys((*texts, "training_data", "licence"), HOSTILE)
    lists = {"muscles": [HOSTILE], "channels": [HOSTILE], "metrics": {HOSTILE + "dsc": 0.5}}
    card = cardHtml(model | lists | {"members": 3, "fault": ""})
    assert "<img" not in card and "\x1b" not in card and "\u202e" not in card
    assert card.count(ESCAPED) == 10
    damaged = cardHtml({"name": HOSTILE, "fault": HOSTILE})
    assert damaged == f"<p><b>{ESCAPED}</b></p><p>{ESCAPED}</p>"


def test_a_card_with_a_hash_is_no_wider_than_the_panel(module: Any) -> None:
    from PySide6.QtGui import QTextDocument, QTextOption

    from MuscleFMSegmentLib.widgets.model_card import cardHtml

    texts = ("name", "title", "version", "description", "intended_use", "scheme_title", "licence")
    model = dict.fromkeys(texts, "x") | {"muscles": [], "channels": [], "metrics": {}}
    trained = f"Begun from sha256 {'2c03aacd' * 8} and then further."
    card = cardHtml(model | {"training_data": trained, "members": 3, "fault": ""})
    document, option = QTextDocument(), QTextOption()
    # As in a label.
    option.setWrapMode(QTextOption.WrapMode.WordWrap)
    document.setDefaultTextOption(option)
    document.setHtml(card)
    document.setTextWidth(360)
    (table,) = document.rootFrame().childFrames()
    assert document.documentLayout().frameBoundingRect(table).width() <= 360


def test_progress_is_plain_text(session: Any) -> None:
    from MuscleFMSegmentLib.process.progress_updates import eventOf

    event = eventOf('{"stage": "read", "done": 0, "total": 0, "message": "\\u001b[31mA\\u202e"}')
    assert event and event.message == "\ufffd[31mA\ufffd"
