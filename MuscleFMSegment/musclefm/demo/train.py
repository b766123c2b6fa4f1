"""The ensemble that is shipped: its recipe, from label maps and a seed to a bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from musclefm.defaults import DEFAULT_MODEL, DEFAULT_SCHEME
from musclefm.demo.evaluate import mean_scores, score_on_renderings, volume_temperature
from musclefm.demo.phantom.anatomies import Anatomy, load_anatomies
from musclefm.demo.phantom.legs import Leg, both_legs
from musclefm.demo.rendered_slices import RenderedSlices
from musclefm.demo.rendering import SliceRecipe
from musclefm.demo.warm_start import widened_members
from musclefm.errors import MuscleFMError
from musclefm.inference.device import Runtime
from musclefm.labels.scheme import load_scheme
from musclefm.models.bundle import Bundle, save_bundle
from musclefm.models.manifest import BundleCard, ModelInput, ThighTiles
from musclefm.models.member_files import MemberState
from musclefm.networks.architecture import THIGH_DEMO
from musclefm.networks.families import build
from musclefm.progress import Progress
from musclefm.storage.work_folder import START_FOLDER, TRAINING_RECORD, claim_work_folder
from musclefm.training.data.self_labelled import WithUnlabelledScans
from musclefm.training.data.tiles import TrainingData
from musclefm.training.plan import TrainingPlan
from musclefm.training.recipe import RECIPES, Augmentation, FineTuning
from musclefm.training.train import check_model_folder, train_ensemble

SCHEME = DEFAULT_SCHEME

TEST_SUBJECTS = frozenset({"THIGH_014", "THIGH_031", "THIGH_042", "THIGH_061", "THIGH_123"})
"""Held out of all training: two controls, LGMDR1, LGMDR2 and TMD, of two hospitals."""

_EPOCHS = 10
# Trained networks learn on at half the rate of new ones, and are soon done.
_WARM_RATE, _WARM_EPOCHS = 1e-3, 4
# What an ensemble labelled itself is to be seen as from other scanners.
_FOR_SCANS = Augmentation(rotation_deg=12.0, zoom=1.2, gamma=1.6, bias=0.4, noise=0.03)
# Of each step; more of it took members away from severe disease.
_SELF_LABELLED = 0.125
_SMOOTHING_MM = 9.0
# Not the recipe's: trainings are compared on the same renderings.
_SCORED_SEED = 1


@dataclass(frozen=True)
class DemoRecipe:
    """Everything that decides what the demo ensemble becomes.

    Attributes
    ----------
    seed : int
        Of all randomness.
    members : int
        Networks to train.
    steps : int
        Of the optimiser, for each of them; rounded up to whole epochs.
    slices : SliceRecipe
        What they are trained on.
    start : Bundle or None
        An ensemble whose members they are to begin with; None draws their weights.
    first : int
        Which of the start's members, from 0, the first one begins with; then the next.
    kept : int
        How many of the start's first members the new ensemble has besides, as they are.
    unlabelled : tuple of Path
        Scans that the start, which there must be, labels where it is sure, and that are
        learned from, too.
    """

    seed: int = 20250
    members: int = 3
    steps: int = 7000
    slices: SliceRecipe = field(default_factory=SliceRecipe)
    start: Bundle | None = None
    unlabelled: tuple[Path, ...] = ()
    first: int = 0
    kept: int = 0

    @property
    def training(self) -> FineTuning:
        """How each member is trained in these steps, from its start or from scratch."""
        scratch = RECIPES["scratch"]
        warm = replace(scratch, trained="full", statistics=True, learning_rate=_WARM_RATE)
        epochs = _WARM_EPOCHS if self.start else _EPOCHS
        return replace(
            warm if self.start else scratch,
            members=self.members,
            # Small: a member learns from nearly all anatomies.
            folds=12,
            # Few: no member learns from these anatomies.
            validation=0.05,
            held_out=0.0,
            epochs=epochs,
            patience=epochs,
            steps=-(-self.steps // epochs),
            warm_up=self.steps // 20,
            # The mean is of about the last fourteenth of the steps, however many there are.
            averaging=max(1 - 14 / self.steps, 0.0),
            self_labelled=_SELF_LABELLED,
            augmentation=_FOR_SCANS if self.unlabelled else Augmentation(),
            seed=self.seed,
        )


def training_legs(anatomies: Sequence[Anatomy]) -> list[Leg]:
    """Return the labelled thighs of all subjects that are not held out for testing."""
    return [
        leg
        for anatomy in anatomies
        if anatomy.subject not in TEST_SUBJECTS
        for leg in both_legs(anatomy.labelmap, anatomy.subject)
    ]


def train_demo(
    recipe: DemoRecipe,
    anatomies: Path | None,
    out: Path,
    work: Path,
    jobs: int,
    runtime: Runtime,
    progress: Progress,
) -> Bundle | None:
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
        Folder for all that is under way: a run that was cut short is resumed from there.
    jobs : int
        Processes for rendering.
    runtime : Runtime
        Where it is trained and scored.
    progress : Progress
        Called at all stages.

    Raises
    ------
    MuscleFMError
        The anatomies, the start or the scans cannot be used, or the bundle cannot be written.
    """
    check_model_folder(out)
    claim_work_folder(work)
    known = load_anatomies(anatomies, load_scheme(SCHEME)) if anatomies else []
    test = [anatomy for anatomy in known if anatomy.subject in TEST_SUBJECTS]
    card = demo_card(recipe, len(known) > 0, {})
    if recipe.start and not recipe.first < len(recipe.start.manifest.members) >= recipe.kept:
        raise MuscleFMError(
            f"model '{recipe.start.manifest.name}' has only {len(recipe.start.manifest.members)}"
            " networks",
            "lower --first and --kept",
        )

    def described(trained: Bundle) -> BundleCard:
        manifest, metrics = trained.manifest, dict(trained.manifest.metrics)
        record = json.loads((work / TRAINING_RECORD).read_text("utf-8"))
        unseen = [one for one in known if one.subject in record["subjects"]["validation"]]
        if unseen:
            temperature = volume_temperature(trained, unseen, runtime, recipe.seed, progress)
            manifest = manifest.model_copy(update={"temperature": temperature})
            trained = replace(trained, manifest=manifest)
        if test:
            scores = score_on_renderings(trained, test, runtime, _SCORED_SEED, progress)
            metrics |= mean_scores(scores)
        return card.model_copy(update={"temperature": manifest.temperature, "metrics": metrics})

    networks = _networks(recipe, card)
    # Members begin with them in this order.
    turned = networks[recipe.first :] + networks[: recipe.first]
    start_card = card if recipe.start else card.model_copy(update={"role": "start"})
    plan = TrainingPlan(
        start=save_bundle(work / START_FOLDER, start_card, turned, "fp32", replace=True),
        kept=tuple(networks[: recipe.kept]),
        data=_data(recipe, known, jobs, runtime),
        recipe=recipe.training,
        out=out,
        work=work,
        name=card.name,
        version=card.version,
        describe=described,
    )
    return train_ensemble(plan, runtime, progress)


def demo_card(recipe: DemoRecipe, real: bool, metrics: Mapping[str, float]) -> BundleCard:
    """Return what the bundle says of itself."""
    sources = (
        "the label maps of 17 subjects of Hirriririir/Multimodal-Multiethnic-Thigh-Muscle-MRI-"
        "analysis (Apache-2.0), split by subject, and of random parametric anatomies"
        if real
        else "random parametric anatomies"
    )
    neighbours = recipe.slices.neighbours_mm or 0.0
    begun = ""
    if start := recipe.start:
        known = start.manifest
        kept = f", whose first {recipe.kept} were kept as they are" if recipe.kept else ""
        begun = (
            f" Begun from the networks of {known.name} {known.version}, sha256 {start.sha256}{kept}"
            f" (what these learned from: {known.training_data})."
        )
    unlabelled = "No real image was seen."
    if recipe.unlabelled:
        unlabelled = (
            f"{len(recipe.unlabelled)} real scans were seen without labels: the networks that it"
            " began from labelled them where they were sure."
        )
    return BundleCard(
        name=DEFAULT_MODEL,
        title="Thigh demo ensemble",
        version="4",
        description=(
            "Small SAM networks with a convolutional stem, trained on renderings; none learned "
            "from a real labelled scan. They show the way from a scan to a review queue; a model "
            "fine-tuned on real labelled scans is better in every respect."
        ),
        architecture=THIGH_DEMO.model_copy(update={"input_channels": 3 if neighbours else 1}),
        scheme=SCHEME,
        input=ModelInput(
            framing=ThighTiles(
                spacing_mm=recipe.slices.pixel_mm,
                neighbours_mm=neighbours,
                smoothing_mm=_SMOOTHING_MM,
            )
        ),
        training_data=(
            f"{recipe.slices.count} slices rendered from {sources}: T1, T2, proton density, "
            "in-phase, out-of-phase, water and random contrasts, early to severe fatty "
            f"infiltration; seed {recipe.seed}.{begun} {unlabelled} Metrics: renderings of "
            "anatomies of subjects that were held out."
        ),
        licence="Apache-2.0",
        metrics=dict(metrics),
    )


def _data(
    recipe: DemoRecipe, anatomies: Sequence[Anatomy], jobs: int, runtime: Runtime
) -> TrainingData:
    rendered = RenderedSlices(training_legs(anatomies), recipe.slices, recipe.seed, jobs)
    if recipe.start and recipe.unlabelled:
        return WithUnlabelledScans(rendered, recipe.unlabelled, recipe.start, runtime)
    return rendered


def _networks(recipe: DemoRecipe, card: BundleCard) -> list[MemberState]:
    """Return the networks to begin with; of a training from scratch their weights do not count."""
    if recipe.start:
        return widened_members(card, recipe.start)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = build(card.architecture, load_scheme(card.scheme).class_count)
    return [MemberState(network.state_dict())]
