"""A fine-tuning as it lies on disk: what any process, on any machine, trains a member from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from musclefm.inference.device import Runtime
from musclefm.models.bundle import Bundle, open_bundle
from musclefm.networks.network import SegmentationNetwork
from musclefm.progress import Progress, ProgressEvent
from musclefm.storage.work_folder import state_file
from musclefm.training.data.batches import Source, TileSource
from musclefm.training.data.embeddings import EmbeddingSource
from musclefm.training.data.split import SubjectSplit, split_subjects
from musclefm.training.data.tiles import TileFolder, Tiles
from musclefm.training.distributed import SINGLE_PROCESS, DistributedContext
from musclefm.training.fitting.checkpoint import EpochRecord, MemberProgress, read_progress
from musclefm.training.fitting.fit import MemberTiles, fit_member
from musclefm.training.fitting.initial_weights import starting_member
from musclefm.training.fitting.log import BoardLog
from musclefm.training.recipe import FineTuning


@dataclass(frozen=True)
class FineTuningJob:
    """What a member is trained from.

    Attributes
    ----------
    start : Path
        Folder of the bundle.
    recipe : FineTuning
        How the members are trained.
    work : Path
        Folder for all that is under way: ``tiles``, ``embeddings``, ``tensorboard``
        and a file for the state of each member.
    """

    start: Path
    recipe: FineTuning
    work: Path

    @property
    def tiles(self) -> Path:
        """Folder of the tiles."""
        return self.work / "tiles"

    @property
    def embeddings(self) -> Path:
        """Folder of the image embeddings."""
        return self.work / "embeddings"

    def state_file(self, member: int) -> Path:
        """Return the file of a member's state."""
        return state_file(self.work, member)

    def member_count(self) -> int:
        """Return how many members are trained."""
        known = open_bundle(self.start, verify=False).manifest.members
        return self.recipe.member_count(len(known))

    def split(self, tiles: TileFolder) -> SubjectSplit:
        """Return who is learned from.

        Raises
        ------
        MuscleFMError
            There are too few subjects.
        """
        recipe = self.recipe
        subjects = tiles.subjects[~tiles.self_labelled].tolist()
        return split_subjects(
            subjects, recipe.held_out, recipe.validation, recipe.folds, recipe.seed
        )

    def trained_on(self, tiles: TileFolder, member: int) -> Tiles:
        """Return the tiles that a member learns from, some of them more than once.

        Raises
        ------
        MuscleFMError
            There are too few subjects.
        """
        labelled = tiles.of(self.split(tiles).trained_on(member))
        self_labelled = np.flatnonzero(tiles.self_labelled)
        share = self.recipe.self_labelled if len(self_labelled) else 0.0
        count = round(len(labelled) * share / (1 - share))
        return np.concatenate([labelled, np.resize(self_labelled, count)])

    def source(
        self,
        model: SegmentationNetwork,
        tiles: TileFolder,
        runtime: Runtime,
        context: DistributedContext,
        progress: Progress,
    ) -> Source:
        """Return what shows tiles to a member, as the recipe says."""
        shown = TileSource(tiles, self.recipe, runtime)
        if not self.recipe.caches:
            return shown
        split = self.split(tiles)
        # Whose labels a model gave are in no fold, and learned from by every member.
        learned = np.flatnonzero(
            tiles.self_labelled | np.isin(tiles.subjects, list(frozenset().union(*split.folds)))
        )
        return EmbeddingSource(
            self.embeddings,
            shown,
            model,
            np.union1d(learned, tiles.of(split.validation)),
            learned,
            self.recipe,
            runtime,
            context,
            progress,
        )


def train_member(
    job: FineTuningJob,
    member: int,
    runtime: Runtime,
    progress: Progress,
    context: DistributedContext = SINGLE_PROCESS,
) -> MemberProgress:
    """Train one member of a job, or resume it.

    Parameters
    ----------
    job : FineTuningJob
        Whose tiles are written.
    member : int
        Its number, from 0.
    runtime : Runtime
        Device and precision.
    progress : Progress
        Called at every step of all members.
    context : DistributedContext
        Processes that share the work.

    Raises
    ------
    MuscleFMError
        There are too few subjects, or a file is damaged or cannot be written.
    """
    tiles = TileFolder(job.tiles)
    split = job.split(tiles)
    trained_on, fold = job.trained_on(tiles, member), tiles.of(split.fold(member))
    start = open_bundle(job.start, verify=False)
    model = starting_member(start, job.recipe, member)
    runtime.place(model)
    # What a pretrained checkpoint normalises by its batches was never trained.
    new = start.manifest.role == "start"
    recipe = replace(job.recipe, statistics=new or job.recipe.statistics)
    members = job.member_count()
    before = read_progress(job.state_file(member))
    logged = len(before.history) if before else 0
    board = (
        BoardLog(job.work / "tensorboard" / f"member-{member}", logged)
        if context.is_main_process
        else None
    )

    def on_epoch(record: EpochRecord | None, done: int, total: int) -> None:
        message = f"member {member + 1} of {members}"
        if record:
            message += f", epoch {record.epoch}, DSC {record.fold_dice:.3f}"
            if math.isfinite(record.loss):
                message += f", loss {record.loss:.3f}"
            if board:
                board.add(record)
        progress(ProgressEvent("train", member * total + done, members * total, message))

    state = fit_member(
        model,
        job.source(model, tiles, runtime, context, progress),
        MemberTiles(trained_on, fold, tiles.cases[fold]),
        recipe,
        job.recipe.seed + member,
        runtime,
        context,
        job.state_file(member),
        on_epoch,
    )
    if board:
        board.close()
    context.barrier()
    return state


def trained_member(
    start: Bundle, job: FineTuningJob, member: int, state: MemberProgress
) -> SegmentationNetwork:
    """Return a member with its best weights, on the CPU."""
    model = starting_member(start, job.recipe, member)
    model.load_state_dict(state.best, strict=False)
    return model.eval()
