"""A new model on the subjects of its data list that were held out, and what its card says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musclefm.api.case import Case
from musclefm.api.evaluation.case_pairs import case_pair, read_segmentation
from musclefm.evaluation.cohort.case_evaluation import evaluate_case
from musclefm.evaluation.cohort.summary import (
    BY_FAT_FRACTION,
    CohortEvaluation,
    EvaluatedCase,
    summarise_cohort,
)
from musclefm.exchange.datalist import TEST, DataList, read_datalist
from musclefm.models.bundle import Bundle
from musclefm.models.manifest import BundleCard
from musclefm.pipeline.segment import segment_case
from musclefm.progress import Progress, ProgressEvent, silent
from musclefm.results.evaluation.files import PAGE_FILE, write_evaluation
from musclefm.training.data.dataset import unread_cases

if TYPE_CHECKING:
    from musclefm.inference.device import Runtime

_FIGURES = {"mean_dice": "dsc_mean", "pooled_dice": "dsc_pooled", "ece": "ece", "nll": "nll"}


def card_with_held_out(
    draft: Bundle, data: Path, out: Path, runtime: Runtime, progress: Progress
) -> BundleCard:
    """Evaluate a model on the test cases of a data list.

    Parameters
    ----------
    draft : Bundle
        The model.
    data : Path
        The ``datalist.json``.
    out : Path
        Folder for the evaluation, replaced where it is there.
    runtime : Runtime
        Where the model runs.
    progress : Progress
        Called for each case.

    Returns
    -------
    BundleCard
        The model's, with what was found.

    Raises
    ------
    MuscleFMError
        A case cannot be read, lacks a channel, or its reference shows no muscle.
    """
    listed = read_datalist(data)
    found = _evaluate_test_cases(draft, data, listed, runtime, progress)
    shutil.rmtree(out, ignore_errors=True)
    write_evaluation(out, found)
    everyone, *groups = found.groups
    figures = {"held_out_subjects": float(everyone.subjects)}
    for group in (everyone, *groups):
        ending = "" if group is everyone else f"_{group.name}"
        figures |= {
            f"held_out_{name}{ending}": group.scores[score].mean for score, name in _FIGURES.items()
        }
    manifest, scores = draft.manifest, everyone.scores
    description = (
        f"{manifest.description} On {everyone.subjects} held-out subject"
        f"{'' if everyone.subjects == 1 else 's'} ({found.group_rule}): DSC"
        f" {scores['mean_dice'].mean:.3f} as the mean over muscles and"
        f" {scores['pooled_dice'].mean:.3f} pooled over them; within 10 mm of a muscle ECE"
        f" {scores['ece'].mean:.2%}, NLL {scores['nll'].mean:.4f}."
    )
    known = {name: getattr(manifest, name) for name in BundleCard.model_fields}
    metrics = {name: value for name, value in figures.items() if np.isfinite(value)}
    training_data = f"{manifest.training_data} The data list: {listed.description}"
    changes = {"description": description, "training_data": training_data}
    return BundleCard.model_validate(known | changes | {"metrics": manifest.metrics | metrics})


def _evaluate_test_cases(
    bundle: Bundle, data: Path, listed: DataList, runtime: Runtime, progress: Progress
) -> CohortEvaluation:
    scheme = bundle.scheme
    cases = [case for case in unread_cases(data, scheme) if case.split == TEST]
    evaluated = []
    for number, case in enumerate(cases):
        progress(ProgressEvent("evaluate", number, len(cases), "held-out cases"))
        results = segment_case(
            case.read().channels, bundle, runtime, silent, keep_probabilities=True
        )
        pair, notes = case_pair(read_segmentation(Case(results)), case.labels)
        found = evaluate_case(
            pair,
            annotated=listed.annotated_muscles(scheme),
            merged=listed.merged_muscles(scheme),
        )
        group = None if listed.severity_rule == BY_FAT_FRACTION else case.severity
        name = case.labels.name.split(".")[0]
        evaluated.append(EvaluatedCase(name, case.subject, found, group, notes))
    progress(ProgressEvent("evaluate", len(cases), len(cases), PAGE_FILE))
    return summarise_cohort(evaluated)
