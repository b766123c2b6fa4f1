"""The members of an ensemble on the machines of a Ray cluster, one a machine or GPU at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from musclefm.errors import MuscleFMError
from musclefm.inference.device import Runtime
from musclefm.pipeline.ray_cluster import on_machines, ray_cluster
from musclefm.progress import Progress, ProgressEvent, silent
from musclefm.training.fitting.checkpoint import MemberProgress, read_progress
from musclefm.training.members.member import FineTuningJob, train_member

_CHECK_EVERY_S = 1.0


def train_on_cluster(
    job: FineTuningJob, address: str, runtime: Runtime, progress: Progress
) -> list[MemberProgress]:
    """Train all members of a job, and return them in order.

    Parameters
    ----------
    job : FineTuningJob
        Whose tiles are written. All machines reach its folders by the same paths.
    address, runtime, progress
        As of :func:`run_on_cluster`.

    Raises
    ------
    MuscleFMError
        As of :func:`run_on_cluster`.
    """
    members = job.member_count()
    run_on_cluster(partial(_train, job), members, address, runtime, progress)
    states = [read_progress(job.state_file(member)) for member in range(members)]
    return [state for state in states if state is not None]


def run_on_cluster(
    train: Callable[[int, Runtime], object],
    count: int,
    address: str,
    runtime: Runtime,
    progress: Progress,
) -> None:
    """Train several networks side by side.

    Parameters
    ----------
    train : callable
        Takes the number of a network, from 0, and where it runs; can be pickled.
    count : int
        Networks.
    address : str
        Of the cluster's head, see :func:`ray_cluster`.
    runtime : Runtime
        Each network gets a CPU or, where it is one, a GPU.
    progress : Progress
        Called whenever one is done.

    Raises
    ------
    MuscleFMError
        Ray is not installed, the cluster cannot be reached, or a training failed.
    """
    with ray_cluster(address) as ray:
        run = on_machines(ray, _run, runtime)
        waiting = [run.remote(train, number, runtime) for number in range(count)]
        machines: set[str] = set()
        while waiting:
            ready, waiting = ray.wait(waiting, timeout=_CHECK_EVERY_S)
            try:
                machines.update(ray.get(ready))
            except ray.exceptions.RayTaskError as error:
                cause = error.cause
                if isinstance(cause, MuscleFMError):
                    raise cause from error
                raise MuscleFMError(
                    f"training of a member failed on the cluster ({type(cause).__name__})",
                    "see the logs of Ray, and start the same training again",
                ) from error
            done = count - len(waiting)
            message = f"{done} of {count} members, on {len(machines)} machines"
            progress(ProgressEvent("train", done, count, message))


def _train(job: FineTuningJob, member: int, runtime: Runtime) -> None:
    train_member(job, member, runtime, silent)


def _run(train: Callable[[int, Runtime], object], number: int, runtime: Runtime) -> str:
    """Train a network, and return the machine that did."""
    import ray

    # Ray shows each its own GPU only, as the first one.
    train(number, replace(runtime, device=torch.device(runtime.device.type)))
    machine: str = ray.get_runtime_context().get_node_id()
    return machine
