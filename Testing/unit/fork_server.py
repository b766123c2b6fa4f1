"""Runs ``musclefm info`` on one file after another, each in a process of its own.

Started once, it imports the library and then forks, which takes milliseconds
where a new process takes a second. For each path on standard input it writes a
line of JSON: how the process ended, what it printed, what it took.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NoReturn

from musclefm.cli.main import build_parser, main

CPU_SECONDS = 20
MEMORY = 3 << 30
# For what waits without computing: no test of the speed.
SECONDS_AT_MOST = 180


def run(path: str, output: int) -> NoReturn:
    """Read a file as the command does, and end this process."""
    signal.alarm(SECONDS_AT_MOST)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY,) * 2)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    code = 1
    try:
        code = main(["info", path])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def serve() -> None:
    """Answer until standard input ends."""
    build_parser()
    for line in sys.stdin:
        with tempfile.TemporaryFile() as output:
            child = os.fork()
            if not child:
                run(json.loads(line), output.fileno())
            _, status, usage = os.wait4(child, 0)
            output.seek(0)
            answer = {
                "code": os.waitstatus_to_exitcode(status),
                "output": output.read(100_000).decode("utf-8", "replace"),
                "seconds": usage.ru_utime + usage.ru_stime,
                "megabytes": usage.ru_maxrss / 1024,
            }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
