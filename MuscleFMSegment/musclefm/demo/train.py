"""Trains the ensemble that is shipped: from label maps and a seed to a bundle."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from musclefm.defaults import DEFAULT_MODEL, DEFAULT_SCHEME
from musclefm.demo.ensemble import MemberTask, train_members
from musclefm.demo.evaluate import mean_scores, score_on_renderings
from musclefm.demo.member import MemberRecipe, score_members
from musclefm.demo.phantom.anatomies import Anatomy, load_anatomies
from musclefm.demo.phantom.legs import LegSlice, leg_slices
from musclefm.demo.rendered_pool import PoolRecipe, SlicePool, render_pool
from musclefm.errors import MuscleFMError
from musclefm.evaluation.member_selection import select_members
from musclefm.inference.device import choose_runtime
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.models.bundle import Bundle, save_bundle
from musclefm.models.manifest import BundleCard, ModelInput, ThighTiles
from musclefm.models.member_files import MemberState
from musclefm.networks.architecture import THIGH_DEMO
from musclefm.networks.sam import MultiClassSam
from musclefm.progress import Progress, ProgressEvent
from musclefm.storage.targets import require_free
from musclefm.storage.work_folder import claim_work_folder

SCHEME = DEFAULT_SCHEME

TEST_SUBJECTS = frozenset({"THIGH_014", "THIGH_031", "THIGH_042", "THIGH_061", "THIGH_123"})
"""Held out of all training: two controls, LGMDR1, LGMDR2 and TMD, of two hospitals."""

TILE_MM = PoolRecipe.pixel_mm
"""Pixel of the ensemble's tiles in mm: that of the training slices."""

_VALIDATION_SLICES = 600
# In the work folder: the ensemble as it is scored, for the card of the one that stays.
_SCORED = "scored"
# Added to the seed for slices that no member trained on.
_UNSEEN = 1000


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


def training_legs(anatomies: list[Anatomy]) -> list[LegSlice]:
    """Return the labelled slices of all subjects that are not held out for testing."""
    return [
        leg
        for anatomy in anatomies
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
    recipe: DemoRecipe,
    anatomies: Path | None,
    out: Path,
    work: Path,
    jobs: int,
    progress: Progress,
) -> Bundle:
    """Train the demo ensemble and write it as a bundle with its card.

    Parameters
    ----------
    recipe : DemoRecipe
        Seed, sizes and steps.
    anatomies : Path or None
        Folder of label maps of both thighs; None trains on random anatomies
        alone.
    out : Path
        The bundle's folder; it must not exist yet.
    work : Path
        Folder for pools and finished members, so that a run resumes where it
        was cut short.
    jobs : int
        Processes for rendering; members train side by side in any case.
    progress : Progress
        Called at all stages.

    Raises
    ------
    MuscleFMError
        The anatomies cannot be used, or the bundle cannot be written.
    """
    require_free(out)
    claim_work_folder(work)
    scheme = load_scheme(SCHEME)
    real = load_anatomies(anatomies, scheme) if anatomies else []
    legs = training_legs(real)
    pool = _pool(recipe, legs, scheme, work, jobs, progress)
    tasks = member_tasks(recipe, legs)
    members = train_members(
        THIGH_DEMO, scheme.class_count, pool, recipe.member, tasks, work, progress
    )
    unseen = render_pool(
        [],
        scheme,
        replace(recipe.pool, count=min(recipe.pool.count, _VALIDATION_SLICES)),
        recipe.seed + _UNSEEN,
        jobs,
        progress,
    )
    states = selected_members(members, tasks, pool, unseen, progress)
    test = [anatomy for anatomy in real if anatomy.subject in TEST_SUBJECTS]
    card = demo_card(recipe, len(real) > 0, {})
    if test:
        bundle = save_bundle(work / _SCORED, card, states, replace=True)
        scores = score_on_renderings(bundle, test, choose_runtime("cpu"), recipe.seed, progress)
        card = demo_card(recipe, True, mean_scores(scores))
    return save_bundle(out, card, states)


def demo_card(recipe: DemoRecipe, real: bool, metrics: dict[str, float]) -> BundleCard:
    """Return what the bundle says of itself."""
    sources = (
        "the label maps of 17 subjects of Hirriririir/Multimodal-Multiethnic-Thigh-Muscle-MRI-"
        "analysis (Apache-2.0), split by subject, and of random parametric anatomies"
        if real
        else "random parametric anatomies"
    )
    return BundleCard(
        name=DEFAULT_MODEL,
        title="Thigh demo ensemble",
        version="2",
        description=(
            "Small SAM networks with a convolutional stem, trained from scratch on renderings "
            "only. They show the way from a scan to a review queue; a model fine-tuned on real "
            "labelled scans is better in every respect."
        ),
        architecture=THIGH_DEMO,
        scheme=SCHEME,
        input=ModelInput(framing=ThighTiles(spacing_mm=TILE_MM)),
        training_data=(
            f"{recipe.pool.count} slices rendered from {sources}: T1, T2, proton density, "
            "in-phase, out-of-phase, water and random contrasts, early to severe fatty "
            f"infiltration; seed {recipe.seed}. No real image was seen. Metrics: renderings of "
            "anatomies of subjects that were held out."
        ),
        licence="Apache-2.0",
        metrics=metrics,
    )


def selected_members(
    members: list[MultiClassSam],
    tasks: list[MemberTask],
    pool: SlicePool,
    unseen: SlicePool,
    progress: Progress,
) -> list[MemberState]:
    """Return the members that are fit to stay, with their validation scores.

    One weak member drags the ensemble: those whose NLL on slices that none of
    them saw is far above the best one's are left out, and so are those that
    diverged. The folds cannot decide this, as their subjects differ in
    difficulty; scores on them are for the card.

    Raises
    ------
    MuscleFMError
        All diverged.
    """
    scored: list[MemberState] = []
    for member, task in zip(members, tasks, strict=True):
        progress(ProgressEvent("validate", len(scored), len(members), "members"))
        held_out = pool.only(set(task.held_out))
        # Without real anatomies, or in a very small pool, there is nothing that it did not see.
        fold = held_out if len(held_out.images) else pool
        scores = score_members([member], fold.first(_VALIDATION_SLICES))
        metrics = {
            "fold_dsc_per_slice": scores.dice,
            "fold_nll": scores.nll,
            "validation_nll": score_members([member], unseen).nll,
        }
        state = MemberState(member.state_dict(), seed=task.seed, fold=task.index, metrics=metrics)
        scored.append(state)
    fit = select_members([state.metrics["validation_nll"] for state in scored])
    if not any(fit):
        raise MuscleFMError("no member learned anything", "train with a lower learning rate")
    return [state for state, stays in zip(scored, fit, strict=True) if stays]


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
