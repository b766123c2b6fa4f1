"""Training the members of an ensemble side by side, each in a process of its own."""

from __future__ import annotations

import queue
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from musclefm.demo.member import MemberRecipe, train_member
from musclefm.demo.rendered_pool import SlicePool
from musclefm.errors import MuscleFMError
from musclefm.networks.architecture import SamArchitecture
from musclefm.networks.sam import MultiClassSam
from musclefm.progress import Progress, ProgressEvent


@dataclass(frozen=True)
class MemberTask:
    """One member to train.

    Attributes
    ----------
    index : int
        Its number in the ensemble.
    seed : int
        Of its initial weights and the order of its slices.
    held_out : frozenset of str
        Subjects it must not see: its fold's.
    """

    index: int
    seed: int
    held_out: frozenset[str]


def train_members(
    architecture: SamArchitecture,
    class_count: int,
    pool: SlicePool,
    recipe: MemberRecipe,
    tasks: list[MemberTask],
    work: Path,
    progress: Progress,
) -> list[MultiClassSam]:
    """Train all members at once, one thread each, and return them in order.

    A member that is found finished in ``work`` is not trained again, so a run
    that was cut short loses only what was under way.

    Parameters
    ----------
    architecture : SamArchitecture
        Of every member.
    class_count : int
        Classes with background.
    pool : SlicePool
        Slices of all subjects.
    recipe : MemberRecipe
        How each is trained.
    tasks : list of MemberTask
        The members.
    work : Path
        Folder for finished members.
    progress : Progress
        Called at the steps of all members together.

    Raises
    ------
    MuscleFMError
        A training process died.
    """
    context = get_context("spawn")
    steps: Queue[int] = context.Queue()
    open_tasks = [task for task in tasks if not _member_file(work, task, recipe).exists()]
    processes = [
        context.Process(
            target=_train_in_process,
            args=(
                architecture,
                class_count,
                pool.without(set(task.held_out)),
                recipe,
                task,
                work,
                steps,
            ),
            daemon=True,
        )
        for task in open_tasks
    ]
    for process in processes:
        process.start()
    done, total = 0, recipe.steps * len(open_tasks)
    while any(process.is_alive() for process in processes):
        try:
            done += steps.get(timeout=1.0)
        except queue.Empty:
            continue
        progress(ProgressEvent("train", done, total, f"{len(open_tasks)} members side by side"))
    if any(process.exitcode for process in processes):
        raise MuscleFMError("training of a member failed", "see the message above and run it again")
    members = []
    for task in tasks:
        member = MultiClassSam(architecture, class_count)
        member.load_state_dict(load_file(_member_file(work, task, recipe)))
        members.append(member.to(memory_format=torch.channels_last).eval())
    return members


def _member_file(work: Path, task: MemberTask, recipe: MemberRecipe) -> Path:
    settings = "-".join(str(value) for value in asdict(recipe).values())
    return work / f"member-{task.index}-seed-{task.seed}-{settings}.safetensors"


def _train_in_process(
    architecture: SamArchitecture,
    class_count: int,
    pool: SlicePool,
    recipe: MemberRecipe,
    task: MemberTask,
    work: Path,
    steps: Queue[int],
) -> None:
    torch.set_num_threads(1)

    def count(event: ProgressEvent) -> None:
        if event.done % 10 == 0:
            steps.put(10)

    member = train_member(architecture, class_count, pool, recipe, task.seed, count)
    final = _member_file(work, task, recipe)
    partial = final.with_suffix(".partial")
    state = {name: tensor.contiguous() for name, tensor in member.state_dict().items()}
    save_file(state, partial)
    partial.replace(final)
