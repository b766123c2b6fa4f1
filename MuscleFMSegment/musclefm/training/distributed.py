"""Processes that train one network together, as torchrun starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, distributed

from musclefm.inference.device import Runtime


@dataclass(frozen=True)
class DistributedContext:
    """This process among those that train together.

    Attributes
    ----------
    rank : int
        Its number, from 0.
    size : int
        How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main_process(self) -> bool:
        """Whether this process writes what one alone must write."""
        return self.rank == 0

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes, without its gradient."""
        total = values.detach().clone()
        if self.size > 1:
            distributed.all_reduce(total)
        return total

    def barrier(self) -> None:
        """Wait until all processes have come here."""
        if self.size > 1:
            distributed.barrier()


SINGLE_PROCESS = DistributedContext()


@contextmanager
def distributed_context(runtime: Runtime) -> Iterator[tuple[DistributedContext, Runtime]]:
    """Join the processes that torchrun started; alone without it.

    Yields
    ------
    context : DistributedContext
        Rank of this process, and how many there are.
    runtime : Runtime
        As given, on a GPU of its own where it is a GPU.
    """
    if not _launched_together():
        yield SINGLE_PROCESS, runtime
        return
    on_gpu = runtime.device.type == "cuda"
    if on_gpu:
        local = int(os.environ.get("LOCAL_RANK", "0"))
        runtime = replace(runtime, device=torch.device("cuda", local))
        torch.cuda.set_device(runtime.device)
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield DistributedContext(distributed.get_rank(), distributed.get_world_size()), runtime
    finally:
        distributed.destroy_process_group()


def _launched_together() -> bool:
    """Tell whether torchrun started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1
