"""Whether an ensemble gets better by what a reader corrects.

A simulated reader corrects the flagged regions of twelve rendered severe cases of
persons whom nobody saw before: the outlines of a region's muscles become the
reference's in the region's slices, all else stays as the model left it. The cases
go into a store, the ensemble is fine-tuned from it, and both versions segment
severe cases of other persons: drawn ones, and real anatomies held out. All of this
on scanners as in training, and on one that is poorer than any of those: blurred,
noisy, and with motion ghosts.

Run from the repository's root, with musclefm installed::

    python Testing/benchmarks/learning_from_corrections.py --anatomies ../shared/anatomies \
        --out Testing/benchmarks
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
from severe_cases import (
    Rendering,
    SegmentedRendering,
    drawn_renderings,
    segmented,
    unseen_renderings,
)

from musclefm.corrections.case import CorrectedCase, Reviewed
from musclefm.corrections.store import CorrectionStore
from musclefm.demo.phantom.artefacts import Scanner
from musclefm.evaluation.comparison import Comparison, compare_models
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.inference.device import choose_runtime
from musclefm.models.bundle import Bundle, open_bundle
from musclefm.models.registry import find_bundle
from musclefm.progress import ProgressEvent
from musclefm.training.data.labelled_tiles import LabelledCases
from musclefm.training.plan import TrainingPlan
from musclefm.training.recipe import RECIPES
from musclefm.training.train import train_ensemble
from musclefm.volumes.channels import Channels
from musclefm.volumes.volume import Volume

matplotlib.use("Agg")
import matplotlib.pyplot as plt

_CASES = 12

_SCANNERS = {
    "as in training": None,
    "a poorer scanner": Scanner(
        bias=0.3, shading=(0.3, 0.2), ghost=0.25, ghost_shift=0.3, blur_mm=2.5, noise=0.08
    ),
}


def corrected(case: SegmentedRendering) -> CorrectedCase:
    """Return what the simulated reader makes of a case."""
    model, reference, grid = case.sided_model, case.sided_reference, case.maps.grid
    muscles = len(case.maps.scheme.labels)
    labels = model.copy()
    for region in case.regions.queue:
        sided = [label + muscles * (region.side == "left") for label in region.label_ids]
        slices = slice(region.slices[0], region.slices[1] + 1)
        wrong = np.isin(model[slices], sided) | np.isin(reference[slices], sided)
        labels[slices][wrong] = reference[slices][wrong]
    return CorrectedCase(
        channels={"image": case.rendering.image},
        labels=Volume(labels, grid),
        reviewed=Reviewed("all"),
        scheme=case.maps.scheme.name,
        model_labels=Volume(model, grid),
        uncertainty=Volume(case.maps.total / np.float32(case.maps.max_entropy), grid),
    )


def learned(start: Bundle, folder: Path, store: CorrectionStore, seed: int) -> Bundle:
    """Return the ensemble after learning from the store."""
    plan = TrainingPlan(
        start=start,
        data=LabelledCases(store.folder),
        recipe=replace(
            RECIPES["fast"], trained="full", held_out=0.0, batch=16, patience=15, seed=seed
        ),
        out=folder / "new",
        work=folder / "work",
        name=start.manifest.name,
        version="corrected",
    )
    train_ensemble(plan, choose_runtime("cpu"), tell)
    return open_bundle(plan.out)


def compared(
    old: Bundle, scanner: Scanner | None, anatomies: Path, seed: int
) -> dict[str, Comparison]:
    """Return the ensemble before and after learning on one kind of scanner, by whose cases."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = CorrectionStore(folder / "store")
        for case in segmented(drawn_renderings(seed, _CASES, scanner), old):
            store.add(corrected(case), subject=case.rendering.subject)
        new = learned(old, folder, store, seed)
        others = {
            "drawn persons": drawn_renderings(seed + 1, _CASES, scanner),
            "real anatomies": unseen_renderings(anatomies, seed, scanner=scanner),
        }
        return {
            whose: compare_models(
                old, new, test_cases(renderings, old), choose_runtime("cpu"), tell
            )
            for whose, renderings in others.items()
        }


def test_cases(renderings: Iterator[Rendering], bundle: Bundle) -> Iterator[LabelledCase]:
    """Return renderings with their reference."""
    for one in renderings:
        reference = one.image.with_array(one.reference)
        channels = Channels({"image": one.image}, (), "")
        yield LabelledCase(one.subject, channels, reference, bundle.scheme)


def table(comparisons: dict[str, Comparison]) -> str:
    """Return old against new as Markdown."""
    rows = [
        [
            "scanner: test cases",
            "cases",
            "old DSC",
            "new DSC",
            "p",
            "old ECE",
            "new ECE",
            "worse muscles",
        ]
    ]
    rows.append(["---"] * len(rows[0]))
    for whose, found in comparisons.items():
        worse = [muscle.name for muscle in found.muscles if muscle.verdict == "worse"]
        rows.append(
            [
                whose,
                f"{found.cases} of {found.subjects} persons",
                f"{found.old.dice:.3f}",
                f"{found.new.dice:.3f}",
                f"{found.p:.2g}",
                f"{found.old.ece or 0:.3f}",
                f"{found.new.ece or 0:.3f}",
                ", ".join(worse) or "none",
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def draw(comparisons: dict[str, Comparison], path: Path) -> None:
    """Plot the DSC of each muscle before and after."""
    figure, axes = plt.subplots(
        1, len(comparisons), figsize=(14, 4), sharey=True, layout="constrained"
    )
    for axis, (whose, found) in zip(axes, comparisons.items(), strict=True):
        names = [muscle.name for muscle in found.muscles]
        places = np.arange(len(names))
        for shift, colour, when in ((-0.2, "0.6", "old"), (0.2, "tab:blue", "new")):
            dices = [getattr(muscle, f"{when}_dice") or 0 for muscle in found.muscles]
            axis.barh(places + shift, dices, 0.4, color=colour, label=when)
        axis.set(title=whose, xlabel="DSC", xlim=(0.5, 1), yticks=places, yticklabels=names)
        axis.invert_yaxis()
    axes[0].legend(loc="lower left")
    figure.savefig(path, dpi=100)


def tell(event: ProgressEvent) -> None:
    """Print progress."""
    print(f"{event.stage} {event.done}/{event.total} {event.message}", file=sys.stderr)


def main() -> None:
    """Correct, learn, compare, and write a table and a plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anatomies", type=Path, required=True)
    parser.add_argument("--model", default="thigh-demo")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    old = find_bundle(arguments.model)

    comparisons = {
        f"{kind}: {whose}": found
        for kind, scanner in _SCANNERS.items()
        for whose, found in compared(old, scanner, arguments.anatomies, arguments.seed).items()
    }
    text = "\n\n".join(
        (
            "# Learning from corrections",
            "A simulated reader corrected the flagged regions of rendered severe cases of "
            f"{_CASES} drawn persons whom the ensemble had not seen; all weights were fine-tuned "
            f"from them, seed {arguments.seed}. Mean DSC over muscles, persons weighing the same; "
            "p of the paired Wilcoxon test by person; a muscle is worse if its DSC falls by more "
            "than 0.03, or significantly.",
            table(comparisons),
        )
    )
    print(text)
    (arguments.out / "learning_from_corrections.md").write_text(text + "\n", "utf-8")
    draw(comparisons, arguments.out / "learning_from_corrections.png")


if __name__ == "__main__":
    main()
