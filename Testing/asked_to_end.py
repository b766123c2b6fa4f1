"""Asks a process to end, and measures what it still does before it obeys."""

from __future__ import annotations

import resource
import signal
import subprocess

import psutil

# Of computing: on a busy machine the clock says little. A user waits about as long.
CPU_SECONDS_TO_END = 2.0
# By the clock, against a process that sleeps instead.
SECONDS_TO_END = 30.0


def ended(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """Send a signal, require that the process ends soon, and return its standard error.

    No other child of the tests may end in the meantime, as its computing would be
    taken for the process's.
    """
    ended_before = _seconds(resource.getrusage(resource.RUSAGE_CHILDREN))
    begun = psutil.Process(process.pid)
    computed = 0.0
    for member in (*begun.children(recursive=True), begun):
        try:
            times = member.cpu_times()
        except psutil.NoSuchProcess:
            continue
        computed += times.user + times.system
    computed += begun.cpu_times().children_user + begun.cpu_times().children_system
    process.send_signal(number)
    _, said = process.communicate(timeout=SECONDS_TO_END)
    in_all = _seconds(resource.getrusage(resource.RUSAGE_CHILDREN)) - ended_before
    assert in_all - computed <= CPU_SECONDS_TO_END, said
    return str(said)


def _seconds(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime
