"""From an image to everything that the reader gets of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from musclefm.evaluation.second_opinion import SecondOpinion, find_disagreement
from musclefm.inference.case import run_case
from musclefm.inference.device import Runtime
from musclefm.inference.field_notes import sparse_note
from musclefm.inference.kept_probabilities import KeptProbabilities
from musclefm.labels.scheme import SIDES
from musclefm.labels.sided import with_sides
from musclefm.labels.sides import RIGHT
from musclefm.models.bundle import Bundle
from musclefm.pipeline.loaded import loaded_ensemble
from musclefm.plain_text import figures
from musclefm.progress import Progress, ProgressEvent
from musclefm.results.case import CaseResults
from musclefm.results.disagreement import by_rank, flag_disagreement, raised_errors
from musclefm.results.provenance import provenance
from musclefm.results.report.case import ReportCase
from musclefm.results.report.document import render_report
from musclefm.results.tables import regions_document
from musclefm.review.muscles import summarise_muscles
from musclefm.review.regions import DEFAULT_RULE, FlagRule, Regions, flag_regions
from musclefm.uncertainty.maps import EnsembleMaps
from musclefm.volumes.channels import Channels
from musclefm.volumes.orientation import canonical_view
from musclefm.volumes.volume import Volume

_log = logging.getLogger(__name__)


def segment_case(
    channels: Channels,
    bundle: Bundle,
    runtime: Runtime,
    progress: Progress,
    rule: FlagRule = DEFAULT_RULE,
    *,
    keep_probabilities: bool = False,
    keep_loaded: bool = True,
    second_opinion: SecondOpinion | None = None,
) -> CaseResults:
    """Segment a case and find what is to be checked.

    Parameters
    ----------
    channels : Channels
        The image or the Dixon channels.
    bundle : Bundle
        The ensemble.
    runtime : Runtime
        Where it runs.
    progress : Progress
        Called at all stages.
    rule : FlagRule
        What is flagged.
    keep_probabilities : bool
        Whether the results hold those of all classes, and the variance over members.
    keep_loaded : bool
        Whether the networks stay in memory for the next case; else what follows them here
        has that memory for itself.
    second_opinion : SecondOpinion, optional
        Other labels of the case: where they disagree is to be checked, too.

    Raises
    ------
    MuscleFMError
        The channels are not those that the ensemble needs.
    """
    wanted = bundle.manifest.input.channels
    _log.info(
        "segmenting %s voxels of %s mm by %s %s on %s",
        " x ".join(map(str, channels.grid.shape[::-1])),
        " x ".join(map(figures, channels.grid.spacing)),
        bundle.manifest.name,
        bundle.manifest.version,
        runtime.description,
    )
    provided = channels.provide(wanted)
    kept = KeptProbabilities(bundle.manifest.temperature) if keep_probabilities else None
    with loaded_ensemble(bundle, runtime, progress, keep=keep_loaded) as predictor:
        maps = run_case(provided, channels.grid, bundle, predictor, kept)
    del predictor
    progress(ProgressEvent("review", 0, 2, "finding what to check"))
    regions = flag_regions(maps, rule)
    sided_labels = with_sides(maps.labels, maps.sides, maps.scheme)
    judged = maps
    if second_opinion:
        regions, judged = _with_second_opinion(maps, sided_labels, regions, second_opinion)
    fat_fraction = channels.fat_fraction()
    notes = [*channels.notes, *channels.derivation_notes(wanted), *maps.notes]
    slice_axis = canonical_view(maps.grid).axes[0]
    sparse = "" if channels.has_gaps else sparse_note(maps.grid, slice_axis)
    notes += [sparse] if sparse else []
    if second_opinion:
        notes += [*second_opinion.notes, _disagreement_note(regions, second_opinion)]
    has_gaps = channels.has_gaps or bool(sparse)
    muscles = summarise_muscles(maps, regions.queue, fat_fraction, gaps=has_gaps)
    progress(ProgressEvent("review", 2, 2, f"{len(regions.queue)} regions to check"))
    if not maps.labels.any():
        notes.append("no muscle was found: is this an MR of a thigh?")
    _log.info("%d regions to check in %d muscles", len(regions.queue), len(muscles))
    made_by = dict(provenance(channels, bundle, runtime, rule))
    if second_opinion:
        made_by["second_opinion"] = second_opinion.record
    report = ReportCase(
        title="Thigh muscles on MR",
        created=str(made_by["created"]),
        image=Volume(provided[0], channels.grid),
        maps=judged,
        regions=regions.queue,
        region_labels=regions.labelmap,
        muscles=muscles,
        model_title=bundle.manifest.title,
        model_version=bundle.manifest.version,
        model_sha256=bundle.sha256,
        device=runtime.description,
        notes=tuple(notes),
    )
    largest = np.float32(maps.max_entropy)
    return CaseResults(
        grid=maps.grid,
        scheme=maps.scheme,
        sided_labels=sided_labels,
        sides=tuple(side for n, side in enumerate(SIDES, RIGHT) if np.any(maps.sides == n)),
        uncertainty={
            "total": maps.total / largest,
            "aleatoric": maps.aleatoric / largest,
            "epistemic": maps.epistemic / largest,
        },
        region_labels=regions.labelmap,
        document=regions_document(judged, regions),
        muscles=muscles,
        fat_fraction=fat_fraction,
        provenance=made_by,
        report=partial(render_report, report),
        notes=tuple(notes),
        variance=maps.variance if kept else None,
        probabilities=kept.of_case if kept else None,
    )


def _with_second_opinion(
    maps: EnsembleMaps,
    sided_labels: npt.NDArray[np.uint8],
    regions: Regions,
    opinion: SecondOpinion,
) -> tuple[Regions, EnsembleMaps]:
    """Return the regions with those in which it disagrees, and the maps with its errors."""
    in_question = find_disagreement(opinion, sided_labels, maps.scheme)
    uncertainty = maps.total / np.float32(maps.max_entropy)
    found = flag_disagreement(
        regions, in_question, uncertainty, maps.scheme, maps.grid, maps.least_confidence
    )
    flagged = (in_question > 0) & (found.labelmap > 0)
    return by_rank(found), replace(
        maps, least_confidence=raised_errors(maps.least_confidence, flagged)
    )


def _disagreement_note(regions: Regions, opinion: SecondOpinion) -> str:
    count = sum(region.disagrees for region in regions.queue)
    mapping = f", mapped by {opinion.mapping[:12]}" if opinion.mapping else ""
    return (
        f"the second opinion (file {opinion.sha256[:12]}{mapping}) disagrees in"
        f" {count} region{'' if count == 1 else 's'} to check"
    )
