"""Segmenting the cases of a worklist one after another; one that fails stops no other."""

from __future__ import annotations

import json
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.inference.device import Runtime
from musclefm.models.bundle import Bundle
from musclefm.out_of_memory import is_out_of_memory, out_of_memory_error
from musclefm.progress import Progress, ProgressEvent
from musclefm.review.export import regions_from_json
from musclefm.review.session import SESSION_FILE
from musclefm.volumes.channels import read_channels
from musclefm.volumes.writing import staged_folder, write_volume
from musclefm.workflows.case_files import CaseFiles
from musclefm.workflows.segment import segment_case, write_case
from musclefm.workflows.worklist import Worklist


def process_worklist(
    worklist: Worklist, bundle: Bundle, runtime: Runtime, progress: Progress
) -> None:
    """Segment every case that this model has not segmented and no reader has begun with.

    It may be ended at any moment and goes on from there the next time; cases
    that failed are tried again.

    Parameters
    ----------
    worklist : Worklist
        Told how far each case is, with what kept those from it that failed.
    bundle : Bundle
        The ensemble.
    runtime : Runtime
        Where it runs.
    progress : Progress
        Told of the cases as stage ``"worklist"``, and of all stages of each.

    Raises
    ------
    MuscleFMError
        The model cannot segment, or the worklist cannot be written.
    """
    bundle.require_ready()
    worklist.forget_unfinished()
    total = len(worklist.cases)
    for done, case in enumerate(worklist.cases):
        progress(ProgressEvent("worklist", done, total, f"case {done + 1} of {total}"))
        results = worklist.case_folder(case) / "results"
        try:
            if not _is_done(results, bundle):
                worklist.note(case, "running")
                _segment(case, results.parent, bundle, runtime, progress)
            regions = regions_from_json((results / "regions.json").read_text("utf-8"))
            worklist.note(case, "ready", regions.expected_wrong_voxels)
        except Exception as error:
            worklist.note(case, "failed", fault=_told(error))
    progress(ProgressEvent("worklist", total, total, "done"))


def _segment(
    case: CaseFiles, folder: Path, bundle: Bundle, runtime: Runtime, progress: Progress
) -> None:
    progress(ProgressEvent("read", 0, 1, "reading the image"))
    channels = read_channels(case.channels)
    with staged_folder(folder / "input") as images:
        for name, image in channels.images.items():
            write_volume(image, images / f"{name}.nrrd")
    progress(ProgressEvent("read", 1, 1, "read"))
    write_case(segment_case(channels, bundle, runtime, progress), folder / "results", progress)


def _is_done(results: Path, bundle: Bundle) -> bool:
    """Tell whether a case has results of this model, or a review that must not lose its own."""
    try:
        made_by = json.loads((results / "provenance.json").read_bytes())["model"]["sha256"]
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return bool(made_by == bundle.sha256) or (results / SESSION_FILE).exists()


def _told(error: Exception) -> str:
    if isinstance(error, MuscleFMError):
        return str(error)
    if is_out_of_memory(error):
        return str(out_of_memory_error())
    # Its text may hold a path, which may name a patient.
    return f"an unexpected fault ({type(error).__name__}): segment the scan alone to see it"
