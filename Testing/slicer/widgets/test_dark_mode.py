"""Slicer's dark style: no colour is fixed, and every text can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playing import MODULE

READABLE = 4.5
SOURCES = [
    *(MODULE.parent / "Resources" / "UI").glob("*.ui"),
    *(MODULE.parent / "MuscleFMSegmentLib" / "widgets").glob("*.py"),
    *(MODULE.parent / "MuscleFMSegmentLib" / "controllers").glob("*.py"),
]
FIXED = re.compile(
    r"#[0-9a-fA-F]{3,8}\b|styleSheet|<color|\brgba?\(|QColor\([\"'\d]"
    r"|Qt\.(white|black|red|green|blue|yellow|gray|darkGray|lightGray)\b"
)
# Window, ink and so on of a dark style; the rest is Qt's.
DARK = {
    "Window": (45, 45, 48),
    "WindowText": (240, 240, 240),
    "Base": (28, 28, 30),
    "AlternateBase": (50, 50, 54),
    "Text": (240, 240, 240),
    "Button": (58, 58, 62),
    "ButtonText": (240, 240, 240),
    "Link": (110, 180, 255),
    "Highlight": (30, 90, 160),
    "HighlightedText": (255, 255, 255),
}


def test_the_panels_have_no_colours_of_their_own() -> None:
    found = {
        f"{path.name}: {match.group()}"
        for path in SOURCES
        for match in FIXED.finditer(path.read_text("utf-8"))
    }
    assert len(SOURCES) > 20 and found == set()


def luminance(colours: np.ndarray) -> np.ndarray:
    """Return the relative luminance of sRGB colours ``(N, 3)`` in 0 to 255."""
    share = colours / 255
    linear = np.where(share <= 0.03928, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


def contrast(picture: Any) -> float:
    """Return the contrast of a text with what it stands on, in a picture of it."""
    picture = picture.convertToFormat(picture.Format.Format_RGB888)
    data = np.frombuffer(picture.constBits(), np.uint8)
    lines = data.reshape(picture.height(), picture.bytesPerLine())[:, : 3 * picture.width()]
    colours, counts = np.unique(lines.reshape(-1, 3), axis=0, return_counts=True)
    light = luminance(colours)
    ground = light[np.argmax(counts)]
    high, low = np.maximum(light, ground), np.minimum(light, ground)
    return float(((high + 0.05) / (low + 0.05)).max())


def texts(form: Any, without: Any) -> Iterator[tuple[str, Any]]:
    """Yield each text that is seen but those of one widget, with a picture of it."""
    import qt

    shown = form.grab().toImage()
    for widget in form.findChildren(qt.QWidget):
        if without.isAncestorOf(widget) or not widget.isVisible() or not widget.isEnabled():
            continue
        place = widget.mapTo(form, qt.QPoint(0, 0))
        text = getattr(widget, "text", "")
        if isinstance(widget, (qt.QLabel, qt.QAbstractButton)) and any(map(str.isalpha, text)):
            height = widget.fontMetrics().height() + 8
            size = (widget.width, min(widget.height, height))
            yield str(text), shown.copy(place.x(), place.y(), *size)
        if isinstance(widget, qt.QTreeWidget):
            corner = widget.viewport().mapTo(form, qt.QPoint(0, 0))
            for n in range(1, 6):
                item = widget.topLevelItem(n)
                rect = widget.visualItemRect(item)
                # Right of the swatch, which has the colour of its segment.
                left, right = rect.x() + 20, rect.width() - 20
                where = (corner.x() + left, corner.y() + rect.y(), right, rect.height())
                yield item.text(0), shown.copy(*where)


@pytest.fixture(params=["light", "dark"])
def palette(application: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the application a light or a dark palette for a test."""
    import qt
    import slicer

    before = qt.QPalette(slicer.app.palette())
    if request.param == "dark":
        dark = qt.QPalette(before)
        for role, colour in DARK.items():
            dark.setColor(getattr(qt.QPalette, role), qt.QColor(*colour))
        slicer.app.setPalette(dark)
    yield request.param
    slicer.app.setPalette(before)


def test_every_text_can_be_read(palette: str, opened: Any, session: Any) -> None:
    session.keys("n")
    session.keys("k")
    session.keys("s")
    session.keys("m")
    opened.messages.show("something is said", "Do it", lambda: None)
    for name in ("segment", "save", "learn", "worklist", "muscles", "uncertainty"):
        getattr(opened.ui, f"{name}Section").collapsed = False
    session.process(100)
    # The buttons of Slicer's editor are Slicer's.
    shown = texts(opened.form, without=opened.control.correct.editor)
    found = {text: contrast(picture) for text, picture in shown}
    assert len(found) > 40
    assert {text: ratio for text, ratio in found.items() if ratio < READABLE} == {}
