"""Cells of the panels' tables."""

from __future__ import annotations

from html import escape
from typing import Any

import qt

from musclefm.plain_text import printable


def setCell(
    table: Any,
    row: int,
    column: int,
    text: str,
    *,
    isNumber: bool = False,
    toolTip: str = "",
    colour: str = "",
) -> None:
    """Set the text of a cell, and its colour where one is given.

    Parameters
    ----------
    table : qt.QTableWidget
        Whose cell it is.
    row, column : int
        From 0.
    text : str
        What it shows.
    isNumber : bool
        Numbers are set flush right.
    toolTip : str
        Shown in full where the mouse rests.
    colour : str
        Of the text, e.g. ``"#2a7f2a"``; the palette's own where empty.
    """
    text = printable(text)
    item = table.item(row, column)
    if item is None:
        item = qt.QTableWidgetItem()
        if isNumber:
            item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
        table.setItem(row, column, item)
    if item.text() == text:
        return
    item.setText(text)
    item.setToolTip(plainToolTip(toolTip or text))
    if colour:
        item.setForeground(qt.QBrush(qt.QColor(colour)))


def plainToolTip(text: str) -> str:
    """Return what a tool tip is set to, so that it shows a text as it is.

    Qt takes a tool tip that looks like HTML for HTML.
    """
    text = printable(text)
    return f"<span>{escape(text)}</span>" if {"<", "&"} & set(text) else text


def prepareTable(table: Any, stretched: int) -> None:
    """Give a table tight rows, and the free width to one of its columns."""
    table.verticalHeader().setVisible(False)
    table.verticalHeader().setDefaultSectionSize(22)
    header = table.horizontalHeader()
    header.setHighlightSections(False)
    for column in range(table.columnCount):
        header.setSectionResizeMode(
            column,
            qt.QHeaderView.Stretch if column == stretched else qt.QHeaderView.ResizeToContents,
        )
