"""qMRMLSegmentsTableView: the segments of a segmentation, with colour and status."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from harness.pythonqt.fake import stored
from harness.widgets.mrml_widgets import qMRMLWidget
from harness.widgets.observations import Observations

COLUMNS = ("Colour", "Name", "Status")
IDENTIFIER = QtCore.Qt.ItemDataRole.UserRole


class qMRMLSegmentsTableView(qMRMLWidget):
    """A table of the real segments; what is selected is reported."""

    selectionChanged = QtCore.Signal(QtCore.QItemSelection, QtCore.QItemSelection)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._node = None
        self._observations = Observations(self)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._table = QtWidgets.QTableWidget(0, len(COLUMNS), self)
        self._table.setHorizontalHeaderLabels(COLUMNS)
        self._table.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
        self._table.verticalHeader().hide()
        self._table.verticalHeader().setDefaultSectionSize(22)
        self._table.horizontalHeader().setStretchLastSection(True)
        self._table.setMinimumHeight(130)
        layout.addWidget(self._table)
        self._table.selectionModel().selectionChanged.connect(self.selectionChanged)

    def tableWidget(self) -> QtWidgets.QTableWidget:
        return self._table

    def segmentationNode(self) -> Any:
        return self._node

    def setSegmentationNode(self, node: Any) -> None:
        self._observations.clear()
        self._node = node
        if node is not None:
            for event in (
                slicer.vtkSegmentation.SegmentAdded,
                slicer.vtkSegmentation.SegmentRemoved,
                slicer.vtkSegmentation.SegmentModified,
                slicer.vtkSegmentation.SegmentsOrderModified,
            ):
                self._observations.add(node, event, self._onSegments)
            self._observations.add(node, vtk.vtkCommand.DeleteEvent, self._onDeleted)
        self._fill()

    def _onSegments(self, caller: Any, event: str) -> None:
        self._fill()

    def _onDeleted(self, caller: Any, event: str) -> None:
        self._node = None
        self._table.setRowCount(0)

    def _fill(self) -> None:
        chosen = self.selectedSegmentIDs()
        identifiers = list(self._node.GetSegmentation().GetSegmentIDs()) if self._node else []
        self._table.selectionModel().blockSignals(True)
        self._table.setRowCount(len(identifiers))
        for row, identifier in enumerate(identifiers):
            for column, item in enumerate(self._items(identifier)):
                item.setData(IDENTIFIER, identifier)
                self._table.setItem(row, column, item)
        self._table.resizeColumnsToContents()
        self._table.clearSelection()
        self._select(chosen)
        self._table.selectionModel().blockSignals(False)

    def _items(self, identifier: str) -> tuple[QtWidgets.QTableWidgetItem, ...]:
        segment = self._node.GetSegmentation().GetSegment(identifier)
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        status = logic.GetSegmentStatusAsHumanReadableString(logic.GetSegmentStatus(segment))
        colour = QtWidgets.QTableWidgetItem()
        colour.setBackground(QtGui.QColor.fromRgbF(*segment.GetColor()))
        name = QtWidgets.QTableWidgetItem(segment.GetName())
        return colour, name, QtWidgets.QTableWidgetItem(status)

    def segmentIDForRow(self, row: int) -> str:
        item = self._table.item(row, 0)
        return item.data(IDENTIFIER) if item else ""

    def rowForSegmentID(self, identifier: str) -> int:
        identifiers = self.displayedSegmentIDs()
        return identifiers.index(identifier) if identifier in identifiers else -1

    def displayedSegmentIDs(self) -> list[str]:
        return [self.segmentIDForRow(row) for row in range(self._table.rowCount)]

    def selectedSegmentIDs(self) -> list[str]:
        rows = {index.row() for index in self._table.selectionModel().selectedRows()}
        return [self.segmentIDForRow(row) for row in sorted(rows)]

    def setSelectedSegmentIDs(self, identifiers: list[str]) -> None:
        self._table.clearSelection()
        self._select(identifiers)

    def clearSelection(self) -> None:
        self._table.clearSelection()

    def _select(self, identifiers: list[str]) -> None:
        for identifier in identifiers:
            row = self.rowForSegmentID(identifier)
            if row >= 0:
                self._table.selectRow(row)

    def _showColumns(self) -> None:
        self._table.setColumnHidden(0, not self.colorColumnVisible)
        self._table.setColumnHidden(2, not self.statusColumnVisible)
        self._table.horizontalHeader().setVisible(self.headerVisible)

    segmentCount = QtCore.Property(int, lambda self: self._table.rowCount)
    colorColumnVisible = stored(bool, True, _showColumns)
    statusColumnVisible = stored(bool, True, _showColumns)
    headerVisible = stored(bool, True, _showColumns)
    opacityColumnVisible = stored(bool, True)
    visibilityColumnVisible = stored(bool, True)
    layerColumnVisible = stored(bool, False)
    filterBarVisible = stored(bool, False)
    readOnly = stored(bool, False)
    jumpToSelectedSegmentEnabled = stored(bool, False)
