"""A Ray cluster, for members to be trained and cases to be segmented on several machines."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from musclefm.errors import MuscleFMError
from musclefm.inference.device import Runtime


@contextmanager
def ray_cluster(address: str) -> Iterator[Any]:
    """Connect to a Ray cluster and yield the module ``ray``; what runs there ends with this.

    Parameters
    ----------
    address : str
        Of the cluster's head, e.g. ``"10.0.0.5:6379"``, or ``"auto"``.

    Raises
    ------
    MuscleFMError
        Ray is not installed, or the cluster cannot be reached.
    """
    if not importlib.util.find_spec("ray"):
        raise MuscleFMError(
            "Ray is not installed", "run: python -m pip install 'musclefm[ray]', on all machines"
        )
    import ray

    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise MuscleFMError(
            "the Ray cluster cannot be reached", "start it with 'ray start', or check its address"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def on_machines(ray: Any, work: Callable[..., Any], runtime: Runtime, **options: object) -> Any:
    """Return work as a Ray task that takes a CPU or, where the runtime is one, a GPU."""
    gpus = 1 if runtime.device.type == "cuda" else 0
    task = ray.remote(work)
    return task.options(num_cpus=1, num_gpus=gpus, scheduling_strategy="SPREAD", **options)
