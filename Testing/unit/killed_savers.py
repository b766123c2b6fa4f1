"""Kills processes at random moments while they store a sample; run as a script.

Arguments: a folder for stores, how many, a seed. Prints as JSON what was found.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from made_corrections import content, corrected_case

from musclefm.corrections.store import CorrectionStore
from musclefm.corrections.verification import verify_sample, verify_store

# How many kills there are for each that meets a store which is just being made.
NEW_STORE_EVERY = 12


def save_in_child(store, case):
    """Return the process id of a child that has begun to store a case."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, b"1")
            store.add(case)
        finally:
            os._exit(0)
    os.read(reading, 1)
    os.close(reading)
    os.close(writing)
    return child


def kill_within(child, seconds):
    """Kill a child after a time, and tell whether it was still there."""
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main(folder, kills, seed):
    """Kill savers, and look at the store after each."""
    store, case, rng = CorrectionStore(folder / "store"), corrected_case(), random.Random(seed)
    store.add(corrected_case(1))
    store.add(corrected_case(1))
    before = content(store.folder)
    begun = time.monotonic()
    for _ in range(10):
        os.waitpid(save_in_child(store, case), 0)
    longest = 1.3 * (time.monotonic() - begun) / 10
    known = set(store.ids())
    found = {"killed": 0, "half written": 0, "stored": 0, "faults": [], "lost": 0}
    for _ in range(kills):
        found["killed"] += kill_within(save_in_child(store, case), rng.uniform(0.0, longest))
        found["half written"] += any((store.folder / "samples").glob(".*"))
        now = set(store.ids())
        found["lost"] += len(known - now)
        found["stored"] += len(now - known)
        for name in now - known:
            found["faults"] += [fault.what for fault in verify_sample(store, name)]
        known = now
    store.add(case)
    found["faults"] += [fault.what for fault in verify_store(store)]
    found["hidden at the end"] = hidden(store)
    now = content(store.folder)
    found["earlier are as before"] = all(now[name] == before[name] for name in before)
    found["new stores"] = kills // NEW_STORE_EVERY
    found["new stores that work"] = 0
    for number in range(found["new stores"]):
        new = CorrectionStore(folder / f"new-{number}")
        kill_within(save_in_child(new, case), rng.uniform(0.0, longest))
        new.add(case)
        found["new stores that work"] += not (list(verify_store(new)) or hidden(new))
    print(json.dumps(found))


def hidden(store):
    """Return what no writer should have left behind."""
    return [path.name for path in store.folder.rglob(".*") if path.name != ".lock"]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
