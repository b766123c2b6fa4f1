"""Work beside Slicer's main thread, for arrays and files; never for MRML or Qt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# So long the other thread gets the interpreter at every look after it: Slicer's own event
# loop may never let go of it.
_LET_GO_S = 0.005


@dataclass
class _Task:
    work: Callable[[], Any]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None]
    finished: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    error: Exception | None = None

    def run(self) -> None:
        try:
            self.result = self.work()
        except Exception as error:
            self.error = error
        finally:
            self.finished.set()

    def report(self) -> None:
        if self.error is None:
            self.done(self.result)
        else:
            self.failed(self.error)


class Background:
    """One task after another in a second thread; their outcomes are reported on the main thread.

    Parameters
    ----------
    timer : qt.QTimer
        Calls :meth:`poll` while there is work.
    """

    def __init__(self, timer: Any) -> None:
        self._timer = timer
        timer.interval = 20
        timer.connect("timeout()", self.poll)
        self._tasks: list[_Task] = []

    @property
    def isBusy(self) -> bool:
        """Whether any work is not finished."""
        return bool(self._tasks)

    def run(
        self,
        work: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Do work, then call ``done`` with its result or ``failed`` with its exception."""
        self._tasks.append(_Task(work, done, failed))
        if len(self._tasks) == 1:
            self._start()

    def then(self, act: Callable[[], None]) -> None:
        """Call a function once all work so far is done and reported: now, where there is none."""
        if self._tasks:
            self.run(lambda: None, lambda nothing: act(), lambda error: None)
        else:
            act()

    def poll(self) -> None:
        """Look after the work; called by the timer."""
        if not self._tasks:
            self._timer.stop()
            return
        time.sleep(_LET_GO_S)
        task = self._tasks[0]
        if not task.finished.is_set():
            return
        self._tasks.pop(0)
        if self._tasks:
            self._start()
        task.report()

    def wait(self) -> None:
        """Finish all work now."""
        while self._tasks:
            self._tasks[0].finished.wait()
            self.poll()

    def _start(self) -> None:
        threading.Thread(target=self._tasks[0].run, daemon=True).start()
        self._timer.start()
