"""Cells of the panels' tables."""

from __future__ import annotations

from html import escape
from typing import Any

import qt
from slicer.i18n import tr as _

from musclefm.plain_text import printable

_SWATCH_PX = 12
_ROW_PX = 20


def millilitres(volume: float) -> str:
    """Return a volume with its unit."""
    return _("{volume:.1f} mL").format(volume=volume)


def setCell(
    table: Any,
    row: int,
    column: int,
    text: str,
    *,
    isNumber: bool = False,
    toolTip: str = "",
) -> None:
    """Set the text of a cell; its colour is the palette's own, light or dark.

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


def newTreeRow(stretched: int) -> Any:
    """Return a row for a tree that :func:`prepareTree` was given."""
    item = qt.QTreeWidgetItem()
    # The other columns are as wide as their texts.
    item.setSizeHint(stretched, qt.QSize(0, _ROW_PX))
    return item


def setTreeCell(
    item: Any, column: int, text: str, *, isNumber: bool = False, toolTip: str = ""
) -> None:
    """Set the text of a cell of a tree, as :func:`setCell` does for a table.

    Parameters
    ----------
    item : qt.QTreeWidgetItem
        Its row.
    column, text, isNumber, toolTip
        As in :func:`setCell`.
    """
    text = printable(text)
    if item.text(column) == text:
        return
    item.setText(column, text)
    item.setToolTip(column, plainToolTip(toolTip or text))
    if isNumber:
        item.setTextAlignment(column, qt.Qt.AlignRight | qt.Qt.AlignVCenter)


def setSwatch(item: Any, column: int, colour: tuple[float, float, float]) -> None:
    """Show the colour of a segment in a row of a tree.

    Parameters
    ----------
    item : qt.QTreeWidgetItem
        The row.
    column : int
        From 0.
    colour : tuple of float
        Red, green and blue in [0, 1].
    """
    shown = qt.QColor.fromRgbF(*colour)
    if item.data(column, qt.Qt.UserRole) == shown.name():
        return
    item.setData(column, qt.Qt.UserRole, shown.name())
    pixmap = qt.QPixmap(_SWATCH_PX, _SWATCH_PX)
    pixmap.fill(shown)
    item.setIcon(column, qt.QIcon(pixmap))


def plainToolTip(text: str) -> str:
    """Return what a tool tip is set to, so that it shows a text as it is.

    Qt takes a tool tip that looks like HTML for HTML.
    """
    text = printable(text)
    return f"<span>{escape(text)}</span>" if {"<", "&"} & set(text) else text


def prepareTable(table: Any, stretched: int) -> None:
    """Give a table tight rows, and the free width to one of its columns."""
    table.verticalHeader().setVisible(False)
    table.verticalHeader().setDefaultSectionSize(_ROW_PX)
    header = table.horizontalHeader()
    header.setHighlightSections(False)
    for column in range(table.columnCount):
        header.setSectionResizeMode(
            column,
            qt.QHeaderView.Stretch if column == stretched else qt.QHeaderView.ResizeToContents,
        )


def prepareTree(tree: Any, stretched: int) -> None:
    """Give a tree tight rows of one height, and the free width to one of its columns."""
    tree.setUniformRowHeights(True)
    tree.setIndentation(16)
    tree.setIconSize(qt.QSize(_SWATCH_PX, _SWATCH_PX))
    header = tree.header()
    header.setStretchLastSection(False)
    for column in range(tree.columnCount):
        header.setSectionResizeMode(
            column,
            qt.QHeaderView.Stretch if column == stretched else qt.QHeaderView.ResizeToContents,
        )
