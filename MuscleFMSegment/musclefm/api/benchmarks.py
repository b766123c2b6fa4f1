"""Systems that learn from the same cases, compared on others: the table of Casali et al. 2025."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from musclefm.defaults import DEFAULT_DEVICE
from musclefm.errors import MuscleFMError
from musclefm.progress import ProgressEvent, watched
from musclefm.storage.work_folder import check_work_folder

if TYPE_CHECKING:
    from musclefm.benchmark.plan import BenchmarkPlan
    from musclefm.results.benchmark.table import Benchmark

_log = logging.getLogger(__name__)


def run_benchmark(
    plan: str | os.PathLike[str] | BenchmarkPlan,
    out: str | os.PathLike[str],
    *,
    jobs: int = 1,
    cluster: str | None = None,
    device: str = DEFAULT_DEVICE,
    precision: str = "auto",
    progress: Callable[[ProgressEvent], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Benchmark:
    """Train several systems on the same folds of subjects, and compare them on others.

    Killed or cancelled, it resumes when it is called again with the same plan and folder:
    finished folds and cases are not done again.

    Parameters
    ----------
    plan : path or BenchmarkPlan
        A JSON file: data, systems, folds, seed, budget; see ``Resources/Docs/benchmark.md``.
    out : path
        New or empty folder, or one of the same benchmark, for all that is kept:
        ``benchmark.html``, ``benchmark.csv``, ``benchmark.json``, and of each system its
        networks and its evaluation.
    jobs : int
        Folds that are trained at a time.
    cluster : str, optional
        Address of a Ray cluster, on which folds are trained side by side.
    device, precision, progress, cancel
        As of :func:`segment`.

    Returns
    -------
    Benchmark
        Of each system its folds and its ensemble; ``rows`` are those of the table.

    Raises
    ------
    MuscleFMError
        The plan is not valid, a system cannot run, there are too few subjects, or something
        cannot be read or written.
    WorkCancelledError
        It was cancelled; what was finished is kept in ``out``.

    Examples
    --------
    >>> import musclefm
    >>> musclefm.run_benchmark("no-such-plan.json", "benchmark")
    Traceback (most recent call last):
    musclefm.errors.MuscleFMError: the plan cannot be read (No such file or directory): ...
    """
    report = watched(progress, cancel)
    if jobs < 1:
        raise MuscleFMError("jobs must be above 0", "raise it")
    out = Path(out)
    check_work_folder(out)
    # Imported late: torch takes seconds.
    from musclefm.benchmark import run
    from musclefm.benchmark.plan import BenchmarkPlan, read_plan
    from musclefm.inference.device import choose_runtime

    known = plan if isinstance(plan, BenchmarkPlan) else read_plan(Path(plan))
    runtime = choose_runtime(device, precision)
    _log.info("benchmark of %d systems, on %s", len(known.systems), runtime.description)
    return run.run_benchmark(known, out, runtime, report, jobs, cluster)
