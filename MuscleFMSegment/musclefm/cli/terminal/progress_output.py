"""The three faces of progress: a bar for people, JSON lines for programs, or none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from typing import Literal

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from musclefm.cli.terminal.output import console, say_json
from musclefm.plain_text import printable
from musclefm.progress import Progress as ProgressReceiver
from musclefm.progress import ProgressEvent, silent

ProgressStyle = Literal["bar", "json", "none"]

PROGRESS_STYLES: tuple[ProgressStyle, ...] = ("bar", "json", "none")


@contextmanager
def progress_output(style: ProgressStyle) -> Iterator[ProgressReceiver]:
    """Give a receiver of progress in a style.

    ``json`` writes one object a line to standard output, with the keys stage,
    done, total and message. ``bar`` draws on standard error while that is a
    terminal, and takes the bars away at the end. Work is never ended because its
    progress cannot be written.
    """
    if style == "none":
        yield silent
    elif style == "json":
        yield _json_line
    else:
        terminal = console(stderr=True)
        with Progress(
            TextColumn("{task.description:<8}", markup=False),
            BarColumn(),
            TextColumn(
                "{task.completed:.0f}/{task.total:.0f} {task.fields[message]}", markup=False
            ),
            TimeRemainingColumn(),
            console=terminal,
            transient=True,
            disable=not terminal.is_terminal,
        ) as bars:
            yield _Bars(bars)


def _json_line(event: ProgressEvent) -> None:
    with suppress(OSError):
        say_json(asdict(replace(event, message=printable(event.message))))
        sys.stdout.flush()


class _Bars:
    """One bar a stage."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._of_stage: dict[str, TaskID] = {}

    def __call__(self, event: ProgressEvent) -> None:
        with suppress(OSError):
            self._show(event)

    def _show(self, event: ProgressEvent) -> None:
        if event.total == 0:
            self._bars.console.print(event.message, soft_wrap=True)
            return
        if event.stage not in self._of_stage:
            self._of_stage[event.stage] = self._bars.add_task(event.stage, message="")
        self._bars.update(
            self._of_stage[event.stage],
            completed=event.done,
            total=event.total,
            message=printable(event.message),
        )
