"""Whether a new ensemble may take an old one's place: both on cases that neither learned from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from musclefm.errors import MuscleFMError
from musclefm.evaluation.case_quality import CaseQuality, case_quality
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.evaluation.statistics import Numbers, by_subject, holm, mean_of, paired_p
from musclefm.inference.case import load_predictor
from musclefm.inference.device import Runtime
from musclefm.models.bundle import Bundle
from musclefm.progress import Progress, ProgressEvent, silent

SIGNIFICANT = 0.05
"""A smaller p, for muscles after Holm's correction, tells a difference from chance."""

LARGEST_FALL = 0.01
"""Of the mean DSC: more is worse whatever p is, as few cases can never make p small."""

LARGEST_MUSCLE_FALL = 0.03
"""The same of one muscle, whose DSC scatters more."""

LARGEST_ECE_RISE = 0.02

Verdict = Literal["better", "not different", "worse"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelQuality(_Strict):
    """How good a model is, as means over subjects; None where it is undefined.

    Attributes
    ----------
    name, version, sha256 : str
        Of the bundle.
    dice : float
        Mean over the muscles of a case.
    ece, nll : float or None
        Of the top label, within 10 mm of a muscle; in [0, 1], and nats per voxel.
    expected_wrong_ml, wrong_ml : float
        Of a case: the volume that the model expects to be wrong, and what is wrong.
    """

    name: str
    version: str
    sha256: str
    dice: float
    ece: float | None
    nll: float | None
    expected_wrong_ml: float
    wrong_ml: float


class MuscleComparison(_Strict):
    """Old against new on one muscle, both sides together, as means over subjects.

    Attributes
    ----------
    label_id, name : int, str
        Of the muscle.
    subjects : int
        Who show it.
    old_dice, new_dice, old_ece, new_ece : float or None
        None where nobody shows it; the ECE is that of the muscle against all else.
    old_expected_wrong_ml, new_expected_wrong_ml : float
        Of what a model labels as the muscle, how much it expects to be wrong.
    p : float
        Of the paired Wilcoxon test of the DSC, two-sided, after Holm's correction
        over muscles; 1 where there is no difference.
    verdict : str
        On the new model.
    """

    label_id: int
    name: str
    subjects: int
    old_dice: float | None
    new_dice: float | None
    old_ece: float | None
    new_ece: float | None
    old_expected_wrong_ml: float
    new_expected_wrong_ml: float
    p: float
    verdict: Verdict


class Comparison(_Strict):
    """Old against new.

    Attributes
    ----------
    schema_version : int
        Of this document.
    cases, subjects : int
        That both were tested on.
    old, new : ModelQuality
        Both models.
    p : float
        Of the paired Wilcoxon test of the subjects' mean DSC, two-sided.
    verdict : str
        On the new model's mean DSC.
    muscles : tuple of MuscleComparison
        In the scheme's order.
    not_worse : bool
        Whether the new model may take the old one's place.
    reasons : tuple of str
        Why not, a line each.
    """

    schema_version: Literal[2] = 2
    cases: int
    subjects: int
    old: ModelQuality
    new: ModelQuality
    p: float
    verdict: Verdict
    muscles: tuple[MuscleComparison, ...]
    not_worse: bool
    reasons: tuple[str, ...]


def compare_models(
    old: Bundle, new: Bundle, cases: Iterable[LabelledCase], runtime: Runtime, progress: Progress
) -> Comparison:
    """Compare two ensembles on the same cases; persons, not cases, are the unit of all tests.

    Parameters
    ----------
    old, new : Bundle
        Of one label scheme.
    cases : iterable of LabelledCase
        That neither has learned from; taken one at a time.
    runtime : Runtime
        Where both run.
    progress : Progress
        Called for each case.

    Raises
    ------
    MuscleFMError
        The schemes differ, there is no case, or a case lacks a channel.
    """
    if old.scheme != new.scheme:
        raise MuscleFMError(
            f"the models have different label schemes: {old.scheme.name} and {new.scheme.name}",
            "compare models of the same scheme",
        )
    predictors = [load_predictor(bundle, runtime, silent) for bundle in (old, new)]
    subjects: list[str] = []
    qualities: tuple[list[CaseQuality], list[CaseQuality]] = ([], [])
    for case in cases:
        progress(ProgressEvent("compare", len(subjects), 0, f"case {len(subjects) + 1}"))
        subjects.append(case.subject)
        for bundle, predictor, found in zip((old, new), predictors, qualities, strict=True):
            found.append(case_quality(case, bundle, predictor))
    if not subjects:
        raise MuscleFMError(
            "there is no reviewed case to compare the models on",
            "give cases that neither of them has learned from",
        )
    return compare_qualities(old, new, subjects, *qualities)


def compare_qualities(
    old: Bundle,
    new: Bundle,
    subjects: Sequence[str],
    before: Sequence[CaseQuality],
    after: Sequence[CaseQuality],
) -> Comparison:
    """Compare what two ensembles made of the same cases.

    Parameters
    ----------
    old, new : Bundle
        The ensembles.
    subjects : sequence of str
        Whose each case is.
    before, after : sequence of CaseQuality
        Of the old and of the new ensemble, case by case.
    """
    dices = [by_subject(subjects, [case.dice for case in cases]) for cases in (before, after)]
    p = paired_p(*dices)
    verdict = _verdict(mean_of(dices[1] - dices[0]), p, LARGEST_FALL)
    muscles = _muscles(old, subjects, before, after)
    was, now = (_quality(*x) for x in ((old, subjects, before), (new, subjects, after)))
    reasons = [] if verdict != "worse" else [f"mean Dice from {was.dice:.3f} to {now.dice:.3f}"]
    reasons += [
        f"{muscle.name}: Dice from {muscle.old_dice:.3f} to {muscle.new_dice:.3f}"
        for muscle in muscles
        if muscle.verdict == "worse"
    ]
    if was.ece is not None and now.ece is not None and now.ece > was.ece + LARGEST_ECE_RISE:
        reasons.append(f"ECE from {was.ece:.1%} to {now.ece:.1%}")
    return Comparison(
        cases=len(subjects),
        subjects=len(set(subjects)),
        old=was,
        new=now,
        p=p,
        verdict=verdict,
        muscles=muscles,
        not_worse=not reasons,
        reasons=tuple(reasons),
    )


def _quality(bundle: Bundle, subjects: Sequence[str], cases: Sequence[CaseQuality]) -> ModelQuality:
    def mean(name: str) -> float:
        return mean_of(by_subject(subjects, [getattr(case, name) for case in cases]))

    return ModelQuality(
        name=bundle.manifest.name,
        version=bundle.manifest.version,
        sha256=bundle.sha256,
        dice=mean("dice"),
        ece=_defined(mean("ece")),
        nll=_defined(mean("nll")),
        expected_wrong_ml=mean("expected_ml"),
        wrong_ml=mean("wrong_ml"),
    )


def _muscles(
    bundle: Bundle,
    subjects: Sequence[str],
    before: Sequence[CaseQuality],
    after: Sequence[CaseQuality],
) -> tuple[MuscleComparison, ...]:
    def values(cases: Sequence[CaseQuality], name: str) -> Numbers:
        return by_subject(subjects, [getattr(case, name) for case in cases])

    was, now = values(before, "muscle_dice"), values(after, "muscle_dice")
    ps = holm([paired_p(a, b) for a, b in zip(was.T, now.T, strict=True)])
    columns = {
        f"{time}_{name}": values(cases, f"muscle_{key}")
        for time, cases in (("old", before), ("new", after))
        for name, key in (("ece", "ece"), ("expected_wrong_ml", "expected_ml"))
    }
    return tuple(
        MuscleComparison(
            label_id=label.id,
            name=label.name,
            subjects=int((~np.isnan(now[:, place] - was[:, place])).sum()),
            old_dice=_defined(mean_of(was[:, place])),
            new_dice=_defined(mean_of(now[:, place])),
            old_ece=_defined(mean_of(columns["old_ece"][:, place])),
            new_ece=_defined(mean_of(columns["new_ece"][:, place])),
            old_expected_wrong_ml=mean_of(columns["old_expected_wrong_ml"][:, place]),
            new_expected_wrong_ml=mean_of(columns["new_expected_wrong_ml"][:, place]),
            p=ps[place],
            verdict=_verdict(
                mean_of(now[:, place] - was[:, place]), ps[place], LARGEST_MUSCLE_FALL
            ),
        )
        for place, label in enumerate(bundle.scheme.labels)
    )


def _verdict(difference: float, p: float, largest_fall: float) -> Verdict:
    if difference < -largest_fall or (difference < 0 and p < SIGNIFICANT):
        return "worse"
    return "better" if difference > 0 and p < SIGNIFICANT else "not different"


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else value
