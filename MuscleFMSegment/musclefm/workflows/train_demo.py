"""Trains the ensemble that is shipped: from label maps and a seed to a bundle."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from musclefm.anatomy.scheme import LabelScheme, load_scheme
from musclefm.models.architecture import THIGH_DEMO
from musclefm.models.sam import MultiClassSam
from musclefm.phantom.anatomies import load_anatomies
from musclefm.phantom.legs import LegSlice, leg_slices
from musclefm.progress import Progress
from musclefm.training.ensemble import MemberTask, train_members
from musclefm.training.member import MemberRecipe
from musclefm.training.pool import PoolRecipe, SlicePool, render_pool

SCHEME = "thigh-11"

TEST_SUBJECTS = frozenset({"THIGH_014", "THIGH_031", "THIGH_042", "THIGH_061", "THIGH_123"})
"""Held out of all training: two controls, LGMDR1, LGMDR2 and TMD, of two hospitals."""


@dataclass(frozen=True)
class DemoRecipe:
    """Everything that decides what the demo ensemble becomes.

    Attributes
    ----------
    seed : int
        Of all randomness.
    members : int
        Networks to train.
    pool : PoolRecipe
        What they are trained on.
    member : MemberRecipe
        How each is trained.
    """

    seed: int = 20250
    members: int = 3
    pool: PoolRecipe = field(default_factory=PoolRecipe)
    member: MemberRecipe = field(default_factory=MemberRecipe)


def training_legs(anatomies: Path | None, scheme: LabelScheme) -> list[LegSlice]:
    """Return the labelled slices of all subjects that are not held out for testing."""
    if anatomies is None:
        return []
    return [
        leg
        for anatomy in load_anatomies(anatomies, scheme)
        if anatomy.subject not in TEST_SUBJECTS
        for leg in leg_slices(anatomy.labelmap, anatomy.subject)
    ]


def member_tasks(recipe: DemoRecipe, legs: list[LegSlice]) -> list[MemberTask]:
    """Return the members with their folds: a sixth of the subjects is held out of each."""
    subjects = sorted({leg.subject for leg in legs})
    order = np.random.default_rng(recipe.seed).permutation(len(subjects))
    folds = max(6, recipe.members)
    return [
        MemberTask(
            index,
            recipe.seed + 1 + index,
            frozenset(subjects[place] for place in order[index::folds]),
        )
        for index in range(recipe.members)
    ]


def train_demo(
    recipe: DemoRecipe, anatomies: Path | None, work: Path, jobs: int, progress: Progress
) -> list[MultiClassSam]:
    """Train the demo ensemble."""
    scheme = load_scheme(SCHEME)
    work.mkdir(parents=True, exist_ok=True)
    legs = training_legs(anatomies, scheme)
    pool = _pool(recipe, legs, scheme, work, jobs, progress)
    return train_members(
        THIGH_DEMO,
        scheme.class_count,
        pool,
        recipe.member,
        member_tasks(recipe, legs),
        work,
        progress,
    )


def _pool(
    recipe: DemoRecipe,
    legs: list[LegSlice],
    scheme: LabelScheme,
    work: Path,
    jobs: int,
    progress: Progress,
) -> SlicePool:
    """Return the rendered pool, from the work folder where it is there already."""
    settings = "-".join(str(value) for value in asdict(recipe.pool).values())
    path = work / f"pool-seed-{recipe.seed}-{len(legs)}-{settings}.npz"
    if path.exists():
        stored = np.load(path)
        return SlicePool(stored["images"], stored["labels"], stored["subjects"])
    pool = render_pool(legs, scheme, recipe.pool, recipe.seed, jobs, progress)
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, images=pool.images, labels=pool.labels, subjects=pool.subjects)
    partial.replace(path)
    return pool
