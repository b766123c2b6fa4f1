"""Bars of the uncertain volume along the leg; a click goes to the slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

if TYPE_CHECKING:
    from musclefm.review.leg_profile import SliceUncertainty

_HEIGHT = 110
_LEFT, _TOP, _BOTTOM, _RIGHT = 34, 8, 20, 6
_TICK_EVERY_PX = 34

# Share of the palette's ink: of bars outside the regions to check, of lines, under the mouse.
_REST, _LINE, _HOVERED = 0.4, 0.2, 0.15


class LegProfilePlot(qt.QWidget):
    """The plot.

    Parameters
    ----------
    onSlice : callable
        Given the index of the slice that was clicked.
    """

    def __init__(self, onSlice: Callable[[int], None]) -> None:
        super().__init__()
        self._onSlice = onSlice
        self._bars: Sequence[SliceUncertainty] = ()
        self._current: int | None = None
        self._hovered: int | None = None
        self.setMinimumHeight(_HEIGHT)
        self.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)
        self.setMouseTracking(True)

    def setProfile(self, bars: Sequence[SliceUncertainty]) -> None:
        """Show the uncertain volume of each slice, inferior ones first."""
        self._bars = bars
        self._current = self._hovered = None
        self.setCursor(qt.QCursor(qt.Qt.PointingHandCursor if bars else qt.Qt.ArrowCursor))
        self.update()

    def setCurrent(self, index: int) -> None:
        """Mark a slice."""
        self._current = index
        self.update()

    def mousePressEvent(self, event: Any) -> None:
        """Go to the slice under the mouse."""
        bar = self._barAt(event.pos().x())
        if bar is not None:
            self.setCurrent(self._bars[bar].index)
            self._onSlice(self._bars[bar].index)

    def mouseMoveEvent(self, event: Any) -> None:
        """Name the slice under the mouse."""
        bar = self._barAt(event.pos().x())
        if bar != self._hovered:
            self._hovered = bar
            if bar is not None:
                text = _(
                    "Slice {index}: {all:.1f} mL uncertain, {flagged:.1f} mL in regions to check"
                )
                shown = self._bars[bar]
                self.setToolTip(
                    text.format(index=shown.index, all=shown.uncertain_ml, flagged=shown.flagged_ml)
                )
            self.update()

    def leaveEvent(self, event: Any) -> None:
        """Mark nothing under the mouse."""
        self._hovered = None
        self.update()

    def paintEvent(self, event: Any) -> None:
        """Draw the bars, the scale and the marks."""
        painter = qt.QPainter(self)
        painter.setRenderHint(qt.QPainter.Antialiasing, False)
        ink = self.palette.color(qt.QPalette.WindowText)
        faint = _thinned(ink, _LINE)
        width, height = self._plotSize()
        painter.setPen(faint)
        painter.drawLine(_LEFT, _TOP + height, _LEFT + width, _TOP + height)
        if self._bars:
            top = max(*(shown.uncertain_ml for shown in self._bars), 1e-6)
            painter.drawLine(_LEFT, _TOP, _LEFT + width, _TOP)
            painter.setPen(ink)
            self._text(painter, 0, _TOP - 8, _LEFT - 4, f"{top:.3g}", qt.Qt.AlignRight)
            self._drawBars(painter, top, ink)
        painter.end()

    def _drawBars(self, painter: Any, top: float, ink: Any) -> None:
        width, height = self._plotSize()
        step = width / len(self._bars)
        every = max(1, round(_TICK_EVERY_PX / step))
        gap = 1 if step > 3 else 0
        flagged, rest = self.palette.color(qt.QPalette.Highlight), _thinned(ink, _REST)
        for bar, shown in enumerate(self._bars):
            left, right = (_LEFT + round(edge * step) for edge in (bar, bar + 1))
            if bar == self._hovered:
                painter.fillRect(left, _TOP, right - left, height, _thinned(ink, _HOVERED))
            for volume, colour in ((shown.uncertain_ml, rest), (shown.flagged_ml, flagged)):
                tall = round(height * volume / top)
                width = max(1, right - left - gap)
                painter.fillRect(left, _TOP + height - tall, width, tall, colour)
            if shown.index == self._current:
                painter.setPen(ink)
                painter.drawRect(left, _TOP, right - left - 1, height)
            if bar % every == every // 2:
                painter.setPen(ink)
                middle = (left + right) // 2
                self._text(
                    painter,
                    middle - 20,
                    _TOP + height + 2,
                    40,
                    str(shown.index),
                    qt.Qt.AlignHCenter,
                )

    def _text(self, painter: Any, left: int, top: int, width: int, text: str, align: Any) -> None:
        painter.drawText(qt.QRect(left, top, width, 16), align | qt.Qt.AlignVCenter, text)

    def _plotSize(self) -> tuple[int, int]:
        return max(1, self.width - _LEFT - _RIGHT), max(1, self.height - _TOP - _BOTTOM)

    def _barAt(self, x: int) -> int | None:
        width, _height = self._plotSize()
        if not self._bars or not _LEFT <= x < _LEFT + width:
            return None
        return int((x - _LEFT) * len(self._bars) / width)


def _thinned(ink: Any, share: float) -> Any:
    """Return a colour that covers only so much of what lies beneath."""
    colour = qt.QColor(ink)
    colour.setAlphaF(share)
    return colour
