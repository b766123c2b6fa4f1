"""How good a model is on renderings by a renderer that its training shares nothing with.

Held-out anatomies in early, moderate and severe disease, under conditions that scans come in:
slices 3 to 26 mm apart, cropped fields of view, one leg, strong coils. Each severity meets each
condition once. Nothing of ``hard_thighs.py`` may enter training.

Run from the repository's root, with musclefm installed::

    python Testing/benchmarks/hard_renderings.py --anatomies ../shared/anatomies \
        --model thigh-demo --out Testing/benchmarks/hard_renderings.md
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from hard_thighs import HardThigh, Labels, Protocol, acquired, sections_at, sequence_signal
from scipy import ndimage
from torch import Tensor

from musclefm.demo.phantom.anatomies import Anatomy, load_anatomies
from musclefm.demo.train import SCHEME, TEST_SUBJECTS
from musclefm.evaluation.calibration import CalibrationAccumulator, near_muscle
from musclefm.evaluation.dice import dice
from musclefm.evaluation.error_detection import MOST_UNCERTAIN, detect_errors
from musclefm.inference.case import OrientedCase, run_case
from musclefm.inference.device import choose_runtime
from musclefm.inference.predictor import EnsemblePredictor, SliceObserver
from musclefm.labels.scheme import load_scheme
from musclefm.models.bundle import Bundle
from musclefm.models.registry import find_bundle
from musclefm.progress import silent
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import to_canonical
from musclefm.volumes.volume import Volume

SEVERITIES = ("early", "moderate", "severe")
SEQUENCES = ("t1", "water", "t2", "in-phase", "pd")
PROTOCOLS = (
    Protocol("3 mm slices, a part of the thigh", 3.0, 1.4, 8, 0.5),
    Protocol("6 mm slices, one leg", 6.0, 1.5, 14, 0.35, legs="right"),
    Protocol("10 mm slices, outer sides cut off", 10.0, 1.4, 10, 0.4, cropped=True),
    Protocol("14 mm slices, strong coils", 14.0, 1.5, 12, 0.2, coil=1.6),
    Protocol("26 mm slices, the whole thigh", 26.0, 1.5, 13, 0.0),
)
_MARGIN_MM = 32.0


@dataclass(frozen=True)
class HardCase:
    """A rendered volume with its labels, and what it shows."""

    severity: str
    condition: str
    sequence: str
    image: Volume
    labels: Volume


@dataclass(frozen=True)
class HardScore:
    """What a model reaches on a case; ECE and NLL within 10 mm of a muscle."""

    case: HardCase
    dice: npt.NDArray[np.float64]
    ece: float
    nll: float
    found: float


def hard_cases(anatomies: Sequence[Anatomy], seed: int) -> Iterator[HardCase]:
    """Render every anatomy in each severity, each under another condition."""
    for number, anatomy in enumerate(anatomies):
        for place, severity in enumerate(SEVERITIES):
            protocol = PROTOCOLS[(number + place) % len(PROTOCOLS)]
            sequence = SEQUENCES[(number + 2 * place) % len(SEQUENCES)]
            rng = np.random.default_rng([seed, number, place])
            yield _rendered(anatomy, protocol, severity, sequence, rng)


def _rendered(
    anatomy: Anatomy, protocol: Protocol, severity: str, sequence: str, rng: np.random.Generator
) -> HardCase:
    canonical, _ = to_canonical(anatomy.labelmap)
    depth_mm, shown = canonical.grid.spacing[2], canonical.array
    used = [np.flatnonzero(shown.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    shown = shown[used[0][0] : used[0][-1] + 1]
    edge = protocol.pixel_mm
    rows, columns = (
        np.arange(at[0] * own - _MARGIN_MM, at[-1] * own + _MARGIN_MM, edge)
        for at, own in zip(used[1:], canonical.grid.spacing[1::-1], strict=True)
    )
    bent = _bent(rows, columns, rng)
    points = [
        np.rint(place / own).astype(int)
        for place, own in zip(bent, canonical.grid.spacing[1::-1], strict=True)
    ]
    inside = np.logical_and.reduce(
        [(p >= 0) & (p < n) for p, n in zip(points, shown.shape[1:], strict=True)]
    )
    clipped = [p.clip(0, n - 1) for p, n in zip(points, shown.shape[1:], strict=True)]
    shown = np.where(inside, shown[:, clipped[0], clipped[1]], 0).astype(np.uint8)
    length = (len(shown) - 1) * depth_mm
    wanted = protocol.start * length + np.arange(protocol.slices) * protocol.slice_mm
    wanted = wanted[wanted <= length]
    faces = [np.clip(wanted + way * 0.22 * protocol.slice_mm, 0, length) for way in (-1, 0, 1)]
    below, middle, above = (sections_at(shown, depth_mm, face) for face in faces)
    halves = _halves(middle)
    thighs = [
        HardThigh(edge, severity, np.random.default_rng(s)) for s in [rng.integers(2**31)] * 2
    ]
    noise, matrix = np.exp(rng.uniform(np.log(0.008), np.log(0.06))), rng.uniform(0.6, 1.0)
    protocol_seed = int(rng.integers(2**31))
    image = np.zeros(middle.shape, np.float32)
    reference = np.zeros(middle.shape, np.uint8)
    for k, at in enumerate(wanted):
        signal = np.mean(
            [_section(face, thighs, halves, at / length, sequence, protocol_seed)
             for face in (below[k], above[k])],
            axis=0,
        )  # fmt: skip
        reference[k] = _section_labels(middle[k], thighs, halves)
        image[k] = acquired(signal, protocol.coil, noise, matrix, rng)
    part = [slice(None)] * 3
    if protocol.legs == "right":
        part[2] = slice(0, halves + 4)
    elif protocol.cropped:
        found = np.flatnonzero(reference.any(axis=(0, 1)))
        part[2] = slice(found[0] + round(8 / edge), found[-1] - round(8 / edge))
    image, reference = image[tuple(part)], reference[tuple(part)]
    grid = Grid(
        shape=image.shape,
        spacing=(edge, edge, protocol.slice_mm),
        origin=canonical.grid.origin,
        direction=canonical.grid.direction,
    )
    return HardCase(
        severity, protocol.condition, sequence, Volume(image, grid), Volume(reference, grid)
    )


def _bent(
    rows: npt.NDArray[np.float64], columns: npt.NDArray[np.float64], rng: np.random.Generator
) -> list[npt.NDArray[np.float64]]:
    """Return where each pixel's anatomy is taken from in mm: scaled, with a few bumps."""
    y, x = np.meshgrid(rows, columns, indexing="ij")
    centre = y.mean(), x.mean()
    scale = rng.uniform(0.9, 1.12, 2)
    sources = [centre[0] + (y - centre[0]) / scale[0], centre[1] + (x - centre[1]) / scale[1]]
    for _ in range(8):
        middle = rng.choice(rows), rng.choice(columns)
        bump = np.exp(
            -((y - middle[0]) ** 2 + (x - middle[1]) ** 2) / (2 * rng.uniform(20, 45) ** 2)
        )
        for axis in (0, 1):
            sources[axis] = sources[axis] + rng.normal(0, 3.5) * bump
    return sources


def _halves(labels: Labels) -> int:
    """Return the column between the thighs: the emptiest of the middle third."""
    counts = (labels > 0).sum(axis=(0, 1))
    found = np.flatnonzero(counts)
    third = (found[-1] - found[0]) // 3
    window = ndimage.uniform_filter1d(counts.astype(float), 9)[found[0] + third : found[-1] - third]
    return int(found[0] + third + np.argmin(window))


def _section(
    labels: Labels,
    thighs: Sequence[HardThigh],
    halves: int,
    height: float,
    sequence: str,
    seed: int,
) -> npt.NDArray[np.complex128]:
    """Return the signal of a section ``(J, I)`` of both thighs."""
    signal = np.zeros(labels.shape, complex)
    for thigh, part in zip(thighs, (np.s_[:, :halves], np.s_[:, : halves - 1 : -1]), strict=True):
        # Each is seen as a right thigh.
        alone = np.ascontiguousarray(labels[part])
        if np.count_nonzero(alone) >= 40:
            tissue, fat = thigh.tissues(alone, thigh.atrophied(alone), height)
            rng = np.random.default_rng(seed)
            signal[part] = sequence_signal(sequence, tissue, fat, rng)
    return signal


def _section_labels(labels: Labels, thighs: Sequence[HardThigh], halves: int) -> Labels:
    kept = np.zeros_like(labels)
    left = thighs[1].atrophied(np.ascontiguousarray(labels[:, halves:][:, ::-1]))
    kept[:, halves:] = left[:, ::-1]
    kept[:, :halves] = thighs[0].atrophied(labels[:, :halves])
    return kept


def score(case: HardCase, bundle: Bundle, predictor: EnsemblePredictor) -> HardScore:
    """Segment a case the user's whole way."""
    reference, grid = case.labels.array, case.labels.grid
    near = near_muscle(reference, grid.spacing[::-1])
    calibration = CalibrationAccumulator(bundle.scheme.class_count)

    def observer(oriented: OrientedCase) -> SliceObserver:
        chosen, truth = oriented.from_input(near), oriented.from_input(reference)

        def observe(k: int, mean: Tensor, _: Tensor) -> None:
            probabilities = mean.clamp(0, 1).cpu().numpy()[:, chosen[k]]
            calibration.add(probabilities, truth[k][chosen[k]])

        return observe

    maps = run_case(case.image.array[None], grid, bundle, predictor, observer)
    metrics = calibration.metrics()
    wrong = maps.labels != reference
    detection = detect_errors(maps.total.ravel(), wrong.ravel())
    return HardScore(
        case,
        dice(maps.labels, reference, bundle.scheme.class_count)[1:],
        metrics.top_label.ece,
        metrics.nll,
        detection.found[MOST_UNCERTAIN.index(0.05)],
    )


def table(scores: Sequence[HardScore], bundle: Bundle) -> str:
    """Return the scores as Markdown: by severity, by condition, by sequence, by muscle."""
    names = [label.abbreviation for label in bundle.scheme.labels]
    lines = ["| | DSC | worst muscle | ECE | NLL | errors in the most uncertain 5 % |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    groups = [(severity, "severity") for severity in SEVERITIES]
    groups += [(protocol.condition, "condition") for protocol in PROTOCOLS]
    groups += [(sequence, "sequence") for sequence in SEQUENCES]
    for value, attribute in groups:
        chosen = [one for one in scores if getattr(one.case, attribute) == value]
        if not chosen:
            continue
        muscles = np.nanmean([one.dice for one in chosen], axis=0)
        worst = int(np.nanargmin(muscles))
        means = [np.mean([np.nanmean(one.dice) for one in chosen])]
        rest = [np.mean([getattr(one, name) for one in chosen]) for name in ("ece", "nll", "found")]
        lines.append(
            f"| {value} | {means[0]:.3f} | {names[worst]} {muscles[worst]:.2f} | {rest[0]:.3f} "
            f"| {rest[1]:.3f} | {rest[2]:.2f} |"
        )
    muscles = np.nanmean([one.dice for one in scores], axis=0)
    lines += ["", "| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    lines.append("| " + " | ".join(f"{value:.2f}" for value in muscles) + " |")
    return "\n".join(lines)


def main() -> None:
    """Render, score, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anatomies", type=Path, required=True)
    parser.add_argument("--model", default="thigh-demo")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found: dict[str, Anatomy] = {}
    for anatomy in load_anatomies(arguments.anatomies, load_scheme(SCHEME)):
        if anatomy.subject in TEST_SUBJECTS:
            found.setdefault(anatomy.subject, anatomy)
    bundle = find_bundle(arguments.model)
    predictor = EnsemblePredictor(bundle, choose_runtime("cpu"), silent)
    scores = []
    begun = time.process_time()
    for case in hard_cases(list(found.values()), arguments.seed):
        scores.append(score(case, bundle, predictor))
        print(f"{case.severity}, {case.condition}, {case.sequence}: "
              f"DSC {np.nanmean(scores[-1].dice):.3f}", file=sys.stderr)  # fmt: skip
    text = "\n\n".join(
        [
            "# Hard renderings",
            f"Model {bundle.manifest.name} {bundle.manifest.version}, sha256 `{bundle.sha256}`; "
            f"{len(scores)} volumes of {len(found)} held-out subjects, seed {arguments.seed}, by a "
            "renderer that shares nothing with training. DSC: mean over muscles of the whole "
            "volume; ECE and NLL (nats) within 10 mm of a muscle; uncertainty: predictive entropy "
            "of all voxels, in fields of view that are tight and thus hold more errors than a "
            f"scan's. {time.process_time() - begun:.0f} s of CPU.",
            table(scores, bundle),
        ]
    )
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
