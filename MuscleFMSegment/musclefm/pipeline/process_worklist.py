"""Segmenting the cases of a worklist one after another; one that fails stops no other."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.evaluation.second_opinion import mapping_text, read_second_opinion
from musclefm.inference.device import Runtime
from musclefm.models.bundle import Bundle
from musclefm.out_of_memory import is_out_of_memory, out_of_memory_error
from musclefm.pipeline.find_cases import CaseFiles, OpinionFiles
from musclefm.pipeline.segment import segment_case
from musclefm.pipeline.series_choices import choice_text
from musclefm.pipeline.worklist import Worklist
from musclefm.progress import Progress, ProgressEvent, WorkCancelledError
from musclefm.results.case import read_regions, write_results
from musclefm.results.folder import check_results_folder
from musclefm.results.reading import read_provenance, require_unchanged
from musclefm.review.session_file import SESSION_FILE
from musclefm.storage.atomic import replaced_folder
from musclefm.storage.regular_file import sha256_of
from musclefm.volumes.channels import CHANNEL_NAMES, read_channels
from musclefm.volumes.writing import write_volume

_log = logging.getLogger(__name__)

_NO_OPINION = "no second opinion was found for this scan"
_KILLED_ONCE = "the program was killed once while it segmented this scan"


def process_worklist(
    worklist: Worklist, bundle: Bundle, runtime: Runtime, progress: Progress
) -> None:
    """Segment every case that this model has not segmented and no reader has begun with.

    It may be ended at any moment and is resumed from there the next time; cases
    that failed are tried again. A case at which the program was killed comes last
    then, and after a second time it counts as failed. What another program segments
    at the moment is left to it.

    Parameters
    ----------
    worklist : Worklist
        Updated with how far each case is, and with what kept those from it that failed.
    bundle : Bundle
        The ensemble.
    runtime : Runtime
        Where it runs.
    progress : Progress
        Called for the cases as stage ``"worklist"``, and at all stages of each.

    Raises
    ------
    MuscleFMError
        The model cannot segment, or the worklist cannot be written.
    """
    bundle.require_ready()
    worklist.forget_failed()

    def attempt(cases: Sequence[CaseFiles]) -> list[CaseFiles]:
        held = []
        total = len(worklist.cases)
        for done, case in enumerate(cases, start=total - len(cases)):
            progress(ProgressEvent("worklist", done, total, f"case {done + 1} of {total}"))
            if not process_case(worklist, case, bundle, runtime, progress):
                held.append(case)
        progress(ProgressEvent("worklist", total - len(held), total, "done"))
        return held

    held = attempt(in_turn(worklist))
    # Once more: the program that had them may have been killed since.
    if held and (still := attempt(held)):
        _log.info("%d cases are left to another program, which segments them now", len(still))


def in_turn(worklist: Worklist) -> list[CaseFiles]:
    """Return all cases, last those at which a program was killed."""
    return sorted(worklist.cases, key=lambda case: _was_killed(worklist, case))


def process_case(
    worklist: Worklist, case: CaseFiles, bundle: Bundle, runtime: Runtime, progress: Progress
) -> bool:
    """Segment a case, if that is still to be done; return whether no other program does so now.

    What is wrong with it is noted in the worklist.

    Raises
    ------
    MuscleFMError
        The worklist cannot be written.
    """
    with worklist.taken(case) as free:
        if free:
            _process(worklist, case, bundle, runtime, progress)
        return free


def _was_killed(worklist: Worklist, case: CaseFiles) -> bool:
    if worklist.known(case).status != "running":
        return False
    with worklist.taken(case) as free:
        return free


def _process(
    worklist: Worklist, case: CaseFiles, bundle: Bundle, runtime: Runtime, progress: Progress
) -> None:
    """Segment a case, which no other program does meanwhile, if that is still to be done."""
    known = worklist.known(case)
    if known.status == "failed":
        # In another program, after this one had let all of them wait again.
        return
    folder = worklist.case_folder(case)
    results = folder / "results"
    is_chosen = known.choice == choice_text(case.choice)
    try:
        if not _is_done(results, bundle, is_chosen, case.opinion):
            killed = known.status == "running"
            if killed and known.fault:
                raise _killed_again()
            worklist.note(case, "running", fault=_KILLED_ONCE if killed else "")
            _segment(case, folder, bundle, runtime, progress)
        worklist.note(case, "ready", _expected_wrong_ml(results))
        _log.info("case %s is ready", folder.name)
    except WorkCancelledError:
        raise
    except Exception as error:
        fault = _fault_text(error)
        worklist.note(case, "failed", fault=fault)
        _log.error("case %s failed: %s", folder.name, fault)


def _expected_wrong_ml(results: Path) -> float:
    spacing = read_provenance(results)["input"]["spacing_ijk_mm"]
    return read_regions(results).expected_wrong_voxels * math.prod(spacing) / 1000


def _segment(
    case: CaseFiles, folder: Path, bundle: Bundle, runtime: Runtime, progress: Progress
) -> None:
    check_results_folder(folder / "results")
    progress(ProgressEvent("read", 0, 1, "reading the image"))
    choices = dict.fromkeys(case.channels, case.choice)
    channels = read_channels(case.channels, choices=choices, progress=progress)
    with replaced_folder(folder / "input", {f"{name}.nrrd" for name in CHANNEL_NAMES}) as images:
        for name, image in channels.images.items():
            write_volume(image, images / f"{name}.nrrd")
    progress(ProgressEvent("read", 1, 1, "read"))
    opinion = None
    if (files := case.opinion) and files.labels:
        opinion = read_second_opinion(files.labels, bundle.scheme, channels.grid, files.mapping)
    elif files:
        channels = replace(channels, notes=(*channels.notes, _NO_OPINION))
    found = segment_case(channels, bundle, runtime, progress, second_opinion=opinion)
    write_results(found, folder / "results", progress)


def _is_done(results: Path, bundle: Bundle, is_chosen: bool, opinion: OpinionFiles | None) -> bool:
    """Tell whether a case has results of this model, or a review that must not lose its own.

    ``is_chosen`` tells whether the results are of the series and echo that are chosen now.
    Results with a second opinion stay where none is asked for.
    """
    if (results / SESSION_FILE).exists():
        return True
    if not is_chosen:
        return False
    try:
        made_by = read_provenance(results)
        require_unchanged(results)
    except MuscleFMError:
        # What the user changed is not replaced: segmenting says so.
        return False
    if opinion and opinion.labels:
        asked = {"sha256": sha256_of(opinion.labels), "mapping": mapping_text(opinion.mapping)}
        known = made_by.get("second_opinion") or {}
        if {name: known.get(name) or "" for name in asked} != asked:
            return False
    return bool(made_by["model"]["sha256"] == bundle.sha256)


def _killed_again() -> MuscleFMError:
    return MuscleFMError(
        "the program was killed twice while it segmented this scan",
        "segment it alone to see why, or give the same command again to try it once more",
    )


def _fault_text(error: Exception) -> str:
    if isinstance(error, MuscleFMError):
        return str(error)
    if is_out_of_memory(error):
        return str(out_of_memory_error())
    # Its text may hold a path, which may name a patient.
    return f"an unexpected fault ({type(error).__name__}): segment the scan alone to see it"
