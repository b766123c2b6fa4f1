"""Draws the layers of the code, one row a layer, from the code itself.

Run from anywhere after a room was added, moved or removed::

    python Testing/packaging/draw_layers.py

A test compares the drawing with the code.
"""

from __future__ import annotations

import ast
import sys
from html import escape
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DRAWING = REPOSITORY / "Resources" / "Docs" / "layers.svg"
SOURCES = REPOSITORY / "MuscleFMSegment"
# The order is stated once, where it is checked.
STRUCTURE_TEST = REPOSITORY / "Testing" / "unit" / "test_structure.py"

WIDTH, ROW, GAP, MARGIN = 1180, 46, 10, 14
FILLS = {"musclefm": "#e3eef8", "MuscleFMSegmentLib": "#fdebd9", "MuscleFMSegment": "#fdebd9"}


def layers() -> list[tuple[str, ...]]:
    """Return the rooms of each layer, lowest first, as ``test_structure`` states them."""
    for node in ast.parse(STRUCTURE_TEST.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LAYERS":
            return list(ast.literal_eval(node.value))
    raise SystemExit(f"no LAYERS in {STRUCTURE_TEST}")


def purpose(room: str) -> str:
    """Return the first sentence of a room's docstring."""
    folder = SOURCES.joinpath(*room.split("."))
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    text = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n\n")[0]
    return " ".join(text.replace("``", "").split()).rstrip(".")


def drawing() -> str:
    """Return the picture: the highest layer above, imports go down."""
    rows = list(reversed(layers()))
    height = len(rows) * (ROW + GAP) + 2 * MARGIN + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="DejaVu Sans, Arial, sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="{MARGIN + 10}" font-size="13" fill="#444444">'
        "A room imports from the rows below its own only.</text>",
    ]
    for at, rooms in enumerate(rows):
        top = MARGIN + 24 + at * (ROW + GAP)
        width = (WIDTH - 2 * MARGIN - (len(rooms) - 1) * GAP) / len(rooms)
        for place, room in enumerate(rooms):
            left = MARGIN + place * (width + GAP)
            name = room.removeprefix("musclefm.").replace("MuscleFMSegmentLib.", "Lib ")
            parts.append(
                f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{ROW}" rx="5" '
                f'fill="{FILLS[room.split(".")[0]]}" stroke="#8899aa"/>'
                f'<text x="{left + 10:.1f}" y="{top + 18}" font-size="13" font-weight="bold" '
                f'fill="#1b2a3a">{escape(name)}</text>'
                f'<text x="{left + 10:.1f}" y="{top + 36}" font-size="11" fill="#33475b">'
                f"{escape(shortened(purpose(room), width))}</text>"
            )
    return "\n".join([*parts, "</svg>", ""])


def shortened(text: str, width: float) -> str:
    """Return as much of a text as a box of this width holds, at 6.1 units a letter."""
    most = int((width - 20) / 6.1)
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


if __name__ == "__main__":
    DRAWING.write_text(drawing(), "utf-8")
    sys.stdout.write(f"{DRAWING.relative_to(REPOSITORY)}\n")
