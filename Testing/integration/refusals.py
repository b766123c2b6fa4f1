"""What a refused command is held to: one line, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

Run = Callable[[list[str]], tuple[int, str, str]]
Refused = Callable[..., str]

# Of the folder that scans of these tests lie in.
NAMED = "Doe-Jane"


def content(folder: Path) -> dict[str, bytes | None]:
    """Return all that lies under a folder, hidden or not, but the empty file of a lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.name != ".lock"
    }


def said_in_one_line(run: Run, arguments: Sequence[object], folder: Path) -> str:
    """Require that a command is refused, and leaves a folder as it was; return its one line."""
    before = content(folder)
    code, out, said = run([str(argument) for argument in arguments])
    assert code == 2, out + said
    assert out == ""
    assert said.count("\n") == 1, said
    assert said.startswith("musclefm: ")
    # Cause and remedy.
    assert said.count(": ") >= 2
    assert NAMED not in said and str(folder) not in said
    assert content(folder) == before
    return said
