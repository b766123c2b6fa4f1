"""How well an ensemble segments renderings of anatomies that it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from torch import Tensor

from musclefm.demo.phantom.anatomies import Anatomy
from musclefm.demo.phantom.artefacts import Scanner
from musclefm.demo.phantom.contrast import ContrastName, draw_contrast
from musclefm.demo.phantom.severity import SEVERITIES, Severity, draw_fat_fractions
from musclefm.demo.phantom.volumes import Patient, render_volume
from musclefm.evaluation.calibration import CalibrationAccumulator
from musclefm.evaluation.dice import dice
from musclefm.inference.case import run_case
from musclefm.inference.device import Runtime
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.labels.scheme import LabelScheme
from musclefm.models.bundle import Bundle
from musclefm.progress import Progress, ProgressEvent, silent
from musclefm.volumes.orientation import to_canonical
from musclefm.volumes.volume import Volume

CONTRASTS: tuple[ContrastName, ...] = ("t1", "t2", "water", "in-phase")

_PIXEL_MM = 1.4
# Air is sure and would flatter the calibration: only voxels this near a muscle count.
_NEAR_MM = 10.0


@dataclass(frozen=True)
class RenderingScore:
    """Quality on one rendered volume.

    Attributes
    ----------
    subject : str
        Pseudonym of the anatomy's subject.
    severity, contrast : str
        Of the rendering.
    muscle_dice : float
        Mean over muscles of the Dice of the whole volume, both thighs together.
    slice_dice : float
        Mean over slices of the mean Dice of the muscles that the slice shows.
    nll : float
        Negative log-likelihood in nats per voxel, within 10 mm of a muscle.
    ece : float
        Expected calibration error over the same voxels, in [0, 1].
    """

    subject: str
    severity: Severity
    contrast: ContrastName
    muscle_dice: float
    slice_dice: float
    nll: float
    ece: float


def score_on_renderings(
    bundle: Bundle,
    anatomies: Sequence[Anatomy],
    runtime: Runtime,
    seed: int,
    progress: Progress,
) -> list[RenderingScore]:
    """Score an ensemble on every anatomy in every severity and contrast.

    The volumes go the user's whole way, from the search for the thighs to
    labels on the input's grid. Only slices that carry reference labels count,
    as in Casali et al. 2025.

    Parameters
    ----------
    bundle : Bundle
        The ensemble.
    anatomies : sequence of Anatomy
        Of subjects that it was not trained on.
    runtime : Runtime
        Where it runs.
    seed : int
        Of the renderings.
    progress : Progress
        Told of each rendering.
    """
    predictor = EnsemblePredictor(bundle, runtime, silent)
    scores = []
    total = len(anatomies) * len(SEVERITIES)
    for index, anatomy in enumerate(anatomies):
        labelmap = labelled_slices(anatomy.labelmap, _PIXEL_MM)
        for place, severity in enumerate(SEVERITIES):
            done = index * len(SEVERITIES) + place
            progress(ProgressEvent("score", done, total, f"{severity} renderings"))
            rng = np.random.default_rng([seed, index, place])
            volumes = _renderings(labelmap, bundle.scheme, severity, rng)
            for contrast, volume in zip(CONTRASTS, volumes, strict=True):
                scores.append(
                    RenderingScore(
                        anatomy.subject,
                        severity,
                        contrast,
                        *_scores(volume, labelmap, bundle, predictor),
                    )
                )
    progress(ProgressEvent("score", total, total, "done"))
    return scores


def mean_scores(scores: Sequence[RenderingScore]) -> dict[str, float]:
    """Return the means by severity, under the names that a bundle's card uses."""
    means = {}
    for severity in SEVERITIES:
        chosen = [score for score in scores if score.severity == severity]
        means[f"{severity}_dsc"] = float(np.mean([score.muscle_dice for score in chosen]))
        means[f"{severity}_dsc_per_slice"] = float(np.mean([score.slice_dice for score in chosen]))
        means[f"{severity}_nll"] = float(np.mean([score.nll for score in chosen]))
        means[f"{severity}_ece"] = float(np.mean([score.ece for score in chosen]))
    return means


def labelled_slices(labelmap: Volume, pixel_mm: float) -> Volume:
    """Return the labelled slices of a label map, canonical, at another pixel size.

    Nearest neighbour; ``(K, J, I) uint8``.
    """
    canonical, _ = to_canonical(labelmap)
    grid = canonical.grid
    chosen = np.flatnonzero(canonical.array.any(axis=(1, 2)))
    rows, columns = (
        np.round(np.arange(0, count * spacing, pixel_mm) / spacing).astype(int).clip(max=count - 1)
        for count, spacing in ((grid.shape[1], grid.spacing[1]), (grid.shape[2], grid.spacing[0]))
    )
    array = canonical.array[np.ix_(chosen, rows, columns)]
    spacing = (pixel_mm, pixel_mm, grid.spacing[2])
    return Volume(array, replace(grid, shape=array.shape, spacing=spacing))


def _renderings(
    labelmap: Volume, scheme: LabelScheme, severity: Severity, rng: np.random.Generator
) -> list[Volume]:
    """Render one patient under every contrast."""
    patient = Patient.draw(draw_fat_fractions(scheme, severity, rng), rng)
    contrasts = [draw_contrast(name, rng) for name in CONTRASTS]
    seed = int(rng.integers(2**31))
    return render_volume(labelmap, scheme, patient, contrasts, Scanner.draw(rng), seed)


def _scores(
    volume: Volume, labelmap: Volume, bundle: Bundle, predictor: EnsemblePredictor
) -> tuple[float, float, float, float]:
    """Return the Dice over muscles, the Dice over slices, NLL and ECE of one rendering."""
    classes = bundle.scheme.class_count
    reference = labelmap.array
    calibration = CalibrationAccumulator(classes)
    near = ndimage.binary_dilation(
        reference > 0, np.ones((1, 3, 3)), iterations=round(_NEAR_MM / _PIXEL_MM)
    )

    def observe(k: int, mean: Tensor) -> None:
        chosen = near[k]
        calibration.add(mean.clamp(0, 1).cpu().numpy()[:, chosen], reference[k][chosen])

    maps = run_case(volume.array[None], volume.grid, bundle, predictor, observe)
    by_muscle = dice(maps.labels, reference, classes)[1:]
    by_slice = []
    for predicted, truth in zip(maps.labels, reference, strict=True):
        present = np.isin(np.arange(1, classes), truth)
        by_slice.append(np.mean(dice(predicted, truth, classes)[1:][present]))
    metrics = calibration.metrics()
    return (
        float(np.nanmean(by_muscle)),
        float(np.mean(by_slice)),
        metrics.nll,
        metrics.top_label.ece,
    )
