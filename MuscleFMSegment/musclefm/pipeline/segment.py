"""From an image to everything that the reader gets of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musclefm.exchange.seg_nrrd import write_segmentation
from musclefm.inference.case import run_case
from musclefm.inference.device import Runtime
from musclefm.inference.field_notes import sparse_note
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.models.bundle import Bundle
from musclefm.progress import Progress, ProgressEvent
from musclefm.results.folder import staged_results, write_provenance
from musclefm.results.provenance import provenance
from musclefm.results.reading import FAT_FRACTION_FILE
from musclefm.results.report.case import ReportCase
from musclefm.results.report.document import render_report
from musclefm.results.tables import muscles_table, regions_document
from musclefm.review.findings import MuscleSummary
from musclefm.review.muscles import summarise_muscles
from musclefm.review.regions import DEFAULT_RULE, FlagRule, Regions, flag_regions
from musclefm.storage.atomic import atomic_text
from musclefm.uncertainty.maps import EnsembleMaps
from musclefm.volumes.channels import Channels
from musclefm.volumes.orientation import canonical_view
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume


@dataclass(frozen=True)
class SegmentedCase:
    """A case and all that was found in it.

    Attributes
    ----------
    image : Volume
        ``(K, J, I) float32``: the first channel that the ensemble saw.
    maps : EnsembleMaps
        Labels and uncertainty.
    regions : Regions
        The reader's queue.
    muscles : tuple of MuscleSummary
        The muscle table.
    fat_fraction : ndarray or None
        ``(K, J, I) float32`` in [0, 1], NaN where undefined; None without fat
        and water.
    notes : tuple of str
        What the reader is to be told, a line each.
    provenance : dict
        Versions, hashes and parameters that made it.
    bundle : Bundle
        The ensemble.
    runtime : Runtime
        What it ran on.
    """

    image: Volume
    maps: EnsembleMaps
    regions: Regions
    muscles: tuple[MuscleSummary, ...]
    fat_fraction: npt.NDArray[np.float32] | None
    notes: tuple[str, ...]
    provenance: Mapping[str, object]
    bundle: Bundle
    runtime: Runtime


def segment_case(
    channels: Channels,
    bundle: Bundle,
    runtime: Runtime,
    progress: Progress,
    rule: FlagRule = DEFAULT_RULE,
) -> SegmentedCase:
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
        Told of all stages.
    rule : FlagRule
        What is flagged.

    Raises
    ------
    MuscleFMError
        The channels are not those that the ensemble needs.
    """
    wanted = bundle.manifest.input.channels
    provided = channels.provide(wanted)
    # The networks are not kept: what follows needs the memory for itself.
    maps = run_case(provided, channels.grid, bundle, EnsemblePredictor(bundle, runtime, progress))
    progress(ProgressEvent("review", 0, 2, "finding what to check"))
    regions = flag_regions(maps, rule)
    fat_fraction = channels.fat_fraction()
    notes = [*channels.notes, *channels.derivation_notes(wanted), *maps.notes]
    slice_axis = canonical_view(maps.grid).axes[0]
    sparse = "" if channels.has_gaps else sparse_note(maps.grid, slice_axis)
    notes += [sparse] if sparse else []
    has_gaps = channels.has_gaps or bool(sparse)
    muscles = summarise_muscles(maps, regions.queue, fat_fraction, gaps=has_gaps)
    progress(ProgressEvent("review", 2, 2, f"{len(regions.queue)} regions to check"))
    if not maps.labels.any():
        notes.append("no muscle was found: is this an MR of a thigh?")
    return SegmentedCase(
        image=Volume(provided[0], channels.grid),
        maps=maps,
        regions=regions,
        muscles=muscles,
        fat_fraction=fat_fraction,
        notes=tuple(notes),
        provenance=provenance(channels, bundle, runtime, rule),
        bundle=bundle,
        runtime=runtime,
    )


def write_case(case: SegmentedCase, out: Path, progress: Progress) -> None:
    """Write all results into a folder, all of them or none.

    Raises
    ------
    MuscleFMError
        The folder holds something that is not to be replaced, see
        :func:`check_results_folder`, or cannot be written.
    """
    maps = case.maps

    def volume(array: npt.NDArray[np.generic]) -> Volume:
        return Volume(array, maps.grid)

    images: dict[str, npt.NDArray[np.generic]] = {
        "labels.nii.gz": maps.labels,
        "regions.nii.gz": case.regions.labelmap,
        "uncertainty.nii.gz": maps.total / np.float32(maps.max_entropy),
        "aleatoric.nii.gz": maps.aleatoric / np.float32(maps.max_entropy),
        "epistemic.nii.gz": maps.epistemic / np.float32(maps.max_entropy),
    }
    if case.fat_fraction is not None:
        images[FAT_FRACTION_FILE] = case.fat_fraction
    total = len(images) + 2
    with staged_results(out) as folder:
        for done, (name, array) in enumerate(images.items()):
            progress(ProgressEvent("write", done, total, name))
            write_volume(volume(array), folder / name)
        progress(ProgressEvent("write", len(images), total, "labels.seg.nrrd"))
        write_segmentation(
            folder / "labels.seg.nrrd", maps.labels, maps.sides, maps.grid, maps.scheme
        )
        document = regions_document(maps, case.regions)
        atomic_text(folder / "regions.json", json.dumps(document, indent=2) + "\n")
        atomic_text(folder / "muscles.csv", muscles_table(case.muscles))
        progress(ProgressEvent("write", total - 1, total, "report.html"))
        atomic_text(folder / "report.html", render_report(report_case(case)))
        write_provenance(folder, case.provenance)
        # Told just before the results appear: whoever stops the work here gets none of them.
        progress(ProgressEvent("write", total, total, "done"))


def report_case(case: SegmentedCase) -> ReportCase:
    """Return what the report tells of a case."""
    manifest = case.bundle.manifest
    return ReportCase(
        title="Thigh muscles on MR",
        created=str(case.provenance["created"]),
        image=case.image,
        maps=case.maps,
        regions=case.regions.queue,
        region_labels=case.regions.labelmap,
        muscles=case.muscles,
        model_title=manifest.title,
        model_version=manifest.version,
        model_sha256=case.bundle.sha256,
        device=case.runtime.description,
        notes=case.notes,
    )
