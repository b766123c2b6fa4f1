"""What is to be trained, from what, and where it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from musclefm.models.bundle import Bundle
from musclefm.models.manifest import BundleCard
from musclefm.models.member_files import MemberState
from musclefm.training.data.tiles import TrainingData
from musclefm.training.recipe import FineTuning


@dataclass(frozen=True)
class TrainingPlan:
    """What is to be trained, from what, and where it goes.

    Attributes
    ----------
    start : Bundle
        An ensemble, or a pretrained checkpoint. Of a training from scratch its card alone
        counts.
    data : TrainingData
        E.g. :class:`musclefm.training.data.labelled_tiles.LabelledCases`.
    recipe : FineTuning
        How the members are trained.
    out : Path
        The new bundle's folder; it must not exist yet.
    work : Path
        Folder for all that is under way: new, empty, or of a training. A run that was
        cut short is resumed from there, with the cases that it began with. The
        picture of the losses, the log and ``training.json`` stay.
    name, version : str
        Of the new bundle.
    channels : tuple of str or None
        That a pretrained checkpoint shall learn to see; None for its own.
    cluster : str or None
        Address of a Ray cluster, see
        :func:`musclefm.training.members.ray_cluster.train_on_cluster`.
    kept : tuple of MemberState
        Trained members that the new ensemble has besides, before its own.
    describe : callable or None
        Given the finished ensemble, what it shall say of itself; None for what training
        alone tells.
    """

    start: Bundle
    data: TrainingData
    recipe: FineTuning
    out: Path
    work: Path
    name: str
    version: str
    channels: tuple[str, ...] | None = None
    cluster: str | None = None
    kept: tuple[MemberState, ...] = ()
    describe: Callable[[Bundle], BundleCard] | None = None
