"""How much memory there is for an image."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

# Control groups, which limit the memory of a container: version 2, then version 1.
_GROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (
        Path("/sys/fs/cgroup/memory"),
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)


def free_memory() -> int:
    """Return how many bytes can be taken without swapping, or ending a container."""
    free = int(psutil.virtual_memory().available)
    for folder, most, used, reclaimable in _GROUPS:
        # Missing, or "max" where there is no limit.
        with contextlib.suppress(OSError, ValueError):
            left = int((folder / most).read_text()) - int((folder / used).read_text())
            statistics = dict(
                line.split() for line in (folder / "memory.stat").read_text().splitlines()
            )
            free = min(free, left + int(statistics.get(reclaimable, 0)))
    # A limit of the process, as of ulimit -v, which only Linux tells.
    if hasattr(psutil, "RLIMIT_AS"):
        process = psutil.Process()
        limit, _ = process.rlimit(psutil.RLIMIT_AS)
        if limit != psutil.RLIM_INFINITY:
            free = min(free, limit - process.memory_info().vms)
    return max(free, 0)
