"""How well an ensemble segments renderings of anatomies that it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from musclefm.demo.phantom.anatomies import Anatomy, labelled_slices
from musclefm.demo.phantom.artefacts import Scanner
from musclefm.demo.phantom.contrast import ContrastName, draw_contrast
from musclefm.demo.phantom.severity import draw_fat_fractions
from musclefm.demo.phantom.volumes import Patient, render_volume
from musclefm.evaluation.case_quality import CaseQuality, case_quality
from musclefm.evaluation.cohort.severity import SEVERITIES, Severity
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.inference.case import load_predictor
from musclefm.inference.device import Runtime
from musclefm.labels.scheme import LabelScheme
from musclefm.models.bundle import Bundle
from musclefm.progress import Progress, ProgressEvent, silent
from musclefm.volumes.channels import Channels
from musclefm.volumes.volume import Volume

CONTRASTS: tuple[ContrastName, ...] = ("t1", "t2", "water", "in-phase")

_PIXEL_MM = 1.4
_TEMPERATURES = (1.0, 0.85, 0.7, 0.6, 0.5)


@dataclass(frozen=True)
class RenderingScore:
    """Quality on one rendered volume.

    Attributes
    ----------
    subject : str
        Pseudonym of the anatomy's subject.
    severity, contrast : str
        Of the rendering.
    quality : CaseQuality
        On the whole volume, both thighs together.
    """

    subject: str
    severity: Severity
    contrast: ContrastName
    quality: CaseQuality


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
        Called for each rendering.
    """
    predictor = load_predictor(bundle, runtime, silent)
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
                channels = Channels({"image": volume}, (), "")
                case = LabelledCase(anatomy.subject, channels, labelmap, bundle.scheme)
                quality = case_quality(case, bundle, predictor)
                scores.append(RenderingScore(anatomy.subject, severity, contrast, quality))
    progress(ProgressEvent("score", total, total, "done"))
    return scores


def volume_temperature(
    bundle: Bundle, anatomies: Sequence[Anatomy], runtime: Runtime, seed: int, progress: Progress
) -> float:
    """Return the temperature from 1 down at which whole volumes have the lowest NLL.

    On tiles a higher one is fitted: probabilities averaged along the leg are less sure
    than they may be.

    Parameters
    ----------
    bundle : Bundle
        The ensemble, whatever its temperature.
    anatomies : sequence of Anatomy
        Of subjects that it was neither trained nor is tested on.
    runtime, seed, progress
        As of :func:`score_on_renderings`.
    """
    best, least = 1.0, np.inf
    for temperature in _TEMPERATURES:
        card = bundle.manifest.model_copy(update={"temperature": temperature})
        at = replace(bundle, manifest=card)
        scores = score_on_renderings(at, anatomies, runtime, seed, progress)
        nll = float(np.mean([score.quality.nll for score in scores]))
        if nll >= least:
            break
        best, least = temperature, nll
    return best


def mean_scores(scores: Sequence[RenderingScore]) -> dict[str, float]:
    """Return the means by severity, under the names that a bundle's card uses."""
    means = {}
    for severity in SEVERITIES:
        chosen = [score.quality for score in scores if score.severity == severity]
        means[f"{severity}_dsc"] = float(np.mean([quality.dice for quality in chosen]))
        means[f"{severity}_dsc_per_slice"] = float(np.mean([q.slice_dice for q in chosen]))
        means[f"{severity}_nll"] = float(np.mean([quality.nll for quality in chosen]))
        means[f"{severity}_ece"] = float(np.mean([quality.ece for quality in chosen]))
    return means


def _renderings(
    labelmap: Volume, scheme: LabelScheme, severity: Severity, rng: np.random.Generator
) -> list[Volume]:
    """Render one patient under every contrast."""
    patient = Patient.draw(draw_fat_fractions(scheme, severity, rng), rng)
    contrasts = [draw_contrast(name, rng) for name in CONTRASTS]
    seed = int(rng.integers(2**31))
    return render_volume(labelmap, scheme, patient, contrasts, Scanner.draw(rng), seed)
