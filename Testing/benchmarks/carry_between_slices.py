"""How a muscle that a reader corrected in n slices is best carried to the others.

A simulated reader gives a muscle its reference's outline in n slices of a rendered
severe case. Several rules propose the outline in all other slices; voxels of
neighbours stay as the model labelled them. Scored is the muscle's DSC over the
whole volume, for the ten worst muscles of each case, where at least two slices are
left. The reader takes slices that are spread over the muscle; such ones with both
its ends; those with most wrong voxels; or any.

Run from the repository's root, with musclefm installed::

    python Testing/benchmarks/carry_between_slices.py --anatomies ../shared/anatomies \
        --out Testing/benchmarks
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from carrying_rules import (
    CARRIED,
    RULES,
    WITHOUT,
    Case,
    Corrected,
    carried,
    proposed,
)
from carrying_tables import COUNTS, Scores, by_habit, by_rule, failures
from severe_cases import (
    DRAWN_GRID,
    Rendering,
    drawn_renderings,
    seen_renderings,
    segmented,
    unseen_renderings,
)

from musclefm.demo.phantom.artefacts import Scanner
from musclefm.evaluation.dice import dice
from musclefm.models.registry import find_bundle
from musclefm.review.muscle_slices import MuscleSlices, SliceAxis
from musclefm.review.slice_kriging import signed_distance
from musclefm.volumes.grid import Grid

WORST = 10
SEED = 0
POOR = Scanner(bias=0.3, shading=(0.3, 0.2), ghost=0.25, ghost_shift=0.3, blur_mm=2.5, noise=0.08)


def chosen_slices(
    wrong: npt.NDArray[np.intp], extent: tuple[int, int], count: int, rng: np.random.Generator
) -> dict[str, tuple[int, ...]]:
    """Return the slices that readers of several habits correct.

    Parameters
    ----------
    wrong : ndarray
        ``(S,)``: wrong voxels of the muscle, by slice.
    extent : tuple of int
        First and last slice of the muscle.
    """
    first, last = extent
    length = last - first + 1
    spread = first + (np.arange(count) + 0.5) / count * length - 0.5
    ends = np.linspace(first, last, count) if count > 1 else np.array([(first + last) / 2])
    return {
        "spread": tuple(np.unique(np.round(spread).astype(int)).tolist()),
        "with both ends": tuple(np.unique(np.round(ends).astype(int)).tolist()),
        "most wrong": tuple(sorted(np.argsort(-wrong, kind="stable")[:count].tolist())),
        "any": tuple(sorted(rng.choice(np.arange(first, last + 1), count, replace=False).tolist())),
    }


def corrections(
    case: Case, axis: SliceAxis, rng: np.random.Generator
) -> Iterator[tuple[str, int, Corrected]]:
    """Yield the reader's habit, the number of slices, and what was corrected."""
    scored = {
        value: overlap(case.model == value, case.reference == value)
        for value in np.unique(case.reference[case.reference > 0]).tolist()
    }
    spacing = case.grid.spacing[::-1]
    pixel = tuple(mm for at, mm in enumerate(spacing) if at != 2 - axis)
    for value in sorted(scored, key=lambda value: scored[value])[:WORST]:
        small = cropped(case, value)
        model, reference = (
            np.moveaxis(array == value, 2 - axis, 0) for array in (small.model, small.reference)
        )
        drawn, shapes = (
            np.stack([signed_distance(mask, pixel) for mask in masks])
            for masks in (model, reference)
        )
        inside = np.flatnonzero(reference.any(axis=(1, 2)))
        extent = int(inside[0]), int(inside[-1])
        for count in COUNTS:
            if extent[1] - extent[0] + 1 < count + 2:
                continue
            wrong = (model != reference).sum(axis=(1, 2))
            for habit, slices in chosen_slices(wrong, extent, count, rng).items():
                labels = small.model.copy()
                known = np.moveaxis(labels, 2 - axis, 0)
                for index in slices:
                    known[index][model[index]] = 0
                    known[index][reference[index]] = value
                muscle = MuscleSlices(value, slices, axis)
                gap = spacing[2 - axis]
                yield habit, count, Corrected(small, labels, muscle, shapes, drawn, gap)


def cropped(case: Case, value: int) -> Case:
    """Return all slices of a case, and of each what lies within 15 mm of a muscle."""
    mask = ((case.model == value) | (case.reference == value)).any(axis=0)
    margin = int(15 / case.grid.spacing[0]) + 1
    rows, columns = (np.flatnonzero(mask.any(axis=1 - at)) for at in (0, 1))
    part = (
        slice(None),
        slice(max(rows[0] - margin, 0), rows[-1] + margin + 1),
        slice(max(columns[0] - margin, 0), columns[-1] + margin + 1),
    )
    model = case.model[part]
    grid = replace(case.grid, shape=model.shape)
    return Case(case.name, model, case.reference[part], case.uncertainty[part], grid)


def overlap(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    """Return the DSC of two masks."""
    return float(dice(a.astype(np.uint8), b.astype(np.uint8), 2)[1])


def scores(cases: list[Case], axis: SliceAxis = 2) -> Scores:
    """Return DSC and name of each muscle by habit, number of slices and rule."""
    rng = np.random.default_rng(SEED)
    found: Scores = {}
    for case in cases:
        for habit, count, one in corrections(case, axis, rng):
            right = one.case.reference == one.muscle.value
            proposals = {rule: proposed(one, how) for rule, how in RULES.items()}
            proposals[WITHOUT] = carried(one, sure=True)
            proposals[CARRIED] = carried(one)
            name = f"{case.name}, muscle {one.muscle.value}"
            for rule, labels in proposals.items():
                score = overlap(labels == one.muscle.value, right)
                found.setdefault((habit, count, rule), []).append((score, name))
    return found


def read_cases(folder: Path, name: str, renderings: Iterable[Rendering], model: str) -> list[Case]:
    """Return segmented renderings; what a folder keeps is not segmented again."""
    wanted = [(folder / f"{name}-{at:02d}.npz", one) for at, one in enumerate(renderings)]
    new = [(path, one) for path, one in wanted if not path.exists()]
    found = segmented((one for _, one in new), find_bundle(model))
    for (path, _), one in zip(new, found, strict=True):
        np.savez_compressed(
            path,
            model=one.sided_model,
            reference=one.sided_reference,
            spacing=one.maps.grid.spacing,
            uncertainty=(one.maps.total / one.maps.max_entropy).astype(np.float16),
            subject=one.rendering.subject,
        )
    return [_stored_case(path) for path, _ in wanted]


def _stored_case(path: Path) -> Case:
    with np.load(path) as stored:
        spacing = tuple(stored["spacing"].tolist())
        model, reference = stored["model"], stored["reference"]
        uncertainty = stored["uncertainty"].astype(np.float32)
        name = f"{path.stem} ({stored['subject']})"
    grid = Grid(model.shape, spacing, (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    return Case(name, model, reference, uncertainty, grid)


def families(anatomies: Path) -> dict[str, tuple[str, Iterator[Rendering]]]:
    """Return what is rendered, by the name that it is kept under."""
    thin = replace(DRAWN_GRID, shape=(42, 144, 288), spacing=(*DRAWN_GRID.spacing[:2], 8.0))
    return {
        "held-out": (
            "Real anatomies held out of training, scanners as in training (seed 1)",
            unseen_renderings(anatomies, 1, 1),
        ),
        "held-out-poor": (
            "Real anatomies held out of training, a poor scanner (seed 11)",
            unseen_renderings(anatomies, 11, 2, POOR),
        ),
        "thin": (
            "Drawn persons in thin slices, a poor scanner (seed 31)",
            drawn_renderings(31, 2, POOR, thin),
        ),
        "seen-poor": (
            "Every third real anatomy that the model was trained on, a poor scanner (seed 41)",
            seen_renderings(anatomies, 41, POOR, every=3),
        ),
    }


_INTRODUCTION = f"""# Carrying a correction to the slices between

{__doc__.split("Run from")[0].partition(chr(10))[2].strip()}

Mean over muscles, and over the four ways to choose slices, each weighing the same; slices are
drawn with seed {SEED}. The constants of `carry_corrections` were fitted on drawn persons and on
anatomies that the model was trained on; the form of the rule was also tried on held-out
anatomies, rendered with other seeds. The model's errors are those of the shipped ensemble on
renderings: there are no real scans with a reference here."""


def report(read: dict[str, tuple[str, list[Case]]]) -> str:
    """Return all tables as Markdown.

    Parameters
    ----------
    read : dict
        Title and cases of each family.
    """
    parts = [_INTRODUCTION]
    for title, cases in read.values():
        found = scores(cases)
        slices = sorted({round(case.grid.spacing[2]) for case in cases})
        parts += [
            f"## {title}",
            f"{len(cases)} cases, slices of {', '.join(map(str, slices))} mm; muscles: "
            + ", ".join(f"{len(found['spread', n, CARRIED])} (n = {n})" for n in COUNTS)
            + ".",
            by_rule(found),
            "By how the slices were chosen:",
            by_habit(found),
            "Worse by more than 0.02 than with only these slices corrected:",
            failures(found),
        ]
    views: dict[SliceAxis, str] = {1: "coronal", 0: "sagittal"}
    _, cases = read["held-out-poor"]
    for axis, view in views.items():
        parts += [
            f"## Corrected in {view} slices: {cases[0].name}",
            by_rule(scores(cases[:1], axis)),
        ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Segment, correct, carry, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anatomies", type=Path, required=True)
    parser.add_argument("--model", default="thigh-demo")
    parser.add_argument("--kept", type=Path, help="folder that keeps the segmented cases")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.kept or Path(name)
        text = report(
            {
                key: (title, read_cases(folder, key, renderings, arguments.model))
                for key, (title, renderings) in families(arguments.anatomies).items()
            }
        )
    print(text)
    (arguments.out / "carry_between_slices.md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
