"""Two machines of a Ray cluster: members are trained and cases segmented side by side.

Ray takes seconds to start, so both tests that need it share one cluster.
"""

import contextlib
import dataclasses
import os
import sys
from functools import partial
from types import SimpleNamespace

import psutil
import pytest
import ray
from made_training import SHORT, made_store, same
from ray.cluster_utils import Cluster
from safetensors.torch import load_file
from slow_worklist import process_slowly, write_empty_results
from tiny_ensemble import tiny_bundle

from musclefm.cli.commands.worklist import kept_cases
from musclefm.inference.device import choose_runtime
from musclefm.pipeline import process_worklist as processing
from musclefm.pipeline import worklist_cluster
from musclefm.pipeline.worklist import Worklist
from musclefm.progress import WorkCancelledError, silent
from musclefm.training.data.labelled_tiles import LabelledCases
from musclefm.training.plan import TrainingPlan
from musclefm.training.train import train_ensemble

CPU = choose_runtime("cpu", "fp32")


@pytest.fixture(scope="module")
def cluster():
    """Return a cluster of two machines, which both find what lies beside these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        patch.setenv("OMP_NUM_THREADS", "1")
        # Else tasks wait for all else that a busy machine does.
        patch.setenv("RAY_worker_niceness", "0")
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        try:
            made.add_node(num_cpus=1)
            yield made
        finally:
            made.shutdown()


@pytest.fixture
def worklist(tmp_path):
    (tmp_path / "scans").mkdir()
    for number in (1, 2, 3):
        (tmp_path / "scans" / f"{number}.nii").write_bytes(b"x")
    return Worklist(tmp_path / "scans", tmp_path / "list")


def statuses(worklist):
    return {state.path.stem: state.status for state in worklist.states()}


def test_members_are_trained_on_two_machines(cluster, tmp_path):
    start, data = tiny_bundle(tmp_path / "start", 2), made_store(tmp_path / "store", 3)
    recipe = dataclasses.replace(SHORT, members=2, epochs=2)
    reported = []
    plan = TrainingPlan(
        start, LabelledCases(data), recipe, tmp_path / "cluster", tmp_path / "a", "new", "1",
        cluster=cluster.address,
    )  # fmt: skip
    train_ensemble(plan, CPU, reported.append)
    assert "2 of 2 members, on 2 machines" in {event.message for event in reported}
    here = dataclasses.replace(plan, cluster=None, out=tmp_path / "here", work=tmp_path / "b")
    train_ensemble(here, CPU, silent)
    for member in range(len(list((tmp_path / "here").glob("member-*.safetensors")))):
        name = f"member-{member}.safetensors"
        assert same(load_file(tmp_path / "here" / name), load_file(tmp_path / "cluster" / name))


def test_a_lost_machine_costs_only_its_case(cluster, worklist, tmp_path, monkeypatch):
    journal = tmp_path / "journal"
    monkeypatch.setattr(worklist_cluster, "process_case", partial(process_slowly, journal))
    reported = []

    def tried():
        lines = journal.read_text().splitlines() if journal.exists() else []
        return [line.split() for line in lines]

    def lose_one(event):
        reported.append(event)
        assert len(reported) < 2000, tried()
        if len(tried()) == 2 and len(cluster.worker_nodes) == 1:
            parents = {int(pid): psutil.Process(int(pid)).ppid() for pid, _case in tried()}
            cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
            # A machine that is lost takes the case's process with it.
            for pid, parent in parents.items():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if psutil.Process(pid).ppid() != parent:
                        psutil.Process(pid).kill()
            for number in (1, 2, 3):
                journal.with_name(f"journal.{number}").touch()

    worklist_cluster.process_on_cluster(
        worklist, tiny_bundle(tmp_path / "model", 1), CPU, cluster.address, lose_one
    )
    assert set(statuses(worklist).values()) == {"ready"}
    assert len({process for process, _case in tried()[:2]}) == 2
    assert len(tried()) == 4 and {case for _process, case in tried()} == {"1", "2", "3"}
    assert (reported[-1].done, reported[-1].total) == (3, 3)


class RayHere:
    """Runs tasks in this process; what is named to it is lost."""

    exceptions = ray.exceptions

    def __init__(self, lost=()):
        self.lost = lost

    def put(self, value):
        return value

    def task(self, _ray, work, runtime, **options):
        return SimpleNamespace(remote=lambda *given: partial(self.run, *given))

    def run(self, segment, worklist, case, bundle, runtime, here):
        if case.path.stem in self.lost:
            raise ray.exceptions.WorkerCrashedError
        return segment(worklist, case, bundle, runtime, silent), "here"

    def wait(self, waiting, timeout):
        return waiting[:1], waiting[1:]

    def get(self, each):
        return each()


@pytest.fixture
def process(worklist, tmp_path, monkeypatch):
    """Return a function that processes the worklist without a cluster."""
    bundle = tiny_bundle(tmp_path / "model", 1)

    def run(here, progress=silent):
        monkeypatch.setattr(worklist_cluster, "ray_cluster", lambda _: contextlib.nullcontext(here))
        monkeypatch.setattr(worklist_cluster, "on_machines", here.task)
        worklist_cluster.process_on_cluster(worklist, bundle, CPU, "here", progress)

    def segment(case, folder, *others):
        write_empty_results(folder / "results", bundle.sha256)

    monkeypatch.setattr(processing, "_segment", segment)
    return run


def test_a_case_that_is_lost_again_and_again_fails_and_is_tried_anew(worklist, process):
    process(RayHere(lost={"2"}))
    assert statuses(worklist) == {"1": "ready", "2": "failed", "3": "ready"}
    (fault,) = (state.fault for state in worklist.states() if state.fault)
    assert "lost twice" in fault
    process(RayHere())
    assert set(statuses(worklist).values()) == {"ready"}


def test_stopped_it_keeps_what_is_done_and_lets_the_rest_wait(worklist, process):
    worklist.note(worklist.cases[1], "running")

    def stop(event):
        if event.done == 1:
            raise WorkCancelledError

    with pytest.raises(WorkCancelledError):
        process(RayHere(), stop)
    assert kept_cases(worklist).startswith("1 finished case is kept")
    assert sorted(statuses(worklist).values()) == ["ready", "waiting", "waiting"]
