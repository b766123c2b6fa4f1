"""The cases of a worklist on the machines of a Ray cluster; a lost machine costs only its case."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from musclefm.errors import MuscleFMError
from musclefm.inference.device import Runtime
from musclefm.models.bundle import Bundle
from musclefm.pipeline.find_cases import CaseFiles
from musclefm.pipeline.process_worklist import in_turn, process_case
from musclefm.pipeline.ray_cluster import on_machines, ray_cluster
from musclefm.pipeline.worklist import Worklist
from musclefm.progress import Progress, ProgressEvent, silent

_log = logging.getLogger(__name__)

# Who cancels waits no longer for the next event.
_CHECK_EVERY_S = 0.2
_LOST = MuscleFMError(
    "the machine was lost twice while it segmented this scan",
    "segment it alone to see why, or give the same command again to try it once more",
)
_Segment = Callable[[Worklist, CaseFiles, Bundle, Runtime, Progress], bool]


def process_on_cluster(
    worklist: Worklist, bundle: Bundle, runtime: Runtime, address: str, progress: Progress
) -> None:
    """Segment a worklist as :func:`process_worklist` does, side by side on several machines.

    A case whose machine is lost is tried once more, on another.

    Parameters
    ----------
    worklist, bundle
        As of :func:`process_worklist`. All machines reach their folders, and the scans,
        by the same paths.
    runtime : Runtime
        Each case gets a CPU or, where it is one, a GPU.
    address : str
        Of the cluster's head, see :func:`ray_cluster`.
    progress : Progress
        Called several times a second as stage ``"worklist"``.

    Raises
    ------
    MuscleFMError
        As :func:`process_worklist` and :func:`ray_cluster`.
    """
    bundle.require_ready()
    worklist.forget_failed()
    total = len(worklist.cases)
    here = Path.cwd()
    machines: set[str] = set()
    with ray_cluster(address) as ray:
        worklist.run_elsewhere(worklist.cases)
        shared = ray.put(worklist)
        task = on_machines(ray, _on_machine, runtime, max_retries=1)

        def attempt(cases: Sequence[CaseFiles]) -> list[CaseFiles]:
            held = []
            begun = {task.remote(process_case, shared, x, bundle, runtime, here): x for x in cases}
            waiting = list(begun)
            while waiting:
                ready, waiting = ray.wait(waiting, timeout=_CHECK_EVERY_S)
                for each in ready:
                    try:
                        free, machine = ray.get(each)
                    except ray.exceptions.RayTaskError as error:
                        raise _cause(error) from error
                    except ray.exceptions.RayError:
                        worklist.note(begun[each], "failed", fault=str(_LOST))
                        continue
                    machines.add(machine)
                    held += [] if free else [begun[each]]
                done = total - len(waiting) - len(held)
                message = f"{done} of {total} cases, on {len(machines)} machines"
                progress(ProgressEvent("worklist", done, total, message))
            return held

        # Once more: what had them may have been lost since.
        if (held := attempt(in_turn(worklist))) and (still := attempt(held)):
            _log.info("%d cases are left to another program, which segments them now", len(still))


def _on_machine(
    segment: _Segment,
    worklist: Worklist,
    case: CaseFiles,
    bundle: Bundle,
    runtime: Runtime,
    here: Path,
) -> tuple[bool, str]:
    """Segment a case; return whether it was free, and the machine."""
    import ray

    # Where paths are given in full, it need not be there.
    with contextlib.suppress(OSError):
        os.chdir(here)
    # Ray shows each case its own GPU only, as the first one.
    mine = replace(runtime, device=torch.device(runtime.device.type))
    free = segment(worklist, case, bundle, mine, silent)
    return free, ray.get_runtime_context().get_node_id()


def _cause(error: Any) -> MuscleFMError:
    """Return why no case can be segmented; what is wrong with one is noted where it is."""
    if isinstance(error.cause, MuscleFMError):
        return error.cause
    return MuscleFMError(
        f"segmenting on the cluster failed ({type(error.cause).__name__})",
        "check that all machines have this version of musclefm and reach the same folders",
    )
